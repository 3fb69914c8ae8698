package gateway

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/restante/restante/gateway/nntp"
)

// drain is how long sessions have to end once the gateway stops.
const drain = 5 * time.Second

// Run serves connections from listener, and releases batches, until ctx ends.
// Then it takes no more connections, lets each session finish its command, and
// after a while cuts what is left. It closes listener. It returns nil after a
// clean stop.
func (g *Gateway) Run(ctx context.Context, listener net.Listener) error {
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return g.rounds(ctx) })
	group.Go(func() error { return g.listen(ctx, listener) })
	return group.Wait()
}

// listen serves connections until ctx ends.
func (g *Gateway) listen(ctx context.Context, listener net.Listener) error {
	defer context.AfterFunc(ctx, func() { _ = listener.Close() })()
	open := conns{held: make(map[net.Conn]bool)}
	var sessions sync.WaitGroup
	for {
		conn, err := listener.Accept()
		switch {
		case err != nil && ctx.Err() != nil:
			open.closeAfter(ctx, &sessions)
			return nil
		case errors.Is(err, net.ErrClosed):
			return fmt.Errorf("take connections: %w", err)
		case err != nil: // too many open files, say: it passes
			var number syscall.Errno // the error itself names the address
			_ = errors.As(err, &number)
			g.log.Error().Int("errno", int(number)).Msg("can't take connections just now")
			pause(ctx)
			continue
		}
		if !open.add(conn, g.connections) {
			g.turnAway(conn)
			continue
		}
		sessions.Go(func() {
			defer open.remove(conn)
			if err := g.sessions.Serve(ctx, conn); err != nil {
				g.log.Debug().Err(err).Msg("connection ended early")
			}
		})
	}
}

// pause waits a little, or until ctx ends.
func pause(ctx context.Context) {
	select {
	case <-ctx.Done():
	case <-time.After(retry):
	}
}

// turnAway refuses one connection more than are allowed. It does not wait for
// the client.
func (g *Gateway) turnAway(conn net.Conn) {
	reply := nntp.Reply{Code: nntp.CodeUnavailable, Text: "Too many connections, please try again later"}
	_ = conn.SetWriteDeadline(time.Now().Add(time.Second))
	_, err := conn.Write(reply.Append(nil))
	if err = errors.Join(err, conn.Close()); err != nil {
		g.log.Debug().Msg("a connection turned away was gone already")
	}
}

// conns is the connections being served.
type conns struct {
	mu   sync.Mutex
	held map[net.Conn]bool
}

// add counts a connection, unless there are most already.
func (c *conns) add(conn net.Conn, most int) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.held) >= most {
		return false
	}
	c.held[conn] = true
	return true
}

func (c *conns) remove(conn net.Conn) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.held, conn)
}

// closeAfter waits for the sessions, and once drain is over cuts those that are
// left.
func (c *conns) closeAfter(ctx context.Context, sessions *sync.WaitGroup) {
	late, stop := context.WithTimeout(context.WithoutCancel(ctx), drain)
	defer stop()
	defer context.AfterFunc(late, func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		for conn := range c.held {
			_ = conn.Close()
		}
	})()
	sessions.Wait()
}
