package disk

import (
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"github.com/syndtr/goleveldb/leveldb"

	"github.com/restante/restante/pool"
	"github.com/restante/restante/pool/article"
	"github.com/restante/restante/pool/record"
)

// A filing is one article on its way into the store, and what became of it.
type filing struct {
	article *pool.Article
	hash    hash
	at      []pool.Location // once it has numbers
	form    article.Form    // the same
	stored  pool.Stored     // as it is kept, without its octets; the same
	place   place
	twin    *filing // an article of the same message-id, filed before it
	err     error   // errUnfinished until it is published, or refused
	store   *Store
	ticket  record.Ticket // once it is known, err is what it stays
}

// errUnfinished stands for an outcome that is not known. No caller ever sees it
// unless a batch panicked.
var errUnfinished = errors.New("articles did not get through")

// Append implements [pool.Store]. A context that ends is honoured until the
// article is handed over to a group commit; from then on its outcome counts.
func (s *Store) Append(ctx context.Context, a *pool.Article) ([]pool.Location, error) {
	return s.Begin(ctx, a).Wait()
}

// Begin implements [pool.Beginner].
func (s *Store) Begin(ctx context.Context, a *pool.Article) pool.Begun {
	if err := s.enter(ctx); err != nil {
		return pool.Outcome{Err: err}
	}
	f := &filing{article: a, hash: hashOf(a.ID), err: errUnfinished, store: s}
	s.batcher.Put(f, &f.ticket)
	return f
}

// Known implements [pool.Begun].
func (f *filing) Known() bool { return f.ticket.Known() }

// Wait implements [pool.Begun].
func (f *filing) Wait() ([]pool.Location, error) {
	defer f.store.leave()
	f.ticket.Wait()
	if errors.Is(f.err, errUnfinished) {
		f.err = f.store.latch(f.err)
	}
	if f.err != nil {
		return nil, f.err
	}
	return f.at, nil
}

// A batch is the filings of one group commit on their way through its stages
// ([record.Stages]). Until the last one nothing of them can be seen.
type batch struct {
	s       *Store
	refused error // why nothing of it can be filed
	filings []*filing
	parts   []*part // in the order of their syncs
}

// A part is what goes into one segment.
type part struct {
	segment *segment
	records *record.Pending // once no more come
	filed   []*filing
	err     error
}

// begin begins a batch.
func (s *Store) begin() record.Stages[*filing] {
	if s.underWay.none() { // numbers of what failed are free again
		clear(s.given)
	}
	b := &batch{s: s, refused: s.writable()}
	if b.refused == nil {
		b.refused = s.room()
	}
	return b
}

// Add gives articles their numbers and adds them to segments, or says in them
// why not.
func (b *batch) Add(filings []*filing) {
	b.filings = append(b.filings, filings...)
	for _, f := range filings {
		err := b.refused
		if err == nil {
			err = b.add(f)
		}
		if err != nil {
			f.err = err
		}
	}
}

func (b *batch) add(f *filing) error {
	s := b.s
	if f.twin = s.underWay.get(f.hash); f.twin != nil {
		return nil
	}
	known, err := s.known(f.hash)
	if err != nil {
		return s.latch(s.fromIndex(err))
	}
	if known {
		return pool.ErrDuplicate
	}
	at, err := s.number(f.article)
	if err != nil {
		return err
	}
	p, err := b.part(f.article.Epoch)
	if err != nil {
		b.refused = s.latch(err)
		return b.refused
	}
	if err := s.write(f, p.segment, at); err != nil {
		return err
	}
	p.filed = append(p.filed, f)
	s.underWay.add(f)
	s.seen.add(f.hash, leadTo(f.place)) // now that its slot is at hand; the record does not show yet
	for _, l := range at {
		s.given[l.Group] = l.Number
	}
	return nil
}

// number finds an article's numbers.
func (s *Store) number(a *pool.Article) ([]pool.Location, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	at := make([]pool.Location, 0, len(a.Groups))
	for i, name := range a.Groups {
		g, ok := s.groups[name]
		if !ok || g.hidden {
			return nil, pool.ErrNoGroup
		}
		n, err := a.NumberAt(i, max(s.given[name], g.info.High)+1)
		if err != nil {
			return nil, err
		}
		if !slices.Contains(a.Groups[:i], name) {
			at = append(at, pool.Location{Group: name, Number: n})
		}
	}
	if len(at) == 0 {
		return nil, pool.ErrNoGroup
	}
	return at, nil
}

// part returns the part of the batch that an epoch's articles go to.
func (b *batch) part(epoch uint64) (*part, error) {
	segment, err := b.s.appendable(epoch)
	if err != nil {
		return nil, err
	}
	for _, p := range b.parts {
		if p.segment == segment {
			return p, nil
		}
	}
	p := &part{segment: segment}
	b.parts = append(b.parts, p)
	return p, nil
}

// write adds an article's record to the segment's log.
func (s *Store) write(f *filing, seg *segment, at []pool.Location) error {
	a := f.article
	f.at, f.form = at, article.Complete(a, s.options.ServerName, at)
	f.stored = pool.Stored{
		ID: a.ID, Arrived: a.Arrived, Epoch: a.Epoch,
		Locations: at, Overview: f.form.Overview, HeadSize: f.form.HeadSize,
	}
	s.meta = appendMeta(s.meta[:0], &f.stored)
	size := len(s.meta)
	s.meta = append(append(s.meta, f.form.Xref...), "\r\n"...)
	offset, err := seg.log.Add(s.meta[:size], a.Head, s.meta[size:], a.Body, []byte(".\r\n"))
	f.place = place{segment: seg.number, offset: offset, size: size + f.form.WireSize(a)}
	return err
}

