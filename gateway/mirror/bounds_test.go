package mirror

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/restante/restante/crypto/note"
	"github.com/restante/restante/pool"
	"github.com/restante/restante/pool/article"
	"github.com/restante/restante/pool/entry"
)

// open lets an article in and says how it went; what was filed must be told.
func open(t *testing.T, p *Policy, a *article.Article) (Passage, error) {
	t.Helper()
	named, err := a.Newsgroups()
	if err != nil {
		t.Fatal(err)
	}
	return p.Check(a, named, now())
}

func TestBounds_aBatchTakesAsManyEntriesAsItHas(t *testing.T) {
	for what, known := range map[string][]Known{"learnt": nil, "named": {{Domain: far}}} {
		p, gw := newPolicy(t, known, true), newPublisher(t)
		teach(t, p, text(gw.directoryArticle(nil)))
		one, _ := gw.batch(current()) // two entries are all that there may be
		more, _ := gw.batch(current())
		first, err := open(t, p, one[0])
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		again, err := open(t, p, one[0]) // from somebody else, at the same time
		if err != nil {
			t.Errorf("%s: an entry that comes from two peers: %v", what, err)
		}
		second, err := open(t, p, one[1])
		if err != nil {
			t.Fatalf("%s: the second: %v", what, err)
		}
		if _, err := open(t, p, more[0]); !errors.Is(err, ErrExcess) {
			t.Errorf("%s: a third one: %v", what, err)
		}
		first.Done(true)
		again.Done(false)  // a duplicate by now
		second.Done(false) // could not be stored
		if last, err := open(t, p, more[0]); err != nil {
			t.Errorf("%s: a place that became free is not given: %v", what, err)
		} else {
			last.Done(true)
		}
		if _, err := open(t, p, more[1]); !errors.Is(err, ErrExcess) {
			t.Errorf("%s: one too many: %v", what, err)
		}
		next, _ := gw.batch(current() - 1)
		if _, err := open(t, p, next[0]); err != nil {
			t.Errorf("%s: another batch: %v", what, err)
		}
	}
}

func TestBounds_whatWasHereBeforeCounts(t *testing.T) {
	p, gw, store := newPolicy(t, nil, true), newPublisher(t), newStore(t)
	teach(t, p, text(gw.directoryArticle(nil)))
	entries, _ := gw.batch(current())
	for _, a := range entries {
		filed, err := a.File([]pool.Group{"restante.pool"}, now(), 2950)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := store.Append(t.Context(), filed); err != nil {
			t.Fatal(err)
		}
	}
	more, _ := gw.batch(current())
	if err := p.Recount(t.Context(), store, 1, now()); err != nil {
		t.Fatal(err)
	}
	last, err := open(t, p, more[0])
	if err != nil {
		t.Fatalf("one of two: %v", err)
	}
	last.Done(true)
	if _, err := open(t, p, more[1]); !errors.Is(err, ErrExcess) {
		t.Errorf("with the one that was here one too many: %v", err)
	}
}

func TestBounds_theTallyForgetsWhatExpired(t *testing.T) {
	x := new(tally)
	*x.of(1000, 900) = 7
	*x.of(901, 900) = 3
	if got := *x.of(1000, 950); got != 7 || x.first != 950 || len(x.count) != 51 {
		t.Errorf("%d entries, of %d batches from %d on", got, len(x.count), x.first)
	}
	if *x.of(940, 930) != 0 || *x.of(1000, 930) != 7 { // the clock went back
		t.Error("a clock that goes back shifts the counts")
	}
	if *x.of(5000, 4000) != 0 || len(x.count) != 1001 {
		t.Errorf("%d batches are remembered", len(x.count))
	}
}

