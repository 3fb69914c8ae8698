package disk

import (
	"context"
	"errors"

	"github.com/syndtr/goleveldb/leveldb"

	"github.com/restante/restante/pool"
)

// withdrawnMark stands behind the place in a message-id's entry in the index
// once its article is withdrawn.
const withdrawnMark = 1

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
	changed, err := s.leaveIndex(batch, gone, p)
	if err == nil {
		seg.checkpointIn(batch)
		err = s.index.write(batch, false)
	}
	if err == nil {
		err = s.settleMarks(changed)
	}
	if err != nil {
		s.doubt(err)
		return s.latch(err)
	}
	s.seen.add(hashOf(gone.ID))
	return nil
}

// live returns the article that is to be withdrawn, or nil when that was done or
// it has expired.
func (s *Store) live(id pool.MessageID) (*pool.Stored, error) {
	value, known, err := s.index.get(idKey(hashOf(id)))
	switch {
	case err != nil:
		return nil, s.fromIndex(err)
	case !known:
		return nil, pool.ErrNotFound
	case len(value) == 0 || withdrawn(value):
		return nil, nil
	}
	a, err := s.read(value)
	if err == nil && s.expired(a.Locations) {
		return nil, nil
	}
	return a, err
}

// withdrawn says whether a message-id's entry in the index is that of a
// withdrawn article.
func withdrawn(value []byte) bool {
	c := cursor{rest: value}
	c.place()
	return len(c.rest) > 0
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
// stands at p. It returns copies of the article's groups as they then are, but
// for their low water marks. What is not in the index, as after damage, is
// passed over.
func (s *Store) leaveIndex(batch *leveldb.Batch, gone *pool.Stored, p place) (map[*group]*group, error) {
	key := idKey(hashOf(gone.ID))
	value, known, err := s.index.get(key)
	if err != nil {
		return nil, err
	}
	if known && withdrawn(value) { // this one is a copy
		old := cursor{rest: value}
		batch.Delete(withdrawalKey(old.place().segment, hashOf(gone.ID)))
	}
	batch.Put(key, append(appendPlace(nil, p), withdrawnMark))
	batch.Put(withdrawalKey(p.segment, hashOf(gone.ID)), nil)
	if !known || len(value) == 0 || withdrawn(value) {
		return make(map[*group]*group), nil
	}
	c := cursor{rest: value}
	return s.unfile(batch, gone, c.place())
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
	changed, err := r.s.leaveIndex(r.batch, gone, p)
	if err != nil {
		return err
	}
	r.count++
	r.changed = changed
	return r.write(p.end())
}
