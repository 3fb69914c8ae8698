package disk

import (
	"context"
	"encoding/binary"
	"errors"
	"maps"
	"path/filepath"
	"slices"
	"time"

	"github.com/syndtr/goleveldb/leveldb"

	"github.com/restante/restante/pool"
)

// DropBefore implements [pool.Store]. Appending goes on meanwhile.
func (s *Store) DropBefore(ctx context.Context, epoch uint64) error {
	if err := s.enter(ctx); err != nil {
		return err
	}
	defer s.leave()
	s.expiring.Lock()
	defer s.expiring.Unlock()
	old := s.retire(epoch)
	for _, e := range slices.Sorted(maps.Keys(old)) {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := s.writable(); err != nil {
			return err
		}
		head := historyHead{epoch: e, dropped: time.Now()}
		for _, g := range old[e] {
			head.last = max(head.last, g.number)
		}
		if err := s.giveUp(ctx, head, old[e]); err != nil {
			return s.expiryError(err)
		}
		_ = s.files.Remove(filepath.Dir(old[e][0].path)) // stays while a newer segment is in it
		if err := s.files.SyncDir(filepath.Join(s.dir, segmentsDir)); err != nil {
			return s.expiryError(err)
		}
	}
	return nil
}

// retire takes the segments of old epochs out of use for appending and returns
// them by epoch.
func (s *Store) retire(epoch uint64) map[uint64][]*segment {
	old := make(map[uint64][]*segment)
	s.alone(func() {
		for _, g := range s.segments {
			if g.epoch != 0 && g.epoch < epoch {
				old[g.epoch] = append(old[g.epoch], g)
			}
		}
		for e := range old {
			delete(s.active, e)
		}
	})
	return old
}

