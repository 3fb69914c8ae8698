package bridge

import (
	"fmt"
	"os"
	"syscall"
	"testing"

	"github.com/restante/restante/test/harness"
	"github.com/restante/restante/test/inn"
)

// A World is two gateways and two servers that mirror both. Gateways feed the
// mirrors, and what is submitted to the Restante mirror is fed to the gateways.
type World struct {
	A, B   *harness.Gateway // a.example and b.example
	Mirror *harness.Gateway // a Restante that nobody has a mailbox at
	INN    *inn.Server
}

// NewWorld starts all four.
func NewWorld(t *testing.T) *World {
	t.Helper()
	var groups []inn.Group
	for _, name := range []string{"restante.pool", "restante.manifest", "restante.keys", "restante.submit", "restante.cards", "misc.test"} {
		groups = append(groups, inn.Group{Name: name, Posting: 'y'})
	}
	w := &World{INN: inn.Start(t, groups, inn.Login{Name: "nobody", Password: "nothing"})}
	w.A, w.B, w.Mirror = gateway(t, "a.example"), gateway(t, "b.example"), gateway(t, "mirror.example")
	for _, g := range []*harness.Gateway{w.A, w.B} {
		connect(t, g, feed("mirror.example", w.Mirror.Address), feed("inn.example", w.INN.Transit))
	}
	connect(t, w.Mirror, feed("a.example", w.A.Address), feed("b.example", w.B.Address))
	return w
}

func gateway(t *testing.T, domain string) *harness.Gateway {
	t.Helper()
	return harness.Start(t,
		harness.Setting{Key: "domain", Value: fmt.Sprintf("%q", domain)},
		harness.Setting{Key: "unknown", Value: `"learn"`},
		harness.Setting{Key: "every", Value: `"1s"`},
		harness.Setting{Key: "batch_size", Value: "8"},
	)
}

// feed is a peer that is fed.
func feed(name, address string) string {
	return fmt.Sprintf("[[peer]]\nname = %q\n[peer.feed]\naddress = %q\nsecurity = \"none\"\nbackfill = true\n", name, address)
}

// connect tells a running gateway of others. Whoever is on this machine may feed
// it.
func connect(t *testing.T, g *harness.Gateway, peers ...string) {
	t.Helper()
	text, err := os.ReadFile(g.Config)
	if err != nil {
		t.Fatal(err)
	}
	text = append(text, "\n[[peer]]\nname = \"anybody\"\naddresses = [\"127.0.0.1\"]\n"...)
	for _, p := range peers {
		text = append(append(text, '\n'), p...)
	}
	if err := os.WriteFile(g.Config, text, 0o600); err != nil {
		t.Fatal(err)
	}
	g.Run("check")
	if err := syscall.Kill(g.PID(), syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
}

// Alice has a mailbox at A and takes the pool from InterNetNews. What she posts, in
// public or sealed, goes to the mirror.
func (w *World) Alice(t *testing.T) *harness.User {
	t.Helper()
	return w.user(t, "Alice", "a.example", w.A, w.INN.Reader)
}

// Bob has a mailbox at B and takes the pool from the mirror, where he posts too.
func (w *World) Bob(t *testing.T) *harness.User {
	t.Helper()
	return w.user(t, "Bob", "b.example", w.B, w.Mirror.Address)
}

func (w *World) user(t *testing.T, name, domain string, g *harness.Gateway, from string) *harness.User {
	t.Helper()
	u := harness.NewUser(t)
	u.Set(fmt.Sprintf(`
name = %q
[[gateway]]
domain = %q
address = %q
security = "none"
[fetch]
address = %q
security = "none"
[submit]
address = %[5]q
security = "none"
[bridge]
address = %[5]q
security = "none"
`, name, domain, g.Address, from, w.Mirror.Address))
	return u
}
