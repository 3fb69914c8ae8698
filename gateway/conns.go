package gateway

import (
	"context"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"
)

// Admission is how many connections are served at a time.
type Admission struct {
	Connections int            // in all
	PerAddress  int            // from one address; 0 stands for any number
	Exempt      []netip.Prefix // addresses that PerAddress does not count for, as behind Tor everyone is one address
}

// conns is the connections being served. What it knows of an address it forgets
// with its last connection.
type conns struct {
	turned atomic.Uint64 // connections that were one too many

	mu    sync.Mutex
	admit Admission
	held  map[net.Conn]netip.Prefix // the zero Prefix where the address does not count
	from  map[netip.Prefix]int
}

func newConns(a Admission) *conns {
	return &conns{admit: a, held: make(map[net.Conn]netip.Prefix), from: make(map[netip.Prefix]int)}
}

// set changes who is admitted from now on.
func (c *conns) set(a Admission) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.admit = a
}

// add counts a connection, unless there are most already.
func (c *conns) add(conn net.Conn) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.held) >= c.admit.Connections {
		return false
	}
	block := c.admit.block(conn.RemoteAddr())
	if block.IsValid() {
		if c.admit.PerAddress > 0 && c.from[block] >= c.admit.PerAddress {
			return false
		}
		c.from[block]++
	}
	c.held[conn] = block
	return true
}

// count returns how many connections are served.
func (c *conns) count() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.held)
}

// tenths says how many connections there are, in tenths of the limit, rounded
// down: so that one more does not show.
func (c *conns) tenths() float64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return float64(len(c.held) * 10 / max(c.admit.Connections, 10))
}

func (c *conns) remove(conn net.Conn) {
	c.mu.Lock()
	defer c.mu.Unlock()
	block := c.held[conn]
	delete(c.held, conn)
	if c.from[block]--; c.from[block] <= 0 {
		delete(c.from, block)
	}
}

// block is what counts as one address: one of IPv4, and of IPv6 the 64 bits that
// one customer has at least. It is the zero Prefix where nothing counts.
func (a Admission) block(remote net.Addr) netip.Prefix {
	tcp, ok := remote.(*net.TCPAddr)
	if !ok {
		return netip.Prefix{}
	}
	address := tcp.AddrPort().Addr().Unmap().WithZone("")
	for _, exempt := range a.Exempt {
		if exempt.Contains(address) {
			return netip.Prefix{}
		}
	}
	bits := 64
	if address.Is4() {
		bits = 32
	}
	block, err := address.Prefix(bits)
	if err != nil {
		return netip.Prefix{}
	}
	return block
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

// drain is how long sessions have to end once the gateway stops.
const drain = 5 * time.Second
