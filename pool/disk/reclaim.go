package disk

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"time"

	"github.com/syndtr/goleveldb/leveldb"

	"github.com/restante/restante/pool"
)

// A segment of epoch 0 is given up once no more than one in sparse of the places
// that its articles were given is left. What is left is copied first.
const sparse = 4

// stepCopies is how many records are copied in one turn, with one sync.
const stepCopies = 64

// reclaim gives up the segments of epoch 0 that little is left of. Those of
// other epochs go with their epoch.
func (s *Store) reclaim(ctx context.Context) error {
	for _, g := range s.spent() {
		if err := ctx.Err(); err != nil {
			return err
		}
		err := s.rescue(ctx, g)
		switch {
		case errors.Is(err, pool.ErrCorrupt) && !errors.Is(err, pool.ErrReadOnly):
			g.kept = true
			s.options.Logger.Error().Msg("a segment is damaged and takes its room until it is repaired: run restanted fsck")
			continue
		case errors.Is(err, pool.ErrDiskFull): // there will be room for the rescue once others went
			continue
		case err != nil:
			return err
		}
		head := historyHead{epoch: g.epoch, last: g.number, dropped: time.Now()}
		if err := s.giveUp(ctx, head, []*segment{g}); err != nil {
			return err
		}
	}
	return nil
}

// spent returns the segments that little is left of, oldest first. One that is
// still added to is among them, and no more added to, when it is large enough.
func (s *Store) spent() []*segment {
	var out []*segment
	s.alone(func() {
		for _, g := range s.segments {
			if g.epoch != 0 || g.kept || g.tally.live*sparse > g.tally.filed {
				continue
			}
			if g == s.active[0] {
				if g.tally.filed == 0 || g.log.End() < s.options.SegmentSize/sparse {
					continue
				}
				delete(s.active, 0)
			}
			out = append(out, g)
		}
	})
	slices.SortFunc(out, func(a, b *segment) int { return int(int64(a.number) - int64(b.number)) })
	return out
}

// rescue copies what is still needed of a segment to the one that is added to:
// articles that are in a group, and withdrawals of articles whose octets may
// still lie in an older segment.
func (s *Store) rescue(ctx context.Context, g *segment) error {
	for _, some := range []func(*segment, []byte) ([]copying, []byte, error){s.liveArticles, s.neededWithdrawals} {
		for after := []byte(nil); ; {
			if err := ctx.Err(); err != nil {
				return err
			}
			next, more, err := s.copySome(g, after, some)
			if err != nil {
				return err
			}
			if !more {
				break
			}
			after = next
		}
	}
	return nil
}

// A copying is a record on its way to another segment.
type copying struct {
	payload []byte
	article *pool.Stored
	arrival []byte // the value of an article's arrival key; nil for a withdrawal
	from    place
	to      place
}

// copySome copies some of the records that find returns, from behind a key on.
func (s *Store) copySome(g *segment, after []byte, find func(*segment, []byte) ([]copying, []byte, error)) (next []byte, more bool, err error) {
	s.removing.Lock()
	defer s.removing.Unlock()
	some, next, err := find(g, after)
	if err == nil && len(some) > 0 {
		s.step(func() { err = s.copyRecords(g, some) })
	}
	return next, next != nil, err
}

// copyRecords adds copies, and lets the index lead there once they are durable.
// It runs under the batcher's turn.
func (s *Store) copyRecords(from *segment, some []copying) error {
	if err := errors.Join(s.writable(), s.room()); err != nil {
		return err
	}
	to, err := s.appendable(0)
	if err != nil {
		return err
	}
	for i := range some {
		c := &some[i]
		flags := c.payload[1]
		if c.arrival != nil {
			flags = flagsMoved
		}
		offset, err := to.log.Add([]byte{payloadVersion, flags}, c.payload[2:])
		if err != nil {
			return err
		}
		c.to = place{segment: to.number, offset: offset, size: len(c.payload)}
	}
	if err := to.log.Commit(); err != nil {
		return err
	}
	batch := new(leveldb.Batch)
	for i := range some {
		if err := s.lead(batch, &some[i], from, to); err != nil {
			return err
		}
	}
	to.checkpointIn(batch)
	batch.Put(tallyKey(from.number), from.tally.append(nil))
	if err := s.index.write(batch, false); err != nil {
		return err
	}
	to.shown.Store(to.log.End())
	for i := range some {
		c := &some[i]
		s.seen.replace(hashOf(c.article.ID), leadTo(c.from), leadTo(c.to))
	}
	return nil
}

