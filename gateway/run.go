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

// Run serves connections from listener, and from the secure ones connections
// that start with TLS, and releases batches, until ctx ends. Then it takes no
// more connections, lets each session finish its command, and after a while
// cuts what is left. It closes the listeners. It returns nil after a clean stop.
func (g *Gateway) Run(ctx context.Context, listener net.Listener, secure ...net.Listener) error {
	group, ctx := errgroup.WithContext(ctx)
	recalled := make(chan struct{})
	group.Go(func() error {
		g.recall(ctx)
		close(recalled)
		return g.rounds(ctx)
	})
	group.Go(func() error { return g.expiry(ctx) })
	group.Go(func() error { return g.makeRoom(ctx) })
	group.Go(func() error { return g.feeds.Run(ctx) })
	group.Go(func() error {
		<-recalled // it reads from the same servers
		return g.mirror.run(ctx)
	})
	group.Go(func() error { return g.intake.Run(ctx) })
	group.Go(func() error { newCaretaker(g.sessionCounts).run(ctx); return nil })
	group.Go(func() error { return g.listen(ctx, listener, g.sessions.Serve, g.turnAway) })
	for _, l := range secure {
		group.Go(func() error { return g.listen(ctx, l, g.sessions.ServeTLS, g.shut) })
	}
	if g.watch != nil {
		group.Go(func() error { return g.view(ctx) })
	}
	if g.certs != nil {
		group.Go(func() error { return g.certs.Run(ctx) })
	}
	return group.Wait()
}

// sessionCounts returns how many sessions work and how many are idle.
func (g *Gateway) sessionCounts() (working, idle int) {
	working = g.sessions.Working()
	return working, max(0, g.conns.count()-working)
}

// listen serves connections until ctx ends. refuse ends one more than are
// allowed.
func (g *Gateway) listen(ctx context.Context, listener net.Listener, serve func(context.Context, net.Conn) error, refuse func(net.Conn)) error {
	defer context.AfterFunc(ctx, func() { _ = listener.Close() })()
	var sessions sync.WaitGroup
	for {
		conn, err := listener.Accept()
		switch {
		case err != nil && ctx.Err() != nil:
			g.conns.closeAfter(ctx, &sessions)
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
		if !g.conns.add(conn) {
			g.conns.turned.Add(1)
			refuse(conn)
			continue
		}
		sessions.Go(func() {
			defer g.conns.remove(conn)
			if err := serve(ctx, conn); err != nil {
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

// turnAway says to a client why it is not served. It does not wait for it.
func (g *Gateway) turnAway(conn net.Conn) {
	reply := nntp.Reply{Code: nntp.CodeUnavailable, Text: "Too many connections, please try again later"}
	_ = conn.SetWriteDeadline(time.Now().Add(time.Second))
	_, _ = conn.Write(reply.Append(nil)) // it may be gone already
	g.shut(conn)
}

// shut ends a connection without a word, as a TLS handshake would cost more
// than the connection is allowed.
func (g *Gateway) shut(conn net.Conn) {
	if conn.Close() != nil {
		g.log.Debug().Msg("a connection turned away was gone already")
	}
}
