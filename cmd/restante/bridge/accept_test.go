package bridge

import (
	"context"
	"net"
	"sync/atomic"
	"syscall"
	"testing"
)

// A hindered listener takes no connection the first time.
type hindered struct {
	net.Listener
	tried atomic.Bool
}

func (h *hindered) Accept() (net.Conn, error) {
	if !h.tried.Swap(true) {
		return nil, syscall.EMFILE
	}
	return h.Listener.Accept()
}

// A moment without file descriptors does not end the bridge, and with it the mail.
func TestAccept_goesOnAfterwards(t *testing.T) {
	l, err := listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	b := New(Options{Mail: newMail(t), News: serve(t, &behind{Store: newStore(t, "behind")})})
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- b.accept(ctx, &hindered{Listener: l}) }()
	n := dial(t, l.Addr().String())
	if got := n.say("DATE"); len(got) == 0 {
		t.Error("no answer")
	}
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
