// Package batch is the gateway's rhythm: it keeps accepted deposits on disk
// until their batch is due, and releases every batch at the same size whatever
// came (docs/protocol.md, section 7). It knows tags and sealed payloads, never
// whose they are.
package batch

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/restante/restante/crypto/blind"
	"github.com/restante/restante/pool"
	"github.com/restante/restante/pool/record"
)

// The errors of a [Queue].
var (
	ErrBacklog = errors.New("the coming batches are full")
	ErrMailbox = errors.New("the mailbox's slots in the coming batches are full")
	ErrClosed  = errors.New("the queue is closed")
)

// Shape is the published size of a batch, and how far ahead one may be booked.
type Shape struct {
	Calendar pool.Calendar
	Size     int // entries in every batch
	Slots    int // most entries of one mailbox in a batch
	Backlog  int // batches ahead that may be booked
}

// A Queue holds accepted deposits until their batch is due. Its methods may be
// called from many goroutines.
type Queue struct {
	shape Shape
	dir   string
	log   *deposits

	mu       sync.Mutex
	changed  sync.Cond           // a booking was settled
	open     uint64              // first batch that takes bookings
	released uint64              // last batch released
	batches  map[uint64]*pending // those that hold or await something
}

// pending is what is known of a batch before its release.
type pending struct {
	booked  map[blind.Tag]bool // tags taken, deposited or not
	unready int                // bookings neither deposited nor dropped
	items   []item             // deposited
}

// A Booking is places in coming batches for one deposit: a slot for each pool
// entry, and perhaps a place for a public post. It must be settled, by Deposit
// or Drop, and soon: its batches wait for it.
type Booking struct {
	queue *Queue
	slots []Slot // in the order of the entries
	post  uint64 // batch of the public post, or 0
}

// A Slot is one place in one batch, for one entry of one mailbox.
type Slot struct {
	Batch uint64
	Tag   blind.Tag
	Blind *blind.Blinded // the mailbox's server-blinded ID in the batch's epoch
}

// Blinder returns a mailbox's server-blinded ID in an epoch.
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

// Post books a place for one public post in the next batch, and returns when
// that is released.
func (b *Booking) Post() time.Time {
	q := b.queue
	q.mu.Lock()
	defer q.mu.Unlock()
	b.post = q.next()
	q.at(b.post).unready++
	return q.shape.Calendar.Start(b.post)
}

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
	if len(items) == 0 {
		return nil
	}
	q := b.queue
	err := q.log.append(ctx, items)
	if err != nil && !errors.Is(err, pool.ErrReadOnly) {
		return err
	}
	// A deposit that failed in a sync may be on the disk all the same, and be
	// found there after a restart: its slots are not given to anybody else.
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, it := range items {
		p := q.batches[it.batch]
		if err == nil {
			p.items = append(p.items, it)
		}
		p.unready--
	}
	b.slots, b.post = nil, 0
	q.changed.Broadcast()
	return err
}

// Drop gives back a booking that was not deposited. On one that was, it does
// nothing.
func (b *Booking) Drop() {
	q := b.queue
	q.mu.Lock()
	defer q.mu.Unlock()
	q.unbook(b, 0)
	if b.post != 0 {
		q.batches[b.post].unready--
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

// OpenQueue opens the queue in dir, which it makes if there is none, with every
// deposit that is accepted and not yet released.
func OpenQueue(dir string, shape Shape) (*Queue, error) { return openQueue(record.OS{}, dir, shape) }

func openQueue(fs record.Opener, dir string, shape Shape) (*Queue, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make the queue: %w", err)
	}
	released, err := readReleased(dir, shape.Calendar)
	if err != nil {
		return nil, err
	}
	log, items, err := openDeposits(fs, dir)
	if err != nil {
		return nil, err
	}
	q := &Queue{shape: shape, dir: dir, log: log, released: released, open: released + 1, batches: make(map[uint64]*pending)}
	q.changed.L = &q.mu
	for _, it := range items {
		if it.batch <= released {
			continue
		}
		p := q.at(it.batch)
		p.items = append(p.items, it)
		if it.kind == kindEntry {
			p.booked[it.tag] = true
		}
	}
	return q, nil
}

// Damaged returns how many places of the queue's files could not be read when
// it was opened: deposits that the disk has lost.
func (q *Queue) Damaged() int { return q.log.damaged }

// Waiting returns how many entries and public posts wait for a batch.
func (q *Queue) Waiting() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	n := 0
	for _, p := range q.batches {
		n += len(p.items)
	}
	return n
}

// Close ends the queue. Deposits return [ErrClosed] from then on.
func (q *Queue) Close() error { return q.log.close() }

// next is the first batch that takes bookings: the one after now's, unless that
// is closed already because the clock went back.
func (q *Queue) next() uint64 {
	return max(q.open, q.shape.Calendar.Batch(time.Now())+1)
}

func (q *Queue) at(batch uint64) *pending {
	p := q.batches[batch]
	if p == nil {
		p = &pending{booked: make(map[blind.Tag]bool)}
		q.batches[batch] = p
	}
	return p
}

// Released returns the last batch whose entries are all in the store.
func (q *Queue) Released() uint64 {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.released
}

// collect closes a batch and returns what was deposited for it, once every
// booking in it is settled. Public posts of earlier batches that never left come
// with it: those batches were passed over because nobody could fetch their
// entries any more.
func (q *Queue) collect(batch uint64) []item {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.open = max(q.open, batch+1)
	var items []item
	for _, b := range slices.Sorted(maps.Keys(q.batches)) {
		if b > batch {
			break
		}
		p := q.batches[b]
		for p.unready > 0 {
			q.changed.Wait()
		}
		for _, it := range p.items {
			if b == batch || it.kind == kindPost {
				items = append(items, it)
			}
		}
	}
	return items
}

// settle forgets a batch that is in the store, and those before it.
func (q *Queue) settle(batch uint64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.released = max(q.released, batch)
	q.open = max(q.open, batch+1)
	maps.DeleteFunc(q.batches, func(b uint64, _ *pending) bool { return b <= batch })
}
