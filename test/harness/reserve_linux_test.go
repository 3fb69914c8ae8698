package harness

import (
	"errors"
	"net"
	"syscall"
	"testing"
)

func TestFreeAddress_isKeptForWhoeverIsToldIt(t *testing.T) {
	t.Parallel()
	address := FreeAddress(t)
	for range 2 { // a server that starts again
		l, err := net.Listen("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		conn, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = conn.Close(), l.Close()
	}
	exclusive := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) (err error) {
		return errors.Join(c.Control(func(fd uintptr) {
			err = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_REUSEADDR, 0)
		}), err)
	}}
	if l, err := exclusive.Listen(t.Context(), "tcp", address); !errors.Is(err, syscall.EADDRINUSE) {
		t.Errorf("somebody else gets it: %v, %v", l, err)
	}
}
