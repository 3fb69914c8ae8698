package peer

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/restante/restante/gateway/nntp"
	"github.com/restante/restante/pool"
	"github.com/restante/restante/pool/article"
	"github.com/restante/restante/pool/memory"
)

// RFC 5537, Sections 3.6 and 3.7: nothing but Path and Xref is altered.
func TestTake_keepsEveryOctet(t *testing.T) {
	b := newBench(t)
	given := text("<1@x>", "Path", "a.example\r\n\t!.POSTED!x", "X-Eight", "caf\xe9\r\n folded", "Xref", "other misc.test:9", "subject2", "  y  ")
	got := b.taken("", b.a, "<1@x>", given)
	want := strings.Replace(given, "Path: a.example", "Path: gw.example!!a.example", 1)
	want = strings.Replace(want, "Xref: other misc.test:9\r\n", "", 1)
	want = strings.Replace(want, "\r\n\r\n", "\r\nXref: gw.example misc.test:1\r\n\r\n", 1)
	if diff := cmp.Diff(want, string(article.Unstuff(got.Wire[:len(got.Wire)-3]))); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// RFC 3977, Section 3.6 allows it, and many a cancel comes so.
func TestTake_anEmptyBody(t *testing.T) {
	b := newBench(t)
	head, _, _ := strings.Cut(text("<1@x>"), "\r\n\r\n")
	got := b.taken("", b.a, "<1@x>", head+"\r\n\r\n")
	if !strings.HasSuffix(string(got.Wire), "\r\nXref: gw.example misc.test:1\r\n\r\n.\r\n") {
		t.Errorf("stored as %q", got.Wire)
	}
	b.refused("no empty line", Malformed, "<2@x>", head+"\r\n")
}

// RFC 5537, Section 3.3.
func TestTake_onlyOnce(t *testing.T) {
	b := newBench(t)
	b.taken("", b.a, "<1@x>", text("<1@x>"))
	if err := b.take(b.b, "<1@x>", text("<1@x>")); !errors.Is(err, pool.ErrDuplicate) {
		t.Errorf("again: %v", err)
	}
	if err := b.a.Offer(t.Context(), "<1@x>"); !errors.Is(err, pool.ErrDuplicate) {
		t.Errorf("offered: %v", err)
	}
	if c := b.Counts(); c.Accepted != 1 || c.Rejected["duplicate"] != 1 || c.Offered != 3 || c.Refused != 1 {
		t.Errorf("counted %+v", c)
	}
}

// RFC 4644, Section 2.4.2 and RFC 3977, Section 6.3.2.2.
func TestOffer_oneFeedAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		offer := func(f *Feed, want error) {
			t.Helper()
			if err := f.Offer(t.Context(), "<1@x>"); !errors.Is(err, want) || (err == nil) != (want == nil) {
				t.Errorf("got %v, want %v", err, want)
			}
		}
		offer(b.a, nil)
		offer(b.a, nil)
		offer(b.b, ErrInFlight)
		time.Sleep(patience + time.Second) // a never sent it
		offer(b.b, nil)
		offer(b.a, ErrInFlight)
		b.b.Refuse("<1@x>", nntp.ErrBlockTooLarge)
		offer(b.a, nil)
		b.a.Close()
		offer(b.b, nil)
		taking := b.a.Take(t.Context(), "<2@x>", []byte(text("<2@x>"))) // without an offer
		if err := b.b.Offer(t.Context(), "<2@x>"); !errors.Is(err, ErrInFlight) && !errors.Is(err, pool.ErrDuplicate) {
			t.Errorf("while it is filed: %v", err)
		}
		b.a.Close()
		if err := taking.Wait(); err != nil {
			t.Error(err)
		}
		if n := len(b.flight.under); n != 0 {
			t.Errorf("%d articles under way: neither brought what it offered before", n)
		}
		if c := b.Counts(); c.Deferred < 2 || c.Rejected["too_large"] != 1 {
			t.Errorf("counted %+v", c)
		}
	})
}

// named is a feed of the peer of that name.
func named(name string) *Feed { return &Feed{peer: &Peer{Name: name}} }

func TestFlight_isBounded(t *testing.T) {
	f, now := newFlight(), time.Now()
	b := named("b")
	feeds := make([]*Feed, maxFlight/maxClaims)
	for k := range feeds {
		feeds[k] = named(fmt.Sprint(k))
		for i := range maxClaims + 10 {
			if !f.expect(pool.MessageID(fmt.Sprint(k, i)), feeds[k], now) {
				t.Fatal("refused")
			}
		}
		if n := len(f.feeds[feeds[k]]); n != maxClaims {
			t.Errorf("%d are expected from one peer", n)
		}
	}
	if len(f.under) != maxFlight || !f.expect("beyond", b, now) {
		t.Errorf("%d are under way", len(f.under))
	}
	if !f.expect("0 0", b, now.Add(patience)) || len(f.under) != 1 || len(f.line) != 1 || len(f.feeds) != 1 {
		t.Errorf("afterwards %d, %d, %d", len(f.under), len(f.line), len(f.feeds))
	}
}

