package feed

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/restante/restante/pool"
)

func TestFeed_everyAnswer(t *testing.T) {
	for _, streams := range []bool{true, false} {
		t.Run(fmt.Sprintf("streams %v", streams), func(t *testing.T) {
			s, k := newStore(t), newTaker(t, streams)
			no, later, rejects := 435, 436, 437
			if streams {
				no, later, rejects = 438, 431, 439
			}
			k.checks = map[string]int{"<had@x>": no, "<later@x>": later}
			k.takes = map[string]int{"<bad@x>": rejects}
			for _, id := range []string{"<new@x>", "<had@x>", "<later@x>", "<bad@x>", "<last@x>"} {
				file(t, s, id, "a.one", "other.example")
			}
			f, _ := feeding(t, t.TempDir(), s, k.peer("*"))
			c := settled(t, f, 4)
			size := c.Octets
			if diff := cmp.Diff(Counts{Offered: 5, Accepted: 2, Refused: 1, Rejected: 1, Deferred: 1, Octets: size}, c); diff != "" {
				t.Error(diff)
			}
			stored, err := s.ByID(t.Context(), "<new@x>")
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(stored.Wire), k.got["<new@x>"]); diff != "" {
				t.Errorf("what came (-filed +came):\n%s", diff)
			}
		})
	}
}

