package disk

import (
	"cmp"
	"slices"
)

// lookSize is how many octets are read to see whose record one is: all before its
// message-id, mostly.
const lookSize = 1 << 10

// A standing is what is known of a message-id. Of several the highest counts.
type standing int

const (
	unknown   standing = iota
	illegible          // there was something, and its record is damaged
	gone               // it is remembered
	withdrawn          // its record is that of a withdrawal
	filed              // its record is an article's
)

// found is a message-id's standing, and where its record is if there is one.
type found struct {
	standing
	place
}

// better returns which of two counts. Of two records the later one does.
func (f found) better(g found) found {
	fRecord, gRecord := f.standing >= withdrawn, g.standing >= withdrawn
	order := cmp.Or(cmp.Compare(f.segment, g.segment), cmp.Compare(f.offset, g.offset))
	if !fRecord || !gRecord {
		order = cmp.Compare(f.standing, g.standing)
	}
	if order < 0 {
		return g
	}
	return f
}

// find finds out what is known of a message-id. The fingerprints lead to its record,
// which has the id itself. A record may be copied and its old segment deleted between
// a look at the one and at the other: then there are other leads, and it looks again.
func (s *Store) find(h hash) (f found, err error) {
	var room, before [4]lead
	for tried := before[:0]; ; {
		leads := s.seen.leads(h, room[:0])
		if f.standing > illegible || slices.Equal(leads, tried) {
			break
		}
		f, tried = found{}, append(tried[:0], leads...)
		for _, l := range leads {
			g, err := s.followLead(h, l)
			if err != nil {
				return f, err
			}
			f = f.better(g)
		}
	}
	if f.standing == illegible && s.underWay.get(h) != nil { // its record has not come yet
		f.standing = unknown
	}
	return f, nil
}

// followLead finds out what one lead leads to.
func (s *Store) followLead(h hash, l lead) (f found, err error) {
	if l == leadGone {
		_, known, err := s.index.get(idKey(h))
		if known {
			f.standing = gone
		}
		return f, err
	}
	buf := s.spare.take(lookSize)
	defer s.spare.give(buf)
	var room [1]*segment
	segments, explained := s.segmentsOf(l, room[:0]), false
	for _, g := range segments {
		e := expedition{seen: &s.seen, segment: g, hash: h}
		e.look(*buf, l)
		f = f.better(e.found)
		explained = explained || e.explained
	}
	if explained || len(segments) == 0 {
		return f, nil
	}
	at, err := s.withdrawalOf(h) // the index knows these by themselves
	if err != nil || at == (place{}) {
		return f.better(found{standing: illegible}), err
	}
	return f.better(found{withdrawn, at}), nil
}

// segmentsOf appends the segments that a lead may be of.
func (s *Store) segmentsOf(l lead, dst []*segment) []*segment {
	s.mu.RLock()
	defer s.mu.RUnlock()
	for n := uint64(l.segment()); n <= uint64(s.newest); n += leadSegments {
		if g := s.segments[uint32(n)]; g != nil {
			dst = append(dst, g)
		}
	}
	return dst
}

// An expedition looks for the record of a message-id in one segment.
type expedition struct {
	seen      *fingerprints // that led here
	segment   *segment
	hash      hash
	found     found
	explained bool // the lead has its reason: the record, another one, or one that is not to be seen yet
}

// look looks in all places that a lead may be of. The octets of a record that is
// damaged tell nothing, so then it is not explained.
func (e *expedition) look(buf []byte, l lead) {
	g := e.segment
	g.mu.RLock()
	defer g.mu.RUnlock()
	if g.reader == nil {
		e.explained = g.gone
		return
	}
	shown := g.shown.Load()
	for at := l.offset(); ; at += leadUnits * leadUnit {
		if at >= shown {
			e.explained = e.explained || at == l.offset()
			return
		}
		// What the disk does not give is as good as damaged.
		_ = g.reader.Look(buf, at, leadUnit, func(offset int64, size int, first []byte) {
			if offset >= shown {
				e.explained = true
				return
			}
			e.record(place{segment: g.number, offset: offset, size: size}, first)
		})
	}
}

// record sees whether a record is the one, by its first octets.
func (e *expedition) record(p place, first []byte) {
	v, _, err := parseHead(first)
	if err != nil && len(first) < p.size { // a long list of groups
		if first, err = e.segment.reader.Read(p.offset, p.size); err == nil {
			v, _, err = parseHead(first)
		}
	}
	if err != nil {
		return
	}
	other := hashOf(v.id)
	switch {
	case other != e.hash:
		e.explained = e.explained || e.seen.alike(other, e.hash)
	case !v.withdrawn:
		e.explained, e.found = true, e.found.better(found{filed, p})
	default: // what the record is has not been checked yet
		if _, err := e.segment.reader.Read(p.offset, p.size); err == nil {
			e.explained, e.found = true, e.found.better(found{withdrawn, p})
		}
	}
}
