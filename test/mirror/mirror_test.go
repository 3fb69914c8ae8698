package mirror

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/restante/restante/test/harness"
)

func TestMain(m *testing.M) { os.Exit(harness.MainWithUsers(m)) }

// gateway starts a gateway of that domain that learns others from whoever comes
// from this machine.
func gateway(t testing.TB, domain string, more ...harness.Setting) *harness.Gateway {
	t.Helper()
	return harness.Start(t, append([]harness.Setting{
		{Key: "domain", Value: fmt.Sprintf("%q", domain)},
		{Key: "unknown", Value: `"learn"`},
		{Key: "every", Value: `"1s"`},
		{Key: "batch_size", Value: "4"},
	}, more...)...)
}

// A link says how one gateway deals with another.
type link struct {
	domain string
	to     *harness.Gateway
	feeds  bool   // it is fed
	reads  bool   // it is read from
	read   string // more lines for how it is

	address string // in place of its own
	feed    string // more lines for how it is fed
}

// connect tells a running gateway of the others, all of which may feed it, and
// returns once it has heard.
func connect(t testing.TB, g *harness.Gateway, links ...link) {
	t.Helper()
	text, err := os.ReadFile(g.Config)
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range links {
		if l.address == "" {
			l.address = l.to.Address
		}
		text = fmt.Appendf(text, "\n[[peer]]\nname = %q\naddresses = [\"127.0.0.1\"]\n", l.domain)
		if l.feeds {
			text = fmt.Appendf(text, "[peer.feed]\naddress = %q\nsecurity = \"none\"\nbackfill = true\n%s", l.address, l.feed)
		}
		if l.reads {
			text = fmt.Appendf(text, "[peer.read]\naddress = %q\nsecurity = \"none\"\n%s", l.address, l.read)
		}
	}
	if err := os.WriteFile(g.Config, text, 0o600); err != nil {
		t.Fatal(err)
	}
	g.Reload()
}

// bodies is what a gateway holds of another's pool: bodies by Message-ID.
func bodies(t *testing.T, g *harness.Gateway, of string) map[string]string {
	t.Helper()
	out := make(map[string]string)
	for _, group := range shared()[:3] {
		maps.Copy(out, bodiesIn(t, g, group, of))
	}
	return out
}

// holds waits until a gateway holds so many articles of its own pool, as a batch
// leaves every second, and returns them as [bodies] does, but for entries that are
// in no list.
func holds(t *testing.T, g *harness.Gateway, domain string, least int) (all map[string]string) {
	t.Helper()
	await(t, fmt.Sprintf("the gateway itself holds %d articles", least), func() bool {
		all = listed(bodies(t, g, domain))
		return len(all) >= least
	})
	return all
}

// leaves waits until so many more batches of a gateway have left.
func leaves(t *testing.T, g *harness.Gateway, domain string, batches int) {
	t.Helper()
	count := func() int { return len(bodiesIn(t, g, "restante.manifest", domain)) }
	before := count()
	await(t, "batches leave", func() bool { return count() >= before+batches })
}

// listed leaves out entries that no manifest names. A gateway that is killed in the
// midst of a batch, and whose queue is lost, makes that batch anew: what is left of
// it nobody can know of.
func listed(all map[string]string) map[string]string {
	tags := make(map[string]bool)
	for id, body := range all {
		if strings.HasPrefix(id, "<m.") {
			for word := range strings.FieldsSeq(body) {
				tags["<"+word] = true
			}
		}
	}
	out := maps.Clone(all)
	for id := range all {
		if tag, _, _ := strings.Cut(id, "@"); !strings.Contains(tag, ".") && !tags[tag] {
			delete(out, id)
		}
	}
	return out
}

// follows waits until a mirror holds, octet for octet, all that a gateway holds
// of its own pool, once that is no less than so many articles.
func follows(t *testing.T, mirror, g *harness.Gateway, domain string, least int) {
	t.Helper()
	want := holds(t, g, domain, least)
	lacking := ""
	defer func() {
		if t.Failed() {
			t.Logf("the mirror lacks %s", lacking)
		}
	}()
	await(t, fmt.Sprintf("the mirror holds the gateway's %d articles", len(want)), func() bool {
		lacking = ""
		have := bodies(t, mirror, domain)
		for id, body := range want {
			if got, ok := have[id]; !ok {
				lacking = id
			} else if got != body {
				t.Fatal("the mirror holds another body under the same Message-ID")
			}
		}
		return lacking == ""
	})
}

func TestMirror_takesAFeedAndMendsItself(t *testing.T) {
	a := gateway(t, "a.example")
	b := gateway(t, "b.example")
	connect(t, b, link{domain: "a.example", to: a, reads: true})
	connect(t, a, link{domain: "b.example", to: b, feeds: true})
	follows(t, b, a, "a.example", 10)

	b.Kill()
	least := len(bodies(t, a, "a.example")) + 15
	holds(t, a, "a.example", least)                                                    // some are missed
	for _, name := range []string{"segments", "history", "index", "groups", "queue"} { // and what it had is lost, but for its keys
		if err := os.RemoveAll(filepath.Join(b.Data, name)); err != nil {
			t.Fatal(err)
		}
	}
	b.Restart()
	follows(t, b, a, "a.example", least)
}

func TestMirror_pullsWithoutAFeed(t *testing.T) {
	a := gateway(t, "a.example")
	b := gateway(t, "b.example")
	connect(t, b, link{domain: "a.example", to: a, reads: true, read: "pull = \"restante.*\"\nevery = \"1s\"\n"})
	follows(t, b, a, "a.example", 10)
}

// One server says nothing any more: what comes from the other goes on, within the
// time that the first would be waited for.
func TestMirror_aServerThatStallsHoldsUpNobody(t *testing.T) {
	a := gateway(t, "a.example")
	b := gateway(t, "b.example")
	var octets atomic.Int64
	silent := newProxy(t, a.Address, &octets)
	silent.set(stalls)
	connect(t, b,
		link{domain: "1.example", address: silent.address, reads: true, read: "pull = \"*\"\nevery = \"1s\"\n"},
		link{domain: "a.example", to: a, reads: true})
	await(t, "it is waited for, to say what is new and what is lacking", func() bool { return silent.serves() == 2 })
	holds(t, a, "a.example", 10)
	begun := time.Now()
	follows(t, b, a, "a.example", 10)
	if took := time.Since(begun); took > 50*time.Second { // it would be waited for a minute
		t.Errorf("it took %v", took)
	}
}

// Public groups have no manifest: after a loss of the store a mirror that kept how
// far it pulled has to notice that itself.
func TestMirror_pullsPublicGroupsAgainAfterALoss(t *testing.T) {
	a := gateway(t, "a.example")
	b := gateway(t, "b.example")
	connect(t, b, link{domain: "a.example", to: a, reads: true, read: "pull = \"misc.test\"\nevery = \"1s\"\n"})
	r := a.Dial()
	for i := range 3 {
		r.Post(fmt.Sprintf("Newsgroups: misc.test\nFrom: x@y.example\nSubject: %d\n\nwords\n", i))
	}
	has := func() bool { return len(bodiesIn(t, b, "misc.test", "a.example")) == 3 }
	await(t, "what is posted at the other gateway", has)
	b.Kill()
	for _, name := range []string{"segments", "history", "index", "groups"} {
		if err := os.RemoveAll(filepath.Join(b.Data, name)); err != nil {
			t.Fatal(err)
		}
	}
	b.Restart()
	await(t, "what was here before the loss", has)
}