func TestBounds_whatAGatewayPublishes(t *testing.T) {
	p, gw := newPolicy(t, nil, true), newPublisher(t)
	bounds := Bounds{Gateways: 2, Octets: 16 << 30} // which lets one have 2 GiB
	p.Book.Bound(bounds, p.Calendar)
	large := func(d *note.Directory) { d.BatchSize = 10 } // 10 × 10,080 × 23 KiB
	often := func(d *note.Directory) { d.BatchSize, d.BatchInterval = 1, time.Minute }
	endless := func(d *note.Directory) { d.PoolRetention = 1<<64 - 1 }
	future := func(d *note.Directory) { d.Seal[0].Epoch, d.Seal[1].Epoch = 2951, 2952 }
	old := func(d *note.Directory) { d.Seal[0].Epoch, d.Seal[1].Epoch = 2900, 2901 }
	for _, c := range []struct {
		what   string
		change func(*note.Directory)
		want   error
	}{
		{"too large", large, ErrExcess},
		{"too many batches, be there little in them", often, ErrExcess},
		{"kept for ever there, and so long as others here", endless, nil},
		{"of an epoch to come", future, ErrWindow},
		{"of an epoch whose tokens are dead", old, ErrWindow},
	} {
		p, gw := newPolicy(t, nil, true), newPublisher(t)
		p.Book.Bound(bounds, p.Calendar)
		_, signed := gw.directory(c.change)
		if _, err := p.Book.Learn(far, signed, now()); !errors.Is(err, c.want) || (err == nil) != (c.want == nil) {
			t.Errorf("%s: %v", c.what, err)
		}
	}
	teach(t, p, text(gw.directoryArticle(nil)))
	if _, err := check(t, p, text(gw.directoryArticle(large))); !errors.Is(err, ErrExcess) {
		t.Errorf("one that grows too large: %v", err)
	}
	p.Book.Set([]Known{{Domain: far}}, true)
	gw.last.Serial--
	if _, err := check(t, p, text(gw.directoryArticle(large))); errors.Is(err, ErrExcess) {
		t.Error("the operator has named it, and it is too large all the same")
	}
}

// Whoever can post among the keys anywhere names as many gateways as he likes.
func TestBounds_nothingIsRememberedOfGatewaysThatAreNotTaken(t *testing.T) {
	p := newPolicy(t, nil, false)
	for domain, signed := range strangers(t, 3, nil) {
		d, err := note.PeekDirectory(signed)
		if err != nil {
			t.Fatal(err)
		}
		large := append(bytes.Clone(signed), bytes.Repeat([]byte("x\n"), keysOfLearnt)...)
		for _, signed := range [][]byte{signed, large} {
			a, err := entry.Note(domain, groups().Keys, entry.DirectoryID(domain, d.Epoch(), 1), entry.DirectorySubject(d.Epoch(), 1), now(), signed)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := check(t, p, text(a)); err == nil {
				t.Error("it is taken")
			}
		}
	}
	if len(p.Book.spent) > 0 || len(p.Book.passing) > 0 {
		t.Errorf("%d gateways and %d articles are remembered", len(p.Book.spent), len(p.Book.passing))
	}
}

// strangers is directories of gateways that nobody knows.
func strangers(t *testing.T, n int, change func(*note.Directory)) map[string][]byte {
	t.Helper()
	out := make(map[string][]byte)
	for i := range n {
		domain := fmt.Sprintf("s%d.example", i)
		signer, err := note.NewSigner(domain, note.GenerateSeed())
		if err != nil {
			t.Fatal(err)
		}
		gw := &publisher{t: t, signer: signer}
		_, out[domain] = gw.directory(func(d *note.Directory) {
			d.Domain = domain
			if change != nil {
				change(d)
			}
		})
	}
	return out
}

func TestBounds_howManyAreLearnt(t *testing.T) {
	p := newPolicy(t, []Known{{Domain: far}}, true)
	p.Book.Bound(Bounds{Gateways: 3, Octets: 64 << 30}, p.Calendar)
	learnt := 0
	for domain, signed := range strangers(t, 5, nil) {
		switch _, err := p.Book.Learn(domain, signed, now()); {
		case err == nil:
			learnt++
		case !errors.Is(err, ErrExcess):
			t.Error(err)
		}
	}
	if learnt != 3 {
		t.Errorf("%d are learnt", learnt)
	}
	_, signed := newPublisher(t).directory(nil)
	if _, err := p.Book.Learn(far, signed, now()); err != nil {
		t.Errorf("one that is named finds no place: %v", err)
	}
	// Thirteen weeks later nobody holds a token of the three any more.
	later := now().Add(13 * 7 * 24 * time.Hour)
	for domain, signed := range strangers(t, 9, func(d *note.Directory) { d.Seal[0].Epoch, d.Seal[1].Epoch = 2963, 2964 }) {
		if domain < "s5" {
			continue
		}
		if _, err := p.Book.Learn(domain, signed, later); err == nil {
			learnt++
		} else if !errors.Is(err, ErrExcess) {
			t.Error(err)
		}
	}
	if learnt != 6 || len(p.Book.Gateways()) != 4 {
		t.Errorf("%d came after them; %d are known", learnt-3, len(p.Book.Gateways()))
	}
}

