// Package route is the way to servers: directly, or through a SOCKS5 proxy with
// credentials of its own for each purpose, so that Tor takes a circuit of its own
// for each. It refuses what the user has forbidden, and to know what is asked of
// a server.
package route

import (
	"context"
	"crypto/rand"
	"errors"
	"net"
	"time"

	"golang.org/x/net/proxy"

	"github.com/restante/restante/gateway/remote"
)

// ErrDirect is a connection that the settings forbid.
var ErrDirect = errors.New("the settings refuse direct connections (proxy.only), and no proxy is named: nothing was sent")

// A Policy says how servers may be reached.
type Policy struct {
	SOCKS5 string // host:port of a proxy; "": none
	Only   bool   // every connection goes through it, to this machine too
}

// Purpose returns a dialer for one purpose: what is dialled with it may be seen
// to belong together, and not together with what another one dials. A host's name
// is looked up by the proxy.
func (p Policy) Purpose() remote.Dialer {
	direct := &net.Dialer{Timeout: time.Minute}
	if p.SOCKS5 == "" {
		if p.Only {
			return refuse{}
		}
		return direct
	}
	// Whatever it is: Tor keeps streams of different credentials apart
	// (IsolateSOCKSAuth), and takes any.
	auth := &proxy.Auth{User: rand.Text(), Password: rand.Text()}
	through, err := proxy.SOCKS5("tcp", p.SOCKS5, auth, direct)
	if err != nil {
		return refuse{}
	}
	dialer, ok := through.(remote.Dialer)
	if !ok {
		return refuse{}
	}
	if p.Only {
		return dialer
	}
	return split{direct, dialer}
}

// refuse dials nobody.
type refuse struct{}

// DialContext implements [remote.Dialer].
func (refuse) DialContext(context.Context, string, string) (net.Conn, error) { return nil, ErrDirect }

// split reaches this machine without the proxy, which may be elsewhere.
type split struct{ direct, proxy remote.Dialer }

// DialContext implements [remote.Dialer].
func (s split) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	if ip := net.ParseIP(host); host == "localhost" || ip != nil && ip.IsLoopback() {
		return s.direct.DialContext(ctx, network, address)
	}
	return s.proxy.DialContext(ctx, network, address)
}
