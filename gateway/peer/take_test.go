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
		wait := b.a.Take(t.Context(), "<2@x>", []byte(text("<2@x>"))) // without an offer
		if err := b.b.Offer(t.Context(), "<2@x>"); !errors.Is(err, ErrInFlight) && !errors.Is(err, pool.ErrDuplicate) {
			t.Errorf("while it is filed: %v", err)
		}
		b.a.Close()
		if err := wait(); err != nil {
			t.Error(err)
		}
		if n := len(b.flight.under); n != 1 {
			t.Errorf("%d articles under way, want the one that b offered", n)
		}
		if c := b.Counts(); c.Deferred < 2 || c.Rejected["too_large"] != 1 {
			t.Errorf("counted %+v", c)
		}
	})
}

func TestFlight_isBounded(t *testing.T) {
	f, now := newFlight(), time.Now()
	a, b := new(Feed), &Feed{peer: new(Peer)}
	for i := range maxFlight + 10 {
		if !f.expect(pool.MessageID(fmt.Sprint(i)), a, now) {
			t.Fatal("refused")
		}
	}
	if len(f.under) != maxFlight || !f.expect("beyond", b, now) {
		t.Errorf("%d are under way", len(f.under))
	}
	if !f.expect("0", b, now.Add(patience)) || len(f.under) != 1 || len(f.line) != 1 || len(f.feeds) != 1 {
		t.Errorf("afterwards %d, %d, %d", len(f.under), len(f.line), len(f.feeds))
	}
}

// failing is a store that fails for a while.
type failing struct {
	*memory.Store
	err error
}

func (f *failing) Begin(context.Context, *pool.Article) func() ([]pool.Location, error) {
	return func() ([]pool.Location, error) { return nil, f.err }
}

func TestTake_temporaryFailuresStayTemporary(t *testing.T) {
	b := newBench(t)
	o := b.options()
	for _, want := range []error{pool.ErrDiskFull, pool.ErrReadOnly, errors.New("x")} {
		o.Store = &failing{b.store, want}
		d := New(o)
		f := d.Feed(conn{from: "192.0.2.1:1"})
		err := f.Take(t.Context(), "<1@x>", []byte(text("<1@x>")))()
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
		err := b.a.Take(t.Context(), "<1@x>", octets)()
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
