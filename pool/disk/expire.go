package disk

import (
	"context"
	"encoding/binary"
	"errors"
	"maps"
	"slices"

	"github.com/syndtr/goleveldb/leveldb"

	"github.com/restante/restante/pool"
)

const (
	stepRows   = 256  // rows taken out of the index in one turn
	stepKeys   = 4096 // keys looked at while withdrawals wait
	stepGroups = 256  // groups that share one write of the groups file
)

// Expire implements [pool.Store]. Each group gets a floor, on stable storage
// before anything goes: from then on no lower number is found, not even in an
// index that is built anew. Then the rows below are taken out of the index, in
// steps between which others have their turn, and segments that little is left
// of are given up.
func (s *Store) Expire(ctx context.Context, keep map[pool.Group]pool.Keep) error {
	if err := s.enter(ctx); err != nil {
		return err
	}
	defer s.leave()
	s.expiring.Lock()
	defer s.expiring.Unlock()
	if err := s.writable(); err != nil {
		return err
	}
	for some := range slices.Chunk(slices.Sorted(maps.Keys(keep)), stepGroups) {
		floors, err := s.floors(ctx, some, keep)
		if err == nil {
			err = s.raise(floors)
		}
		if err != nil {
			return s.expiryError(err)
		}
	}
	if err := s.sweepAll(ctx); err != nil {
		return s.expiryError(err)
	}
	return s.expiryError(errors.Join(s.reclaim(ctx), s.forgetOld(ctx)))
}

// expiryError says an error of expiry in the store's words, and lets one of
// writing end all writing.
func (s *Store) expiryError(err error) error {
	if err == nil || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return s.latch(s.fromIndex(err))
}

// floors returns the new floors of those groups of names that get one.
func (s *Store) floors(ctx context.Context, names []pool.Group, keep map[pool.Group]pool.Keep) (map[pool.Group]pool.Number, error) {
	out := make(map[pool.Group]pool.Number)
	for _, name := range names {
		g, err := s.group(name)
		if errors.Is(err, pool.ErrNoGroup) {
			continue
		}
		floor, err := s.floor(ctx, g, keep[name])
		if err != nil {
			return nil, err
		}
		if floor > g.floor {
			out[name] = floor
		}
	}
	return out, nil
}

// floor returns the lowest number of a group that may stay. It reads what goes
// and one article more.
func (s *Store) floor(ctx context.Context, g group, k pool.Keep) (pool.Number, error) {
	floor, count, octets := g.floor, g.info.Count, g.octets
	err := s.index.each(numberKey(g.id, g.floor), numberKey(g.id, pool.MaxNumber+1), func(key, row []byte) (bool, error) {
		if err := ctx.Err(); err != nil {
			return false, err
		}
		if k.Articles <= 0 || count <= k.Articles {
			if k.Octets <= 0 || octets <= k.Octets {
				goOn, old, err := s.older(row, k)
				if !old || err != nil {
					return goOn, err
				}
			}
		}
		c := cursor{rest: row}
		c.place()
		count--
		octets -= octetsOf(c.rest)
		floor = numberOf(key) + 1
		return true, nil
	})
	return floor, err
}

// older says whether a row's article arrived before all that is to be kept. Of
// a damaged one that isn't known: it goes with the next one, so look further.
func (s *Store) older(row []byte, k pool.Keep) (lookFurther, old bool, err error) {
	if k.Since.IsZero() {
		return false, false, nil
	}
	c := cursor{rest: row}
	p := c.place()
	if c.bad {
		return false, false, errDoubt
	}
	a, err := s.read(p)
	switch {
	case errors.Is(err, pool.ErrCorrupt):
		return true, false, nil
	case err != nil:
		return false, false, err
	}
	old = a.Arrived.Before(k.Since)
	return old, old, nil
}

