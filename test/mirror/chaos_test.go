package mirror

import (
	"crypto/sha256"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/restante/restante/gateway/nntp"
	"github.com/restante/restante/test/harness"
)

// five is how many gateways there are, in a ring.
const five = 5

// A ring is gateways each of which feeds its two neighbours and reads from them,
// over lines that can fail.
type ring struct {
	t        *testing.T
	gateways [five]*harness.Gateway
	lines    map[[2]int]*proxy // from whom to whom
	octets   atomic.Int64      // through all of them
}

func domain(i int) string { return string(rune('a'+i)) + ".example" }

func newRing(t *testing.T) *ring {
	t.Helper()
	r := &ring{t: t, lines: make(map[[2]int]*proxy)}
	for i := range five {
		r.gateways[i] = gateway(t, domain(i), harness.Setting{Key: "batch_size", Value: "2"}, harness.Setting{Key: "batch_interval", Value: `"2s"`})
	}
	for i, g := range r.gateways {
		var links []link
		for _, j := range []int{(i + 1) % five, (i + five - 1) % five} {
			p := newProxy(t, r.gateways[j].Address, &r.octets)
			r.lines[[2]int{i, j}] = p
			links = append(links, link{domain: domain(j), address: p.address, feeds: true, feed: "groups = \"restante.*\"\n", reads: true})
		}
		connect(t, g, links...)
	}
	return r
}

// set changes the lines between whom which says.
func (r *ring) set(s line, which func(i, j int) bool) {
	for ends, p := range r.lines {
		if which(ends[0], ends[1]) || which(ends[1], ends[0]) {
			p.set(s)
		}
	}
}

// wipe takes all from a gateway but its configuration and keys.
func (r *ring) wipe(i int) {
	r.t.Helper()
	g := r.gateways[i]
	g.Kill()
	rooms, err := os.ReadDir(g.Data)
	if err != nil {
		r.t.Fatal(err)
	}
	for _, room := range rooms {
		if room.Name() == "keys" {
			continue
		}
		if err := os.RemoveAll(filepath.Join(g.Data, room.Name())); err != nil {
			r.t.Fatal(err)
		}
	}
	g.Restart()
}

// pools is what each gateway holds of all of them.
func (r *ring) pools() (all [five]map[string]string) {
	r.t.Helper()
	for i, g := range r.gateways {
		all[i] = make(map[string]string)
		reader := g.Dial()
		for _, group := range shared()[:3] {
			for id, body := range reader.Bodies(group) {
				if strings.HasPrefix(id, "<k.") {
					// Published again after a loss it has more witnesses' signatures.
					body, _, _ = strings.Cut(body, "\n\n")
				}
				all[i][id] = body
			}
		}
		reader.Close()
	}
	return all
}

// A person has a login at one gateway.
type person struct {
	name, pass string
	home       *harness.Gateway
	card       string // a token
}

func (p *person) write(t *testing.T, to *person, words string) {
	t.Helper()
	r := p.home.Dial()
	r.Login(p.name, p.pass)
	r.Post("Newsgroups: restante.reply\nFrom: x@y.example\nSubject: Re: card\nReferences: " + to.card + "\n\n" + words + "\n")
}

