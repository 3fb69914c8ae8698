// Package intake opens the sealed submissions that are for this gateway
// (docs/protocol.md, section 11): it finds them in their group, joins fragments,
// and hands each submission to the office once. What it has opened it remembers
// until the seal key is gone, so that one sent again does nothing.
//
// It refuses to know what is in a submission, and who posted it; nothing opened
// touches the disk.
package intake

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"errors"
	"fmt"
	"time"

	"github.com/rs/zerolog"

	"github.com/restante/restante/crypto/envelope"
	"github.com/restante/restante/crypto/token"
	"github.com/restante/restante/pool"
	"github.com/restante/restante/pool/article"
	"github.com/restante/restante/pool/entry"
)

// Keys is what is needed of the gateway's keys.
type Keys interface {
	// Seal returns an epoch's seal key.
	Seal(epoch uint64) (*token.SealKey, error)
	// Honoured returns the oldest and the newest epoch whose seal keys are there.
	Honoured() (oldest, newest uint64)
}

// An Office takes an article that was submitted sealed. name is the same
// whenever the same submission is handed over, and known to nobody else. A
// [*pool.Refusal] or [pool.ErrDuplicate] stands for good; after another error
// it may be handed over again.
type Office interface {
	TakeSealed(ctx context.Context, text []byte, name [32]byte) error
}

// Options are what a [Desk] is made of.
type Options struct {
	Domain string
	Dir    string // folder of what it remembers
	Keys   Keys
	Store  pool.Reader
	Office Office
	Most   int // octets of the largest article
	Log    zerolog.Logger
}

const (
	look     = time.Second    // how often new submissions are looked for
	patience = 24 * time.Hour // how long fragments wait for the others
	maxOpen  = 10000          // submissions of which fragments wait

	labelName = "restante submission v1"
)

// A Desk opens submissions. One goroutine runs it.
type Desk struct {
	opts   Options
	memory *remembered
	open   map[[16]byte]*submission
}

// A submission is one whose fragments are coming in.
type submission struct {
	parts   []part // by index
	lacking int
	first   pool.Number
	since   time.Time
}

// A part is where one fragment stands. It is opened again once all are there, so
// that nothing opened is kept.
type part struct {
	number pool.Number
	epoch  uint64 // of the seal key
	digest [sha256.Size]byte
}

// Open opens the desk with what it remembers.
func Open(o Options) (*Desk, error) {
	m, err := openRemembered(o.Dir)
	if err != nil {
		return nil, fmt.Errorf("open the memory of sealed submissions: %w", err)
	}
	return &Desk{opts: o, memory: m, open: make(map[[16]byte]*submission)}, nil
}

// Close closes what Open opened.
func (d *Desk) Close() error { return d.memory.close() }

// Run opens submissions as they come, until ctx ends.
func (d *Desk) Run(ctx context.Context) error {
	failed := false
	for ctx.Err() == nil {
		err := d.Round(ctx)
		if err != nil && ctx.Err() == nil && !failed {
			d.opts.Log.Error().Err(err).Msg("sealed submissions can't be opened just now, trying again")
		}
		failed = err != nil
		select {
		case <-ctx.Done():
		case <-time.After(look):
		}
	}
	return nil
}

// Round opens what has come since the last round.
func (d *Desk) Round(ctx context.Context) error {
	oldest, _ := d.opts.Keys.Honoured()
	if err := d.memory.forget(oldest); err != nil {
		return err
	}
	info, err := d.opts.Store.Group(ctx, entry.Submit)
	if errors.Is(err, pool.ErrNoGroup) {
		return nil
	} else if err != nil {
		return err
	}
	if d.memory.next > info.High+1 { // the store was lost and began anew
		d.memory.next = info.Low
	}
	for n := max(d.memory.next, info.Low); n <= info.High; n++ {
		if err := d.one(ctx, n); err != nil {
			return err
		}
		d.memory.next = n + 1
	}
	d.expire()
	return d.memory.mark(ctx, d.resume())
}

// resume is the number to begin at after a restart: fragments that wait for
// others are looked at again.
func (d *Desk) resume() pool.Number {
	n := d.memory.next
	for _, s := range d.open {
		n = min(n, s.first)
	}
	return n
}

// expire gives up on submissions whose fragments did not all come.
func (d *Desk) expire() {
	for handle, s := range d.open {
		if time.Since(s.since) > patience {
			delete(d.open, handle)
		}
	}
}