// raise puts floors in place, durable before they show.
func (s *Store) raise(floors map[pool.Group]pool.Number) error {
	if len(floors) == 0 {
		return nil
	}
	var err error
	s.alone(func() {
		if err = s.writable(); err != nil {
			return
		}
		changed := make(map[*group]*group)
		all := s.allGroups()
		for i, g := range all {
			if floor, ok := floors[g.info.Name]; ok && floor > g.floor {
				now := *g
				now.floor = floor
				if err = s.setLow(&now); err != nil {
					return
				}
				changed[g], all[i] = &now, &now
			}
		}
		if err = s.saveGroups(all); err != nil {
			return
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		for old, now := range changed {
			*old = *now
			s.unswept[now.id] = true
		}
	})
	return err
}

// sweepAll takes out of the index what lies below the groups' floors.
func (s *Store) sweepAll(ctx context.Context) error {
	for _, id := range slices.Sorted(maps.Keys(s.unswept)) {
		for from, more := pool.Number(0), true; more; {
			if err := ctx.Err(); err != nil {
				return err
			}
			var err error
			if from, more, err = s.sweep(id, from); err != nil {
				return err
			}
		}
		delete(s.unswept, id)
	}
	return nil
}

// sweep takes some of a group's rows below its floor out of the index, and
// returns where to go on. Nothing else takes rows out meanwhile.
func (s *Store) sweep(id uint32, from pool.Number) (next pool.Number, more bool, err error) {
	s.removing.Lock()
	defer s.removing.Unlock()
	rows := make(map[pool.Number][]byte)
	s.mu.RLock()
	floor := s.byNumber[id].floor
	s.mu.RUnlock()
	next = from
	err = s.index.each(numberKey(id, from), numberKey(id, floor), func(key, row []byte) (bool, error) {
		next = numberOf(key) + 1
		rows[next-1] = slices.Clone(row)
		return len(rows) < stepRows, nil
	})
	if err != nil || len(rows) == 0 {
		return next, false, err
	}
	s.step(func() {
		batch, t := new(leveldb.Batch), s.take()
		for n, row := range rows {
			t.row(batch, id, n, row)
		}
		err = t.write(batch)
	})
	return next, len(rows) == stepRows, err
}

// A taking takes rows out of the index and counts them out of their groups and
// segments. It is used under the batcher's turn.
type taking struct {
	s       *Store
	groups  map[*group]*group
	tallies map[*segment]tally
}

func (s *Store) take() *taking {
	return &taking{s: s, groups: make(map[*group]*group), tallies: make(map[*segment]tally)}
}

// row takes out one row.
func (t *taking) row(batch *leveldb.Batch, id uint32, n pool.Number, row []byte) {
	batch.Delete(numberKey(id, n))
	if g := t.s.byNumber[id]; g != nil {
		now := t.groups[g]
		if now == nil {
			now = new(group)
			*now = *g
			t.groups[g] = now
		}
		now.leave(row)
	}
	c := cursor{rest: row}
	if seg := t.s.segments[c.place().segment]; seg != nil {
		if _, ok := t.tallies[seg]; !ok {
			t.tallies[seg] = seg.tally
		}
		now := t.tallies[seg]
		now.live--
		t.tallies[seg] = now
	}
}

// write writes the batch with the new counts, and then shows them.
func (t *taking) write(batch *leveldb.Batch) error {
	for _, now := range t.groups {
		batch.Put(groupKey(now.id), now.appendMarks(nil))
	}
	for seg, now := range t.tallies {
		batch.Put(tallyKey(seg.number), now.append(nil))
	}
	if err := t.s.index.write(batch, false); err != nil {
		return err
	}
	for seg, now := range t.tallies {
		seg.tally = now
	}
	t.s.mu.Lock()
	defer t.s.mu.Unlock()
	for old, now := range t.groups {
		*old = *now
	}
	return nil
}

// numberOf returns the article number in a number key.
func numberOf(key []byte) pool.Number { return pool.Number(binary.BigEndian.Uint32(key[5:])) }
