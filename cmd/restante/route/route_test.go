package route

import (
	"errors"
	"io"
	"net"
	"testing"
)

// proxy1929 takes one connection after the other, and hands on the credentials that
// each brings (RFC 1929) and the host's name that it asks for.
func proxy1929(t *testing.T) (address string, seen chan [2]string) {
	t.Helper()
	var listen net.ListenConfig
	l, err := listen.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	seen = make(chan [2]string, 8)
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			read := func(n int) []byte { b := make([]byte, n); _, _ = io.ReadFull(conn, b); return b }
			read(int(read(2)[1]))
			_, _ = conn.Write([]byte{5, 2})
			name := read(int(read(2)[1]))
			name = append(name, read(int(read(1)[0]))...)
			_, _ = conn.Write([]byte{1, 0})
			host := read(int(read(5)[4]))
			read(2)
			_, _ = conn.Write([]byte{5, 0, 0, 1, 0, 0, 0, 0, 0, 0})
			seen <- [2]string{string(name), string(host)}
			_ = conn.Close()
		}
	}()
	return l.Addr().String(), seen
}

func TestPurpose_hasCredentialsOfItsOwnAndLooksNothingUp(t *testing.T) {
	address, seen := proxy1929(t)
	p := Policy{SOCKS5: address, Only: true}
	var got [][2]string
	for range 2 {
		conn, err := p.Purpose().DialContext(t.Context(), "tcp", "news.invalid:563")
		if err != nil {
			t.Fatal(err)
		}
		_ = conn.Close()
		got = append(got, <-seen)
	}
	if got[0][0] == got[1][0] || len(got[0][0]) < 40 {
		t.Errorf("two purposes share their credentials, or they can be guessed")
	}
	if got[0][1] != "news.invalid" {
		t.Errorf("the proxy was asked for %q", got[0][1])
	}
}

func TestPurpose_refusesWithoutAProxy(t *testing.T) {
	if _, err := (Policy{Only: true}).Purpose().DialContext(t.Context(), "tcp", "127.0.0.1:1"); !errors.Is(err, ErrDirect) {
		t.Error(err)
	}
}
