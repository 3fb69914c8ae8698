package record

import (
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
)

// A Batcher makes a group commit: what many goroutines bring at the same time
// goes through the stages of one batch. Who brings an item adds it, with what others
// bring meanwhile; as long as there is anything to sync or to publish, one goroutine
// does the one and one the other, batch after batch. To wake another goroutine for
// each batch takes long where many wait for a processor.
//
// Batches overlap: while one is synced, the next takes items and works on them,
// and those before are published. A batch takes items until the one before is
// synced, so that waiting costs no syncs; but it leaves some to the next one
// rather than keep the disk waiting.
type Batcher[T any] struct {
	begin func() Stages[T]

	mu                  sync.Mutex  // guards what follows, and the tickets of batches
	items               []T         // not added to a batch yet
	tickets             []*Ticket   // theirs
	open                *batch[T]   // what items are added to
	closed              []*batch[T] // not being synced yet, in their order
	synced              []*batch[T] // not being published yet, in their order
	last                *batch[T]   // the one that was opened last
	syncing, publishing bool        // there is a goroutine for that

	turn     bool       // somebody adds or closes
	addsRest bool       // there is a goroutine for that
	wanted   int        // how many wait for the turn
	changed  *sync.Cond // for them

	adding []T // items on their way to the stages; used under the turn
}

// Stages are what one batch goes through. Add and Close are called under the
// batcher's turn. Sync is called for one batch at a time, and so is Publish,
// both in the order of the batches; one batch's Sync and the Publish of an
// earlier one may run at the same time as Add and Close of a later one.
type Stages[T any] interface {
	// Add works on items of the batch, those put first coming first. It may be
	// called several times. The items are not to be kept in the slice.
	Add(items []T)
	// Close ends the adding.
	Close()
	// Sync brings the batch to stable storage.
	Sync()
	// Publish makes its outcome known. The calls that wait for the batch return
	// when it has returned.
	Publish()
	// Abandon is called when one of the stages panicked, before the panic goes on
	// and before any call that waits returns or a stage of a later batch begins
	// that waits for this one. The items' outcome is not known then: it must not
	// look like success, and what comes later must not build upon it.
	Abandon()
}

// A batch is some items on their way.
type batch[T any] struct {
	stages  Stages[T]
	tickets []*Ticket
	failed  bool          // a stage panicked
	done    chan struct{} // closed once it is published
}

const (
	// addAtOnce is how many items are added before others may have the turn.
	addAtOnce = 16
	// addRounds is how often one goroutine does so in a row.
	addRounds = 4
)

// A Ticket is for one item, and lets somebody wait for its batch. Its zero value
// is ready for use.
type Ticket struct {
	known    atomic.Bool
	done     sync.WaitGroup
	panicked any // what the batch panicked with, in one of its tickets
}

// Known says whether the batch has been published.
func (t *Ticket) Known() bool { return t.known.Load() }

// Wait returns when the batch has been published. If a stage panicked, so does one
// of the calls that wait for it.
func (t *Ticket) Wait() {
	t.done.Wait()
	if t.panicked != nil {
		panic(t.panicked)
	}
}

// NewBatcher returns a Batcher. begin begins a batch, under the turn.
func NewBatcher[T any](begin func() Stages[T]) *Batcher[T] {
	b := &Batcher[T]{begin: begin}
	b.changed = sync.NewCond(&b.mu)
	return b
}

// Do brings one item, and returns when its batch has been published. An item
// that was brought before another one's Do was called is not added after it.
func (b *Batcher[T]) Do(item T) {
	var t Ticket
	b.Put(item, &t)
	t.Wait()
}

// Put brings one item as Do does, but returns as soon as the item has its place,
// behind all that were brought before. The ticket is the one to wait with.
func (b *Batcher[T]) Put(item T, t *Ticket) {
	t.done.Add(1)
	b.mu.Lock()
	defer b.mu.Unlock()
	b.items = append(b.items, item)
	b.tickets = append(b.tickets, t)
	if !b.turn && b.wanted == 0 { // otherwise it is added by who has the turn, or gets it
		b.turn = true
		for n := 0; n < addRounds && b.wanted == 0 && len(b.items) > 0; n++ {
			b.add()
		}
		b.endTurn()
	}
	if !b.syncing {
		b.syncing = true
		go b.sync()
	}
}

// endTurn ends the turn, with mu held. What was not added yet must not wait until
// somebody brings something again.
func (b *Batcher[T]) endTurn() {
	b.turn = false
	b.changed.Broadcast()
	if len(b.items) > 0 && b.wanted == 0 && !b.addsRest {
		b.addsRest = true
		go b.addRest()
	}
}

