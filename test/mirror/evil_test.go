package mirror

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/restante/restante/gateway/nntp"
	"github.com/restante/restante/pool/article"
	"github.com/restante/restante/test/harness"
)

// An attack is one connection of an evil peer: it does its worst until told to stop.
type attack func(t *testing.T, r *reader, stopped func() bool)

// take sends an article by TAKETHIS, and returns what the answer is.
func (r *reader) take(id string, text []byte) nntp.Code {
	r.t.Helper()
	if err := r.w.Command("TAKETHIS " + id); err != nil {
		r.t.Fatal(err)
	}
	r.w.Text(text)
	return r.end()
}

func (r *reader) end() nntp.Code {
	r.t.Helper()
	r.w.End()
	if err := r.w.Flush(); err != nil {
		r.t.Fatal(err)
	}
	return r.reply().Code
}

// unseen is what leaves a gateway while its mirror is stopped: texts by group. The
// mirror's batches have room for it, and its names are free there, so that nothing but
// a signature tells a forgery of it.
func unseen(t *testing.T, a *harness.Gateway) map[string][][]byte {
	t.Helper()
	before := bodies(t, a, "a.example")
	leaves(t, a, "a.example", 3)
	reader := newReader(t, a.Address)
	out := make(map[string][][]byte)
	for _, group := range shared()[1:3] {
		for id := range bodiesIn(t, a, group, "a.example") {
			if _, seen := before[id]; !seen {
				out[group] = append(out[group], reader.article(id))
			}
		}
	}
	if len(out["restante.pool"]) < 5 || len(out["restante.manifest"]) < 1 {
		t.Fatal("too little has left")
	}
	return out
}

// A forger makes articles that must not be taken: texts by Message-ID.
type forger struct {
	t   *testing.T
	out map[string][]byte
}

// change forges an article, under the name that it has.
func (f forger) change(text []byte, old, new string) {
	f.t.Helper()
	changed := bytes.Replace(text, []byte(old), []byte(new), 1)
	if bytes.Equal(changed, text) {
		f.t.Fatalf("%q is not in the article", old)
	}
	id := strings.TrimPrefix(field(changed, "Message-ID"), "Message-ID: ")
	if f.out[id] != nil {
		f.t.Fatal("two forgeries have one name")
	}
	f.out[id] = changed
}

// rename forges an article under a name that nothing has, in a domain.
func (f forger) rename(text []byte, domain string) {
	f.t.Helper()
	f.change(text, field(text, "Message-ID"), fmt.Sprintf("Message-ID: <%032d@%s>", len(f.out), domain))
}

// field is a line of an article's header, without its end.
func field(text []byte, name string) string {
	_, rest, _ := strings.Cut(string(text), "\r\n"+name+": ")
	value, _, _ := strings.Cut(rest, "\r\n")
	return name + ": " + value
}

// forgeries is articles that must not be taken, made of what a gateway has posted,
// of which the victim is a mirror.
func forgeries(t *testing.T, a *harness.Gateway) map[string][]byte {
	t.Helper()
	f := forger{t, make(map[string][]byte)}
	left := unseen(t, a)
	f.onceMissed(left["restante.pool"][:4], left["restante.manifest"][0])
	f.renamed(left["restante.pool"][4])
	f.directories(a)
	for _, local := range []string{"m.9999999999", "k.1.1", "k.999999.1"} {
		for _, domain := range []string{"a.example", "gw.example", "A.EXAMPLE"} {
			id := "<" + local + "@" + domain + ">"
			f.out[id] = []byte("Path: evil.example!not-for-mail\r\nFrom: x@y.example\r\nNewsgroups: misc.test\r\nSubject: x\r\nMessage-ID: " + id +
				"\r\nDate: " + article.Date(time.Now()) + "\r\n\r\nsquat\r\n")
		}
	}
	return f.out
}

// onceMissed forges entries and a manifest that the victim has missed.
func (f forger) onceMissed(entries [][]byte, manifest []byte) {
	f.t.Helper()
	_, own, _ := bytes.Cut(entries[0], []byte("\r\n\r\n"))
	_, other, _ := bytes.Cut(entries[1], []byte("\r\n\r\n"))
	f.change(entries[0], string(own), string(other))                         // a swapped body
	f.change(entries[1], string(other[:8]), "AAAAAAAA")                      // a body that was touched
	f.change(entries[2], field(entries[2], "Restante-Signature")+"\r\n", "") // no signature
	later := time.Now().Add(time.Minute).Truncate(time.Second)               // a batch that has not left
	f.change(entries[3], field(entries[3], "Date"), "Date: "+article.Date(later))
	_, previous, _ := bytes.Cut(manifest, []byte("\r\nprevious "))
	f.change(manifest, string(previous[:8]), "AAAAAAAA")
}

