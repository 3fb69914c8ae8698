package mirror

import (
	"context"
	"crypto/sha256"
	"errors"
	"time"

	"github.com/restante/restante/crypto/note"
	"github.com/restante/restante/pool"
	"github.com/restante/restante/pool/article"
	"github.com/restante/restante/pool/entry"
)

// A Source gives articles of a server by Message-ID, each as text (lines ended by
// CRLF, not dot-stuffed), in the order asked; nil for one that it does not have.
type Source interface {
	Articles(ctx context.Context, ids []pool.MessageID) ([][]byte, error)
}

// A Tally is how it stands with one gateway's batches on one server.
type Tally struct {
	Gateway     string `json:"gateway"`
	First, Last uint64 `json:"-"`
	Batches     int    `json:"batches"`   // that should be there
	Manifests   int    `json:"manifests"` // that are
	Entries     int    `json:"entries"`   // that the manifests name
	Held        int    `json:"held"`
	Missing     int    `json:"missing"`
	Bad         int    `json:"bad"` // another body, another form or another signature
}

// A Verifier compares what servers hold with what gateways have signed. The
// manifests come from one server, whichever has most.
type Verifier struct {
	Policy *Policy
}

// atOnce is how many batches are asked for at a time.
const atOnce = 50

// Verify looks at the batches of a gateway from first to last on a server, and
// takes the manifests from manifests, which may be the same. Each manifest and
// each entry is checked: form, signature, and that it is what the manifest says.
func (v *Verifier) Verify(ctx context.Context, domain string, first, last uint64, manifests, server Source, progress func(done, all int)) (Tally, error) {
	t := Tally{Gateway: domain, First: first, Last: last, Batches: int(last - first + 1)}
	_, keys, err := v.Policy.Book.get(domain)
	if err != nil {
		return t, err
	}
	for b := first; b <= last; b += atOnce {
		end := min(b+atOnce-1, last)
		if err := v.some(ctx, &t, keys, b, end, manifests, server); err != nil {
			return t, err
		}
		if progress != nil {
			progress(int(end-first)+1, t.Batches)
		}
	}
	return t, nil
}

func (v *Verifier) some(ctx context.Context, t *Tally, keys *note.Keys, first, last uint64, manifests, server Source) error {
	var ids []pool.MessageID
	for b := first; b <= last; b++ {
		ids = append(ids, entry.ManifestID(t.Gateway, b))
	}
	texts, err := manifests.Articles(ctx, ids)
	if err != nil {
		return err
	}
	var named []pool.MessageID
	payloads := make(map[pool.MessageID][sha256.Size]byte)
	signers := make(map[pool.MessageID][]*note.Verifier)
	for i, text := range texts {
		m, ok := v.manifest(text, keys)
		if !ok || m.Batch != first+uint64(i) { // one good batch must not stand in for others
			continue
		}
		t.Manifests++
		for _, e := range m.Entries {
			id := pool.MessageID("<" + e.Tag + "@" + t.Gateway + ">")
			named = append(named, id)
			payloads[id], signers[id] = e.Payload, keys.For(m.Batch)
		}
	}
	t.Entries += len(named)
	texts, err = server.Articles(ctx, named)
	if err != nil {
		return err
	}
	for i, text := range texts {
		switch {
		case text == nil:
			t.Missing++
		case v.good(text, signers[named[i]], named[i], payloads[named[i]]):
			t.Held++
		default:
			t.Bad++
		}
	}
	return nil
}

func (v *Verifier) manifest(text []byte, keys *note.Keys) (*note.Manifest, bool) {
	if text == nil {
		return nil, false
	}
	a, err := article.Parse(text)
	if err != nil {
		return nil, false
	}
	_, _, signed, err := entry.ParseNote(a, v.Policy.Groups.Manifest)
	if err != nil {
		return nil, false
	}
	m, _, err := keys.OpenManifest(signed)
	return m, err == nil
}

// good says whether an entry is what the manifest says, and signed.
func (v *Verifier) good(text []byte, signers []*note.Verifier, id pool.MessageID, payload [sha256.Size]byte) bool {
	a, err := article.Parse(text)
	if err != nil {
		return false
	}
	e, signature, err := entry.Parse(a, v.Policy.Groups.Pool)
	return err == nil && e.MessageID() == id && sha256.Sum256(e.Payload) == payload && e.Verify(signature, signers...) == nil
}

var errNoBatch = errors.New("no batch of that gateway should be here yet")

// Span is the batches of a gateway that every mirror should have now.
func (v *Verifier) Span(domain string, now time.Time) (first, last uint64, err error) {
	d, _, err := v.Policy.Book.get(domain)
	if err != nil {
		return 0, 0, err
	}
	r := Repairer{policy: v.Policy}
	first, last = r.span(d, now)
	if last < first {
		return 0, 0, errNoBatch
	}
	return first, last, nil
}

// DropRate is the share of the entries that are missing, in percent.
func (t Tally) DropRate() float64 {
	if t.Entries == 0 {
		return 0
	}
	return 100 * float64(t.Missing) / float64(t.Entries)
}