// addRest adds what was brought, unless somebody else has the turn.
func (b *Batcher[T]) addRest() {
	b.mu.Lock()
	defer b.mu.Unlock()
	for len(b.items) > 0 && b.wanted == 0 && !b.turn {
		b.turn = true
		b.add()
		b.turn = false
	}
	b.addsRest = false
	b.changed.Broadcast()
}

// outside calls f without mu, which is held before and after.
func (b *Batcher[T]) outside(f func()) {
	b.mu.Unlock()
	defer b.mu.Lock()
	f()
}

// add adds some items to the open batch. It is called under the turn with mu held,
// and gives mu away meanwhile.
func (b *Batcher[T]) add() {
	n := min(len(b.items), addAtOnce)
	if b.open == nil {
		b.open = &batch[T]{done: make(chan struct{})}
		b.last = b.open
	}
	m := b.open
	b.adding = append(b.adding[:0], b.items[:n]...)
	m.tickets = append(m.tickets, b.tickets[:n]...)
	b.items, b.tickets = slices.Delete(b.items, 0, n), slices.Delete(b.tickets, 0, n)
	b.outside(func() {
		m.stage(func() {
			if m.stages == nil {
				m.stages = b.begin()
			}
			m.stages.Add(b.adding)
		})
	})
	clear(b.adding)
	if m.failed {
		b.open = nil
	}
}

// close closes the open batch, once half of what was brought is in it. It is
// called under the turn with mu held, and gives mu away meanwhile.
func (b *Batcher[T]) close() {
	for len(b.items) > 0 && (b.open == nil || len(b.open.tickets) < len(b.items)) {
		b.add()
	}
	m := b.open
	if m == nil {
		return
	}
	b.outside(func() { m.stage(func() { m.stages.Close() }) })
	b.open = nil
	if !m.failed {
		b.closed = append(b.closed, m)
	}
}

// stage goes through a stage of a batch. If that panics the batch is abandoned,
// and has come to its end.
func (m *batch[T]) stage(stage func()) {
	defer func() {
		p := recover()
		if p == nil {
			return
		}
		m.failed = true
		m.tickets[0].panicked = p
		defer m.release()
		if m.stages != nil {
			m.stages.Abandon()
		}
	}()
	stage()
}

// release lets those return that wait for the batch.
func (m *batch[T]) release() {
	close(m.done)
	for _, t := range m.tickets {
		t.known.Store(true)
		t.done.Done()
	}
}

// sync brings batches to stable storage, one after the other, as long as there are any.
// Each time it lets those go first that wait for a processor: what they bring shares the
// sync then, and the runtime has nobody to find another thread for while this one waits
// for the disk. Where none of them wait that takes no time.
func (b *Batcher[T]) sync() {
	b.mu.Lock()
	defer b.mu.Unlock()
	for b.outside(runtime.Gosched); b.next(); b.outside(runtime.Gosched) {
		m := b.closed[0]
		b.closed = slices.Delete(b.closed, 0, 1)
		b.outside(func() { m.stage(m.stages.Sync) })
		if m.failed {
			continue
		}
		b.synced = append(b.synced, m)
		if !b.publishing {
			b.publishing = true
			go b.publish()
		}
	}
	b.syncing = false
}

// next closes a batch if none is closed, and says whether there is one then. It is
// called with mu held, and gives mu away meanwhile.
func (b *Batcher[T]) next() bool {
	for len(b.closed) == 0 && (b.open != nil || len(b.items) > 0) {
		if b.turn {
			b.wanted++
			b.changed.Wait()
			b.wanted--
			continue
		}
		b.turn = true
		b.close()
		b.endTurn()
	}
	return len(b.closed) > 0
}

// publish publishes batches, one after the other, as long as there are any.
func (b *Batcher[T]) publish() {
	b.mu.Lock()
	defer b.mu.Unlock()
	for len(b.synced) > 0 {
		m := b.synced[0]
		b.synced = slices.Delete(b.synced, 0, 1)
		b.outside(func() {
			if m.stage(m.stages.Publish); !m.failed {
				m.release()
			}
		})
	}
	b.publishing = false
}

// Alone calls f while no batch is in any stage.
func (b *Batcher[T]) Alone(f func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.wanted++
	for b.turn {
		b.changed.Wait()
	}
	b.wanted--
	b.turn = true
	defer b.endTurn()
	if b.open != nil {
		b.close()
		b.changed.Broadcast() // for who syncs
	}
	last := b.last
	b.outside(func() {
		if last != nil {
			<-last.done
		}
		f()
	})
}
