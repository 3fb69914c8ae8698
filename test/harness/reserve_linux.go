package harness

import (
	"net"
	"strconv"
	"syscall"
	"testing"
)

// FreeAddress returns an address of this machine where nobody listens. Until the end
// of the test nobody gets its port who lets the system choose one, and whoever is
// told to listen there can, again and again: a socket is bound to it that does not
// listen. Servers set SO_REUSEADDR as it does, and it is no conflict for those (socket(7)).
func FreeAddress(t testing.TB) string {
	t.Helper()
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = syscall.Close(fd) })
	if err := syscall.SetsockoptInt(fd, syscall.SOL_SOCKET, syscall.SO_REUSEADDR, 1); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		t.Fatal(err)
	}
	bound, err := syscall.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	address, ok := bound.(*syscall.SockaddrInet4)
	if !ok {
		t.Fatalf("an address of another kind: %T", bound)
	}
	return net.JoinHostPort("127.0.0.1", strconv.Itoa(address.Port))
}
