package mirror

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/restante/restante/crypto/note"
	"github.com/restante/restante/pool"
	"github.com/restante/restante/pool/article"
	"github.com/restante/restante/pool/entry"
)

// Own is what must be known of this gateway itself for what its own disk has lost
// to come back: from a server that is asked for it, with our signature, and never
// by a feed.
type Own struct {
	Keys      func() *note.Keys // our signing keys
	Directory func() []byte     // ours that is current, signed; nil: there is none yet
	Released  func() uint64     // the last batch that left here
	Store     pool.Reader
}

// get is [Book.get], for this gateway's own domain too.
func (p *Policy) get(domain string) (*note.Directory, *note.Keys, error) {
	if p.Own == nil || domain != p.Book.own {
		return p.Book.get(domain)
	}
	return &note.Directory{
		Domain: domain, EpochLength: p.Calendar.EpochLength, BatchInterval: p.Calendar.BatchInterval,
		PoolRetention: p.Calendar.Retention, TokenLife: p.Calendar.TokenLife,
	}, p.Own.Keys(), nil
}

// gateways is the domains of the gateways of which what is lacking is fetched: our
// own first, of which what is lost is our users' mail.
func (p *Policy) gateways() []string {
	all := p.Book.Gateways()
	if p.Own != nil {
		all = slices.Insert(all, 0, p.Book.own)
	}
	return all
}

// CheckOwn is [Policy.Check] for an article of this gateway's own that was asked
// for: one that bears our signature, of a batch that has left here and is still
// retained. A manifest must not contradict those of the batches beside it, and an
// entry must be in its manifest, which comes first. Other articles of our domain
// can't be told from forgeries.
func (p *Policy) CheckOwn(ctx context.Context, a *article.Article, named []pool.Group, now time.Time) (epoch uint64, err error) {
	if len(named) != 1 {
		return 0, ErrMixed
	}
	if p.Own != nil {
		switch named[0] {
		case p.Groups.Pool:
			return p.ownEntry(ctx, a, now)
		case p.Groups.Manifest:
			return p.ownManifest(ctx, a, now)
		case p.Groups.Keys:
			return 0, p.ownDirectory(ctx, a, now)
		}
	}
	return 0, ErrForm
}

// left checks that a date is the start of a batch that has left here and is
// retained.
func (p *Policy) left(date, now time.Time) (batch, epoch uint64, err error) {
	c := p.Calendar
	batch, epoch = c.Batch(date), c.Epoch(date)
	switch {
	case !c.Start(batch).Equal(date):
		return 0, 0, ErrForm
	case batch > p.Own.Released(), epoch < c.OldestRetained(c.Epoch(now)):
		return 0, 0, ErrWindow
	}
	return batch, epoch, nil
}

func (p *Policy) ownEntry(ctx context.Context, a *article.Article, now time.Time) (epoch uint64, err error) {
	e, signature, err := entry.Parse(a, p.Groups.Pool)
	if err != nil || e.Domain != p.Book.own {
		return 0, ErrForm
	}
	batch, epoch, err := p.left(e.Date, now)
	if err != nil {
		return 0, err
	}
	if e.Verify(signature, p.Own.Keys().For(batch)...) != nil {
		return 0, ErrSignature
	}
	m, err := p.Own.manifest(ctx, p.Book.own, batch)
	if err != nil {
		return 0, err
	}
	if m != nil {
		for _, listed := range m.Entries {
			if listed.Tag == e.Tag.String() && listed.Payload == sha256.Sum256(e.Payload) {
				return epoch, nil
			}
		}
	}
	return 0, ErrForm
}

func (p *Policy) ownManifest(ctx context.Context, a *article.Article, now time.Time) (epoch uint64, err error) {
	m, text, date, err := p.openOwn(a)
	if err != nil {
		return 0, err
	}
	_, epoch, err = p.left(date, now)
	if err != nil {
		return 0, err
	}
	for _, b := range [...]uint64{m.Batch - 1, m.Batch + 1} {
		beside, err := p.Own.manifest(ctx, p.Book.own, b)
		if err != nil {
			return 0, err
		}
		if beside == nil {
			continue
		}
		earlier, later := text, beside
		if b < m.Batch {
			earlier, later = beside.Text(), m
		}
		if later.Previous != note.Hash(earlier) && later.Previous != [sha256.Size]byte{} {
			return 0, ErrFork
		}
	}
	return epoch, nil
}

// openOwn reads one of our manifests.
func (p *Policy) openOwn(a *article.Article) (m *note.Manifest, text string, date time.Time, err error) {
	domain, date, signed, err := entry.ParseNote(a, p.Groups.Manifest)
	if err != nil || domain != p.Book.own {
		return nil, "", date, ErrForm
	}
	m, text, err = p.Own.Keys().OpenManifest(signed)
	if err != nil {
		return nil, "", date, signature(err)
	}
	if a.Get("Message-ID") != string(entry.ManifestID(domain, m.Batch)) ||
		a.Get("Subject") != entry.ManifestSubject(m.Batch) || !p.Calendar.Start(m.Batch).Equal(date) || note.Signatures(signed) != 1 {
		return nil, "", date, ErrForm
	}
	return m, text, date, nil
}

