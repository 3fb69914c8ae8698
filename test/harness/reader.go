package harness

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/mail"
	"strconv"
	"strings"
	"testing"
	"time"

	nntpclient "github.com/dustin/go-nntp/client"
)

// A Reader is a client that a test uses beside the newsreader it drives, to
// prepare something or to wait for it.
type Reader struct {
	t      testing.TB
	conn   net.Conn
	client *nntpclient.Client
}

// Dial connects to the gateway, over TLS where it has a certificate. The end of
// the test closes the connection.
func (g *Gateway) Dial() *Reader {
	g.t.Helper()
	conn, err := g.dial()
	if err != nil {
		g.t.Fatal(err)
	}
	g.t.Cleanup(func() { _ = conn.Close() })
	r := &Reader{t: g.t, conn: conn}
	r.waits()
	if r.client, err = nntpclient.NewConn(conn); err != nil {
		g.t.Fatal(err)
	}
	return r
}

// Close ends the connection.
func (r *Reader) Close() { _ = r.conn.Close() }

// waits gives the server time for what it is asked next.
func (r *Reader) waits() {
	r.t.Helper()
	if err := r.conn.SetDeadline(time.Now().Add(2 * patience)); err != nil {
		r.t.Fatal(err)
	}
}

func (g *Gateway) dial() (net.Conn, error) {
	if g.Certificate != "" {
		return g.dialTLS()
	}
	var d net.Dialer
	return d.DialContext(g.t.Context(), "tcp", g.Address)
}

// Login logs in.
func (r *Reader) Login(handle, passphrase string) {
	r.t.Helper()
	r.waits()
	if _, err := r.client.Authenticate(handle, passphrase); err != nil {
		r.t.Fatal(err)
	}
}

// Post posts an article, written with LF, and returns the message-id it got.
func (r *Reader) Post(text string) string {
	r.t.Helper()
	r.waits()
	if _, _, err := r.client.Command("POST", 340); err != nil {
		r.t.Fatal(err)
	}
	wire := strings.ReplaceAll(strings.ReplaceAll(text, "\n", "\r\n"), "\r\n.", "\r\n..")
	_, said, err := r.client.Command(wire+".", 240)
	if err != nil {
		r.t.Fatal(err)
	}
	_, id, found := strings.Cut(said, "<")
	if !found {
		r.t.Fatalf("no message-id in %q", said)
	}
	return "<" + id
}

// Await waits until an article in group says words, and returns it. It gets each
// article once.
func (r *Reader) Await(group, words string) (mail.Header, string) {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(r.t.Context(), patience)
	defer cancel()
	seen := make(map[int64]bool)
	for {
		r.waits()
		info, err := r.client.Group(group)
		if err != nil {
			r.t.Fatal(err)
		}
		for n := info.High; n >= info.Low && n > 0; n-- {
			if seen[n] {
				continue
			}
			header, body, err := r.article(n)
			if err == nil && strings.Contains(body, words) {
				return header, body
			}
			seen[n] = err == nil // numbers have gaps
		}
		select {
		case <-ctx.Done():
			r.t.Fatal(fmt.Errorf("%q did not come to %s: %w", words, group, ctx.Err()))
		case <-time.After(look):
		}
	}
}

func (r *Reader) article(n int64) (mail.Header, string, error) {
	_, _, text, err := r.client.Article(strconv.FormatInt(n, 10))
	if err != nil {
		return nil, "", err
	}
	whole, err := io.ReadAll(text)
	if err != nil {
		return nil, "", err
	}
	m, err := mail.ReadMessage(bytes.NewReader(whole))
	if err != nil {
		return nil, "", err
	}
	body, err := io.ReadAll(m.Body)
	return m.Header, string(body), err
}

// Bodies returns the bodies of all articles of a group, by Message-ID.
func (r *Reader) Bodies(group string) map[string]string {
	r.t.Helper()
	r.waits()
	info, err := r.client.Group(group)
	if err != nil {
		r.t.Fatal(err)
	}
	out := make(map[string]string)
	for n := info.Low; n <= info.High; n++ {
		header, body, err := r.article(n)
		if err == nil { // numbers have gaps
			out[header.Get("Message-ID")] = body
		}
	}
	return out
}
