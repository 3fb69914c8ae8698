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
	"github.com/rs/zerolog"
	"go.uber.org/goleak"

	"github.com/restante/restante/gateway/nntp"
	"github.com/restante/restante/gateway/remote"
	"github.com/restante/restante/gateway/session"
	"github.com/restante/restante/pool"
	"github.com/restante/restante/pool/article"
	"github.com/restante/restante/pool/memory"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// closed is an office that takes nothing.
type closed struct{}

func (closed) Private() []pool.GroupInfo { return nil }

func (closed) Login(context.Context, string, string) (session.Mailbox, error) {
	return nil, session.ErrBusy
}

func (closed) Submit(context.Context, []byte, session.Mailbox) (session.Posted, error) {
	return session.Posted{}, pool.ErrReadOnly
}

// server serves a store to readers.
func server(t *testing.T, s pool.Store) remote.Server {
	t.Helper()
	srv := session.New(session.Options{
		Store: s, Office: closed{}, Name: "far.example", Version: "test", MaxArticle: 1 << 20,
		Limits: session.Limits{Idle: time.Minute}, Logger: zerolog.Nop(),
	})
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

// A server whose numbers begin anew is looked through from its start.
func TestRun_anotherServerUnderTheSameName(t *testing.T) {
	far, here := newStore(t, "a.one"), newStore(t, "a.one")
	for i := range 30 {
		file(t, far, fmt.Sprintf("<%d@x>", i), "a.one", time.Now())
	}
	p := puller(t, server(t, far), here)
	if _, err := p.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	other := newStore(t, "a.one")
	file(t, other, "<anew@x>", "a.one", time.Now())
	p.Server = server(t, other)
	if got, err := p.Run(t.Context()); err != nil || got.Taken != 1 {
		t.Fatalf("%+v, %v", got, err)
	}
}

func TestRun_serverIsAway(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := puller(t, remote.Server{Address: address}, newStore(t, "a.one")).Run(t.Context()); !errors.Is(err, remote.ErrDial) {
		t.Fatal(err)
	}
}
