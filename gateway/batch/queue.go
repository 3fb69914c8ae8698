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
	ErrMailbox = errors.New("the mailbox's slots in the coming batches are full")
	ErrClosed  = errors.New("the queue is closed")
)

// Shape is the published size of a batch, and how far ahead one may be booked.
type Shape struct {
	Calendar pool.Calendar
	Size     int    // entries in every batch
	Slots    int    // most entries of one mailbox in a batch
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
	batches  map[uint64]*pending // those that hold or await something
	posts    int                 // octets of public posts booked or waiting
}

// pending is what is known of a batch before its release.
type pending struct {
	booked  map[blind.Tag]bool // tags taken, deposited or not
	unready int                // bookings neither deposited nor dropped
	items   []item             // deposited
	posts   int                // octets of its public posts
}

// OpenQueue opens the queue in dir, which it makes if there is none, with every
// deposit that is accepted and not yet released.
func OpenQueue(dir string, shape Shape) (*Queue, error) { return openQueue(record.OS{}, dir, shape) }

func openQueue(files record.FS, dir string, shape Shape) (*Queue, error) {
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
		released: released, open: max(released, planned) + 1,
		batches: make(map[uint64]*pending),
	}
	q.changed.L = &q.mu
	q.take(items)
	if err := log.rotate(q.waiting); err != nil {
		return nil, err
	}
	return q, nil
}

// take puts items read from disk where they were, but for what was released.
func (q *Queue) take(items []item) {
	for _, it := range items {
		if it.batch <= q.released {
			continue
		}
		p := q.at(it.batch)
		p.items = append(p.items, it)
		if it.kind == kindEntry {
			p.booked[it.tag] = true
		} else {
			p.posts += len(it.data)
			q.posts += len(it.data)
		}
	}
}

// waiting returns every item that is accepted and not released.
func (q *Queue) waiting() []item {
	q.mu.Lock()
	defer q.mu.Unlock()
	var items []item
	for _, p := range q.batches {
		items = append(items, p.items...)
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
	for b, p := range q.batches {
		if b <= batch {
			q.posts -= p.posts
			delete(q.batches, b)
		}
	}
}
