package batch

import (
	"context"
	"errors"
	"time"

	"github.com/restante/restante/crypto/blind"
	"github.com/restante/restante/pool"
)

// A Booking is places in coming batches for one deposit: a slot for each pool
// entry, and perhaps a place for a public post. It must be settled, by Deposit
// or Drop, and soon: its batches wait for it.
type Booking struct {
	queue *Queue
	slots []Slot   // in the order of the entries
	post  uint64   // batch of the public post, or 0
	size  int      // octets booked for it
	waste [][]byte // payloads that go nowhere
}

// A Slot is one place in one batch, for one entry of one mailbox.
type Slot struct {
	Batch uint64
	Tag   blind.Tag
	Blind *blind.Blinded // the mailbox's server-blinded ID in the batch's epoch
}

// Blinder returns a mailbox's server-blinded ID in an epoch. The second time it
// is asked for an epoch, it should answer at once.
type Blinder func(epoch uint64) (*blind.Blinded, error)

// Begin returns an empty booking.
func (q *Queue) Begin() *Booking { return &Booking{queue: q} }

// Entries books slots for n more entries of one mailbox, in the first batches
// that have room: a mailbox's first entry in a batch is slot 0, its second slot
// 1, up to the slots of the shape. When there are too few it returns
// [ErrBacklog] if a mailbox that nothing waits for would not have got them
// either, and [ErrMailbox] otherwise: that is a fact about the mailbox, and
// nobody may be told.
func (b *Booking) Entries(n int, mailbox Blinder) ([]Slot, error) {
	q := b.queue
	if err := q.warm(n, mailbox); err != nil {
		return nil, err
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	before, first := len(b.slots), q.next()
	if !q.fits(first, n) {
		return nil, ErrBacklog
	}
	for batch := first; len(b.slots) < before+n; batch++ {
		if batch >= first+uint64(q.shape.Backlog) {
			q.unbook(b, before)
			return nil, ErrMailbox
		}
		if err := q.book(b, batch, before+n, mailbox); err != nil {
			return nil, err
		}
	}
	return b.slots[before:], nil
}

// warm has a mailbox blinded for the epoch of the first batch, which takes longer
// than all else in a booking, before anybody else must wait. It returns
// [ErrBacklog] when that would be in vain.
func (q *Queue) warm(n int, mailbox Blinder) error {
	q.mu.Lock()
	first := q.next()
	fits := q.fits(first, n)
	q.mu.Unlock()
	if !fits {
		return ErrBacklog
	}
	_, err := mailbox(q.shape.Calendar.EpochOf(first))
	return err
}

// book books what a booking still lacks of n slots in one batch, as far as that
// has room.
func (q *Queue) book(b *Booking, batch uint64, n int, mailbox Blinder) error {
	p := q.at(batch)
	if len(p.booked) >= q.shape.Size {
		return nil
	}
	id, err := mailbox(q.shape.Calendar.EpochOf(batch))
	if err != nil {
		return err
	}
	for s := 0; s < q.shape.Slots && len(b.slots) < n && len(p.booked) < q.shape.Size; s++ {
		tag := id.Tag(batch, uint16(s))
		if p.booked[tag] {
			continue
		}
		p.booked[tag] = true
		p.unready++
		b.slots = append(b.slots, Slot{Batch: batch, Tag: tag, Blind: id})
	}
	return nil
}

// fits says whether a mailbox that nothing waits for would get n slots in the
// batches from first on.
func (q *Queue) fits(first uint64, n int) bool {
	for batch := first; batch < first+uint64(q.shape.Backlog) && n > 0; batch++ {
		taken := 0
		if p := q.batches[batch]; p != nil {
			taken = len(p.booked)
		}
		n -= min(q.shape.Slots, q.shape.Size-min(taken, q.shape.Size))
	}
	return n <= 0
}

// Post books a place for one public post of at most size octets in the next
// batch, and returns when that is released. It returns [ErrBacklog] when too
// much waits for it already.
func (b *Booking) Post(size int) (time.Time, error) {
	q := b.queue
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.posts+size > q.shape.Posts {
		return time.Time{}, ErrBacklog
	}
	b.post, b.size = q.next(), size
	p := q.at(b.post)
	p.unready++
	p.posts += size
	q.posts += size
	return q.shape.Calendar.Start(b.post), nil
}

// Waste adds a payload that is written like the others and then forgotten, so
// that a message for a full mailbox costs what one for an empty mailbox does.
func (b *Booking) Waste(payload []byte) { b.waste = append(b.waste, payload) }

// Deposit puts one payload for each booked slot, in their order, and the text of
// the booked public post on stable storage. All of it is kept or none.
func (b *Booking) Deposit(ctx context.Context, payloads [][]byte, post []byte) error {
	items := make([]item, 0, len(b.slots)+1)
	for i, s := range b.slots {
		items = append(items, item{kind: kindEntry, batch: s.Batch, tag: s.Tag, data: payloads[i]})
	}
	if b.post != 0 {
		items = append(items, item{kind: kindPost, batch: b.post, data: post})
	}
	accepted := items
	for _, payload := range b.waste {
		items = append(items, item{kind: kindWaste, data: payload})
	}
	if len(items) == 0 {
		return nil
	}
	err := b.queue.log.append(ctx, items, func() { b.settle(accepted) })
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
		p := q.batches[it.batch]
		p.items = append(p.items, it)
	}
	for _, s := range b.slots {
		q.batches[s.Batch].unready--
	}
	if b.post != 0 {
		q.batches[b.post].unready--
	}
	b.slots, b.post = nil, 0
	q.changed.Broadcast()
}

// Drop gives back a booking that was not deposited. On one that was, it does
// nothing.
func (b *Booking) Drop() {
	q := b.queue
	q.mu.Lock()
	defer q.mu.Unlock()
	q.unbook(b, 0)
	if b.post != 0 {
		p := q.batches[b.post]
		p.unready--
		p.posts -= b.size
		q.posts -= b.size
		b.post = 0
	}
	q.changed.Broadcast()
}

// unbook gives back a booking's slots from the one numbered from on.
func (q *Queue) unbook(b *Booking, from int) {
	for _, s := range b.slots[from:] {
		p := q.batches[s.Batch]
		delete(p.booked, s.Tag)
		p.unready--
	}
	b.slots = b.slots[:from]
	q.changed.Broadcast()
}
