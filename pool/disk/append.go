package disk

import (
	"context"
	"encoding/binary"
	"slices"

	"github.com/syndtr/goleveldb/leveldb"

	"github.com/restante/restante/pool"
	"github.com/restante/restante/pool/article"
	"github.com/restante/restante/pool/record"
)

// A filing is one article on its way into the store, and what became of it.
type filing struct {
	article *pool.Article
	stored  *pool.Stored // once it has numbers
	place   place
	twin    *filing // an article of the same message-id in the same batch
	err     error
}

// Append implements [pool.Store]. A context that ends is honoured until the
// article is handed over to a group commit; from then on its outcome counts.
func (s *Store) Append(ctx context.Context, a *pool.Article) ([]pool.Location, error) {
	return s.Begin(ctx, a)()
}

// Begin implements [pool.Beginner].
func (s *Store) Begin(ctx context.Context, a *pool.Article) func() ([]pool.Location, error) {
	if err := s.enter(ctx); err != nil {
		return func() ([]pool.Location, error) { return nil, err }
	}
	f := &filing{article: a}
	wait := s.batcher.Put(f)
	return func() ([]pool.Location, error) {
		defer s.leave()
		wait()
		if f.err != nil {
			return nil, f.err
		}
		return slices.Clone(f.stored.Locations), nil
	}
}

// commit files a batch. It runs under the batcher's turn.
func (s *Store) commit(batch []*filing) {
	for len(batch) > 0 {
		// Asked before each epoch: what failed in the one before may have left
		// records with numbers that this one would get as well.
		err := s.writable()
		if err == nil {
			err = s.room()
		}
		if err != nil {
			for _, f := range batch {
				f.err = err
			}
			return
		}
		epoch := batch[0].article.Epoch
		var others []*filing
		mine := make([]*filing, 0, len(batch))
		for _, f := range batch {
			if f.article.Epoch == epoch {
				mine = append(mine, f)
			} else {
				others = append(others, f)
			}
		}
		s.commitEpoch(epoch, mine)
		batch = others
	}
}

// room returns pool.ErrDiskFull when less than the reserve is left.
func (s *Store) room() error {
	if s.options.Reserve == 0 {
		return nil
	}
	if free, err := record.Free(s.dir); err == nil && free < s.options.Reserve {
		return pool.ErrDiskFull
	}
	return nil
}

// commitEpoch files the articles of one epoch: all that can be filed, in one
// sync. Until that has returned nothing of them can be seen.
func (s *Store) commitEpoch(epoch uint64, batch []*filing) {
	seg, err := s.prepare(epoch, batch)
	if err == nil && seg != nil {
		err = seg.log.Commit()
	}
	var filed []*filing
	for _, f := range batch {
		if f.err == nil && f.twin == nil {
			filed = append(filed, f)
		}
	}
	if err == nil && len(filed) > 0 {
		err = s.publish(seg, filed)
	}
	if err != nil {
		err = s.latch(err)
	}
	for _, f := range batch {
		switch {
		case f.err != nil:
		case err != nil:
			f.err = err
		case f.twin != nil: // only now is it true that it is there
			f.err = pool.ErrDuplicate
		}
	}
}

// prepare gives each article of the batch its numbers and adds it to the
// epoch's segment, or says in it why not. It returns no segment when there is
// none to be added.
func (s *Store) prepare(epoch uint64, batch []*filing) (*segment, error) {
	var seg *segment
	next := make(map[*group]pool.Number)
	first := make(map[pool.MessageID]*filing)
	for _, f := range batch {
		id := f.article.ID
		if f.twin = first[id]; f.twin != nil {
			continue
		}
		at, err := s.number(f.article, next)
		if err != nil {
			f.err = err
			continue
		}
		if seg == nil {
			if seg, err = s.appendable(epoch); err != nil {
				return nil, err
			}
		}
		if f.err = f.add(seg, s.options.ServerName, at); f.err != nil {
			continue
		}
		first[id] = f
		for _, l := range at {
			next[s.groups[l.Group]] = l.Number + 1
		}
	}
	return seg, nil
}

// number finds the numbers of an article that is not a duplicate. next has the
// numbers of groups that the batch has already taken some of.
func (s *Store) number(a *pool.Article, next map[*group]pool.Number) ([]pool.Location, error) {
	if known, err := s.known(hashOf(a.ID)); err != nil {
		return nil, s.latch(s.fromIndex(err))
	} else if known {
		return nil, pool.ErrDuplicate
	}
	at := make([]pool.Location, 0, len(a.Groups))
	for i, name := range a.Groups {
		g, ok := s.groups[name]
		if !ok || g.hidden {
			return nil, pool.ErrNoGroup
		}
		n, err := a.NumberAt(i, max(next[g], g.info.High+1))
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

// add renders the article and adds it to the segment's log.
func (f *filing) add(seg *segment, server string, at []pool.Location) error {
	f.stored = article.Render(f.article, server, at)
	meta := appendMeta(nil, f.stored)
	offset, err := seg.log.Add(meta, f.stored.Wire)
	f.place = place{segment: seg.number, offset: offset, size: len(meta) + len(f.stored.Wire)}
	return err
}

// publish makes articles visible whose records are durable.
func (s *Store) publish(seg *segment, filed []*filing) error {
	changed := make(map[*group]*group)
	batch := new(leveldb.Batch)
	for _, f := range filed {
		s.enterIndex(batch, f.stored, f.place, changed)
	}
	seg.checkpoint(batch)
	if err := s.index.write(batch, false); err != nil {
		s.doubt(err)
		return err
	}
	for _, f := range filed {
		h := hashOf(f.stored.ID)
		s.seen.add(h)
		s.recent.add(h)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for old, now := range changed {
		*old = *now
	}
	return nil
}

// enterIndex puts one article into a batch for the index. changed gathers
// copies of its groups with the new water marks.
func (s *Store) enterIndex(batch *leveldb.Batch, a *pool.Stored, p place, changed map[*group]*group) {
	where := appendPlace(nil, p)
	batch.Put(idKey(hashOf(a.ID)), where)
	row := slices.Concat(where, a.Overview)
	arrival := appendString(nil, string(a.ID))
	for _, l := range a.Locations {
		g := s.groups[l.Group]
		now := changed[g]
		if now == nil {
			now = new(group)
			*now = *g
			changed[g] = now
		}
		now.file(l.Number)
		batch.Put(numberKey(g.id, l.Number), row)
		batch.Put(groupKey(g.id), now.appendMarks(nil))
		arrival = binary.AppendUvarint(binary.AppendUvarint(arrival, uint64(g.id)), uint64(l.Number))
	}
	batch.Put(arrivalKey(a.Arrived, p), arrival)
}

// appendMarks appends what the index keeps of a group to dst.
func (g *group) appendMarks(dst []byte) []byte {
	dst = binary.AppendUvarint(dst, uint64(g.info.High))
	return binary.AppendUvarint(dst, uint64(g.info.Count))
}

// checkpoint notes in a batch for the index that it has all of the segment.
func (g *segment) checkpoint(batch *leveldb.Batch) {
	c := checkpoint{epoch: g.epoch, salt: g.salt(), offset: g.log.End(), gaps: g.gaps}
	batch.Put(segmentKey(g.number), c.append(nil))
}
