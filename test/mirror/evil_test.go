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

// forgeries is articles that must not be taken, made of what a gateway, of which
// the victim is a mirror, has posted, and of what the victim itself has.
func forgeries(t *testing.T, a *harness.Gateway) map[string][]byte {
	t.Helper()
	out := make(map[string][]byte)
	fresh := func(i int) string { return fmt.Sprintf("%032d", i) }
	n := 0
	forge := func(text []byte, old, new string) {
		n++
		changed := bytes.Replace(text, []byte(old), []byte(new), 1)
		if old != new && bytes.Equal(changed, text) {
			t.Fatalf("%q is not in the article", old)
		}
		id := string(changed[bytes.Index(changed, []byte("Message-ID: "))+12:])
		id, _, _ = strings.Cut(id, "\r\n")
		// Under another name, as under its own it would be a duplicate.
		_, domain, _ := strings.Cut(id, "@")
		next := "<" + fresh(n) + "@" + domain
		out[next] = bytes.Replace(changed, []byte("Message-ID: "+id), []byte("Message-ID: "+next), 1)
	}
	reader := newReader(t, a.Address)
	var entries [][]byte
	for id := range bodiesIn(t, a, "restante.pool", "a.example") {
		entries = append(entries, reader.article(id))
	}
	if len(entries) < 4 {
		t.Fatal("too few entries")
	}
	_, body, _ := bytes.Cut(entries[1], []byte("\r\n\r\n"))
	head, own, _ := bytes.Cut(entries[0], []byte("\r\n\r\n"))
	date := string(entries[0][bytes.Index(entries[0], []byte("Date: ")):])
	date, _, _ = strings.Cut(date, "\r\n")
	forge(slices.Concat(head, []byte("\r\n\r\n"), body), "", "") // a swapped body
	forge(entries[0], string(own[:8]), "AAAAAAAA")               // a body that was touched
	forge(entries[0], "", "")                                    // a replay under another name
	forge(entries[0], date, "Date: "+time.Now().Add(-100*24*time.Hour).UTC().Format(time.RFC1123Z))
	forge(entries[0], date, "Date: "+time.Now().Add(100*24*time.Hour).UTC().Format(time.RFC1123Z))
	forge(entries[0], date, "Date: "+time.Now().Add(time.Hour).UTC().Truncate(time.Second).Format(time.RFC1123Z))
	forge(entries[0], "Newsgroups: restante.pool", "Newsgroups: misc.test") // a gateway's name elsewhere
	forge(entries[0], "Newsgroups: restante.pool", "Newsgroups: restante.pool,misc.test")
	forge(entries[0], "@a.example>", "@gw.example>")       // the victim's own domain
	forge(entries[0], "@a.example>", "@stranger.example>") // a gateway that nobody knows
	for id := range bodiesIn(t, a, "restante.keys", "a.example") {
		if strings.HasPrefix(id, "<k.") {
			text := reader.article(id)
			forge(text, "\r\nserial ", "\r\nserial 1")
			key := string(text[bytes.Index(text, []byte("\r\nsign "))+7:])[:43]
			forge(text, key, base64.RawURLEncoding.EncodeToString(bytes.Repeat([]byte{7}, 32)))
		}
	}
	for id := range bodiesIn(t, a, "restante.manifest", "a.example") {
		forge(reader.article(id), "\r\nentries ", "\r\nentries 1")
		break
	}
	for _, local := range []string{"m.9999999999", "k.1.1", "k.999999.1"} {
		for _, domain := range []string{"a.example", "gw.example", "A.EXAMPLE"} {
			id := "<" + local + "@" + domain + ">"
			out[id] = []byte("Path: evil.example!not-for-mail\r\nFrom: x@y.example\r\nNewsgroups: misc.test\r\nSubject: x\r\nMessage-ID: " + id +
				"\r\nDate: " + time.Now().UTC().Format(time.RFC1123Z) + "\r\n\r\nsquat\r\n")
		}
	}
	return out
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
	forged := forgeries(t, a)
	a.Stop() // so that nothing else comes
	defer a.Restart()
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
