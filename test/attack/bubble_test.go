package attack

import (
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/restante/restante/gateway"
	"github.com/restante/restante/pool"
)

// In a bubble weeks of batches pass in seconds, and every article arrives at a
// moment that is the same in each run. The gateway in it is the whole real one;
// only the clock and the network are the test's.

// inBubble runs f on a clock of its own. The index's library has a goroutine
// that goes half a minute after it is closed.
func inBubble(t *testing.T, f func(t *testing.T)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		t.Cleanup(func() { time.Sleep(time.Minute) })
		f(t)
	})
}

// newBubbleTarget starts a gateway, in a bubble, with a batch a minute.
func newBubbleTarget(t *testing.T, changes ...func(*gateway.Settings)) *target {
	t.Helper()
	p := newPipes()
	slow := func(s *gateway.Settings) {
		s.Batches.Calendar = pool.Calendar{EpochLength: 24 * time.Hour, BatchInterval: time.Minute, Retention: 4, TokenLife: 12}
		s.Batches.Backlog = 1000
		s.Limits.Idle = 1000 * time.Hour
	}
	g := start(t, p, p.dial, append([]func(*gateway.Settings){slow}, changes...))
	g.nextBatch()
	return g
}

// nextBatch lets the clock run to a second behind the next batch, when all of it
// has left.
func (g *target) nextBatch() {
	c := g.policy.Calendar
	time.Sleep(time.Until(c.Start(c.Batch(time.Now()) + 1).Add(time.Second)))
	synctest.Wait()
}

// pipes is a listener in memory.
type pipes struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func newPipes() *pipes { return &pipes{conns: make(chan net.Conn), closed: make(chan struct{})} }

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case conn := <-p.conns:
		return conn, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error {
	p.once.Do(func() { close(p.closed) })
	return nil
}

func (p *pipes) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 119} }

// A pipe is the gateway's end of a connection.
type pipe struct {
	net.Conn
	from net.Addr
}

func (p pipe) RemoteAddr() net.Addr { return p.from }

func (p *pipes) dial() (net.Conn, error) {
	ours, theirs := net.Pipe()
	select {
	case p.conns <- pipe{theirs, p.Addr()}:
		return ours, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}