// ownDirectory checks a directory of ours. One from before the signing key was
// replaced is ours where the one after it names it.
func (p *Policy) ownDirectory(ctx context.Context, a *article.Article, now time.Time) error {
	domain, _, signed, err := entry.ParseNote(a, p.Groups.Keys)
	if err != nil || domain != p.Book.own {
		return ErrForm
	}
	d, _, _, err := note.OpenDirectory(signed, p.Own.Keys().Newest())
	if errors.Is(err, note.ErrSignature) {
		d, err = note.PeekDirectory(signed)
		if err == nil && !p.followed(ctx, d, now) {
			err = note.ErrSignature
		}
	}
	if err != nil {
		return signature(err)
	}
	if a.Get("Message-ID") != string(entry.DirectoryID(domain, d.Epoch(), d.Serial)) ||
		a.Get("Subject") != entry.DirectorySubject(d.Epoch(), d.Serial) {
		return ErrForm
	}
	return nil
}

// maxAway bounds the epochs between two directories that follow each other.
const maxAway = 128

// followed says whether one of our directories that is here names d as the one before.
func (p *Policy) followed(ctx context.Context, d *note.Directory, now time.Time) bool {
	names := func(signed []byte) bool {
		next, err := note.PeekDirectory(signed)
		return err == nil && next.Serial == d.Serial+1 && next.Previous == note.Hash(d.Text())
	}
	if names(p.Own.Directory()) {
		return true
	}
	for e := d.Epoch(); e <= min(p.Calendar.Epoch(now), d.Epoch()+maxAway); e++ {
		stored, err := p.Own.Store.ByID(ctx, entry.DirectoryID(d.Domain, e, d.Serial+1))
		if err == nil && names(entry.Signed(stored)) {
			return true
		}
	}
	return false
}

// manifest returns the manifest of one of our batches, or nil where it is not
// here.
func (o *Own) manifest(ctx context.Context, domain string, batch uint64) (*note.Manifest, error) {
	stored, err := o.Store.ByID(ctx, entry.ManifestID(domain, batch))
	switch {
	case errors.Is(err, pool.ErrNotFound), errors.Is(err, pool.ErrCorrupt):
		return nil, nil
	case err != nil:
		return nil, err
	}
	m, err := manifestOf(stored)
	if err != nil {
		return nil, nil //nolint:nilerr // damage: it was checked when it came
	}
	return m, nil
}

// A Head is the last batch that is known to have left, and the hash of its
// manifest's text. The zero Head is none.
type Head struct {
	Batch    uint64
	Manifest [sha256.Size]byte
}

// After finds the last batch of ours that a server has the manifest of, after
// that one. Batches leave one after the other, none left out.
func (p *Policy) After(ctx context.Context, server Source, batch uint64) (Head, error) {
	var last Head
	for {
		found, err := p.newest(ctx, server, batch+1, batch+atOnce)
		if err != nil || found.Batch == 0 {
			return last, err
		}
		last, batch = found, batch+atOnce
	}
}

// UpTo finds the last batch of ours that a server has the manifest of, up to that
// one, of those that are retained.
func (p *Policy) UpTo(ctx context.Context, server Source, batch uint64, now time.Time) (Head, error) {
	first := p.Calendar.FirstBatch(p.Calendar.OldestRetained(p.Calendar.Epoch(now)))
	const atOnce = 10 * atOnce // there may be none for weeks
	for batch >= first && batch > 0 {
		from := max(first, batch-min(batch, atOnce-1), 1)
		found, err := p.newest(ctx, server, from, batch)
		if err != nil || found.Batch != 0 {
			return found, err
		}
		batch = from - 1
	}
	return Head{}, nil
}

// newest finds the last batch of ours from first to last that a server has the
// manifest of.
func (p *Policy) newest(ctx context.Context, server Source, first, last uint64) (Head, error) {
	var ids []pool.MessageID
	for b := first; b <= last; b++ {
		ids = append(ids, entry.ManifestID(p.Book.own, b))
	}
	texts, err := server.Articles(ctx, ids)
	if err != nil {
		return Head{}, fmt.Errorf("ask for our manifests: %w", err)
	}
	var found Head
	for i, text := range texts {
		a, err := article.Parse(text)
		if text == nil || err != nil {
			continue
		}
		m, content, _, err := p.openOwn(a)
		if err == nil && m.Batch == first+uint64(i) {
			found = Head{m.Batch, note.Hash(content)}
		}
	}
	return found, nil
}

// A Shelf is a store as a server that is asked.
type Shelf struct{ pool.Reader }

// Articles implements [Source].
func (s Shelf) Articles(ctx context.Context, ids []pool.MessageID) ([][]byte, error) {
	out := make([][]byte, len(ids))
	for i, id := range ids {
		stored, err := s.ByID(ctx, id)
		switch {
		case err == nil:
			out[i] = article.Unstuff(stored.Wire[:len(stored.Wire)-len(".\r\n")])
		case !errors.Is(err, pool.ErrNotFound) && !errors.Is(err, pool.ErrCorrupt):
			return nil, err
		}
	}
	return out, nil
}
