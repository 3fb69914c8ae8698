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
	Batches     int    `json:"batches"`   // that have left, or may have
	Manifests   int    `json:"manifests"` // of these, as the server has them
	Entries     int    `json:"entries"`   // that the manifests of all servers name
	Held        int    `json:"held"`
	Missing     int    `json:"missing"`
	Bad         int    `json:"bad"` // another body, another form or another signature
}

// A Verifier compares what servers hold with what gateways have signed.
type Verifier struct {
	Policy *Policy
}

// atOnce is how many batches are asked for at a time.
const atOnce = 50

// Verify looks at the batches of a gateway from first to last, and says for each
// server how it stands with them. What was in a batch says its manifest, from
// whichever server has it, so that one that drops both is found out. Each manifest
// and each entry is checked: form, signature, and that it is what the manifest says.
// Batches that never left, as the manifests' chain shows, count nowhere.
func (v *Verifier) Verify(ctx context.Context, domain string, first, last uint64, servers []Source, progress func(done int)) ([]Tally, error) {
	_, keys, err := v.Policy.get(domain)
	if err != nil {
		return nil, err
	}
	c := comparison{Verifier: v, domain: domain, keys: keys, servers: servers, tallies: make([]Tally, len(servers)), left: left{first: first}}
	for b := first; b <= last; b += atOnce {
		end := min(b+atOnce-1, last)
		if err := c.some(ctx, b, end); err != nil {
			return nil, err
		}
		if progress != nil {
			progress(int(end-first) + 1)
		}
	}
	for i := range c.tallies {
		t := &c.tallies[i]
		t.Gateway, t.First, t.Last, t.Batches = domain, c.left.first, last, c.left.batches+c.left.absent
	}
	return c.tallies, nil
}

// A comparison is one run of Verify.
type comparison struct {
	*Verifier
	domain  string
	keys    *note.Keys
	servers []Source
	tallies []Tally // of each server
	left    left
}

func (c *comparison) some(ctx context.Context, first, last uint64) error {
	found, err := c.manifests(ctx, first, last)
	if err != nil {
		return err
	}
	var named []pool.MessageID
	payloads := make(map[pool.MessageID][sha256.Size]byte)
	signers := make(map[pool.MessageID][]*note.Verifier)
	for _, f := range found {
		c.left.next(f)
		if f.Manifest == nil {
			continue
		}
		for _, e := range f.Entries {
			id := pool.MessageID("<" + e.Tag + "@" + c.domain + ">")
			named = append(named, id)
			payloads[id], signers[id] = e.Payload, c.keys.For(f.Batch)
		}
	}
	for i, server := range c.servers {
		t := &c.tallies[i]
		t.Entries += len(named)
		texts, err := server.Articles(ctx, named)
		if err != nil {
			return err
		}
		for i, text := range texts {
			switch {
			case text == nil:
				t.Missing++
			case c.good(text, signers[named[i]], named[i], payloads[named[i]]):
				t.Held++
			default:
				t.Bad++
			}
		}
	}
	return nil
}

// A listed is what was in a batch, where any server says it.
type listed struct {
	batch uint64
	*note.Manifest
	text string
}

// manifests asks all servers for the manifests of some batches.
func (c *comparison) manifests(ctx context.Context, first, last uint64) ([]listed, error) {
	var ids []pool.MessageID
	var found []listed
	for b := first; b <= last; b++ {
		ids, found = append(ids, entry.ManifestID(c.domain, b)), append(found, listed{batch: b})
	}
	for i, server := range c.servers {
		texts, err := server.Articles(ctx, ids)
		if err != nil {
			return nil, err
		}
		for j, text := range texts {
			m, signed, ok := c.manifest(text, c.keys)
			if !ok || m.Batch != found[j].batch { // one good batch must not stand in for others
				continue
			}
			if found[j].Manifest == nil {
				found[j].Manifest, found[j].text = m, signed
			}
			if signed == found[j].text {
				c.tallies[i].Manifests++
			}
		}
	}
	return found, nil
}

// left counts the batches that have left, or may have.
type left struct {
	first   uint64
	batches int
	absent  int    // of which no server has the manifest, since the last that one has
	seen    string // the text of that one
}

// next takes the batches in order. A manifest names the one before: the first of all
// names none, and where a gateway released nothing for some time, having lost its
// disk, the next one names the last before that time.
func (l *left) next(f listed) {
	if f.Manifest == nil {
		l.absent++
		return
	}
	switch began := f.Previous == [sha256.Size]byte{}; {
	case l.seen == "" && began:
		l.first, l.absent = f.batch, 0
	case l.seen != "" && f.Previous == note.Hash(l.seen):
		l.absent = 0
	}
	l.batches, l.absent, l.seen = l.batches+l.absent+1, 0, f.text
}

// manifest reads a manifest, and returns what of it is signed.
func (v *Verifier) manifest(octets []byte, keys *note.Keys) (m *note.Manifest, text string, ok bool) {
	if octets == nil {
		return nil, "", false
	}
	a, err := article.Parse(octets)
	if err != nil {
		return nil, "", false
	}
	_, _, signed, err := entry.ParseNote(a, v.Policy.Groups.Manifest)
	if err != nil {
		return nil, "", false
	}
	m, text, err = keys.OpenManifest(signed)
	return m, text, err == nil
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
	d, _, err := v.Policy.get(domain)
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
