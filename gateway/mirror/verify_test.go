package mirror

import (
	"context"
	"testing"

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
	if _, err := check(t, p, text(gw.directoryArticle(nil))); err != nil {
		t.Fatal(err)
	}
	entries, manifest := gw.batch(current() - 5)
	server := parrot{manifest, make(map[pool.MessageID]*article.Article)}
	for _, a := range entries {
		server.entries[pool.MessageID(a.Get("Message-ID"))] = a
	}
	got, err := (&Verifier{Policy: p}).Verify(t.Context(), far, current()-9, current()-3, server, server, nil)
	if err != nil || got.Batches != 7 || got.Manifests != 1 || got.Held != 2 || got.Missing+got.Bad != 0 {
		t.Errorf("%+v, %v", got, err)
	}
}
