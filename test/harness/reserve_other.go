//go:build !linux

package harness

import (
	"net"
	"testing"
)

// FreeAddress returns an address of this machine where nobody listens. Somebody else
// may take it before it is used.
func FreeAddress(t testing.TB) string {
	t.Helper()
	var listen net.ListenConfig
	l, err := listen.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().String()
}
