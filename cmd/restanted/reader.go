package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/mail"
	"strconv"
	"strings"
	"time"

	nntpclient "github.com/dustin/go-nntp/client"
)

// A reader is the ordinary newsreader of somebody in the story.
type reader struct {
	conn   net.Conn
	client *nntpclient.Client
}

// look is how often a reader looks for something new.
const look = 100 * time.Millisecond

func dial(ctx context.Context, address string) (*reader, error) {
	var d net.Dialer
	conn, err := d.DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	if deadline, ok := ctx.Deadline(); ok {
		if err := conn.SetDeadline(deadline); err != nil {
			return nil, errors.Join(err, conn.Close())
		}
	}
	client, err := nntpclient.NewConn(conn)
	if err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	r := &reader{conn, client}
	if _, _, err := client.Command("MODE READER", 20); err != nil {
		r.close()
		return nil, err
	}
	return r, nil
}

func (r *reader) close() { _ = r.conn.Close() }

func (r *reader) login(handle, passphrase string) error {
	_, err := r.client.Authenticate(handle, passphrase)
	return err
}

// post posts an article and returns the server's answer.
func (r *reader) post(text string) (string, error) {
	if _, _, err := r.client.Command("POST", 340); err != nil {
		return "", err
	}
	wire := strings.ReplaceAll(strings.ReplaceAll(text, "\n", "\r\n"), "\r\n.", "\r\n..")
	_, answer, err := r.client.Command(wire+".", 240)
	return "240 " + answer, err
}

// An item is an article as its reader sees it.
type item struct {
	header mail.Header
	body   string
}

// await looks into a group until it has an article that says words.
func (r *reader) await(ctx context.Context, group, words string) (*item, error) {
	for {
		info, err := r.client.Group(group)
		if err != nil {
			return nil, err
		}
		for n := info.High; n >= info.Low && n > 0; n-- {
			found, err := r.article(n)
			if err == nil && strings.Contains(found.body, words) {
				return found, nil
			}
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("nothing came to %s: %w", group, ctx.Err())
		case <-time.After(look):
		}
	}
}

func (r *reader) article(n int64) (*item, error) {
	_, _, text, err := r.client.Article(fmt.Sprint(n))
	if err != nil {
		return nil, err
	}
	whole, err := io.ReadAll(text)
	if err != nil {
		return nil, err
	}
	m, err := mail.ReadMessage(bytes.NewReader(whole))
	if err != nil {
		return nil, err
	}
	body, err := io.ReadAll(m.Body)
	return &item{m.Header, string(body)}, err
}

// headers writes some header fields as a newsreader shows them.
func (i *item) headers(names ...string) string {
	var out strings.Builder
	for _, name := range names {
		fmt.Fprintf(&out, "%s: %s\n", name, i.header.Get(name))
	}
	return out.String()
}

// followup is what a newsreader makes of the followup key: it goes where
// Followup-To says, and refers to the article.
func (i *item) followup(from, body string) string {
	group := i.header.Get("Followup-To")
	if group == "" {
		group = i.header.Get("Newsgroups")
	}
	return fmt.Sprintf("Newsgroups: %s\nFrom: %s\nSubject: Re: %s\nReferences: %s\n\n%s\n",
		group, from, i.header.Get("Subject"),
		strings.TrimSpace(i.header.Get("References")+" "+i.header.Get("Message-ID")), body)
}

// An overview is one line of OVER. The octets are those of the article without
// the Xref line, which each server writes for itself.
type overview struct {
	number, subject, from, id string
	octets                    int
}

// nextBatch waits for the manifest of the next batch, which comes after its
// entries, and returns their overview.
func (r *reader) nextBatch(ctx context.Context, group string, size int64) ([]overview, error) {
	before, err := r.client.Group("restante.manifest")
	if err != nil {
		return nil, err
	}
	for {
		manifest, err := r.client.Group("restante.manifest")
		if err != nil {
			return nil, err
		}
		if manifest.High > before.High {
			break
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("no batch came: %w", ctx.Err())
		case <-time.After(look):
		}
	}
	info, err := r.client.Group(group)
	if err != nil {
		return nil, err
	}
	return r.over(info.High - size + 1)
}

// over returns the overview of the selected group from a number on.
func (r *reader) over(from int64) ([]overview, error) {
	lines, err := r.client.Over(fmt.Sprintf("%d-", from))
	if err != nil {
		return nil, err
	}
	var out []overview
	for _, line := range lines {
		if f := strings.Split(line, "\t"); len(f) > 8 {
			octets, err := strconv.Atoi(f[6])
			if err != nil {
				return nil, err
			}
			octets -= len(f[8]) + len("\r\n")
			out = append(out, overview{number: f[0], subject: f[1], from: f[2], id: f[4], octets: octets})
		}
	}
	return out, nil
}