// one looks at one article of the group. An error means that it must be looked
// at again.
func (d *Desk) one(ctx context.Context, n pool.Number) error {
	p, f, err := d.fragment(ctx, n)
	if err != nil || f == nil {
		return err
	}
	s := d.open[f.Handle]
	if s == nil {
		if int(f.Count) > d.mostParts() {
			return nil // whoever sends many such must not take our memory
		}
		s = &submission{parts: make([]part, f.Count), lacking: int(f.Count), first: n, since: time.Now()}
		d.keep(f.Handle, s)
	}
	if int(f.Index) >= len(s.parts) || len(s.parts) != int(f.Count) || s.parts[f.Index].number != 0 {
		return nil
	}
	s.parts[f.Index] = p
	s.lacking--
	if s.lacking > 0 {
		return nil
	}
	if err := d.hand(ctx, s); err != nil {
		s.parts[f.Index], s.lacking = part{}, s.lacking+1 // it comes again with the next round
		return err
	}
	delete(d.open, f.Handle)
	return nil
}

// mostParts is how many fragments the largest article has.
func (d *Desk) mostParts() int { return d.opts.Most/envelope.MaxContent + 1 }

// keep keeps a submission until its fragments are there. Where too many wait,
// that which waits longest is given up: an honest sender's come within minutes.
func (d *Desk) keep(handle [16]byte, s *submission) {
	if len(d.open) >= maxOpen {
		var oldest [16]byte
		first := s
		for h, o := range d.open {
			if o.first < first.first {
				oldest, first = h, o
			}
		}
		delete(d.open, oldest)
	}
	d.open[handle] = s
}

// fragment opens one article of the group. There is no fragment where it is not
// for us, was opened before, or does not open.
func (d *Desk) fragment(ctx context.Context, n pool.Number) (part, *envelope.Fragment, error) {
	stored, err := d.opts.Store.ByNumber(ctx, entry.Submit, n)
	if errors.Is(err, pool.ErrNotFound) || errors.Is(err, pool.ErrCorrupt) {
		return part{}, nil, nil
	} else if err != nil {
		return part{}, nil, err
	}
	a, err := article.Parse(article.Unstuff(stored.Wire[:len(stored.Wire)-len(".\r\n")]))
	if err != nil {
		return part{}, nil, nil //nolint:nilerr // it is no article of ours
	}
	s, err := entry.ParseSubmission(a)
	if err != nil || s.To != d.opts.Domain {
		return part{}, nil, nil //nolint:nilerr // for somebody else, or for nobody
	}
	digest := sha256.Sum256(s.Payload)
	if d.memory.has(digest) {
		return part{}, nil, nil
	}
	key, err := d.opts.Keys.Seal(s.Epoch)
	if err != nil {
		return part{}, nil, nil //nolint:nilerr // the key is gone, or never was
	}
	f, err := envelope.OpenSubmission(key, d.opts.Domain, s.Epoch, s.Payload)
	if err != nil {
		return part{}, nil, nil //nolint:nilerr // garbage
	}
	return part{n, s.Epoch, digest}, &f, nil
}

// hand joins a submission and hands it to the office, and remembers that it did.
func (d *Desk) hand(ctx context.Context, s *submission) error {
	var fragments []envelope.Fragment
	for _, p := range s.parts {
		_, f, err := d.fragment(ctx, p.number)
		if err != nil {
			return err
		}
		if f == nil { // it went meanwhile
			return d.remember(ctx, s)
		}
		fragments = append(fragments, *f)
	}
	text, err := envelope.Join(fragments)
	if err != nil || len(text) > d.opts.Most {
		return d.remember(ctx, s)
	}
	name, err := d.name(s)
	if err != nil {
		return err
	}
	err = d.opts.Office.TakeSealed(ctx, text, name)
	var refusal *pool.Refusal
	if err != nil && !errors.As(err, &refusal) && !errors.Is(err, pool.ErrDuplicate) {
		return err
	}
	return d.remember(ctx, s)
}

// name derives a name for a submission from the seal key: after a crash between
// handing over and remembering the office recognises it.
func (d *Desk) name(s *submission) (name [32]byte, err error) {
	key, err := d.opts.Keys.Seal(s.parts[0].epoch)
	if err != nil {
		return name, err
	}
	secret, err := key.Bytes()
	if err != nil {
		return name, err
	}
	mac := hmac.New(sha256.New, secret)
	clear(secret)
	_, _ = mac.Write([]byte(labelName)) // a hash takes everything
	_, _ = mac.Write(s.parts[0].digest[:])
	return [32]byte(mac.Sum(nil)), nil
}

func (d *Desk) remember(ctx context.Context, s *submission) error {
	_, newest := d.opts.Keys.Honoured()
	for _, p := range s.parts {
		if err := d.memory.add(ctx, newest, p.digest); err != nil {
			return err
		}
	}
	return nil
}
