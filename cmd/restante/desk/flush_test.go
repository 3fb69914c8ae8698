package desk

import (
	"bufio"
	"errors"
	"net"
	"net/textproto"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/restante/restante/cmd/restante/mailbox"
	"github.com/restante/restante/crypto/envelope"
	"github.com/restante/restante/crypto/identity"
	"github.com/restante/restante/gateway/remote"
)

// A taker is a news server that takes all posts but those in which a word stands.
type taker struct {
	address string
	posts   chan string
	conns   atomic.Int32 // that came

	isGateway bool
}

func newTaker(t *testing.T, refuses string) *taker {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &taker{address: l.Addr().String(), posts: make(chan string, 10)}
	served := make(chan struct{})
	go func() {
		defer close(served)
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			s.conns.Add(1)
			s.serve(conn, refuses)
		}
	}()
	t.Cleanup(func() { _ = l.Close(); <-served })
	return s
}

func (s *taker) serve(conn net.Conn, refuses string) {
	defer func() { _ = conn.Close() }()
	answer := func(line string) { _, _ = conn.Write([]byte(line + "\r\n")) }
	answer("200 hello")
	in := textproto.NewReader(bufio.NewReader(conn))
	for {
		line, err := in.ReadLine()
		switch {
		case err != nil:
			return
		case line == "POST":
			answer("340 send it")
			lines, err := in.ReadDotLines()
			if err != nil {
				return
			}
			if text := strings.Join(lines, "\n"); strings.Contains(text, refuses) {
				answer("441 no")
			} else {
				s.posts <- text
				answer("240 taken")
			}
		case line == "GROUP restante.reply" && s.isGateway:
			answer("211 0 1 0 restante.reply")
		case strings.HasPrefix(line, "STAT"):
			answer("430 no")
		case line == "QUIT":
			answer("205 bye")
			return
		default:
			answer("500 what")
		}
	}
}

func outgoing(id string) mailbox.Event {
	return mailbox.Event{
		Outgoing: new(mailbox.Outgoing),
		Octets: []byte("From: a\r\nNewsgroups: restante.submit\r\nSubject: x\r\nDate: Thu, 01 Jan 2026 12:00:00 +0000\r\n" +
			"Message-ID: <" + id + "@submit.invalid>\r\n\r\nwalnut\r\n"),
	}
}

// What a server refuses for good must not hold up what comes after it, and what
// waited for weeks is not posted with the day on which it was written.
func TestFlush_postsWhatComesAfterARefusal(t *testing.T) {
	mail, err := mailbox.Open(t.TempDir(), identity.NewSeed())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = mail.Close() })
	if err := mail.Put(outgoing("bad"), outgoing("good")); err != nil {
		t.Fatal(err)
	}
	server := newTaker(t, "<bad@")
	now := time.Date(2026, 11, 26, 14, 30, 29, 0, time.UTC)
	d := New(Options{
		Mail: mail, Submit: remote.Server{Address: server.address, Security: remote.Plain},
		Now: func() time.Time { return now },
	})
	if err := d.Flush(t.Context()); !errors.Is(err, ErrUnposted) || !errors.Is(err, ErrRefused) {
		t.Fatalf("Flush: %v", err)
	}
	post := <-server.posts
	if !strings.Contains(post, "<good@") || !strings.Contains(post, "Date: Thu, 26 Nov 2026 14:30:00 +0000") {
		t.Errorf("posted:\n%s", post)
	}
	if waiting := mail.Outgoing(); len(waiting) != 1 || len(server.posts) != 0 {
		t.Errorf("%d wait, %d more were posted", len(waiting), len(server.posts))
	}
}

// Whoever posts two messages over one connection shows that they have one sender.
func TestFlush_hasAConnectionForEachMessage(t *testing.T) {
	mail, err := mailbox.Open(t.TempDir(), identity.NewSeed())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = mail.Close() })
	for _, ids := range [][]string{{"a", "b"}, {"c"}} {
		events := []mailbox.Event{{Message: &mailbox.Message{Group: mailbox.Sent}}}
		for _, id := range ids {
			events = append(events, outgoing(id))
		}
		if err := mail.Put(events...); err != nil {
			t.Fatal(err)
		}
	}
	server := newTaker(t, "<none@")
	d := New(Options{Mail: mail, Submit: remote.Server{Address: server.address, Security: remote.Plain}})
	if err := d.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	if posts, conns := len(server.posts), server.conns.Load(); posts != 3 || conns != 2 {
		t.Errorf("%d articles over %d connections, want 3 over 2", posts, conns)
	}
}

// A notice comes to a mailbox that a contact was given, and is not from her.
func TestReply_toANoticeGoesToNobody(t *testing.T) {
	mail, err := mailbox.Open(t.TempDir(), identity.NewSeed())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = mail.Close() })
	m := mailbox.Message{Group: mailbox.Inbox, Kind: envelope.KindNotice, Contact: "bob", ID: "<notice@a.example>"}
	if err := mail.Put(mailbox.Event{Message: &m}); err != nil {
		t.Fatal(err)
	}
	d := New(Options{Mail: mail})
	if draft, err := d.Reply(m.Number); !errors.Is(err, ErrNoToken) {
		t.Errorf("an answer goes to %q, %v", draft.To, err)
	}
	if to, err := d.To(m.ID); !errors.Is(err, ErrNoToken) {
		t.Errorf("a followup goes to %q, %v", to, err)
	}
	m = mailbox.Message{Group: mailbox.Inbox, Kind: envelope.KindMessage, Contact: "bob", ID: "<message@a.example>"}
	if err := mail.Put(mailbox.Event{Message: &m}); err != nil {
		t.Fatal(err)
	}
	if to, err := d.To(m.ID); to != "bob" || err != nil {
		t.Errorf("a followup to a message of hers goes to %q, %v", to, err)
	}
}