// lead lets the index lead to a copy.
func (s *Store) lead(batch *leveldb.Batch, c *copying, from, to *segment) error {
	h := hashOf(c.article.ID)
	where := appendPlace(nil, c.to)
	if c.arrival == nil {
		batch.Delete(withdrawalKey(from.number, h))
		batch.Put(withdrawalKey(to.number, h), where)
		return nil
	}
	batch.Delete(arrivalKey(c.article.Arrived, c.from))
	batch.Put(arrivalKey(c.article.Arrived, c.to), c.arrival)
	to.tally.enter(c.article)
	for _, l := range c.article.Locations {
		row := numberKey(s.groups[l.Group].id, l.Number)
		if _, ok, err := s.index.get(row); err != nil {
			return err
		} else if ok {
			batch.Put(row, slices.Concat(where, c.article.Overview))
			from.tally.live--
			to.tally.live++
		}
	}
	return nil
}

// liveArticles returns some of the segment's articles that are still in a
// group, read and checked, and where to go on.
func (s *Store) liveArticles(g *segment, after []byte) (some []copying, next []byte, err error) {
	looked := 0
	err = s.arrivalsIn(g, after, func(key []byte, _ pool.MessageID, rest *cursor) bool {
		looked++
		value := slices.Clone(rest.rest)
		if _, live := s.locations(rest); live {
			some = append(some, copying{from: arrivalPlace(key), arrival: value})
		}
		next = slices.Clone(key)
		return len(some) < stepCopies && looked < stepKeys
	})
	for i := range some {
		c := &some[i]
		if err == nil {
			err = s.readWhole(g, c)
		}
		if err == nil {
			id := appendString(nil, string(c.article.ID))
			c.arrival = slices.Concat(id, c.arrival)
		}
	}
	return some, next, err
}

// readWhole reads the record that a copying is of.
func (s *Store) readWhole(g *segment, c *copying) error {
	g.mu.RLock()
	defer g.mu.RUnlock()
	if g.reader == nil {
		return pool.ErrCorrupt
	}
	size, err := g.reader.Size(c.from.offset)
	if err != nil {
		return damage(err)
	}
	c.from.size = size
	if c.payload, err = g.reader.Read(c.from.offset, size); err != nil {
		return damage(err)
	}
	c.article, _, err = parseAny(c.payload)
	return err
}

// neededWithdrawals returns some of the segment's withdrawals that are still
// needed, and where to go on. In the oldest segment none is: the article's
// octets are in this one or gone, and the history remembers its message-id.
func (s *Store) neededWithdrawals(g *segment, after []byte) (some []copying, next []byte, err error) {
	if !s.olderThan(g) {
		return nil, nil, nil
	}
	var places []place
	err = s.withdrawalsIn(g, func(h hash, p place) bool {
		if key := withdrawalKey(g.number, h); bytes.Compare(key, after) > 0 {
			places = append(places, p)
			next = key
		}
		return len(places) < stepCopies
	})
	for _, p := range places {
		if err != nil {
			break
		}
		c := copying{from: p}
		if err = s.readWhole(g, &c); err == nil && len(c.article.Locations) > 0 {
			some = append(some, c)
		}
	}
	return some, next, err
}

// olderThan says whether the epoch has a segment that is older.
func (s *Store) olderThan(g *segment) bool {
	s.mu.RLock()
	defer s.mu.RUnlock()
	for _, other := range s.segments {
		if other.epoch == g.epoch && other.number < g.number {
			return true
		}
	}
	return false
}

// moved takes over the copy of an article that is found in a segment. The
// original may be in the index, if its segment is still there.
func (r *replay) moved(a *pool.Stored, offset int64, size int) error {
	if err := r.write(offset); err != nil {
		return err
	}
	old, err := r.s.index.arrivalOf(a)
	if err != nil {
		return err
	}
	if old != (place{}) {
		if r.changed, err = r.s.unfile(r.batch, a, old); err != nil {
			return err
		}
		if err := r.write(offset); err != nil {
			return err
		}
	}
	r.count++
	p := place{segment: r.g.number, offset: offset, size: size}
	r.s.seen.replace(hashOf(a.ID), leadTo(old), leadTo(p))
	r.s.enterIndex(r.filed, r.g, a, p, r.changed)
	return r.write(p.end())
}

// end returns how far a segment's records go. It is for segments that nothing
// is added to any more, and for the batcher's turn.
func (g *segment) end() int64 {
	if g.log != nil {
		return g.log.End()
	}
	return g.size
}
