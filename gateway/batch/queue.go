// Package batch is the gateway's rhythm: it keeps accepted deposits on disk
// until their batch is due, and releases every batch at the same size whatever
// came (docs/protocol.md, section 7). It knows tags and sealed payloads, never
// whose they are.
package batch

import (
	"errors"
	"fmt"
	"maps"
	"path/filepath"
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
	ErrClosed  = errors.New("the queue is closed")
	errShape   = errors.New("a batch has one place or more, a mailbox two slots or more, and one batch or more can be booked")
)

// Shape is the published size of a batch, and how far ahead one may be booked.
type Shape struct {
	Calendar pool.Calendar
	Size     int    // entries in every batch
	Slots    int    // most entries of one mailbox in a batch, 2 or more; the last one is for a notice
	Backlog  int    // batches ahead that may be booked
	Posts    int    // octets of public posts that may wait for the next batch
	Reserve  uint64 // octets of the disk that stay free: nothing is accepted below it
}

// A Queue holds accepted deposits until their batch is due. Its methods may be
// called from many goroutines.
type Queue struct {
	shape  Shape
	folder folder
	log    *deposits

	mu       sync.Mutex
	changed  sync.Cond           // a booking was settled
	open     uint64              // first batch that takes bookings
	released uint64              // last batch released
	begun    uint64              // last batch that an earlier run let out, or began to
	batches  map[uint64]*pending // those that hold or await something
	posts    int                 // octets of public posts booked or waiting
	turn     uint64              // of the last booking of an entry
	decoy    *pending            // a batch that never leaves: what is dropped takes places in it
}

// pending is what is known of a batch before its release.
type pending struct {
	places  map[blind.Tag]*place // taken, deposited or not
	tags    tagSet               // of these
	notices bool                 // one of them may be a notice's
	posts   []item               // deposited
	octets  int                  // of public posts, booked or deposited
	unready int                  // bookings neither deposited nor dropped
}

// taken returns how many places are; p may be nil.
func (p *pending) taken() int {
	if p == nil {
		return 0
	}
	return len(p.places)
}

// A place is a tag that is taken, and the entry that was deposited for it.
type place struct {
	item item // its kind is 0 as long as there is none

	// Of a notice that was booked by this process. What it says is nowhere on
	// the disk, where it would tell a notice from mail.
	notice  bool
	dropped int // contents, those on their way included
}

// OpenQueue opens the queue in dir, which it makes if there is none, with every
// deposit that is accepted and not yet released.
func OpenQueue(dir string, shape Shape) (*Queue, error) { return openQueue(record.OS{}, dir, shape) }

func openQueue(files record.FS, dir string, shape Shape) (*Queue, error) {
	if shape.Size < 1 || shape.Slots < 2 || shape.Backlog < 1 {
		return nil, errShape
	}
	err := files.MkdirAll(dir)
	if err == nil { // a name that is seen now must last
		err = errors.Join(files.SyncDir(filepath.Dir(dir)), files.SyncDir(dir))
	}
	if err != nil {
		return nil, fmt.Errorf("make the queue: %w", err)
	}
	f := folder{files, dir}
	released, err := f.readReleased(shape.Calendar)
	if err != nil {
		return nil, err
	}
	planned, err := f.readPlanned()
	if err != nil {
		return nil, err
	}
	log, items, err := openDeposits(f, shape.Reserve)
	if err != nil {
		return nil, err
	}
	q := &Queue{
		shape: shape, folder: f, log: log,
		released: released, begun: max(released, planned), open: max(released, planned) + 1,
		batches: make(map[uint64]*pending),
	}
	q.changed.L = &q.mu
	q.recover(items)
	if err := log.rotate(q.waiting); err != nil {
		return nil, err
	}
	return q, nil
}