// renamed forges an entry under other names.
func (f forger) renamed(e []byte) {
	f.t.Helper()
	f.rename(e, "a.example")        // a replay under another name
	f.rename(e, "gw.example")       // the victim's own domain
	f.rename(e, "stranger.example") // a gateway that nobody knows
	groups := field(e, "Newsgroups")
	for _, c := range []struct{ old, new string }{
		{field(e, "Date"), "Date: " + article.Date(time.Now().Add(-100*24*time.Hour))},
		{field(e, "Date"), "Date: " + article.Date(time.Now().Add(100*24*time.Hour))},
		{field(e, "Date"), "Date: " + article.Date(time.Now().Add(time.Hour))},
		{groups, "Newsgroups: misc.test"}, // a gateway's name elsewhere
		{groups, groups + ",misc.test"},
	} {
		f.rename(bytes.Replace(e, []byte(c.old), []byte(c.new), 1), "a.example")
	}
}

// directories forges what a gateway says of its keys.
func (f forger) directories(a *harness.Gateway) {
	f.t.Helper()
	reader := newReader(f.t, a.Address)
	for id := range bodiesIn(f.t, a, "restante.keys", "a.example") {
		if strings.HasPrefix(id, "<k.") {
			text := reader.article(id)
			f.rename(bytes.Replace(text, []byte("\r\nserial "), []byte("\r\nserial 1"), 1), "a.example")
			_, key, _ := bytes.Cut(text, []byte("\r\nsign "))
			f.rename(bytes.Replace(text, key[:43], []byte(base64.RawURLEncoding.EncodeToString(bytes.Repeat([]byte{7}, 32))), 1), "a.example")
		}
	}
}

// attacks is what an evil peer does, each on connections of its own.
func attacks(forged map[string][]byte) map[string]attack {
	var n atomic.Int64
	return map[string]attack{
		"forgeries": func(t *testing.T, r *reader, stopped func() bool) {
			for !stopped() {
				for id, text := range forged {
					if code := r.take(id, text); code != nntp.CodeStreamRejected {
						t.Errorf("a forgery is answered %d:\n%s", code, text[:min(len(text), 400)])
					}
				}
			}
		},
		"valid-looking ids": func(t *testing.T, r *reader, stopped func() bool) {
			for !stopped() {
				for range 100 {
					if err := r.w.Command(fmt.Sprintf("CHECK <%032d@a.example>", n.Add(1))); err != nil {
						t.Error(err)
					}
				}
				if err := r.w.Flush(); err != nil {
					t.Error(err)
					return
				}
				for range 100 {
					r.reply()
				}
			}
		},
		"offers that never come": func(_ *testing.T, r *reader, stopped func() bool) {
			for !stopped() {
				r.ask(fmt.Sprintf("CHECK <%d.%s@evil.example>", n.Add(1), strings.Repeat("x", 200)))
			}
		},
	}
}

// endless sends an article that does not end, on one connection after the other.
func endless(address string, stopped func() bool) {
	line := bytes.Repeat([]byte(strings.Repeat("x", 998)+"\r\n"), 64)
	for !stopped() {
		func() {
			conn, err := dial(address)
			if err != nil {
				return
			}
			defer func() { _ = conn.Close() }()
			if _, err := fmt.Fprint(conn, "TAKETHIS <endless@evil.example>\r\nSubject: x\r\n\r\n"); err != nil {
				return
			}
			for !stopped() {
				if _, err := conn.Write(line); err != nil {
					return
				}
			}
		}()
	}
}

