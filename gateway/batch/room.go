package batch

import "github.com/restante/restante/crypto/blind"

// places returns how many places of a batch may be taken before one of its slots
// can no longer be given to a mailbox. Half of them are for slot 0: whatever
// waits for one mailbox, everybody else's first entry finds room.
func (s *Shape) places(slot int) int {
	if slot == 0 {
		return s.Size
	}
	return s.Size / 2
}

// mail returns how many slots of a batch one mailbox's mail may have: no more
// than half of the places, and not the last slot, which is for a notice.
func (s *Shape) mail() int { return max(1, min(s.Size/2, s.Slots-1)) }

// notice returns the slot that is for a notice.
func (s *Shape) notice() int { return s.Slots - 1 }

// room returns how many entries a mailbox that nothing waits for would get in a
// batch of which so many places are taken.
func (s *Shape) room(taken int) int {
	n := 0
	for n < s.mail() && taken+n < s.places(n) {
		n++
	}
	return n
}

// A sighting is one mailbox, blinded for all batches that take bookings.
type sighting struct {
	first, end uint64 // batches: the first one, and the one behind the last
	blinded    map[uint64]*blind.Blinded
	taggers    map[uint64]*blind.Tagger
}

// sight blinds a mailbox for each epoch in which entries may be placed now, used
// or not: how many these are is a fact of the clock. It returns [ErrBacklog] when
// that would be in vain.
func (q *Queue) sight(n int, mailbox Blinder) (*sighting, error) {
	q.mu.Lock()
	first := q.next()
	end := first + uint64(q.shape.Backlog)
	fits := q.fits(n, first, end)
	q.mu.Unlock()
	if !fits {
		return nil, ErrBacklog
	}
	s := &sighting{first: first, end: end, blinded: make(map[uint64]*blind.Blinded), taggers: make(map[uint64]*blind.Tagger)}
	for epoch := q.shape.Calendar.EpochOf(first); epoch <= q.shape.Calendar.EpochOf(end-1); epoch++ {
		b, err := mailbox(epoch)
		if err != nil {
			return nil, err
		}
		s.blinded[epoch], s.taggers[epoch] = b, b.Tagger()
	}
	return s, nil
}

// fits says whether a mailbox that nothing waits for would get n slots in the
// batches from first on that take bookings, before end.
func (q *Queue) fits(n int, first, end uint64) bool {
	for batch := max(q.next(), first); batch < end && n > 0; batch++ {
		n -= q.shape.room(q.batches[batch].taken())
	}
	return n <= 0
}

// A position is a slot of a mailbox in a batch.
type position struct {
	batch uint64
	slot  int
}

// A prospect is what a mailbox finds in the batches that take bookings.
type prospect struct {
	free   []position // for its entries: the first, as many as are needed at most
	notice position   // where its notice waits or else may be put; nowhere if batch is 0
	waits  bool       // it does wait
}

// look finds the prospect of a mailbox that needs n slots. Which tags are worked
// out, and how many, follows from how much waits for each batch, never from how
// much of that is this mailbox's: the time for it tells nothing of a mailbox.
func (q *Queue) look(s *sighting, n int) prospect {
	found := prospect{free: make([]position, 0, n)}
	mail := q.shape.mail()
	for batch := max(q.next(), s.first); batch < s.end; batch++ {
		p := q.batches[batch]
		if p != nil {
			tagger := s.taggers[q.shape.Calendar.EpochOf(batch)]
			found.seekMail(&q.shape, p, tagger, batch, n)
			found.seekNotice(&q.shape, p, tagger, batch)
			continue
		}
		for slot := 0; slot < mail && len(found.free) < n; slot++ {
			found.free = append(found.free, position{batch, slot})
		}
		if !found.waits {
			found.notice = position{batch, q.shape.notice()}
		}
	}
	return found
}

// seekMail finds the mailbox's free slots in a batch.
func (f *prospect) seekMail(shape *Shape, p *pending, tagger *blind.Tagger, batch uint64, n int) {
	before := len(p.places)
	taken := before
	for slot := 0; slot < shape.mail() && before < shape.places(slot); slot++ {
		own := p.tags.has(tagger.Tag(batch, uint16(slot)))
		if !own && taken < shape.places(slot) {
			taken++
			if len(f.free) < n {
				f.free = append(f.free, position{batch, slot})
			}
		}
	}
}

// seekNotice finds the mailbox's notice in a batch, or a place for it. There is
// one wherever a mailbox that nothing waits for would find room: the half that
// is for first entries takes it in, in the last batch that can. So it can't be
// kept out by what waits, and is behind all that the mailbox has.
func (f *prospect) seekNotice(shape *Shape, p *pending, tagger *blind.Tagger, batch uint64) {
	var own *place
	if p.notices {
		own = p.places[tagger.Tag(batch, uint16(shape.notice()))]
	}
	switch {
	case f.waits:
	case own != nil && own.notice:
		f.notice, f.waits = position{batch, shape.notice()}, true
	case own == nil && len(p.places) < shape.Size:
		f.notice = position{batch, shape.notice()}
	}
}