func TestFeed_sendsWithoutAskingWhereToldTo(t *testing.T) {
	s, k := newStore(t), newTaker(t, true)
	for i := range 200 {
		file(t, s, fmt.Sprintf("<%d@x>", i), "a.one", "other.example")
	}
	p := k.peer("*")
	p.TakeThis, p.Connections, p.Window = true, 3, 7
	f, _ := feeding(t, t.TempDir(), s, p)
	if c := settled(t, f, 200); c.Accepted != 200 {
		t.Errorf("%+v", c)
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, command := range k.asked {
		if !strings.HasPrefix(command, "TAKETHIS") {
			t.Fatalf("it said %s", command)
		}
	}
	if len(k.asked) != 200 {
		t.Errorf("%d articles were sent", len(k.asked))
	}
}

func TestFeed_choosesWhatThePeerWants(t *testing.T) {
	s, k := newStore(t), newTaker(t, true)
	file(t, s, "<in@x>", "a.one", "other.example")
	file(t, s, "<out@x>", "b.three", "other.example")
	file(t, s, "<both@x>", "a.one,a.two", "other.example")
	file(t, s, "<poisoned@x>", "a.one,b.three", "other.example")
	file(t, s, "<itsown@x>", "a.one", "other.example!PEER.example!third.example")
	file(t, s, "<excluded@x>", "a.one", "other.example!bad.example")
	file(t, s, "<tail@x>", "a.one", "other.example!.POSTED")
	file(t, s, "<large@x>", "a.two", strings.Repeat("long.example!", 40)+"other.example")
	p := k.peer("a.*,@b.*")
	p.Exclude, p.MaxSize = []string{"bad.example"}, 500
	f, stop := feeding(t, t.TempDir(), s, p)
	settled(t, f, 3)
	file(t, s, "<end@x>", "a.two", "other.example") // looked at behind all others
	if c := settled(t, f, 4); c.Offered != 4 {
		t.Errorf("%+v", c)
	}
	stop()
	want := map[string]bool{"<in@x>": true, "<both@x>": true, "<tail@x>": true, "<end@x>": true}
	for _, id := range k.has() {
		if !want[id] {
			t.Errorf("it was sent %s", id)
		}
	}
	if len(k.has()) != len(want) {
		t.Errorf("it was sent %v", k.has())
	}
}

func TestFeed_goesOnWhereItStopped(t *testing.T) {
	s, k, dir := newStore(t), newTaker(t, true), t.TempDir()
	p := k.peer("*")
	p.Backfill = false
	file(t, s, "<before@x>", "a.one", "other.example")
	f, stop := feeding(t, dir, s, p)
	until(t, "it runs", func() bool { return len(f.Status(t.Context())) == 1 })
	until(t, "it has begun", func() bool { _, err := os.Stat(stateFile(dir, "peer")); return err == nil })
	stop()
	file(t, s, "<while@x>", "a.one", "other.example")
	file(t, s, "<away@x>", "b.three", "other.example")
	f, stop = feeding(t, dir, s, p)
	settled(t, f, 2)
	stop()
	f, _ = feeding(t, dir, s, p)
	file(t, s, "<after@x>", "a.one", "other.example")
	if c := settled(t, f, 3); c.Accepted != 3 || c.Offered != 3 {
		t.Errorf("%+v", c)
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.got["<before@x>"] != "" || len(k.asked) != 6 {
		t.Errorf("asked %v", k.asked)
	}
}

func TestFeed_lostConnectionLosesNothing(t *testing.T) {
	s, k := newStore(t), newTaker(t, true)
	for i := range 50 {
		file(t, s, fmt.Sprintf("<%d@x>", i), "a.one", "other.example")
	}
	k.hangUp = 2
	p := k.peer("*")
	p.Window = 8
	f, _ := feeding(t, t.TempDir(), s, p)
	if c := settled(t, f, 50); c.Accepted != 50 || c.Lost != 0 || c.Offered != 50 {
		t.Errorf("%+v", c)
	}
	if k.conns < 3 {
		t.Errorf("%d connections", k.conns)
	}
}

func TestFeed_putOffIsOfferedAgainAfterARestart(t *testing.T) {
	s, k, dir := newStore(t), newTaker(t, true), t.TempDir()
	k.checks["<1@x>"] = 431
	file(t, s, "<1@x>", "a.one", "other.example")
	file(t, s, "<2@x>", "a.one", "other.example")
	f, stop := feeding(t, dir, s, k.peer("*"))
	settled(t, f, 1)
	until(t, "put off", func() bool { return counts(t, f).Deferred > 0 })
	stop()
	k.set(func() { delete(k.checks, "<1@x>") })
	f, _ = feeding(t, dir, s, k.peer("*"))
	if c := settled(t, f, 2); c.Accepted != 2 || c.Offered != 2 {
		t.Errorf("%+v", c)
	}
}

func TestFeed_countsWhatExpiredWhileThePeerWasAway(t *testing.T) {
	s, k, dir := newStore(t), newTaker(t, true), t.TempDir()
	file(t, s, "<0@x>", "a.one", "other.example")
	f, stop := feeding(t, dir, s, k.peer("*"))
	settled(t, f, 1)
	stop()
	for i := range 3 {
		file(t, s, fmt.Sprintf("<gone%d@x>", i), "a.one", "other.example")
		if err := s.Cancel(t.Context(), pool.MessageID(fmt.Sprintf("<gone%d@x>", i))); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Cancel(t.Context(), "<0@x>"); err != nil { // so that the low mark moves
		t.Fatal(err)
	}
	file(t, s, "<there@x>", "a.one", "other.example")
	f, _ = feeding(t, dir, s, k.peer("*"))
	if c := settled(t, f, 5); c.Lost != 3 || c.Accepted != 2 {
		t.Errorf("%+v", c)
	}
}

func TestFeeds_setStopsAndStartsAlone(t *testing.T) {
	s, k := newStore(t), newTaker(t, true)
	first, second := k.peer("a.one"), k.peer("b.*")
	second.Name = "second"
	f, _ := feeding(t, t.TempDir(), s, first)
	until(t, "it runs", func() bool { return len(f.Status(t.Context())) == 1 })
	f.Set([]Peer{second})
	until(t, "the other one runs", func() bool { s := f.Status(t.Context()); return len(s) == 1 && s[0].Name == "second" })
	file(t, s, "<a@x>", "a.one", "other.example")
	file(t, s, "<b@x>", "b.three", "other.example")
	settled(t, f, 1)
	changed := first
	changed.Groups, changed.Version = second.Groups, "2"
	f.Set([]Peer{first, second})
	until(t, "both run", func() bool { return len(f.Status(t.Context())) == 2 })
	until(t, "both have come", func() bool { return len(k.has()) == 2 })
	f.Set([]Peer{changed})
	until(t, "one runs", func() bool { return len(f.Status(t.Context())) == 1 })
}

func TestFeed_damagedStateIsNotOverwritten(t *testing.T) {
	s, k, dir := newStore(t), newTaker(t, true), t.TempDir()
	path := stateFile(dir, "peer")
	if err := os.WriteFile(path, []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	file(t, s, "<a@x>", "a.one", "other.example")
	_, stop := feeding(t, dir, s, k.peer("*"))
	stop()
	if text, err := os.ReadFile(path); err != nil || string(text) != "{" {
		t.Errorf("%q, %v", text, err)
	}
}

func TestSubscription_rightmostCounts(t *testing.T) {
	for _, c := range []struct {
		pattern, groups string
		want            bool
	}{
		{"*", "a.one", true},
		{"*,!a.*", "a.one", false},
		{"*,!a.*", "a.one,b.three", true},
		{"*,@a.*", "a.one,b.three", false},
		{"*,@a.*,a.one", "a.one,b.three", true},
		{"b.*,@a.*", "b.three", true},
		{"!*,b.*", "a.one", false},
	} {
		s, err := ParseSubscription(c.pattern)
		if err != nil {
			t.Fatal(err)
		}
		if got := s.Article(newsgroups(c.groups)); got != c.want {
			t.Errorf("%s of %s: %v", c.pattern, c.groups, got)
		}
	}
	for _, wrong := range []string{"", "a,,b", "@", "!@a", "a[b]"} {
		if _, err := ParseSubscription(wrong); err == nil {
			t.Errorf("%q is taken", wrong)
		}
	}
}
