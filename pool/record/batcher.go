package record

import "sync"

// A Batcher makes a group commit: what many goroutines bring at the same time
// goes to one commit call, and only one such call runs at a time. It starts no
// goroutine: the first to bring something for a batch commits it, once the
// batch before is done.
type Batcher[T any] struct {
	commit func([]T)
	turn   sync.Mutex // held by the goroutine that commits

	mu   sync.Mutex // guards next and the items of its batch
	next *batch[T]
}

type batch[T any] struct {
	items []T
	done  chan struct{}
}

// NewBatcher returns a Batcher for that commit function.
func NewBatcher[T any](commit func([]T)) *Batcher[T] { return &Batcher[T]{commit: commit} }

// Do brings one item, and returns when the commit call that had it has
// returned. An item that was brought before another one's Do was called is not
// committed after it.
func (b *Batcher[T]) Do(item T) { b.Put(item)() }

// Put brings one item as Do does, but returns as soon as the item has its place
// in the next batch, behind all that were brought before. The function that it
// returns waits as Do does. It must be called, once and at once: the commit may
// depend on it, and other items may be in the same batch.
func (b *Batcher[T]) Put(item T) (wait func()) {
	b.mu.Lock()
	mine := b.next
	first := mine == nil
	if first {
		mine = &batch[T]{done: make(chan struct{})}
		b.next = mine
	}
	mine.items = append(mine.items, item)
	b.mu.Unlock()
	if !first {
		return func() { <-mine.done }
	}
	return func() { b.run(mine) }
}

// run commits the next batch, which is mine.
func (b *Batcher[T]) run(mine *batch[T]) {
	b.turn.Lock()
	defer b.turn.Unlock()
	b.mu.Lock()
	b.next = nil
	b.mu.Unlock()
	defer close(mine.done)
	b.commit(mine.items)
}

// Alone calls f while no commit runs.
func (b *Batcher[T]) Alone(f func()) {
	b.turn.Lock()
	defer b.turn.Unlock()
	f()
}