func TestBounds_whatIsPostedAmongTheKeysInADay(t *testing.T) {
	p, gw := newPolicy(t, nil, true), newPublisher(t)
	p.Book.Bound(Bounds{Gateways: 100, Octets: 1 << 40}, p.Calendar)
	fat := func(d *note.Directory) { // 28 KiB or so
		d.Blind = d.Blind[:1:1]
		for e := uint64(2951); len(d.Blind) < 500; e++ {
			d.Blind = append(d.Blind, note.EpochKey{Epoch: e, Key: d.Blind[0].Key})
		}
	}
	taken, octets := 0, 0
	for range 45 {
		a := text(gw.directoryArticle(fat))
		_, err := check(t, p, a)
		switch {
		case err == nil:
			taken++
			octets += len(body(a))
		case !errors.Is(err, ErrExcess):
			t.Fatal(err)
		}
	}
	if octets > keysOfLearnt || octets < keysOfLearnt/2 || taken == 60 {
		t.Errorf("%d directories of %d octets are taken", taken, octets)
	}
	// What it says of others is counted by itself, and bounded as well.
	notes, refused := 0, 0
	octets = 0
	for domain, signed := range strangers(t, 45, fat) {
		if _, err := p.Book.Learn(domain, signed, now()); err != nil {
			t.Fatal(err)
		}
		cosigned, err := note.Cosign(signed, verifierOf(t, signed), gw.signer)
		if err != nil {
			t.Fatal(err)
		}
		content, _, err := note.Open(cosigned, gw.signer.Verifier())
		if err != nil {
			t.Fatal(err)
		}
		a, err := entry.Note(far, groups().Keys, testimonyID(far, content, gw.signer.Verifier()), witnessSubject, now(), cosigned)
		if err != nil {
			t.Fatal(err)
		}
		_, err = check(t, p, text(a))
		switch {
		case err == nil:
			notes++
			octets += len(cosigned)
		case errors.Is(err, ErrExcess):
			refused++
		default:
			t.Fatalf("%s: %v", domain, err)
		}
	}
	if octets > keysOfLearnt || notes == 0 || refused == 0 {
		t.Errorf("%d testimonies of %d octets are taken, and %d refused", notes, octets, refused)
	}
}

func verifierOf(t *testing.T, signed []byte) *note.Verifier {
	t.Helper()
	d, err := note.PeekDirectory(signed)
	if err != nil {
		t.Fatal(err)
	}
	v, err := note.NewVerifier(d.Domain, d.Sign[:])
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// Whoever brings a directory can write any number of signatures under it.
func TestBounds_signaturesOfOthersComeOnlyFromThem(t *testing.T) {
	p, gw := newPolicy(t, nil, true), newPublisher(t)
	a := gw.directoryArticle(nil)
	_, signed, _ := strings.Cut(text(a), "\r\n\r\n")
	signed = strings.ReplaceAll(signed, "\r\n", "\n")
	for i := range 90 {
		signed += fmt.Sprintf("— %s AAAAAAAA%d=\n", []string{"j1.example", far}[i%2], 100+i)
	}
	fat, err := entry.Note(far, groups().Keys, pool.MessageID(a.Get("Message-ID")), a.Get("Subject"), now(), []byte(signed))
	if err != nil {
		t.Fatal(err)
	}
	teach(t, p, text(fat))
	held, _, err := p.Book.seen(far)
	if err != nil || note.Signatures(held) != 1 {
		t.Errorf("the book holds\n%s", held)
	}
	_, manifest := gw.batch(current())
	marked := strings.Replace(text(manifest), "\r\n— ", "\r\n— "+far+" AAAAAAAA100=\r\n— ", 1)
	if _, err := check(t, p, marked); !errors.Is(err, ErrForm) {
		t.Errorf("a manifest with one more line in it: %v", err)
	}
}