// inbox is what came, every article once for each number that it has.
func (p *person) inbox(t *testing.T) (texts []string) {
	t.Helper()
	r := newReader(t, p.home.Address)
	defer func() { _ = r.conn.Close() }()
	r.ask("AUTHINFO USER " + p.name)
	if reply := r.ask("AUTHINFO PASS " + p.pass); reply.Code != nntp.CodeLoggedIn {
		t.Fatalf("the login: %d", reply.Code)
	}
	r.ask("LISTGROUP restante.inbox")
	numbers, err := r.r.ReadBlock(1<<20, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	for n := range strings.FieldsSeq(string(numbers.Text())) {
		texts = append(texts, string(r.article(n)))
	}
	return texts
}

func TestFive_healAfterEverything(t *testing.T) {
	r := newRing(t)
	know := func() bool { // each has each other's keys
		for _, pool := range r.pools() {
			for i := range five {
				if !slices.ContainsFunc(slices.Collect(maps.Keys(pool)), func(id string) bool {
					return strings.HasPrefix(id, "<k.") && strings.HasSuffix(id, "@"+domain(i)+">")
				}) {
					return false
				}
			}
		}
		return true
	}
	await(t, "all know all", know)
	people := []*person{{name: "alice", home: r.gateways[0]}, {name: "bob", home: r.gateways[2]}, {name: "carol", home: r.gateways[3]}}
	for _, p := range people {
		p.pass = harness.Passphrase(t)
		reader := p.home.Dial()
		reader.Login(p.name, p.pass)
		p.card = reader.Post("Newsgroups: restante.cards\nFrom: x@y.example\nSubject: card\n\nWrite to me.\n")
	}
	written := 0
	writeAll := func() {
		for i, p := range people {
			to := people[(i+1+written%2)%len(people)]
			p.write(t, to, fmt.Sprintf("Words number %d. For %s.", written, to.name))
			written++
		}
	}
	writeAll()

	r.set(cut, func(i, j int) bool { return (i == 2 || i == 3) != (j == 2 || j == 3) }) // partition
	writeAll()
	time.Sleep(4 * time.Second)
	r.set(whole, func(_, _ int) bool { return true })
	r.set(stalls, func(i, _ int) bool { return i == 1 })
	r.gateways[3].Kill()
	for range 6 { // a line that flaps
		r.set(cut, func(i, j int) bool { return i == 4 && j == 0 })
		time.Sleep(300 * time.Millisecond)
		r.set(whole, func(i, j int) bool { return i == 4 && j == 0 })
		time.Sleep(300 * time.Millisecond)
	}
	r.gateways[3].Restart()
	writeAll()
	r.set(cut, func(i, j int) bool { return i == 4 || i == 1 })
	r.wipe(4)
	time.Sleep(4 * time.Second)
	writeAll()

	before := r.pools()
	octets := r.octets.Load()
	begun := time.Now()
	r.set(whole, func(_, _ int) bool { return true })
	lacking, size := r.converge(before, 4)
	t.Logf("healed in %v, with %d octets through the network, where %d articles of %d octets were lacking",
		time.Since(begun).Round(100*time.Millisecond), r.octets.Load()-octets, lacking, size)

	eachOnce(t, people, written)
}

// converge waits until all hold what any of them held, but for what the one that
// was wiped had released itself before. It says how much was lacking.
func (r *ring) converge(before [five]map[string]string, wiped int) (articles, octets int) {
	r.t.Helper()
	union := make(map[string]string)
	for _, pool := range before {
		for id, body := range pool {
			if other, ok := union[id]; ok && other != body {
				r.t.Fatalf("two gateways hold different bodies under one Message-ID: %s", id)
			}
			union[id] = body
		}
	}
	ids := slices.Sorted(maps.Keys(union))
	should := func(i int, id string) bool {
		_, had := before[i][id]
		return had || i != wiped || !strings.HasSuffix(id, "@"+domain(wiped)+">")
	}
	for i := range five {
		for _, id := range ids {
			if _, had := before[i][id]; !had && should(i, id) {
				articles++
				octets += len(union[id])
			}
		}
	}
	await(r.t, "all pools are identical", func() bool {
		same := true
		for i, pool := range r.pools() {
			want, got := sha256.New(), sha256.New()
			lacking, last := 0, ""
			for _, id := range ids {
				if !should(i, id) {
					continue
				}
				fmt.Fprint(want, id, union[id])
				fmt.Fprint(got, id, pool[id])
				if _, ok := pool[id]; !ok {
					lacking++
					last = id
				}
			}
			if lacking > 0 {
				r.t.Logf("gateway %d lacks %d of %d, %s", i, lacking, len(ids), last)
			}
			same = same && string(want.Sum(nil)) == string(got.Sum(nil))
		}
		return same
	})
	return articles, octets
}

// eachOnce waits for all messages, and then a while longer for any that comes twice.
func eachOnce(t *testing.T, people []*person, written int) {
	t.Helper()
	var texts string
	late := time.Now().Add(patience)
	var settled time.Time
	for settled.IsZero() || time.Since(settled) < 5*time.Second {
		texts = ""
		for _, p := range people {
			for _, text := range p.inbox(t) {
				if !strings.Contains(text, "For "+p.name+".") {
					t.Fatalf("%s got somebody else's mail", p.name)
				}
				texts += text
			}
		}
		came := 0
		for n := range written {
			if strings.Contains(texts, fmt.Sprintf("Words number %d.", n)) {
				came++
			}
		}
		if came == written && settled.IsZero() {
			settled = time.Now()
		}
		if settled.IsZero() && time.Now().After(late) {
			t.Fatalf("only %d of %d messages came", came, written)
		}
		time.Sleep(500 * time.Millisecond)
	}
	for n := range written {
		if times := strings.Count(texts, fmt.Sprintf("Words number %d.", n)); times != 1 {
			t.Errorf("a message came %d times", times)
		}
	}
}
