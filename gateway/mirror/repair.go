package mirror

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/restante/restante/crypto/note"
	"github.com/restante/restante/pool"
	"github.com/restante/restante/pool/entry"
)

// atATime is how many lacking articles are named at a time, and of one gateway.
const atATime = 2000

// A Repairer finds out what the pool lacks: every batch of a gateway has a
// manifest, under a name that follows from its number, and the manifest names the
// batch's entries. It is for one goroutine.
type Repairer struct {
	policy *Policy
	store  pool.Reader
	state  map[string]*progress
}

// progress is what was found out about one gateway. All of it follows from the
// store again.
type progress struct {
	whole map[uint64]bool // batches of which nothing is lacking
	first uint64          // no batch before it was released
	high  pool.Number     // of the manifests' group when that was found out
}

// NewRepairer returns a repairer of a store.
func NewRepairer(p *Policy, store pool.Reader) *Repairer {
	return &Repairer{policy: p, store: store, state: make(map[string]*progress)}
}

// Lacking returns directories, manifests and entries that should be here and are
// not, of those that due approves. There may be more once these are here. All
// gateways have an equal part: one of which endlessly much lacks keeps nobody else's
// from being asked for.
func (r *Repairer) Lacking(ctx context.Context, now time.Time, due func(pool.MessageID) bool) ([]pool.MessageID, error) {
	var parts [][]pool.MessageID
	all := r.policy.gateways()
	maps.DeleteFunc(r.state, func(domain string, _ *progress) bool { return !slices.Contains(all, domain) })
	for _, domain := range all {
		d, _, err := r.policy.get(domain)
		if err != nil {
			continue // nothing is taken of it any more
		}
		part, err := r.lackingOf(ctx, d, now, due)
		if err != nil {
			return nil, err
		}
		parts = append(parts, part)
	}
	return deal(parts, atATime), nil
}

// deal takes the first of each part, then the second of each, and so on, most in all.
func deal(parts [][]pool.MessageID, most int) (out []pool.MessageID) {
	for i := 0; len(out) < most; i++ {
		dealt := len(out)
		for _, part := range parts {
			if i < len(part) && len(out) < most {
				out = append(out, part[i])
			}
		}
		if len(out) == dealt {
			break
		}
	}
	return out
}

func (r *Repairer) lackingOf(ctx context.Context, d *note.Directory, now time.Time, due func(pool.MessageID) bool) (out []pool.MessageID, err error) {
	p := r.state[d.Domain]
	if p == nil {
		p = &progress{whole: make(map[uint64]bool)}
		r.state[d.Domain] = p
	}
	for _, id := range r.policy.Book.directories(d) {
		if seen, err := holds(ctx, r.store, id); err != nil {
			return nil, err
		} else if !seen && due(id) {
			out = append(out, id)
		}
	}
	first, last := r.span(d, now)
	maps.DeleteFunc(p.whole, func(b uint64, _ bool) bool { return b < first })
	if err := r.reconsider(ctx, d.Domain, p, first); err != nil {
		return nil, err
	}
	for b := last; b >= max(first, p.first) && len(out) < atATime; b-- { // the newest is the likeliest to be found
		if p.whole[b] {
			continue
		}
		batch, err := r.look(ctx, d.Domain, b)
		if err != nil {
			return nil, err
		}
		if batch.begins && b > p.first {
			if p.first, err = r.earliest(ctx, d.Domain, first, b); err != nil {
				return nil, err
			}
		}
		p.whole[b] = batch.held && len(batch.lacking) == 0
		for _, id := range batch.lacking {
			if due(id) {
				out = append(out, id)
			}
		}
		if b == 0 {
			break
		}
	}
	return out, nil
}

// reconsider looks whether a gateway began before, by the manifests that came since
// that was found out.
func (r *Repairer) reconsider(ctx context.Context, domain string, p *progress, first uint64) error {
	group, err := r.store.Group(ctx, r.policy.Groups.Manifest)
	if err != nil || group.High == p.high {
		return err
	}
	p.high = group.High
	if p.first > first {
		p.first, err = r.earliest(ctx, domain, first, p.first)
	}
	return err
}

// earliest is the batch with which a gateway began. One that begins at b may have
// begun before, and lost its disk: what is here of it from that time says so.
func (r *Repairer) earliest(ctx context.Context, domain string, first, b uint64) (uint64, error) {
	for c := first; c < b; c++ {
		batch, err := r.look(ctx, domain, c)
		switch {
		case err != nil:
			return 0, err
		case batch.begins:
			return c, nil
		case batch.held:
			return first, nil
		}
	}
	return b, nil
}

// span is the batches of a gateway that should be here: those that neither it
// nor we have dropped, and that had an interval's time to come.
func (r *Repairer) span(d *note.Directory, now time.Time) (first, last uint64) {
	theirs, ours := calendar(d), r.policy.Calendar
	last = theirs.Batch(now)
	last -= min(last, 2)
	if own := r.policy.Own; own != nil && d.Domain == r.policy.Book.own {
		last = min(last, own.Released())
	}
	first = theirs.FirstBatch(theirs.OldestRetained(theirs.Epoch(now)))
	oldest := ours.Start(ours.FirstBatch(ours.OldestRetained(ours.Epoch(now))))
	if b := theirs.Batch(oldest); theirs.Start(b).Before(oldest) {
		first = max(first, b+1)
	} else {
		first = max(first, b)
	}
	return first, last
}

// A batch is how it stands with one batch.
type batch struct {
	held    bool // its manifest is here
	begins  bool // it is the first that the gateway released
	lacking []pool.MessageID
}

// look looks a batch up in the store. What is here was checked when it came, and
// the store has a sum for each article: nothing is read again but for that.
func (r *Repairer) look(ctx context.Context, domain string, b uint64) (batch, error) {
	id := entry.ManifestID(domain, b)
	stored, err := r.store.ByID(ctx, id)
	if errors.Is(err, pool.ErrNotFound) || errors.Is(err, pool.ErrCorrupt) {
		return batch{lacking: []pool.MessageID{id}}, nil
	} else if err != nil {
		return batch{}, err
	}
	m, err := manifestOf(stored)
	if err != nil {
		return batch{lacking: []pool.MessageID{id}}, nil //nolint:nilerr // it was checked when it came: damage
	}
	out := batch{held: true, begins: m.Previous == [sha256.Size]byte{}}
	for _, e := range m.Entries {
		id := pool.MessageID("<" + e.Tag + "@" + domain + ">")
		held, err := holds(ctx, r.store, id)
		if err != nil {
			return batch{}, err
		}
		if !held {
			out.lacking = append(out.lacking, id)
		}
	}
	return out, nil
}

// manifestOf reads a manifest at rest, whose signature was checked when it came.
func manifestOf(stored *pool.Stored) (*note.Manifest, error) {
	text, _, _ := bytes.Cut(entry.Signed(stored), []byte("\n\n"))
	return note.ParseManifest(string(text) + "\n")
}