// giveUp does away with segments that nothing is added to any more: the groups'
// marks are saved, then the history written, what leads there taken out of the
// index, the files deleted. From the history's appearance on there is no way
// back: opening does what is left to do.
func (s *Store) giveUp(ctx context.Context, head historyHead, segments []*segment) error {
	var ids []hash
	for _, g := range segments {
		err := s.idsIn(g, func(h hash) { ids = append(ids, h) })
		if err != nil {
			return err
		}
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	var err error
	s.alone(func() { err = s.saveGroups(s.allGroups()) })
	if err != nil {
		return err
	}
	if err := s.writeHistory(head, ids); err != nil {
		return err
	}
	touched := make(map[uint32]bool)
	for _, g := range segments {
		if err := s.clear(g, touched); err != nil {
			return err
		}
	}
	lows, err := s.lows(touched)
	if err != nil {
		return err
	}
	s.alone(func() { err = s.finishGivingUp(head, segments, lows) })
	if err != nil {
		return err
	}
	for _, g := range segments {
		size := g.end()
		err = errors.Join(err, g.remove(s.files))
		rest(ctx, size)
	}
	return errors.Join(err, s.files.SyncDir(filepath.Dir(segments[0].path)))
}

// step is alone for one of many steps. It then lets others go on for as long as
// they had to wait.
func (s *Store) step(f func()) {
	var took time.Duration
	s.alone(func() {
		start := time.Now()
		f()
		took = time.Since(start)
	})
	if s.opened {
		time.Sleep(took)
	}
}

// rest waits a while after a file was deleted: a file system that hands the
// room of many at once back to the device keeps others' syncs waiting.
func rest(ctx context.Context, size int64) {
	const perSecond = 1 << 30 // octets
	wait := time.NewTimer(time.Duration(size) * time.Second / perSecond)
	defer wait.Stop()
	select {
	case <-ctx.Done():
	case <-wait.C:
	}
}

// idsIn calls visit for each message-id that leads to the segment: those of
// articles, and of withdrawals.
func (s *Store) idsIn(g *segment, visit func(hash)) error {
	err := s.arrivalsIn(g, nil, func(_ []byte, id pool.MessageID, _ *cursor) bool {
		visit(hashOf(id))
		return true
	})
	return errors.Join(err, s.withdrawalsIn(g, func(h hash, _ place) bool {
		visit(h)
		return true
	}))
}

// arrivalsIn calls visit for each article in the segment that is in the index,
// in order of arrival, until it returns false. rest is the (group, number)
// pairs. It starts behind the key after, if there is one.
func (s *Store) arrivalsIn(g *segment, after []byte, visit func(key []byte, id pool.MessageID, rest *cursor) bool) error {
	if g.tally.filed == 0 {
		return nil
	}
	from, to := timeKey(time.Unix(g.tally.from, 0)), timeKey(time.Unix(g.tally.to+1, 0))
	if after != nil {
		from = append(slices.Clone(after), 0)
	}
	return s.index.each(from, to, func(key, value []byte) (bool, error) {
		if arrivalSegment(key) != g.number {
			return true, nil
		}
		c := cursor{rest: value}
		id := pool.MessageID(c.bytes())
		if c.bad {
			return false, errDoubt
		}
		return visit(key, id, &c), nil
	})
}

// withdrawalsIn calls visit for the message-id and the place of each withdrawal in the
// segment, until it returns false.
func (s *Store) withdrawalsIn(g *segment, visit func(hash, place) bool) error {
	return s.index.eachWithdrawal(withdrawalKey(g.number, hash{}), withdrawalKey(g.number+1, hash{}), visit)
}

// eachWithdrawal calls visit for withdrawals from a key up to but without another.
func (x *index) eachWithdrawal(from, to []byte, visit func(hash, place) bool) error {
	return x.each(from, to, func(key, value []byte) (bool, error) {
		p, err := parsePlace(value)
		if err != nil || len(key) != 1+4+len(hash{}) || p.segment != binary.BigEndian.Uint32(key[1:]) {
			return false, errDoubt
		}
		return visit(hash(key[5:]), p), nil
	})
}

// clear takes all that leads to the segment out of the index, in steps, and
// leaves its message-ids there as ones without an article. It notes the groups
// that it took rows of.
func (s *Store) clear(g *segment, touched map[uint32]bool) error {
	for after, more := []byte(nil), true; more; {
		var err error
		if after, more, err = s.clearSome(g, after, touched); err != nil {
			return err
		}
	}
	for more := true; more; {
		batch, some := new(leveldb.Batch), make(map[hash]place)
		err := s.withdrawalsIn(g, func(h hash, p place) bool {
			batch.Delete(withdrawalKey(g.number, h))
			batch.Put(idKey(h), nil)
			some[h] = p
			return len(some) < stepRows
		})
		if err != nil {
			return err
		}
		more = len(some) > 0
		s.step(func() { err = s.index.write(batch, false) })
		if err != nil {
			return err
		}
		for h, p := range some {
			s.seen.replace(h, leadTo(p), leadGone)
		}
	}
	return nil
}

// A leaving is an article that goes from the index, with those of its rows that
// are still there.
type leaving struct {
	arrival []byte // its key
	id      hash
	place   place // of its record, without the size
	rows    []leavingRow
}

type leavingRow struct {
	group  uint32
	number pool.Number
	row    []byte
}

// clearSome takes some of the segment's articles out of the index, and returns
// where to go on.
func (s *Store) clearSome(g *segment, after []byte, touched map[uint32]bool) (next []byte, more bool, err error) {
	s.removing.Lock()
	defer s.removing.Unlock()
	some, next, more, err := s.leavings(g, after)
	if err != nil || len(some) == 0 {
		return next, more, err
	}
	s.step(func() {
		batch, t := new(leveldb.Batch), s.take()
		for _, l := range some {
			batch.Put(idKey(l.id), nil)
			batch.Delete(l.arrival)
			for _, r := range l.rows {
				t.row(batch, r.group, r.number, r.row)
				touched[r.group] = true
			}
		}
		err = t.write(batch)
	})
	if err == nil {
		for _, l := range some {
			s.seen.replace(l.id, leadTo(l.place), leadGone)
		}
	}
	return next, more, err
}

// leavings gathers some of the segment's articles, from behind a key on.
func (s *Store) leavings(g *segment, after []byte) (some []leaving, next []byte, more bool, err error) {
	err = s.arrivalsIn(g, after, func(key []byte, id pool.MessageID, rest *cursor) bool {
		l := leaving{arrival: slices.Clone(key), id: hashOf(id), place: arrivalPlace(key)}
		for len(rest.rest) > 0 {
			l.rows = append(l.rows, leavingRow{group: uint32(rest.uvarint()), number: rest.number()})
		}
		some, next = append(some, l), l.arrival
		more = len(some) == stepRows
		return !more
	})
	if err != nil {
		return nil, nil, false, err
	}
	for i := range some {
		l := &some[i]
		for j := range l.rows {
			r := &l.rows[j]
			row, ok, err := s.index.get(numberKey(r.group, r.number))
			if err != nil {
				return nil, nil, false, err
			}
			if ok {
				r.row = slices.Clone(row)
			}
		}
		l.rows = slices.DeleteFunc(l.rows, func(r leavingRow) bool { return r.row == nil })
	}
	return some, next, more, nil
}

// lows returns the low marks of groups that articles were taken out of. Finding
// them may mean to walk over all that was taken out, so nobody waits for it.
func (s *Store) lows(touched map[uint32]bool) (map[uint32]pool.Number, error) {
	out := make(map[uint32]pool.Number)
	for id := range touched {
		s.mu.RLock()
		g := s.byNumber[id]
		var now group
		if g != nil {
			now = *g
		}
		s.mu.RUnlock()
		if g == nil {
			continue
		}
		if err := s.setLow(&now); err != nil {
			return nil, err
		}
		out[id] = now.info.Low
	}
	return out, nil
}

// finishGivingUp brings the groups' low marks up to date, from those found a
// moment ago on, and forgets the segments. It runs under the batcher's turn.
func (s *Store) finishGivingUp(head historyHead, segments []*segment, from map[uint32]pool.Number) error {
	batch := new(leveldb.Batch)
	for _, g := range segments {
		if g.tally.live != 0 {
			return errDoubt
		}
		batch.Delete(segmentKey(g.number))
		batch.Delete(tallyKey(g.number))
	}
	batch.Put(historyKey(head.name()), nil)
	lows := make(map[*group]pool.Number)
	for id, low := range from {
		g := s.byNumber[id]
		now := *g
		now.info.Low = max(now.info.Low, min(low, now.info.High+1))
		if err := s.setLow(&now); err != nil {
			return err
		}
		if now.info.Low != g.info.Low {
			lows[g] = now.info.Low
		}
	}
	if err := s.index.write(batch, true); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for g, low := range lows {
		g.info.Low = low
	}
	for _, g := range segments {
		delete(s.segments, g.number)
	}
	return nil
}