// recover puts items read from disk where they were, but for what was released.
// Of a notice it is not known that it is one: it leaves as it is, and what is
// dropped from now on is told in another.
func (q *Queue) recover(items []item) {
	for _, it := range items {
		if it.batch <= q.released {
			continue
		}
		p := q.at(it.batch)
		if it.kind == kindEntry {
			p.take(it.tag, &place{})
			p.notices = true
		} else {
			p.octets += len(it.data)
			q.posts += len(it.data)
		}
		p.add(it)
	}
}

// add puts a deposited item into its batch. An entry for a place that has one
// already is a notice: the later one of the two stays.
func (p *pending) add(it item) {
	if it.kind == kindPost {
		p.posts = append(p.posts, it)
		return
	}
	if own := p.places[it.tag]; own.item.turn <= it.turn {
		own.item = it
	}
}

// giveBack undoes a booking. The place of a notice stays with its mailbox as
// long as others are told in it.
func (p *pending) giveBack(s Slot) {
	own := p.places[s.Tag]
	if s.use == notice {
		own.dropped--
	}
	if own.dropped == 0 {
		p.free(s.Tag)
	}
	p.unready--
}

// entries returns the entries deposited, in no order.
func (p *pending) entries() []item {
	var items []item
	for _, own := range p.places {
		if own.item.kind != 0 {
			items = append(items, own.item)
		}
	}
	return items
}

// waiting returns every item that is accepted and not released. The order in
// which entries came is left out of it.
func (q *Queue) waiting() []item {
	q.mu.Lock()
	defer q.mu.Unlock()
	var items []item
	for _, p := range q.batches {
		for _, it := range p.entries() {
			it.turn = 0
			items = append(items, it)
		}
		items = append(items, p.posts...)
	}
	return items
}

// Damaged returns how many places of the queue's files could not be read when
// it was opened: deposits that the disk has lost.
func (q *Queue) Damaged() int { return q.log.damaged }

// Waiting returns how many entries and public posts wait for a batch.
func (q *Queue) Waiting() int { return len(q.waiting()) }

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
		p = newPending()
		q.batches[batch] = p
	}
	return p
}

func newPending() *pending {
	return &pending{places: make(map[blind.Tag]*place), tags: newTagSet(1)}
}

// wasted returns the batch for what is dropped. Places are taken in it for the time
// that this takes, and like others it has so many.
func (q *Queue) wasted() *pending {
	if q.decoy == nil || q.decoy.taken() >= q.shape.Size {
		q.decoy = newPending()
	}
	return q.decoy
}

// Released returns the last batch whose entries are all in the store.
func (q *Queue) Released() uint64 {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.released
}

// Begun returns the last batch that an earlier run let out, or began to: it leaves
// as it was planned.
func (q *Queue) Begun() uint64 { return q.begun }

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
		items = append(items, p.posts...)
		if b == batch {
			items = append(items, p.entries()...)
		}
	}
	return items
}

// Resume has releases go on after a batch that left, as is known from elsewhere, and
// whose manifest's text has that hash: the queue was lost, or is an older copy. No
// batch up to now leaves, since it may have left before, as another one. What
// waits for these is given up: it left then, or its sender was told nothing. It
// must not be called while a batch is released.
func (q *Queue) Resume(batch uint64, manifest [32]byte) error {
	batch = max(batch, q.Released(), q.shape.Calendar.Batch(time.Now()))
	if err := q.folder.save(&plan{batch: batch, manifest: manifest}, releasedFile); err != nil {
		return err
	}
	q.settle(batch)
	return q.log.rotate(q.waiting)
}

// settle forgets a batch that is in the store, and those before it. It returns
// how many entries waited for these, and are lost: nobody could fetch them any
// more when they came to be released.
func (q *Queue) settle(batch uint64) (lost int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.released = max(q.released, batch)
	q.open = max(q.open, batch+1)
	for b, p := range q.batches {
		if b > batch {
			continue
		}
		if b < batch {
			lost += len(p.entries())
		}
		q.posts -= p.octets
		delete(q.batches, b)
	}
	return lost
}
