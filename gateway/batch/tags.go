package batch

import (
	"encoding/binary"
	"hash/maphash"

	"github.com/restante/restante/crypto/blind"
)

// A tagSet is a set of tags that is asked for one in the same time whether it has
// it or not: a map takes longer to find something, and how often that happens in
// the search for a mailbox's slots would tell how many of them are taken.
//
// It has the first octets of each tag, in lines of which one is looked at, all of
// it. A tag that it does not have is taken for one that it has once in 2⁶⁰
// questions: a slot is then passed over.
type tagSet struct {
	seed  maphash.Seed // or somebody could look for tags that are all of one line
	lines []tagLine    // a power of two of them
}

// A tagLine is as long as what the processor reads at once. 0 is a free place.
type tagLine [8]uint64

func newTagSet(lines int) tagSet {
	return tagSet{seed: maphash.MakeSeed(), lines: make([]tagLine, lines)}
}

// line returns the line for a tag, and the octets of it that go there.
func (s tagSet) line(t blind.Tag) (*tagLine, uint64) {
	which := maphash.Bytes(s.seed, t[:]) & uint64(len(s.lines)-1)
	return &s.lines[which], binary.BigEndian.Uint64(t[:]) | 1
}

func (s tagSet) has(t blind.Tag) bool {
	line, octets := s.line(t)
	equal := uint64(0)
	for _, other := range line {
		differ := other ^ octets
		equal |= ^(differ | -differ) // its first bit is set when nothing differs
	}
	return equal>>63 == 1
}

// add says whether there was a place for the tag.
func (s tagSet) add(t blind.Tag) bool { return s.replace(t, true) }

func (s tagSet) remove(t blind.Tag) { s.replace(t, false) }

func (s tagSet) replace(t blind.Tag, in bool) bool {
	line, octets := s.line(t)
	from, to := octets, uint64(0)
	if in {
		from, to = to, from
	}
	for i, other := range line {
		if other == from {
			line[i] = to
			return true
		}
	}
	return false
}

// take notes that a tag is taken.
func (p *pending) take(t blind.Tag, own *place) {
	p.places[t] = own
	for fits := p.tags.add(t); !fits; {
		p.tags = newTagSet(2 * len(p.tags.lines))
		fits = true
		for tag := range p.places {
			fits = fits && p.tags.add(tag)
		}
	}
}

// free undoes take.
func (p *pending) free(t blind.Tag) {
	delete(p.places, t)
	p.tags.remove(t)
}
