package collect

import (
	"encoding/binary"
	"runtime"
	"sync"

	"github.com/restante/restante/crypto/blind"
)

// A tagSet is the tags of all the user's mailboxes in one batch.
type tagSet struct {
	slots uint64
	tags  []blind.Tag // by mailbox, and by slot
	// table finds them: at a place that the tag's first octets say, or behind it, is
	// its index and one. Tags are as good as random, and these are the user's own:
	// nobody else can choose what collides.
	table []uint32
}

// maxSlots is how many entries of one mailbox a gateway may have in a batch
// (docs/protocol.md, section 2). For each of them a tag is computed, of every mailbox,
// for every batch: what a gateway makes of its batches costs it nothing.
const maxSlots = 1024

// parallel is how many tags are worth another goroutine.
const parallel = 512

// fill computes the tags of a batch.
func (s *tagSet) fill(taggers []*blind.Tagger, batch, slots uint64) {
	s.slots = slots
	n := len(taggers) * int(slots)
	if cap(s.tags) < n {
		s.tags = make([]blind.Tag, n)
	}
	s.tags = s.tags[:n]
	size := 16
	for size < 2*n {
		size *= 2
	}
	if len(s.table) == size {
		clear(s.table)
	} else {
		s.table = make([]uint32, size)
	}
	shares := max(1, min(runtime.GOMAXPROCS(0), n/parallel))
	var all sync.WaitGroup
	for i := range shares {
		from, to := len(taggers)*i/shares, len(taggers)*(i+1)/shares
		if i == shares-1 {
			s.compute(taggers, batch, from, to)
			break
		}
		all.Go(func() { s.compute(taggers, batch, from, to) })
	}
	all.Wait()
	for i := range s.tags {
		at := s.place(&s.tags[i])
		for s.table[at] != 0 {
			at = (at + 1) % len(s.table)
		}
		s.table[at] = uint32(i + 1)
	}
}

func (s *tagSet) compute(taggers []*blind.Tagger, batch uint64, from, to int) {
	for box := from; box < to; box++ {
		for slot := range s.slots {
			s.tags[uint64(box)*s.slots+slot] = taggers[box].Tag(batch, uint16(slot))
		}
	}
}

func (s *tagSet) place(tag *blind.Tag) int {
	return int(binary.LittleEndian.Uint64(tag[:8]) & uint64(len(s.table)-1)) // a power of two
}

// find says which mailbox a tag is of.
func (s *tagSet) find(tag blind.Tag) (box uint32, ok bool) {
	if len(s.tags) == 0 {
		return 0, false
	}
	for at := s.place(&tag); s.table[at] != 0; at = (at + 1) % len(s.table) {
		if i := s.table[at] - 1; s.tags[i] == tag {
			return uint32(uint64(i) / s.slots), true
		}
	}
	return 0, false
}