func TestEvilPeer_achievesNothing(t *testing.T) {
	a := gateway(t, "a.example")
	victim := gateway(t, harness.Domain, harness.Quiet()...) // nothing of its own comes between
	connect(t, victim, link{domain: "evil.example", to: a}, link{domain: "a.example", to: a})
	connect(t, a, link{domain: harness.Domain, to: victim, feeds: true, feed: "groups = \"restante.*\"\n"})
	follows(t, victim, a, "a.example", 12)
	victim.Stop()
	forged := forgeries(t, a)
	a.Stop() // so that nothing else comes
	defer a.Restart()
	victim.Restart()
	var held map[string]string
	await(t, "the last that came is filed", func() bool {
		before := held
		held = everything(t, victim)
		return cmp.Equal(held, before)
	})
	memory := resident(t, victim)

	alone := others(t, victim, 0, 5*time.Second)
	var stop atomic.Bool
	var going sync.WaitGroup
	for _, what := range attacks(forged) {
		r := newReader(t, victim.Address)
		going.Go(func() { what(t, r, stop.Load) })
	}
	going.Go(func() { endless(victim.Address, stop.Load) })
	most := int64(0)
	going.Go(func() {
		for !stop.Load() {
			most = max(most, resident(t, victim))
			time.Sleep(100 * time.Millisecond)
		}
	})
	under := others(t, victim, 1, 10*time.Second)
	stop.Store(true)
	going.Wait()

	if diff := cmp.Diff(held, everything(t, victim)); diff != "" {
		t.Errorf("the store is not as it was:\n%s", diff)
	}
	if gained := most - memory; gained > 256<<20 {
		t.Errorf("the process gained %d MiB", gained>>20)
	}
	t.Logf("memory: %d MiB before, %d MiB at most", memory>>20, most>>20)
	for _, what := range []string{"ARTICLE", "TAKETHIS"} {
		p, q := alone[what], under[what]
		t.Logf("%s: p99 %v alone, %v under attack: %.1f times", what, p, q, float64(q)/float64(p))
		if q > 5*time.Second { // a hundredth of few is the one that had to wait for a disk
			t.Errorf("%s takes others %v", what, q)
		}
	}
}

// others is an honest reader and an honest peer at work: the 99th percentile of
// the time that each of their commands takes.
func others(t *testing.T, g *harness.Gateway, run int, during time.Duration) map[string]time.Duration {
	t.Helper()
	r := newReader(t, g.Address)
	var ids []string
	for id := range bodiesIn(t, g, "restante.pool", "a.example") {
		ids = append(ids, id)
	}
	took := make(map[string][]time.Duration)
	end := time.Now().Add(during)
	for i := 0; time.Now().Before(end); i++ {
		begun := time.Now()
		r.article(ids[i%len(ids)])
		took["ARTICLE"] = append(took["ARTICLE"], time.Since(begun))
		id := fmt.Sprintf("<honest.%d.%d@friend.example>", run, i)
		text := "Path: friend.example!not-for-mail\r\nFrom: x@y.example\r\nNewsgroups: misc.test\r\nSubject: x\r\nMessage-ID: " + id +
			"\r\nDate: " + time.Now().UTC().Format(time.RFC1123Z) + "\r\n\r\nhonest\r\n"
		begun = time.Now()
		if code := r.take(id, []byte(text)); code != nntp.CodeStreamTaken {
			t.Fatalf("an honest article is answered %d", code)
		}
		took["TAKETHIS"] = append(took["TAKETHIS"], time.Since(begun))
		time.Sleep(time.Millisecond)
	}
	out := make(map[string]time.Duration)
	for what, times := range took {
		slices.Sort(times)
		out[what] = times[len(times)*99/100]
	}
	return out
}

// everything is what a gateway holds, but for what honest peers bring meanwhile.
func everything(t *testing.T, g *harness.Gateway) map[string]string {
	t.Helper()
	out := make(map[string]string)
	r := g.Dial()
	defer r.Close()
	for _, group := range append(shared(), "misc.test") {
		for id, body := range r.Bodies(group) {
			if !strings.HasSuffix(id, "@friend.example>") {
				out[group+" "+id] = body
			}
		}
	}
	return out
}

// resident is the octets that a gateway has in memory.
func resident(t *testing.T, g *harness.Gateway) int64 {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", g.PID()))
	if err != nil {
		t.Error(err)
		return 0
	}
	_, rest, _ := strings.Cut(string(text), "\nVmRSS:")
	var kibibytes int64
	if _, err := fmt.Sscan(rest, &kibibytes); err != nil {
		t.Error(err)
	}
	return kibibytes << 10
}
