package batch

import (
	"context"
	"errors"
	"time"

	"github.com/restante/restante/crypto/blind"
	"github.com/restante/restante/pool"
)

// A Booking is places in coming batches for one deposit: a slot for each pool
// entry, and a place for each public post. It must be settled, by Deposit or Drop,
// and soon: its batches wait for it.
type Booking struct {
	queue *Queue
	slots []Slot // in the order of the entries
	posts []post // in the order of the public posts
}

// A post is the place of a public post.
type post struct {
	batch uint64
	size  int // octets booked for it
}

// A Slot is one place in one batch, for one entry of one mailbox.
type Slot struct {
	Batch uint64
	Tag   blind.Tag
	Blind *blind.Blinded // the mailbox's server-blinded ID in the batch's epoch

	use  use
	turn uint64   // of all bookings of entries
	in   *pending // where it is booked
}

// A use is what becomes of the payload for a slot.
type use byte

const (
	mail   use = iota // it leaves with the batch
	notice            // it does, in the place of earlier notices for the same slot
	waste             // it is written as others are, and forgotten
)

// Blinder returns a mailbox's server-blinded ID in an epoch.
type Blinder func(epoch uint64) (*blind.Blinded, error)

// Begin returns an empty booking.
func (q *Queue) Begin() *Booking { return &Booking{queue: q} }

// Longest returns how many entries a content may take to be placed at all, when
// nothing else waits.
func (q *Queue) Longest() int { return q.shape.Backlog * q.shape.mail() }

// Entries books slots for n more entries of one mailbox, in the first batches
// that have room for them. It returns [ErrBacklog] if a mailbox that nothing
// waits for would not have got them either; nothing is booked then.
//
// When it is the mailbox alone that has no room, as many slots are returned, and
// dropped says how many contents were dropped since its last notice left, this
// one included. The payload for the first slot must then be a notice of that;
// it replaces one that waits. Those for the other slots are forgotten, once they
// are written. That is a fact about the mailbox, and nobody else may be told: to
// book and to deposit takes the same work.
func (b *Booking) Entries(n int, mailbox Blinder) (slots []Slot, dropped int, err error) {
	q := b.queue
	s, err := q.sight(n, mailbox)
	if err != nil {
		return nil, 0, err
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if !q.fits(n, s.first, s.end) {
		return nil, 0, ErrBacklog
	}
	found := q.look(s, n)
	before := len(b.slots)
	if len(found.free) == n {
		for _, at := range found.free {
			b.slots = append(b.slots, q.book(s, at, mail))
		}
	} else {
		dropped = q.drop(b, s, found.notice, n)
	}
	return b.slots[before:], dropped, nil
}

// book takes a slot of a mailbox.
func (q *Queue) book(s *sighting, at position, use use) Slot {
	epoch := q.shape.Calendar.EpochOf(at.batch)
	q.turn++
	slot := Slot{Batch: at.batch, Blind: s.blinded[epoch], use: use, turn: q.turn}
	if use == waste {
		slot.in, slot.Tag = q.wasted(), s.taggers[epoch].Tag(q.turn, uint16(at.slot)) // another one each time
	} else {
		slot.in, slot.Tag = q.at(at.batch), s.taggers[epoch].Tag(at.batch, uint16(at.slot))
	}
	p := slot.in
	if p.places[slot.Tag] == nil {
		p.take(slot.Tag, &place{notice: use == notice})
		p.notices = p.notices || use == notice
	}
	p.unready++
	return slot
}

// drop books what a content takes that a mailbox has no room for: the slot of a
// notice, and slots that are none. It returns what the notice is to say.
func (q *Queue) drop(b *Booking, s *sighting, at position, n int) (dropped int) {
	dropped = 1
	if at.batch != 0 { // or the one place for it has an older one, found after a restart
		slot := q.book(s, at, notice)
		own := q.batches[slot.Batch].places[slot.Tag]
		own.dropped++
		b.slots, dropped = append(b.slots, slot), own.dropped
		n--
	}
	for range n {
		b.slots = append(b.slots, q.book(s, position{s.end - 1, q.shape.Slots}, waste))
	}
	return dropped
}

// Post books a place for one more public post, of at most size octets, in the next
// batch, and returns when that is released. It returns [ErrBacklog] when too
// much waits for it already.
func (b *Booking) Post(size int) (time.Time, error) {
	q := b.queue
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.posts+size > q.shape.Posts {
		return time.Time{}, ErrBacklog
	}
	place := post{q.next(), size}
	b.posts = append(b.posts, place)
	p := q.at(place.batch)
	p.unready++
	p.octets += size
	q.posts += size
	return q.shape.Calendar.Start(place.batch), nil
}

// Deposit puts one payload for each booked slot, and one text for each booked public
// post, in their order, on stable storage. All of it is kept or none.
func (b *Booking) Deposit(ctx context.Context, payloads [][]byte, texts ...[]byte) error {
	items := make([]item, 0, len(b.slots)+len(b.posts))
	for i, s := range b.slots {
		it := item{kind: kindEntry, batch: s.Batch, tag: s.Tag, turn: s.turn, data: payloads[i]}
		if s.use == waste {
			it.kind = kindWaste
		}
		items = append(items, it)
	}
	for i, p := range b.posts {
		items = append(items, item{kind: kindPost, batch: p.batch, data: texts[i]})
	}
	if len(items) == 0 {
		return nil
	}
	err := b.queue.log.append(ctx, items, func() { b.settle(items) })
	if errors.Is(err, pool.ErrReadOnly) {
		// It may be on the disk all the same, and be found there after a
		// restart: its slots are not given to anybody else.
		b.settle(nil)
	}
	return err
}

// settle ends a booking whose slots are used up, with what was accepted in them.
func (b *Booking) settle(accepted []item) {
	q := b.queue
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, it := range accepted {
		if it.kind != kindWaste {
			q.batches[it.batch].add(it)
		}
	}
	for _, s := range b.slots {
		if s.use == waste {
			continue
		}
		p := q.batches[s.Batch]
		p.unready--
		if s.use == notice && accepted == nil {
			p.places[s.Tag].dropped--
		}
	}
	for _, p := range b.posts {
		q.batches[p.batch].unready--
	}
	b.slots, b.posts = nil, nil
	q.changed.Broadcast()
}

// Drop gives back a booking that was not deposited. On one that was, it does
// nothing.
func (b *Booking) Drop() {
	q := b.queue
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, s := range b.slots {
		if s.use != waste {
			q.batches[s.Batch].giveBack(s)
		}
	}
	for _, place := range b.posts {
		p := q.batches[place.batch]
		p.unready--
		p.octets -= place.size
		q.posts -= place.size
	}
	b.slots, b.posts = nil, nil
	q.changed.Broadcast()
}
