package remote

import (
	"context"
	"errors"
	"net"
	"testing"
	"time"
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
	case <-time.After(10 * time.Second):
		t.Fatal("it waits for a server that says nothing")
	}
}
