package mirror

import (
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/restante/restante/test/harness"
)

// A line is what a proxy lets through.
type line int32

const (
	whole  line = iota
	stalls      // connections stay, and nothing comes through
	cut         // connections end at once
)

// A proxy is a network between two gateways that can fail.
type proxy struct {
	address string
	to      string
	state   atomic.Int32
	octets  *atomic.Int64 // that came through, both ways

	mu    sync.Mutex
	conns map[net.Conn]bool
}

func newProxy(t testing.TB, to string, octets *atomic.Int64) *proxy {
	t.Helper()
	p := &proxy{to: to, octets: octets, conns: make(map[net.Conn]bool)}
	p.address = harness.Listen(t, p.serve)
	t.Cleanup(func() { p.set(cut) }) // before it is waited for
	return p
}

// set changes the line.
func (p *proxy) set(s line) {
	p.state.Store(int32(s))
	if s != cut {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.conns {
		_ = c.Close()
	}
}

func (p *proxy) serve(near net.Conn) {
	far, err := net.Dial("tcp", p.to)
	if err != nil {
		_ = near.Close()
		return
	}
	p.mu.Lock()
	p.conns[near], p.conns[far] = true, true
	if line(p.state.Load()) == cut { // [proxy.set] may have passed by already
		_, _ = near.Close(), far.Close()
	}
	p.mu.Unlock()
	var both sync.WaitGroup
	both.Go(func() { p.copy(near, far) })
	both.Go(func() { p.copy(far, near) })
	both.Wait()
	p.mu.Lock()
	delete(p.conns, near)
	delete(p.conns, far)
	p.mu.Unlock()
}

// serves is how many connections there are through the proxy.
func (p *proxy) serves() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.conns) / 2
}

func (p *proxy) copy(to, from net.Conn) {
	defer func() { _, _ = to.Close(), from.Close() }()
	buffer := make([]byte, 64<<10)
	for {
		n, err := from.Read(buffer)
		for line(p.state.Load()) == stalls {
			time.Sleep(20 * time.Millisecond)
		}
		p.octets.Add(int64(n))
		if _, errWrite := to.Write(buffer[:n]); err != nil || errWrite != nil {
			return
		}
	}
}
