package remote

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/restante/restante/gateway/nntp"
)

// A silent dialer's servers never say a word.
type silent struct{ t *testing.T }

func (s silent) DialContext(context.Context, string, string) (net.Conn, error) {
	here, there := net.Pipe()
	s.t.Cleanup(func() { _ = there.Close() })
	return here, nil
}

func TestConnect_stopsAtOnceWhenTold(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	s := Server{Address: "news.example:119", Dialer: silent{t}, Timeout: time.Hour}
	done := make(chan error, 1)
	go func() {
		_, err := s.Connect(ctx)
		done <- err
	}()
	cancel()
	select {
	case err := <-done:
		if !errors.Is(err, ErrLost) {
			t.Error(err)
		}
	case <-time.After(2 * time.Minute):
		t.Fatal("it waits for a server that says nothing")
	}
}

// A says dialer's servers say the same to everybody, and hear nothing.
type says string

func (s says) DialContext(context.Context, string, string) (net.Conn, error) {
	return &canned{Reader: strings.NewReader(string(s))}, nil
}

type canned struct{ io.Reader }

func (*canned) Write(b []byte) (int, error)      { return len(b), nil }
func (*canned) Close() error                     { return nil }
func (*canned) LocalAddr() net.Addr              { return &net.TCPAddr{} }
func (*canned) RemoteAddr() net.Addr             { return &net.TCPAddr{} }
func (*canned) SetDeadline(time.Time) error      { return nil }
func (*canned) SetReadDeadline(time.Time) error  { return nil }
func (*canned) SetWriteDeadline(time.Time) error { return nil }

// Whatever a server answers, a connection ends with one of the errors that this
// package has, never repeats what the server said, and sends no password without TLS.
func FuzzConn_answers(f *testing.F) {
	for _, s := range []string{
		"200 hello\r\n381 more\r\n281 in\r\n211 1 1 1 g\r\n220 0 <a@b>\r\nA: b\r\n\r\n..\r\n.\r\n205 bye\r\n",
		"201 hello\r\n281 in\r\n411 no\r\n", "400 busy\r\n", "200\r\n480 no\r\n", "200 hello\n", "20", "",
		"200 hello\r\n382 go\r\n", "200 hello\r\n281 x\r\n211 x\r\n220 x\r\n.\n.\r\n",
	} {
		f.Add(s, false)
		f.Add(s, true)
	}
	f.Fuzz(func(t *testing.T, answers string, secure bool) {
		s := Server{Address: "news.example:119", Dialer: says(answers), User: "u", Password: "p"}
		if secure {
			s.Security = StartTLS
		}
		conn, err := s.Connect(t.Context())
		if err == nil && (secure || s.User != "") && !conn.Secure {
			t.Error("logged in without TLS to another machine")
		}
		check := func(err error) {
			var refused *Refused
			for _, known := range []error{ErrTLS, ErrLogin, ErrInClear, ErrProtocol, ErrLost, nntp.ErrBlockMalformed, nntp.ErrBlockTooLarge} {
				if err == nil || errors.Is(err, known) || errors.As(err, &refused) {
					return
				}
			}
			t.Errorf("an error that nobody knows: %v", err)
		}
		check(err)
		s.User = ""
		if conn, err = s.Connect(t.Context()); err != nil {
			check(err)
			return
		}
		for range 3 {
			reply, err := conn.Send("GROUP g")
			check(err)
			if err == nil && reply.Code == nntp.CodeArticle {
				_, err = conn.Block(1 << 10)
				check(err)
			}
		}
	})
}