// Close takes the records out of the logs, which the next batch adds to.
func (b *batch) Close() {
	for _, p := range b.parts {
		p.records = p.segment.log.Take()
	}
}

// Sync brings the records to stable storage. After a failed write there is none
// any more, in no segment: it may have left records whose numbers others have.
func (b *batch) Sync() {
	for _, p := range b.parts {
		if p.err = b.s.writable(); p.err != nil {
			continue
		}
		if err := p.records.Commit(); err != nil {
			p.err = b.s.latch(err)
		} else {
			b.s.found(true)
		}
	}
}

// Publish makes articles visible whose records are durable, and says in each
// what became of it.
func (b *batch) Publish() {
	if err := b.s.publish(b.parts); err != nil {
		err = b.s.latch(err)
		for _, p := range b.parts {
			p.err = cmp.Or(p.err, err)
		}
	}
	for _, p := range b.parts {
		for _, f := range p.filed {
			f.err = p.err
			if p.err != nil { // other records may come to stand there
				b.s.seen.replace(f.hash, leadTo(f.place), leadGone)
			}
		}
		b.s.underWay.remove(p.filed)
	}
	for _, f := range b.filings {
		if f.twin == nil {
			continue
		}
		if f.err = f.twin.err; f.err == nil { // only now is it true that it is there
			f.err = pool.ErrDuplicate
		}
	}
}

// Abandon ends all writing after a panic. What comes later would give numbers
// again, and hide records with its checkpoints.
func (b *batch) Abandon() {
	err := fmt.Errorf("%w: %w", errDoubt, errUnfinished)
	b.s.rowsLost.CompareAndSwap(nil, &err)
	b.s.doubt(err)
	_ = b.s.latch(err)
}

// publish puts the articles of the parts that did not fail into the index and
// the memory.
func (s *Store) publish(parts []*part) error {
	durable := slices.DeleteFunc(slices.Clone(parts), func(p *part) bool { return p.err != nil })
	if len(durable) == 0 {
		return nil
	}
	if lost := s.rowsLost.Load(); lost != nil { // a checkpoint would hide that
		return *lost
	}
	changed := make(map[*group]*group)
	err := s.index.stage(func(y *staged) {
		for _, p := range durable {
			for _, f := range p.filed {
				s.enterIndex(y, p.segment, &f.stored, f.place, changed)
			}
			p.segment.checkpoint(y, p.segment.salt(), p.records.End())
			p.segment.shown.Store(p.records.End()) // whoever sees its rows shall find it
		}
		putMarks(y, changed)
	})
	if err != nil {
		s.rowsLost.Store(&err)
		s.doubt(err)
		return err
	}
	for _, p := range durable {
		for _, f := range p.filed {
			s.recent.add(f.hash)
		}
		s.noteGrowth(p)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for old, now := range changed {
		*old = *now
	}
	return nil
}

// enterIndex adds one article of a segment to what goes into the index. changed gathers
// copies of its groups with the new water marks, which putMarks puts there.
func (s *Store) enterIndex(to *staged, in *segment, a *pool.Stored, p place, changed map[*group]*group) {
	to.article(a, p)
	octets := octetsOf(a.Overview)
	in.tally.enter(a)
	for _, l := range a.Locations {
		g := s.groups[l.Group]
		expired := l.Number < g.floor // before the index was built anew
		to.location(g.id, l.Number, expired)
		if expired {
			continue
		}
		in.tally.live++
		now := changed[g]
		if now == nil {
			now = new(group)
			*now = *g
			changed[g] = now
		}
		now.file(l.Number, octets)
	}
}

// putMarks adds what the index keeps of groups to what goes there.
func putMarks(to *staged, changed map[*group]*group) {
	for _, g := range changed {
		to.single('g', g.id, g.appendMarks)
	}
}

// appendMarks appends what the index keeps of a group to dst.
func (g *group) appendMarks(dst []byte) []byte {
	dst = binary.AppendUvarint(dst, uint64(g.info.High))
	dst = binary.AppendUvarint(dst, uint64(g.info.Count))
	return binary.AppendUvarint(dst, uint64(g.octets))
}

// checkpoint adds to what goes into the index that this has all of the segment up to an
// offset. salt is the file's random number.
func (g *segment) checkpoint(to *staged, salt uint32, offset int64) {
	to.single('s', g.number, checkpoint{epoch: g.epoch, salt: salt, offset: offset, gaps: g.gaps}.append)
	to.single('l', g.number, g.tally.append)
}

// checkpointIn is checkpoint for a batch, up to the end of the segment.
func (g *segment) checkpointIn(batch *leveldb.Batch) {
	c := checkpoint{epoch: g.epoch, salt: g.salt(), offset: g.log.End(), gaps: g.gaps}
	batch.Put(segmentKey(g.number), c.append(nil))
	batch.Put(tallyKey(g.number), g.tally.append(nil))
}
