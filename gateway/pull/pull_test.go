package pull

import (
	"context"
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/restante/restante/gateway/nntp"
	"github.com/restante/restante/gateway/remote"
	"github.com/restante/restante/gateway/session/sessiontest"
	"github.com/restante/restante/pool"
	"github.com/restante/restante/pool/article"
	"github.com/restante/restante/pool/memory"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// server serves a store to readers.
func server(t *testing.T, s pool.Store) remote.Server {
	t.Helper()
	srv := sessiontest.New(s)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			serving.Go(func() { _ = srv.Serve(context.Background(), conn) })
		}
	})
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
		serving.Wait()
	})
	return remote.Server{Address: l.Addr().String()}
}

func newStore(t *testing.T, groups ...pool.Group) *memory.Store {
	t.Helper()
	s := memory.New("here.example")
	for _, g := range groups {
		if err := s.SetGroup(t.Context(), pool.GroupInfo{Name: g, Posting: pool.PostingAllowed}); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

func file(t *testing.T, s pool.Store, id string, groups string, date time.Time) {
	t.Helper()
	text := fmt.Sprintf("Path: far.example!not-for-mail\r\nFrom: a@example.com\r\nNewsgroups: %s\r\nSubject: x\r\nDate: %s\r\nMessage-ID: %s\r\n\r\n.dots\r\n", groups, article.Date(date), id)
	if err := (taker{s}).Take(t.Context(), pool.MessageID(id), []byte(text))(); err != nil {
		t.Fatal(err)
	}
}

// A taker files what it gets.
type taker struct{ store pool.Store }

func (taker) Claim(pool.MessageID) bool { return true }

func (taker) Release(pool.MessageID) {}

func (k taker) Take(ctx context.Context, _ pool.MessageID, text []byte) func() error {
	a, err := article.Parse(text)
	if err != nil {
		return func() error { return err }
	}
	named, err := a.Newsgroups()
	if err != nil {
		return func() error { return err }
	}
	filed, err := a.File(named, time.Now(), 0)
	if err != nil {
		return func() error { return err }
	}
	return func() error { _, err := k.store.Append(ctx, filed); return err }
}

func puller(t *testing.T, from remote.Server, to pool.Store) *Puller {
	t.Helper()
	groups, err := nntp.ParseWildmat("a.*")
	if err != nil {
		t.Fatal(err)
	}
	return &Puller{
		Server: from, Groups: groups, Most: 1 << 20, Store: to, Taker: taker{to},
		State: filepath.Join(t.TempDir(), "pulls", "state.json"), Window: 7,
	}
}

func TestRun_bothWaysTakeWhatIsNew(t *testing.T) {
	for _, newNews := range []bool{false, true} {
		t.Run(fmt.Sprintf("NEWNEWS %v", newNews), func(t *testing.T) {
			far, here := newStore(t, "a.one", "a.two", "a.far", "b.x"), newStore(t, "a.one", "a.two", "a.here", "b.x")
			now := time.Now()
			for i := range 40 {
				file(t, far, fmt.Sprintf("<%d@x>", i), "a.one", now)
			}
			file(t, far, "<both@x>", "a.one,a.two", now)
			file(t, far, "<other@x>", "b.x", now)
			file(t, far, "<elsewhere@x>", "a.far", now)
			file(t, here, "<3@x>", "a.one", now)
			p := puller(t, server(t, far), here)
			p.NewNews = newNews
			var done, all int
			p.Progress = func(d, a int) { done, all = d, a }
			got, err := p.Run(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			want := Counts{Listed: 41, Had: 1, Taken: 40, Octets: got.Octets}
			if !newNews { // seen in its second group
				want.Listed, want.Had = 42, 2
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Error(diff)
			}
			if done != all || all == 0 {
				t.Errorf("progress ended at %d of %d", done, all)
			}
			a, err := far.ByID(t.Context(), "<both@x>")
			if err != nil {
				t.Fatal(err)
			}
			b, err := here.ByID(t.Context(), "<both@x>")
			if err != nil || string(a.Body()) != string(b.Body()) {
				t.Errorf("what came is not what there was: %v", err)
			}
			again, err := p.Run(t.Context())
			if err != nil || again.Taken != 0 || again.Octets != 0 {
				t.Errorf("again: %+v, %v", again, err)
			}
			if !newNews && again.Listed != 0 {
				t.Errorf("the second run lists %d", again.Listed)
			}
		})
	}
}

func TestRun_leavesWhatIsDatedBefore(t *testing.T) {
	far, here := newStore(t, "a.one"), newStore(t, "a.one")
	now := time.Now()
	file(t, far, "<old@x>", "a.one", now.Add(-48*time.Hour))
	file(t, far, "<new@x>", "a.one", now)
	p := puller(t, server(t, far), here)
	p.Since = now.Add(-24 * time.Hour)
	if got, err := p.Run(t.Context()); err != nil || got.Taken != 1 {
		t.Fatalf("%+v, %v", got, err)
	}
	if seen, err := here.Seen(t.Context(), "<old@x>"); err != nil || seen {
		t.Errorf("the old one came: %v", err)
	}
}

// A moody taker puts some articles off until it is in a better mood.
type moody struct {
	taker
	off map[pool.MessageID]bool
}

func (m moody) Take(ctx context.Context, id pool.MessageID, text []byte) func() error {
	if m.off[id] {
		return func() error { return pool.ErrDiskFull }
	}
	return m.taker.Take(ctx, id, text)
}

func TestRun_goesOnWhereItBrokeOff(t *testing.T) {
	far, here := newStore(t, "a.one"), newStore(t, "a.one")
	const many = 3*chunk + 10
	for i := range many {
		file(t, far, fmt.Sprintf("<%d@x>", i), "a.one", time.Now())
	}
	p := puller(t, server(t, far), here)
	off := map[pool.MessageID]bool{pool.MessageID(fmt.Sprintf("<%d@x>", chunk+5)): true}
	p.Taker = moody{taker{here}, off}
	first, err := p.Run(t.Context())
	if err != nil || first.Deferred != 1 {
		t.Fatalf("%+v, %v", first, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	p.Progress = func(int, int) { cancel() }
	delete(off, pool.MessageID(fmt.Sprintf("<%d@x>", chunk+5)))
	second, err := p.Run(ctx)
	if !errors.Is(err, context.Canceled) || second.Listed > 2*chunk {
		t.Fatalf("%+v, %v", second, err)
	}
	p.Progress = nil
	third, err := p.Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if total := first.Taken + second.Taken + third.Taken; total != many || third.Had > chunk {
		t.Errorf("taken %d, looked at again %d", total, third.Had)
	}
}

// A server whose numbers begin anew is looked through from its start, once, however many
// articles it has by then.
func TestRun_aServerWhoseNumbersBeginAnew(t *testing.T) {
	const had = 30
	for _, c := range []struct {
		why        string
		kept, more int // articles that it has as before, and others
	}{
		{"fewer than before", 0, 1},
		{"as many as before", 0, had},
		{"as many as before, in another order", -had, 0},
		{"more than before", 0, chunk + 5},
		{"brought back from an older copy", had / 2, had},
	} {
		far, here := newStore(t, "a.one"), newStore(t, "a.one")
		for i := range had {
			file(t, far, fmt.Sprintf("<%d@x>", i), "a.one", time.Now())
		}
		p := puller(t, server(t, far), here)
		if got, err := p.Run(t.Context()); err != nil || got.Taken != had {
			t.Fatalf("%s: %+v, %v", c.why, got, err)
		}
		far = newStore(t, "a.one")
		for i := range c.kept {
			file(t, far, fmt.Sprintf("<%d@x>", i), "a.one", time.Now())
		}
		for i := range -c.kept {
			file(t, far, fmt.Sprintf("<%d@x>", had-1-i), "a.one", time.Now())
		}
		for i := range c.more {
			file(t, far, fmt.Sprintf("<anew%d@x>", i), "a.one", time.Now())
		}
		p.Server = server(t, far)
		if got, err := p.Run(t.Context()); err != nil || got.Taken != c.more || got.Had != max(c.kept, -c.kept) {
			t.Errorf("%s: %+v, %v", c.why, got, err)
		}
		file(t, far, "<last@x>", "a.one", time.Now())
		if got, err := p.Run(t.Context()); err != nil || got.Listed != 1 || got.Taken != 1 {
			t.Errorf("%s, once more: %+v, %v", c.why, got, err)
		}
	}
}

// That the last article is gone which was looked at there is no sign that numbers begin
// anew: what is still there is not listed again.
func TestRun_theLastArticleIsGone(t *testing.T) {
	far, here := newStore(t, "a.one"), newStore(t, "a.one")
	for i := range 30 {
		file(t, far, fmt.Sprintf("<%d@x>", i), "a.one", time.Now())
	}
	p := puller(t, server(t, far), here)
	run := func(what string, listed int) {
		t.Helper()
		if got, err := p.Run(t.Context()); err != nil || got.Listed != listed {
			t.Errorf("%s: %+v, %v", what, got, err)
		}
	}
	gone := func(id pool.MessageID) {
		t.Helper()
		if err := far.Cancel(t.Context(), id); err != nil {
			t.Fatal(err)
		}
	}
	run("at first", 30)
	gone("<29@x>")
	run("nothing but one withdrawn", 0)
	file(t, far, "<30@x>", "a.one", time.Now())
	run("a new one", 1)
	file(t, far, "<31@x>", "a.one", time.Now())
	gone("<31@x>")
	run("a new one that is gone", 0)
	file(t, far, "<32@x>", "a.one", time.Now())
	run("the one behind that", 1)
	for i := range 33 {
		if i != 29 && i != 31 {
			gone(pool.MessageID(fmt.Sprintf("<%d@x>", i)))
		}
	}
	run("all are gone", 0)
	far = newStore(t, "a.one")
	for i := range 40 {
		file(t, far, fmt.Sprintf("<anew%d@x>", i), "a.one", time.Now())
	}
	p.Server = server(t, far)
	run("numbers begin anew", 40)
}

// A mirror whose store was lost, but not how far it pulled, begins anew; and so
// does one whose store is an older copy.
func TestRun_anotherStoreUnderTheSameState(t *testing.T) {
	begun := time.Now()
	make := func(made time.Time) *memory.Store {
		s := memory.New("here.example")
		if err := s.SetGroup(t.Context(), pool.GroupInfo{Name: "a.one", Created: made}); err != nil {
			t.Fatal(err)
		}
		return s
	}
	for _, c := range []struct {
		why  string
		made time.Time
		more int // articles that came otherwise
	}{
		{"lost", begun.Add(time.Second), 0},
		{"lost, and peers have fed it since", begun.Add(time.Second), 40},
		{"an older copy", begun, 10},
	} {
		far := newStore(t, "a.one")
		for i := range 30 {
			file(t, far, fmt.Sprintf("<%d@x>", i), "a.one", time.Now())
		}
		p := puller(t, server(t, far), make(begun))
		p.Taker = taker{p.Store}
		if got, err := p.Run(t.Context()); err != nil || got.Taken != 30 {
			t.Fatalf("%s: %+v, %v", c.why, got, err)
		}
		here := make(c.made)
		for i := range c.more {
			file(t, here, fmt.Sprintf("<other%d@x>", i), "a.one", time.Now())
		}
		p.Store, p.Taker = here, taker{here}
		if got, err := p.Run(t.Context()); err != nil || got.Taken != 30 {
			t.Errorf("%s: %+v, %v", c.why, got, err)
		}
		if got, err := p.Run(t.Context()); err != nil || got.Listed != 0 {
			t.Errorf("%s, once more: %+v, %v", c.why, got, err)
		}
	}
}

// A polite taker lets others bring what they have claimed.
type polite struct {
	taker
	claimed  map[pool.MessageID]bool // by others
	bring    func(pool.MessageID)    // is told what others have claimed, as it is asked for
	released []pool.MessageID
	took     []pool.MessageID
}

func (p *polite) Claim(id pool.MessageID) bool {
	if p.claimed[id] {
		p.bring(id)
	}
	return !p.claimed[id]
}

func (p *polite) Release(id pool.MessageID) { p.released = append(p.released, id) }

func (p *polite) Take(ctx context.Context, id pool.MessageID, text []byte) func() error {
	p.took = append(p.took, id)
	return p.taker.Take(ctx, id, text)
}

// What somebody else is bringing is not fetched a second time; unless it does not
// come.
func TestRun_leavesToOthersWhatTheyBring(t *testing.T) {
	far, here := newStore(t, "a.one"), newStore(t, "a.one")
	for i := range 30 {
		file(t, far, fmt.Sprintf("<%d@x>", i), "a.one", time.Now())
	}
	p := puller(t, server(t, far), here)
	k := &polite{taker: taker{here}, claimed: map[pool.MessageID]bool{"<3@x>": true, "<17@x>": true, "<29@x>": true}}
	p.Taker = k
	brought := false
	k.bring = func(id pool.MessageID) {
		if id == "<17@x>" && !brought { // the others do not come
			brought = true
			file(t, here, string(id), "a.one", time.Now())
		}
	}
	got, err := p.Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(Counts{Listed: 30, Had: 1, Taken: 29, Octets: got.Octets}, got); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]pool.MessageID{"<3@x>", "<29@x>"}, k.took[len(k.took)-2:]); diff != "" {
		t.Errorf("what others had claimed does not come last: %s", diff)
	}
}

func TestFetch_releasesWhatIsNotThere(t *testing.T) {
	far, here := newStore(t, "a.one"), newStore(t, "a.one")
	file(t, far, "<1@x>", "a.one", time.Now())
	file(t, far, "<3@x>", "a.one", time.Now())
	p := puller(t, server(t, far), here)
	k := &polite{taker: taker{here}}
	p.Taker = k
	parts := [][]pool.MessageID{{"<1@x>", "<2@x>"}, {"<3@x>"}, nil}
	got, err := p.Fetch(t.Context(), func() []pool.MessageID {
		part := parts[0]
		parts = parts[1:]
		return part
	})
	if err != nil || got.Taken != 2 || got.Missing != 1 || len(parts) != 0 {
		t.Errorf("%+v, %v", got, err)
	}
	if diff := cmp.Diff([]pool.MessageID{"<2@x>"}, k.released); diff != "" {
		t.Error(diff)
	}
}

func TestRun_serverIsAway(t *testing.T) {
	const away = "127.0.0.1:1" // nobody listens there, now and later
	if _, err := puller(t, remote.Server{Address: away}, newStore(t, "a.one")).Run(t.Context()); !errors.Is(err, remote.ErrDial) {
		t.Fatal(err)
	}
}
