package disk

import (
	"context"
	"errors"
	"maps"
	"path/filepath"
	"slices"
	"time"

	"github.com/syndtr/goleveldb/leveldb"
)

// DropBefore implements [pool.Store]. Appending goes on meanwhile.
func (s *Store) DropBefore(ctx context.Context, epoch uint64) error {
	if err := s.enter(ctx); err != nil {
		return err
	}
	defer s.leave()
	s.dropping.Lock()
	defer s.dropping.Unlock()
	for old, segments := range s.retire(epoch) {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := s.dropEpoch(old, segments); err != nil {
			return s.latch(s.fromIndex(err))
		}
	}
	return nil
}

// retire takes the segments of old epochs out of use for appending and returns
// them by epoch.
func (s *Store) retire(epoch uint64) map[uint64][]*segment {
	old := make(map[uint64][]*segment)
	s.batcher.Alone(func() {
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

// dropEpoch drops the articles of segments that nothing is added to any more:
// marks are saved, then history written, the index swept, the files deleted.
func (s *Store) dropEpoch(epoch uint64, segments []*segment) error {
	if err := s.writable(); err != nil {
		return err
	}
	sweep := sweep{s: s, gone: make(map[uint32]bool)}
	head := historyHead{epoch: epoch, dropped: time.Now()}
	for _, g := range segments {
		sweep.gone[g.number] = true
		head.last = max(head.last, g.number)
	}
	ids, err := sweep.ids()
	if err != nil {
		return err
	}
	s.batcher.Alone(func() { err = s.saveGroups(s.allGroups()) })
	if err != nil {
		return err
	}
	if err := s.writeHistory(head, ids); err != nil {
		return err
	}
	if err := errors.Join(sweep.expire(ids), sweep.rows(), sweep.arrivals()); err != nil {
		return err
	}
	s.batcher.Alone(func() { err = s.finishDrop(head, sweep) })
	if err != nil {
		return err
	}
	for _, g := range segments {
		err = errors.Join(err, g.remove(s.files))
	}
	folder := filepath.Join(s.dir, segmentsDir)
	_ = s.files.Remove(filepath.Dir(segments[0].path)) // stays while a newer segment is in it
	return errors.Join(err, s.files.SyncDir(folder))
}

// finishDrop brings the groups' marks up to date and forgets the segments. It
// runs under the batcher's turn.
func (s *Store) finishDrop(head historyHead, sweep sweep) error {
	batch := new(leveldb.Batch)
	changed := make(map[*group]*group)
	for id, n := range sweep.counts {
		g := s.byNumber[id]
		if g == nil {
			continue
		}
		now := *g
		now.info.Count -= n
		if err := s.setLow(&now); err != nil {
			return err
		}
		changed[g] = &now
		batch.Put(groupKey(id), now.appendMarks(nil))
	}
	for n := range sweep.gone {
		batch.Delete(segmentKey(n))
	}
	batch.Put(historyKey(head.name()), nil)
	if err := s.index.write(batch, true); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for old, now := range changed {
		*old = *now
	}
	maps.DeleteFunc(s.segments, func(n uint32, _ *segment) bool { return sweep.gone[n] })
	return nil
}

// A sweep takes all that leads to some segments out of the index.
type sweep struct {
	s      *Store
	gone   map[uint32]bool
	counts map[uint32]int // articles taken out, by group
}

// ids returns the hashes of the segments' message-ids.
func (w *sweep) ids() ([]hash, error) {
	var out []hash
	err := w.s.index.eachOf('m', func(key, value []byte) (bool, error) {
		if len(value) > 0 && w.leadsThere(value) && len(key) == 1+len(hash{}) {
			out = append(out, hash(key[1:]))
		}
		return true, nil
	})
	return out, err
}

// expire marks the message-ids as ones without an article.
func (w *sweep) expire(ids []hash) error {
	batch := new(leveldb.Batch)
	for _, h := range ids {
		batch.Put(idKey(h), nil)
		if err := w.s.flush(batch); err != nil {
			return err
		}
	}
	return w.s.index.write(batch, false)
}

// rows takes out the articles' numbers and counts them by group.
func (w *sweep) rows() error {
	w.counts = make(map[uint32]int)
	return w.delete('n', func(key, value []byte) bool {
		if len(key) != 9 || !w.leadsThere(value) {
			return false
		}
		w.counts[groupOf(key)]++
		return true
	})
}

// arrivals takes out the articles' arrivals.
func (w *sweep) arrivals() error {
	return w.delete('t', func(key, _ []byte) bool { return w.gone[arrivalSegment(key)] })
}

// delete takes out the keys of a letter that doomed says.
func (w *sweep) delete(letter byte, doomed func(key, value []byte) bool) error {
	batch := new(leveldb.Batch)
	err := w.s.index.eachOf(letter, func(key, value []byte) (bool, error) {
		if !doomed(key, value) {
			return true, nil
		}
		batch.Delete(slices.Clone(key))
		return true, w.s.flush(batch)
	})
	if err != nil {
		return err
	}
	return w.s.index.write(batch, false)
}

func (w *sweep) leadsThere(value []byte) bool {
	c := cursor{rest: value}
	p := c.place()
	return !c.bad && w.gone[p.segment]
}
