package disk

import (
	"context"
	"errors"
	"slices"

	"github.com/syndtr/goleveldb/leveldb"

	"github.com/restante/restante/pool"
)

// Cancel implements [pool.Store]. It waits for a step of expiry.
func (s *Store) Cancel(ctx context.Context, id pool.MessageID) error {
	if err := s.enter(ctx); err != nil {
		return err
	}
	defer s.leave()
	s.removing.Lock()
	defer s.removing.Unlock()
	var err error
	s.alone(func() {
		var gone *pool.Stored
		if gone, err = s.live(id); err == nil && gone != nil {
			err = s.withdraw(gone)
		}
	})
	return err
}

// Remember implements [pool.Store].
func (s *Store) Remember(ctx context.Context, id pool.MessageID) error {
	if err := s.enter(ctx); err != nil {
		return err
	}
	defer s.leave()
	var err error
	s.alone(func() {
		var known bool
		if known, err = s.known(hashOf(id)); err != nil {
			err = s.fromIndex(err)
		} else if known {
			err = pool.ErrDuplicate
		} else {
			err = s.withdraw(&pool.Stored{ID: id})
		}
	})
	return err
}

// withdraw writes a withdrawal's record and takes the article out of the index.
// It runs under the batcher's turn, with removing held if there is an article.
func (s *Store) withdraw(gone *pool.Stored) error {
	if err := errors.Join(s.writable(), s.room()); err != nil {
		return err
	}
	return s.writeWithdrawal(gone)
}

// writeWithdrawal is withdraw, whatever room there is.
func (s *Store) writeWithdrawal(gone *pool.Stored) error {
	seg, p, err := s.record(gone)
	if err != nil {
		return s.latch(err)
	}
	batch := new(leveldb.Batch)
	was, changed, err := s.leaveIndex(batch, gone, p)
	if err == nil {
		seg.checkpointIn(batch)
		err = s.index.write(batch, false)
	}
	if err == nil {
		seg.shown.Store(seg.log.End())
		s.seen.replace(hashOf(gone.ID), leadTo(was), leadTo(p))
		err = s.settleMarks(changed)
	}
	if err != nil {
		s.doubt(err)
		return s.latch(err)
	}
	return nil
}

// live returns the article that is to be withdrawn, or nil when that was done or
// it has expired.
func (s *Store) live(id pool.MessageID) (*pool.Stored, error) {
	f, err := s.find(hashOf(id))
	switch {
	case err != nil:
		return nil, s.fromIndex(err)
	case f.standing == unknown:
		return nil, pool.ErrNotFound
	case f.standing == illegible:
		s.noteDamage()
		return nil, pool.ErrCorrupt
	case f.standing != filed:
		return nil, nil
	}
	a, err := s.read(f.place)
	if err == nil && s.expired(a.Locations) {
		return nil, nil
	}
	return a, err
}

// record brings a withdrawal's record to stable storage.
func (s *Store) record(gone *pool.Stored) (*segment, place, error) {
	seg, err := s.appendable(gone.Epoch)
	if err != nil {
		return nil, place{}, err
	}
	payload := appendHead(nil, flagsWithdrawn, gone)
	offset, err := seg.log.Add(payload)
	if err == nil {
		err = seg.log.Commit()
	}
	return seg, place{segment: seg.number, offset: offset, size: len(payload)}, err
}

// leaveIndex takes an article out of the index, whose withdrawal's record
// stands at p. It returns what the message-id led to, or no place, and copies of the
// article's groups as they then are, but for their low water marks. What is not in the
// index, as after damage, is passed over.
func (s *Store) leaveIndex(batch *leveldb.Batch, gone *pool.Stored, p place) (was place, changed map[*group]*group, err error) {
	h := hashOf(gone.ID)
	was, err = s.withdrawalOf(h)
	if err != nil {
		return was, nil, err
	}
	if was != (place{}) { // this one is a copy
		batch.Delete(withdrawalKey(was.segment, h))
	}
	batch.Put(withdrawalKey(p.segment, h), appendPlace(nil, p))
	if was != (place{}) {
		return was, make(map[*group]*group), nil
	}
	if was, err = s.index.arrivalOf(gone); err != nil || was == (place{}) {
		return was, make(map[*group]*group), err
	}
	changed, err = s.unfile(batch, gone, was)
	return was, changed, err
}

// withdrawalOf returns where the record of a message-id's withdrawal stands, as the
// index has it, or no place.
func (s *Store) withdrawalOf(h hash) (place, error) {
	var room [4]lead
	for _, l := range s.seen.leads(h, room[:0]) {
		for _, g := range s.segmentsOf(l, nil) {
			value, ok, err := s.index.get(withdrawalKey(g.number, h))
			if err != nil {
				return place{}, err
			}
			if ok {
				return parsePlace(value)
			}
		}
	}
	return place{}, nil
}

// arrivalOf returns where the record of an article stands, as the index has it, or no
// place; the last one of several. Of the places it knows no size.
func (x *index) arrivalOf(a *pool.Stored) (place, error) {
	var last place
	from := timeKey(a.Arrived)
	err := x.each(from, append(slices.Clone(from), 0xff, 0xff, 0xff, 0xff), func(key, value []byte) (bool, error) {
		c := cursor{rest: value}
		if id := c.bytes(); pool.MessageID(id) == a.ID {
			last = arrivalPlace(key)
		}
		return true, nil
	})
	return last, err
}

// unfile takes an article's rows and arrival, whose record stands at p, out of
// the index. It returns copies of its groups as leaveIndex does.
func (s *Store) unfile(batch *leveldb.Batch, gone *pool.Stored, p place) (map[*group]*group, error) {
	changed := make(map[*group]*group)
	batch.Delete(arrivalKey(gone.Arrived, p))
	from := s.segments[p.segment]
	if from == nil {
		return nil, errDoubt
	}
	for _, l := range gone.Locations {
		g := s.groups[l.Group]
		key := numberKey(g.id, l.Number)
		row, ok, err := s.index.get(key)
		if err != nil {
			return nil, err
		} else if !ok {
			continue
		}
		now := *g
		now.leave(row)
		from.tally.live--
		changed[g] = &now
		batch.Delete(key)
		batch.Put(groupKey(g.id), now.appendMarks(nil))
	}
	batch.Put(tallyKey(from.number), from.tally.append(nil))
	return changed, nil
}

// settleMarks finds the low water marks of changed groups, and puts these in
// place.
func (s *Store) settleMarks(changed map[*group]*group) error {
	for _, now := range changed {
		if err := s.setLow(now); err != nil {
			return err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for old, now := range changed {
		*old = *now
	}
	return nil
}

// withdraw repeats a withdrawal whose record is found in a segment. All that
// stands before it is in the index first.
func (r *replay) withdraw(gone *pool.Stored, offset int64, size int) error {
	if err := r.write(offset); err != nil {
		return err
	}
	p := place{segment: r.g.number, offset: offset, size: size}
	was, changed, err := r.s.leaveIndex(r.batch, gone, p)
	if err != nil {
		return err
	}
	r.count++
	r.changed = changed
	r.s.seen.replace(hashOf(gone.ID), leadTo(was), leadTo(p))
	return r.write(p.end())
}