// A peer that offers and never brings holds an article up for other peers once,
// however often it offers it, and over whatever connections.
func TestOffer_peerThatNeverBringsHoldsUpOnce(t *testing.T) {
	for _, c := range []struct {
		why  string
		ends func(b *bench, f *Feed) *Feed // what it does in place of bringing it
	}{
		{"it says nothing", func(_ *bench, f *Feed) *Feed { time.Sleep(patience); return f }},
		{"it hangs up and comes again", func(b *bench, f *Feed) *Feed {
			f.Close()
			return b.Feed(conn{from: "192.0.2.9:1"})
		}},
		{"it sends something else", func(b *bench, f *Feed) *Feed {
			if err := b.take(f, "<1@x>", text("<2@x>")); err == nil {
				b.t.Error("taken")
			}
			return f
		}},
		{"what it sends can't be read", func(_ *bench, f *Feed) *Feed { f.Refuse("<1@x>", nntp.ErrBlockMalformed); return f }},
	} {
		synctest.Test(t, func(t *testing.T) {
			b := newBench(t)
			if err := b.a.Offer(t.Context(), "<1@x>"); err != nil {
				t.Fatal(err)
			}
			if err := b.b.Offer(t.Context(), "<1@x>"); !errors.Is(err, ErrInFlight) {
				t.Fatalf("%s: before: %v", c.why, err)
			}
			a := c.ends(b, b.a)
			if err := a.Offer(t.Context(), "<1@x>"); err != nil { // it may still bring it
				t.Errorf("%s: its second offer: %v", c.why, err)
			}
			if err := b.b.Offer(t.Context(), "<1@x>"); err != nil {
				t.Errorf("%s: another peer's offer afterwards: %v", c.why, err)
			}
			if err := a.Offer(t.Context(), "<1@x>"); !errors.Is(err, ErrInFlight) {
				t.Errorf("%s: while the other brings it: %v", c.why, err)
			}
			b.taken(c.why, b.b, "<1@x>", text("<1@x>"))
		})
	}
}

// A peer that keeps to none of its offers is expected to bring nothing, until
// that is forgotten.
func TestFlight_peerThatBringsNothing(t *testing.T) {
	f, now := newFlight(), time.Now()
	a, b := named("a"), named("b")
	for i := range maxFailed + 10 {
		id := pool.MessageID(fmt.Sprint(i))
		f.expect(id, a, now)
		f.abandon(id, a, true, now)
	}
	if n := len(f.of(a).failed); n != maxFailed {
		t.Errorf("%d are remembered", n)
	}
	if !f.expect("new", a, now) || !f.expect("new", b, now) {
		t.Error("it still holds articles up")
	}
	f.forget(b, now)
	now = now.Add(grudge)
	if !f.expect("new", a, now) || f.expect("new", b, now) {
		t.Error("it is never forgotten")
	}
	if r := f.of(a); len(r.failed) != 0 || len(r.line) != 0 || r.claims != 1 {
		t.Errorf("left over: %d, %d, %d", len(r.failed), len(r.line), r.claims)
	}
}

// failing is a store that fails for a while.
type failing struct {
	*memory.Store
	err error
}

var _ pool.Beginner = (*failing)(nil)

func (f *failing) Begin(context.Context, *pool.Article) pool.Begun { return pool.Outcome{Err: f.err} }

func TestTake_temporaryFailuresStayTemporary(t *testing.T) {
	b := newBench(t)
	o := b.options()
	for _, want := range []error{pool.ErrDiskFull, pool.ErrReadOnly, errors.New("x")} {
		o.Store = &failing{b.store, want}
		d := New(o)
		f := d.Feed(conn{from: "192.0.2.1:1"})
		err := f.Take(t.Context(), "<1@x>", []byte(text("<1@x>"))).Wait()
		var refusal *pool.Refusal
		if !errors.Is(err, want) || errors.As(err, &refusal) || d.Counts().Deferred != 1 {
			t.Errorf("%v became %v, counted %+v", want, err, d.Counts())
		}
		if len(d.flight.under) != 0 {
			t.Error("it is still under way")
		}
	}
}

func FuzzTake(f *testing.F) {
	f.Add([]byte(text("<1@x>")))
	f.Add([]byte(text("<1@x>", "Control", "cancel <a@b>", "Cancel-Key", "sha256:(x)y")))
	f.Add([]byte(text("<1@x>", "Newsgroups", "misc.test,,", "Path", "!!.x!")))
	f.Fuzz(func(t *testing.T, octets []byte) {
		b := newBench(t)
		err := b.a.Take(t.Context(), "<1@x>", octets).Wait()
		if _, final := reasonOf(err); err != nil && !final {
			t.Errorf("an article's fault is taken for ours: %v", err)
		}
		if stored, missing := b.store.ByID(t.Context(), "<1@x>"); missing == nil {
			if _, err := article.Parse(article.Unstuff(stored.Wire[:len(stored.Wire)-3])); err != nil {
				t.Errorf("what is stored is no article: %v", err)
			}
		}
	})
}
