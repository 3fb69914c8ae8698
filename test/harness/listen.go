package harness

import (
	"net"
	"sync"
	"testing"
)

// Listen listens on a free port of this machine, has each connection served by
// itself, and returns the address. serve closes its connection. The end of the test
// stops it and waits for what is served: whoever uses it was stopped before.
func Listen(t testing.TB, serve func(net.Conn)) string {
	t.Helper()
	var config net.ListenConfig
	l, err := config.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	all.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return // it was closed
			}
			all.Go(func() { serve(conn) })
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		all.Wait()
	})
	return l.Addr().String()
}
