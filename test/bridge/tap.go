package bridge

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sync/errgroup"

	"github.com/restante/restante/test/harness"
)

// A Tap is a SOCKS5 proxy (RFC 1928) that a user's program is told to use for
// everything. It records which servers are spoken to, with which credentials, and
// what is said to them.
type Tap struct {
	Address string

	mu    sync.Mutex
	calls []*Call
}

// A Call is one connection.
type Call struct {
	Credentials string // RFC 1929
	Server      string // host:port
	Said        []byte // by the user's program
}

// Lines is what the user's program said, line by line.
func (c *Call) Lines() []string {
	return strings.Split(strings.TrimSuffix(string(c.Said), "\r\n"), "\r\n")
}

// newTap starts a proxy. The end of the test stops it.
func newTap(t *testing.T) *Tap {
	t.Helper()
	tap := new(Tap)
	tap.Address = harness.Listen(t, tap.serve)
	return tap
}

// Calls returns what was recorded so far.
func (tap *Tap) Calls() []Call {
	tap.mu.Lock()
	defer tap.mu.Unlock()
	var out []Call
	for _, c := range tap.calls {
		out = append(out, *c)
	}
	return out
}

func (tap *Tap) serve(conn net.Conn) {
	defer func() { _ = conn.Close() }()
	call, err := accept(conn)
	if err != nil {
		return
	}
	server, err := net.Dial("tcp", call.Server)
	if err != nil {
		_, _ = conn.Write([]byte{5, 5, 0, 1, 0, 0, 0, 0, 0, 0}) // refused
		return
	}
	defer func() { _ = server.Close() }()
	if _, err := conn.Write([]byte{5, 0, 0, 1, 0, 0, 0, 0, 0, 0}); err != nil {
		return
	}
	tap.mu.Lock()
	tap.calls = append(tap.calls, call)
	tap.mu.Unlock()
	var both errgroup.Group
	both.Go(func() error { return tap.pass(server, conn, &call.Said) })
	both.Go(func() error {
		defer func() { _, _ = server.Close(), conn.Close() }()
		_, err := io.Copy(conn, server)
		return err
	})
	_ = both.Wait()
}

// pass passes on what comes, and records it.
func (tap *Tap) pass(to, from net.Conn, record *[]byte) error {
	defer func() { _, _ = to.Close(), from.Close() }()
	buffer := make([]byte, 64<<10)
	for {
		n, err := from.Read(buffer)
		tap.mu.Lock()
		*record = append(*record, buffer[:n]...)
		tap.mu.Unlock()
		if err != nil {
			return nil
		}
		if _, err := to.Write(buffer[:n]); err != nil {
			return err
		}
	}
}

// accept is the proxy's side of RFC 1928 and RFC 1929, as far as programs use it.
func accept(conn net.Conn) (*Call, error) {
	read := func(n byte) []byte {
		octets := make([]byte, n)
		if _, err := io.ReadFull(conn, octets); err != nil {
			return make([]byte, n)
		}
		return octets
	}
	if read(1)[0] != 5 {
		return nil, errors.New("not SOCKS5")
	}
	read(read(1)[0])
	if _, err := conn.Write([]byte{5, 2}); err != nil { // a name and a password, please
		return nil, err
	}
	read(1)
	name := read(read(1)[0])
	password := read(read(1)[0])
	if _, err := conn.Write([]byte{1, 0}); err != nil {
		return nil, err
	}
	var host string
	switch read(4)[3] {
	case 1:
		host = net.IP(read(4)).String()
	case 3:
		host = string(read(read(1)[0]))
	default:
		return nil, errors.New("no address that is known")
	}
	port := binary.BigEndian.Uint16(read(2))
	return &Call{Credentials: fmt.Sprintf("%s:%s", name, password), Server: fmt.Sprintf("%s:%d", host, port)}, nil
}
