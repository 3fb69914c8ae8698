package disk

import (
	"encoding/binary"
	"math/bits"
	"sync"
)

// fingerprints is the set of message-ids ever seen, in memory: it answers for
// an id that was never seen without touching the disk. Of each id it keeps 8
// octets of its hash, in tables that are between 64 and 85 per cent full, so an
// id takes 13 octets at most. They grow one after the other, outside Go's heap,
// which would keep what they were before, and as much again, until it is collected.
// A wrong "maybe" costs a look at the index.
type fingerprints struct {
	shards [256]shard
}

type shard struct {
	mu    sync.RWMutex
	slots []uint64 // open addressing; 0 is free
	pages []byte   // where they lie, unless in Go's heap
	used  int
}

// scatter is an odd number. Multiplied by it, values that come in ascending order
// are spread over a table that does not know yet how many there will be: at
// opening they come out of the index that way, and would fill its low end only.
const scatter = 0x9e3779b97f4a7c15

// fingerprint makes of a hash what the tables keep. The shard goes by the
// hash's first octet and the slot by the following ones.
func fingerprint(h hash) (shardOf byte, value uint64) {
	return h[0], max(binary.BigEndian.Uint64(h[1:])*scatter, 1)
}

func (f *fingerprints) add(h hash) {
	i, v := fingerprint(h)
	s := &f.shards[i]
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.used*20 >= len(s.slots)*17 {
		s.grow()
	}
	if at, found := s.find(v); !found {
		s.slots[at] = v
		s.used++
	}
}

func (f *fingerprints) maybe(h hash) bool {
	i, v := fingerprint(h)
	s := &f.shards[i]
	s.mu.RLock()
	defer s.mu.RUnlock()
	if len(s.slots) == 0 {
		return false
	}
	_, found := s.find(v)
	return found
}

// len returns how many are in the set.
func (f *fingerprints) len() int {
	n := 0
	for i := range f.shards {
		s := &f.shards[i]
		s.mu.RLock()
		n += s.used
		s.mu.RUnlock()
	}
	return n
}

// find returns the slot of v, or the free one where it goes.
func (s *shard) find(v uint64) (int, bool) {
	hi, _ := bits.Mul64(v, uint64(len(s.slots)))
	for at := int(hi); ; at++ {
		if at == len(s.slots) {
			at = 0
		}
		switch s.slots[at] {
		case v:
			return at, true
		case 0:
			return at, false
		}
	}
}

func (s *shard) grow() {
	old, pages := s.slots, s.pages
	s.slots, s.pages = makeSlots(len(old) + len(old)/3 + 8)
	for _, v := range old {
		if v != 0 {
			at, _ := s.find(v)
			s.slots[at] = v
		}
	}
	freePages(pages)
}

// free gives the memory back. The set must not be used any more, but for len.
func (f *fingerprints) free() {
	for i := range f.shards {
		s := &f.shards[i]
		s.mu.Lock()
		freePages(s.pages)
		s.slots, s.pages = nil, nil
		s.mu.Unlock()
	}
}
