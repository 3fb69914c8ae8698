package mirror

import (
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"
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
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{address: l.Addr().String(), to: to, octets: octets, conns: make(map[net.Conn]bool)}
	var all sync.WaitGroup
	all.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			all.Go(func() { p.serve(conn) })
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		p.set(cut)
		all.Wait()
	})
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
	if err != nil || line(p.state.Load()) == cut {
		_ = near.Close()
		if err == nil {
			_ = far.Close()
		}
		return
	}
	p.mu.Lock()
	p.conns[near], p.conns[far] = true, true
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
