package disk

import (
	"context"
	"encoding/binary"
	"slices"
	"sync"

	"github.com/restante/restante/pool"
)

// stretchSize is how many numbers a stretch has.
const stretchSize = 256

// A stretch is the overview lines of some successive numbers of a group, as they
// are sent. Nothing is added to it any more: all of its numbers were given when
// it was made.
type stretch struct {
	lines []byte
	ends  [stretchSize]uint32 // where the lines of each number and those before end
	made  uint64              // how often rows had been removed from the index by then
}

// A stretchKey names a stretch by its group and first number.
type stretchKey struct {
	group uint32
	first pool.Number
}

// firstOf returns the first number of the stretch that a number is in.
func firstOf(n pool.Number) pool.Number { return n - n%stretchSize }

// within returns the lines of a range that begins in the stretch.
func (t *stretch) within(first, from, to pool.Number) []byte {
	start := uint32(0)
	if from > first {
		start = t.ends[from-first-1]
	}
	return t.lines[start:t.ends[min(to-first, stretchSize-1)]]
}

// stretches is those that were read lately. It may be used from many goroutines.
type stretches struct {
	room int // for octets of lines

	mu      sync.Mutex // guards what follows
	held    map[stretchKey]*stretch
	octets  int
	refused int // since one was taken in another's place
}

// get returns a stretch, unless rows were removed since it was made.
func (c *stretches) get(key stretchKey, removals uint64) *stretch {
	c.mu.Lock()
	defer c.mu.Unlock()
	t := c.held[key]
	if t != nil && t.made != removals {
		c.drop(key)
		return nil
	}
	return t
}

func (c *stretches) drop(key stretchKey) {
	c.octets -= len(c.held[key].lines)
	delete(c.held, key)
}

// outOf is of how many stretches one takes another's place: who reads more than
// there is room for would otherwise do away with all before it is read again.
const outOf = 8

// put keeps a copy of a stretch, in any other's place when there is no room.
func (c *stretches) put(key stretchKey, t *stretch) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.held[key] != nil {
		c.drop(key)
	}
	if c.octets+len(t.lines) > c.room {
		if c.refused++; c.refused%outOf != 0 || len(t.lines) > c.room {
			return
		}
	}
	for other := range c.held { // in no order
		if c.octets+len(t.lines) <= c.room {
			break
		}
		c.drop(other)
	}
	if c.held == nil {
		c.held = make(map[stretchKey]*stretch)
	}
	kept := *t
	kept.lines = slices.Clone(t.lines)
	c.held[key], c.octets = &kept, c.octets+len(kept.lines)
}

// ScanLines implements [pool.Liner].
func (s *Store) ScanLines(ctx context.Context, name pool.Group, r pool.Range, yield func([]byte) bool) error {
	if err := s.enter(ctx); err != nil {
		return err
	}
	defer s.leave()
	g, err := s.group(name)
	if err != nil {
		return err
	}
	t, ok := s.making.Get().(*stretch)
	if !ok {
		t = new(stretch)
	}
	defer s.making.Put(t)
	from, to := max(r.From, g.floor, 1), min(r.To, g.info.High)
	for from > 0 && from <= to {
		if err := ctx.Err(); err != nil {
			return err
		}
		t.made = s.index.removals.Load()
		key := stretchKey{g.id, firstOf(from)}
		if held := s.stretches.get(key, t.made); held != nil {
			if lines := held.within(key.first, from, to); len(lines) > 0 && !yield(lines) {
				return nil
			}
			from = key.first + stretchSize
			continue
		}
		first, next, err := s.make(t, g.id, from, to)
		if err != nil {
			return s.fromIndex(err)
		}
		if from <= max(first, 1) && to >= first+stretchSize-1 {
			s.stretches.put(stretchKey{g.id, first}, t)
		}
		if len(t.lines) > 0 && !yield(t.lines) {
			return nil
		}
		from = next
	}
	return nil
}

// make reads lines of a range, as far as they are in one stretch. It returns that
// one's first number and the next number that there is, or 0.
func (s *Store) make(t *stretch, group uint32, from, to pool.Number) (first, next pool.Number, err error) {
	t.lines = t.lines[:0]
	filled := 0
	end := func(n int) { // of the lines before number n of the stretch
		for ; filled < n; filled++ {
			t.ends[filled] = uint32(len(t.lines))
		}
	}
	err = s.index.each(numberKey(group, from), numberKey(group, to+1), func(key, row []byte) (bool, error) {
		c := cursor{rest: row}
		c.place()
		if c.bad || len(key) != 9 {
			return false, errDoubt
		}
		n := pool.Number(binary.BigEndian.Uint32(key[5:]))
		if len(t.lines) == 0 {
			first = firstOf(n)
		}
		if firstOf(n) != first {
			next = n
			return false, nil
		}
		end(int(n - first))
		t.lines = pool.AppendLine(t.lines, n, c.rest)
		return true, nil
	})
	end(stretchSize)
	return first, next, err
}
