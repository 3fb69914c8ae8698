package disk

import (
	"hash/maphash"
	"math/bits"
	"sync"
)

// fingerprints is the message-ids ever seen, in memory, and where their records are: it
// answers for an id that was never seen without touching the disk, and leads to the
// record of one that was. Of each id it keeps 37 bits made of its hash, and a lead, in
// tables of 8 octets for each that are between 64 and 85 per cent full, so an id takes 13
// octets at most. They grow one after the other, outside Go's heap, which would keep what
// they were before, and as much again, until it is collected.
// A wrong lead, of which there is one in 13,000 questions where ten million ids are
// known, costs a look at a record.
type fingerprints struct {
	// seed makes them others in each process: nobody can choose message-ids that have the same
	// one, and each question about any of which would cost a look at all their records.
	seed   maphash.Seed
	shards [256]shard
}

type shard struct {
	mu    sync.RWMutex
	slots []uint64 // open addressing; 0 is free
	pages []byte   // where they lie, unless in Go's heap
	used  int
}

// A lead says where a record begins, or that there is none any more. It has the
// segment's number and the offset in units of leadUnit, both from a certain size on
// only as what is left of them: several places may have the same lead.
type lead uint64

const (
	leadUnit     = 64      // octets; few records begin in one
	leadUnits    = 1 << 23 // of a segment, 512 MiB; those behind come round again
	leadSegments = 1<<12 - 1
	leadBits     = 12 + 23
)

// leadGone is that of a message-id that is merely remembered: the index knows it.
const leadGone lead = 1

func leadTo(p place) lead {
	return lead(1+p.segment%leadSegments)*leadUnits + lead(p.offset/leadUnit%leadUnits)
}

// segment returns the lowest number that a segment may have.
func (l lead) segment() uint32 { return uint32(l/leadUnits) - 1 }

// offset returns the lowest offset at which the record may begin, within leadUnit.
func (l lead) offset() int64 { return int64(l%leadUnits) * leadUnit }

func newFingerprints() fingerprints { return fingerprints{seed: maphash.MakeSeed()} }

// fingerprint makes of a hash what the tables keep, above a lead. The shard goes by the
// hash's first octet.
func (f *fingerprints) fingerprint(h hash) (shardOf byte, value uint64) {
	return h[0], maphash.Bytes(f.seed, h[1:]) >> leadBits << leadBits
}

// alike says whether the tables can't tell two message-ids from each other.
func (f *fingerprints) alike(a, b hash) bool {
	i, v := f.fingerprint(a)
	j, w := f.fingerprint(b)
	return i == j && v == w
}

// add adds a lead of a message-id to those that there are.
func (f *fingerprints) add(h hash, to lead) {
	i, v := f.fingerprint(h)
	s := &f.shards[i]
	s.mu.Lock()
	defer s.mu.Unlock()
	s.add(v | uint64(to))
}

// replace puts a lead of a message-id in the place of another, or adds it.
func (f *fingerprints) replace(h hash, from, to lead) {
	i, v := f.fingerprint(h)
	s := &f.shards[i]
	s.mu.Lock()
	defer s.mu.Unlock()
	if at, found := s.find(v | uint64(from)); found {
		s.slots[at] = v | uint64(to)
	} else {
		s.add(v | uint64(to))
	}
}

// leads appends the leads of a message-id to dst. Where there is none it was never seen.
func (f *fingerprints) leads(h hash, dst []lead) []lead {
	i, v := f.fingerprint(h)
	s := &f.shards[i]
	s.mu.RLock()
	defer s.mu.RUnlock()
	if len(s.slots) == 0 {
		return dst
	}
	for at := s.home(v); s.slots[at] != 0; at = s.after(at) {
		if value := s.slots[at]; value>>leadBits<<leadBits == v {
			dst = append(dst, lead(value-v))
		}
	}
	return dst
}

// maybe says whether a message-id may be known.
func (f *fingerprints) maybe(h hash) bool {
	var room [4]lead
	return len(f.leads(h, room[:0])) > 0
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

func (s *shard) add(v uint64) {
	if s.used*20 >= len(s.slots)*17 {
		s.grow()
	}
	if at, found := s.find(v); !found {
		s.slots[at] = v
		s.used++
	}
}

// home returns the slot from which on a value is looked for, whatever its lead.
func (s *shard) home(v uint64) int {
	hi, _ := bits.Mul64(v>>leadBits<<leadBits, uint64(len(s.slots)))
	return int(hi)
}

func (s *shard) after(at int) int {
	if at++; at < len(s.slots) {
		return at
	}
	return 0
}

// find returns the slot of v, or the free one where it goes.
func (s *shard) find(v uint64) (int, bool) {
	if len(s.slots) == 0 {
		return 0, false
	}
	for at := s.home(v); ; at = s.after(at) {
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
