package record

import (
	"runtime"
	"sync"
)

// A Batcher makes a group commit: what many goroutines bring at the same time
// goes through the stages of one batch. It starts no goroutine: who brings the first
// item of a batch takes it through them.
//
// Batches overlap: while one is synced, the next gathers items and works on
// them, and the one before is published. A batch takes items until the one
// before is synced, so that waiting costs no syncs.
type Batcher[T any] struct {
	begin func() Stages[T]
	turn  sync.Mutex // held by the goroutine whose batch gathers items
	last  *ends      // of the batch before; used under the turn

	arrived chan struct{} // something was put; for whoever gathers

	mu   sync.Mutex // guards next and the items of its batch
	next *batch[T]
}

// Stages are what one batch goes through. Add and Close are called under the
// batcher's turn. Sync is called for one batch at a time, and so is Publish,
// both in the order of the batches; one batch's Sync and the Publish of an
// earlier one may run at the same time as Add and Close of a later one.
type Stages[T any] interface {
	// Add works on items of the batch, those put first coming first. It may be
	// called several times.
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

type batch[T any] struct {
	items []T
	ends  ends
}

// The ends of a batch's stages.
type ends struct{ synced, done chan struct{} }

// NewBatcher returns a Batcher. begin begins a batch, under the turn.
func NewBatcher[T any](begin func() Stages[T]) *Batcher[T] {
	closed := make(chan struct{})
	close(closed)
	return &Batcher[T]{begin: begin, arrived: make(chan struct{}, 1), last: &ends{closed, closed}}
}

// Do brings one item, and returns when its batch has been published. An item
// that was brought before another one's Do was called is not added after it.
func (b *Batcher[T]) Do(item T) {
	done, run := b.Put(item)
	if run != nil {
		run()
	}
	<-done
}

// Put brings one item as Do does, but returns as soon as the item has its place,
// behind all that were brought before. done is closed once its batch has been
// published. run is nil unless the item is the first one of its batch: then it
// takes the batch through its stages, and must be called, once and at once.
func (b *Batcher[T]) Put(item T) (done <-chan struct{}, run func()) {
	b.mu.Lock()
	mine := b.next
	first := mine == nil
	if first {
		mine = &batch[T]{ends: ends{make(chan struct{}), make(chan struct{})}}
		b.next = mine
	}
	mine.items = append(mine.items, item)
	b.mu.Unlock()
	if first {
		return mine.ends.done, func() { b.run(mine) }
	}
	select {
	case b.arrived <- struct{}{}:
	default:
	}
	return mine.ends.done, nil
}

// run takes the next batch, which is mine, through its stages. Whatever panics
// in them holds up no other batch.
func (b *Batcher[T]) run(mine *batch[T]) {
	defer close(mine.ends.done)
	stages, before := b.gather(mine)
	b.sync(mine, stages)
	runtime.Gosched() // the next batch's goroutine goes first: the disk waits for it
	<-before.done
	finish(stages, stages.Publish)
}

// finish goes through a stage, and abandons the batch if that panics.
func finish[T any](stages Stages[T], stage func()) {
	finished := false
	defer func() {
		if !finished {
			stages.Abandon()
		}
	}()
	stage()
	finished = true
}

// gather adds the batch's items until the batch before is synced.
func (b *Batcher[T]) gather(mine *batch[T]) (stages Stages[T], before *ends) {
	b.turn.Lock()
	defer b.turn.Unlock()
	before, b.last = b.last, &mine.ends
	gathered := false
	defer func() {
		if !gathered { // a panic
			b.take(mine, 0, true)
			close(mine.ends.synced)
		}
	}()
	stages = b.begin()
	finish(stages, func() {
		added := 0
		for waiting := true; waiting; {
			items := b.take(mine, added, false)
			stages.Add(items)
			added += len(items)
			select {
			case <-before.synced:
				waiting = false
			case <-b.arrived:
			}
		}
		stages.Add(b.take(mine, added, true))
		stages.Close()
	})
	gathered = true
	return stages, before
}

// take returns the batch's items from one on. No more come when they are the
// last.
func (b *Batcher[T]) take(mine *batch[T], from int, last bool) []T {
	b.mu.Lock()
	defer b.mu.Unlock()
	if last {
		b.next = nil
	}
	return mine.items[from:]
}

func (b *Batcher[T]) sync(mine *batch[T], stages Stages[T]) {
	defer close(mine.ends.synced)
	finish(stages, stages.Sync)
}

// Alone calls f while no batch is in any stage.
func (b *Batcher[T]) Alone(f func()) {
	b.turn.Lock()
	defer b.turn.Unlock()
	<-b.last.done
	f()
}
