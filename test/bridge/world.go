package bridge

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"testing"

	"github.com/restante/restante/test/harness"
	"github.com/restante/restante/test/inn"
)

// A World is two gateways and two servers that mirror both. Gateways feed the
// mirrors, and what is posted at a mirror is fed to the gateways. The mirrors do not
// know each other.
type World struct {
	A, B   *harness.Gateway // a.example and b.example
	Mirror *harness.Gateway // a Restante that nobody has a mailbox at
	INN    *inn.Server

	taps map[*harness.User]*Tap
}

// NewWorld starts all four.
func NewWorld(t *testing.T) *World {
	t.Helper()
	return newWorld(t, harness.Program(t))
}

// newWorld is [NewWorld] with another program for the two gateways.
func newWorld(t *testing.T, program string) *World {
	t.Helper()
	w := &World{
		A: gateway(t, program, "a.example", 8), B: gateway(t, program, "b.example", 8), Mirror: gateway(t, harness.Program(t), "mirror.example", 1),
		taps: make(map[*harness.User]*Tap),
	}
	var groups []inn.Group
	for _, name := range []string{"restante.pool", "restante.manifest", "restante.keys", "restante.submit", "restante.cards", "misc.test"} {
		groups = append(groups, inn.Group{Name: name, Posting: 'y'})
	}
	w.INN = inn.StartFeeding(t, groups, inn.Login{Name: "nobody", Password: "nothing"},
		inn.Downstream{Name: "a.example", Address: w.A.Address}, inn.Downstream{Name: "b.example", Address: w.B.Address})
	for _, g := range []*harness.Gateway{w.A, w.B} {
		connect(t, g, feed("mirror.example", w.Mirror.Address), feed(inn.Domain, w.INN.Transit))
	}
	connect(t, w.Mirror, feed("a.example", w.A.Address), feed("b.example", w.B.Address))
	return w
}

func gateway(t *testing.T, program, domain string, batch int) *harness.Gateway {
	t.Helper()
	return harness.StartAs(t, program,
		harness.Setting{Key: "domain", Value: fmt.Sprintf("%q", domain)},
		harness.Setting{Key: "unknown", Value: `"learn"`},
		harness.Setting{Key: "every", Value: `"1s"`},
		harness.Setting{Key: "batch_size", Value: strconv.Itoa(batch)},
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
	g.Reload()
}

// Alice has a mailbox at A. She reads and posts at InterNetNews.
func (w *World) Alice(t *testing.T) *harness.User {
	t.Helper()
	return w.user(t, "Alice", "a.example", w.A, w.INN.Reader)
}

// Bob has a mailbox at B. He reads and posts at the mirror.
func (w *World) Bob(t *testing.T) *harness.User {
	t.Helper()
	return w.user(t, "Bob", "b.example", w.B, w.Mirror.Address)
}

// Carol has a mailbox where Alice has, and reads and posts where Bob does.
func (w *World) Carol(t *testing.T) *harness.User {
	t.Helper()
	return w.user(t, "Carol", "a.example", w.A, w.Mirror.Address)
}

// Calls returns the connections that a user's program has made so far.
func (w *World) Calls(u *harness.User) []Call { return w.taps[u].Calls() }

// user makes a user whose gateway blinds for her, and who has everything else from
// one other server. She reaches both through a proxy alone.
func (w *World) user(t *testing.T, name, domain string, g *harness.Gateway, server string) *harness.User {
	t.Helper()
	tap := newTap(t) // stopped after whatever uses it
	u := harness.NewUser(t)
	w.taps[u] = tap
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
address = %[4]q
security = "none"
[bridge]
address = %[4]q
security = "none"
[proxy]
socks5 = %[5]q
only = true
`, name, domain, g.Address, server, tap.Address))
	return u
}

// Octets returns n octets that can't be made smaller, always the same.
func Octets(n int) []byte {
	out := make([]byte, n)
	_, _ = rand.NewChaCha8([32]byte{1}).Read(out) // it never fails
	return out
}
