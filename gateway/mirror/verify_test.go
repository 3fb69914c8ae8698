package mirror

import (
	"context"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/restante/restante/pool"
	"github.com/restante/restante/pool/article"
)

// A parrot gives one article for whatever manifest it is asked for.
type parrot struct {
	manifest *article.Article
	entries  map[pool.MessageID]*article.Article
}

func (p parrot) Articles(_ context.Context, ids []pool.MessageID) ([][]byte, error) {
	out := make([][]byte, len(ids))
	for i, id := range ids {
		if a := p.entries[id]; a != nil {
			out[i] = a.Text()
		} else if id[1] == 'm' {
			out[i] = p.manifest.Text()
		}
	}
	return out, nil
}

func TestVerify_oneBatchDoesNotStandInForOthers(t *testing.T) {
	p, gw := newPolicy(t, nil, true), newPublisher(t)
	teach(t, p, text(gw.directoryArticle(nil)))
	entries, manifest := gw.batch(current() - 5)
	server := parrot{manifest, make(map[pool.MessageID]*article.Article)}
	for _, a := range entries {
		server.entries[pool.MessageID(a.Get("Message-ID"))] = a
	}
	got, err := (&Verifier{Policy: p}).Verify(t.Context(), far, current()-9, current()-3, []Source{server}, nil)
	// It is the first of all, so there were none before.
	if err != nil || got[0].Batches != 3 || got[0].Manifests != 1 || got[0].Held != 2 || got[0].Missing+got[0].Bad != 0 {
		t.Errorf("%+v, %v", got, err)
	}
}

// What one server lacks another one shows, manifests too.
func TestVerify_serversShowWhatOthersDrop(t *testing.T) {
	p, gw := newPolicy(t, nil, true), newPublisher(t)
	teach(t, p, text(gw.directoryArticle(nil)))
	here, there := make(served), make(served)
	keep := func(s served, articles ...*article.Article) {
		for _, a := range articles {
			s[pool.MessageID(a.Get("Message-ID"))] = a
		}
	}
	for b := current() - 8; b <= current()-3; b++ {
		entries, manifest := gw.batch(b)
		switch current() - b {
		case 6: // here is nothing of it
			keep(there, manifest, entries[0], entries[1])
		case 5: // there is nothing of it
			keep(here, manifest, entries[0], entries[1])
		case 4: // there the manifest lacks, and an entry has another's body
			keep(here, manifest, entries[0], entries[1])
			keep(there, entries[0])
			there[pool.MessageID(entries[1].Get("Message-ID"))] = entries[0]
		default:
			keep(here, manifest, entries[0], entries[1])
			keep(there, manifest, entries[0], entries[1])
		}
	}
	got, err := (&Verifier{Policy: p}).Verify(t.Context(), far, current()-20, current()-3, []Source{here, there}, nil)
	if err != nil {
		t.Fatal(err)
	}
	same := Tally{Gateway: far, First: current() - 8, Last: current() - 3, Batches: 6, Entries: 12}
	first, second := same, same
	first.Manifests, first.Held, first.Missing = 5, 10, 2
	second.Manifests, second.Held, second.Missing, second.Bad = 4, 9, 2, 1
	if diff := cmp.Diff([]Tally{first, second}, got); diff != "" {
		t.Error(diff)
	}
}

// A gateway that had lost its disk released nothing for some time, and its chain says
// so. Batches that are lacking with their manifests do count.
func TestVerify_batchesThatNeverLeftAreNotMissing(t *testing.T) {
	p, gw := newPolicy(t, nil, true), newPublisher(t)
	teach(t, p, text(gw.directoryArticle(nil)))
	server := make(served)
	for _, back := range []uint64{60, 59, 40, 39, 38} { // between 59 and 40 it released nothing
		_, manifest := gw.batch(current() - back)
		if back != 39 { // which is lost
			server[pool.MessageID(manifest.Get("Message-ID"))] = manifest
		}
	}
	got, err := (&Verifier{Policy: p}).Verify(t.Context(), far, current()-100, current()-37, []Source{server}, nil)
	if err != nil || got[0].First != current()-60 || got[0].Batches != 6 || got[0].Manifests != 4 || got[0].Missing != 8 {
		t.Errorf("%+v, %v", got, err)
	}
}

// Where no server has a manifest nobody can say when the gateway began.
func TestVerify_nothingAtAll(t *testing.T) {
	p, gw := newPolicy(t, nil, true), newPublisher(t)
	teach(t, p, text(gw.directoryArticle(nil)))
	got, err := (&Verifier{Policy: p}).Verify(t.Context(), far, current()-99, current()-3, []Source{make(served)}, nil)
	if err != nil || got[0].Batches != 97 || got[0].Manifests != 0 {
		t.Errorf("%+v, %v", got, err)
	}
}

// The gateway's own pool is compared by its own keys.
func TestVerify_ownPool(t *testing.T) {
	gw := newPublisher(t)
	p, _ := home(t, gw)
	v := &Verifier{Policy: p}
	if _, last, err := v.Span(far, now()); err != nil || last != current()-2 {
		t.Fatalf("up to %d, %v", last, err)
	}
	entries, manifest := gw.batch(current() - 5)
	server := served{pool.MessageID(manifest.Get("Message-ID")): manifest, pool.MessageID(entries[1].Get("Message-ID")): entries[1]}
	got, err := v.Verify(t.Context(), far, current()-9, current()-5, []Source{server}, nil)
	if err != nil || got[0].Batches != 1 || got[0].Held != 1 || got[0].Missing != 1 || got[0].DropRate() != 50 {
		t.Errorf("%+v, %v", got, err)
	}
}
