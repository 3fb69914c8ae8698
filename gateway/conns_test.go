package gateway

import (
	"net"
	"net/netip"
	"testing"
)

// A caller is a connection from an address.
type caller struct {
	net.Conn
	from net.Addr
}

func (c *caller) RemoteAddr() net.Addr { return c.from }

func call(address string) *caller {
	return &caller{from: net.TCPAddrFromAddrPort(netip.AddrPortFrom(netip.MustParseAddr(address), 4242))}
}

func TestConns_perAddress(t *testing.T) {
	c := newConns(Admission{Connections: 100, PerAddress: 2, Exempt: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("2001:db8:5::/48")}})
	first := call("192.0.2.1")
	for _, tt := range []struct {
		why  string
		from *caller
		want bool
	}{
		{"the first", first, true},
		{"the second", call("192.0.2.1"), true},
		{"one too many", call("192.0.2.1"), false},
		{"the same address, written as IPv6", call("::ffff:192.0.2.1"), false},
		{"another address", call("192.0.2.2"), true},
		{"IPv6", call("2001:db8::1"), true},
		{"the same /64", call("2001:db8::ffff:2"), true},
		{"the same /64, one too many", call("2001:db8::3"), false},
		{"another /64", call("2001:db8:0:1::1"), true},
	} {
		if got := c.add(tt.from); got != tt.want {
			t.Errorf("%s: %v", tt.why, got)
		}
	}
	for range 10 {
		if !c.add(call("127.0.0.1")) || !c.add(call("::ffff:127.0.0.1")) || !c.add(call("2001:db8:5:1::1")) {
			t.Error("an exempt address was refused")
		}
	}
	c.remove(first)
	if !c.add(call("192.0.2.1")) {
		t.Error("an ended connection still counts")
	}
}

func TestConns_inAll(t *testing.T) {
	c := newConns(Admission{Connections: 2})
	a, b := call("192.0.2.1"), &caller{from: &net.UnixAddr{}}
	if !c.add(a) || !c.add(b) || c.add(call("192.0.2.1")) {
		t.Error("not two of three")
	}
	c.set(Admission{Connections: 3})
	if !c.add(call("192.0.2.1")) {
		t.Error("a raised limit does not count")
	}
	c.remove(a)
	c.remove(b)
	if len(c.held) != 1 || len(c.from) != 1 {
		t.Errorf("%d connections of %d addresses are remembered", len(c.held), len(c.from))
	}
}
