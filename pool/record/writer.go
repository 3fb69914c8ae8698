package record

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/restante/restante/pool"
)

// A Writer adds records to one file for many goroutines, with a group commit:
// what they bring at the same time goes out in one write and one sync. It
// starts no goroutine.
type Writer struct {
	batcher *Batcher[*addition]
	log     *Log // used by whoever commits

	mu     sync.RWMutex // guards closed; calls under way hold it for reading
	closed bool
}

// An addition is one record on its way, and what became of it.
type addition struct {
	parts  [][]byte
	offset int64
	err    error // errUnfinished until its batch is synced, or it is refused
}

// errUnfinished stands for an outcome that is not known: its batch panicked.
var errUnfinished = fmt.Errorf("%w: records did not get through", pool.ErrReadOnly)

// NewWriter returns a Writer that owns the log.
func NewWriter(log *Log) *Writer {
	w := &Writer{log: log}
	w.batcher = NewBatcher(func() Stages[*addition] { return &writing{log: log} })
	return w
}

// OpenWriter is [Open] with a [Writer] made of the log.
func OpenWriter(fs Opener, path string, visit func(offset int64, payload []byte) error) (*Writer, Result, error) {
	log, res, err := Open(fs, path, 0, visit)
	if err != nil {
		return nil, res, err
	}
	return NewWriter(log), res, nil
}

// Append adds a record, its payload given in parts, and returns its offset once
// it is on stable storage. Records brought one after the other lie in that
// order. A context that has ended is honoured until the record is handed over;
// from then on the call waits for the sync, so that its outcome is known.
// Errors are those of [Log.Commit], [ErrSize], and [pool.ErrClosed].
func (w *Writer) Append(ctx context.Context, parts ...[]byte) (offset int64, err error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	w.mu.RLock()
	defer w.mu.RUnlock()
	if w.closed {
		return 0, pool.ErrClosed
	}
	a := &addition{parts: parts, err: errUnfinished}
	w.batcher.Do(a)
	return a.offset, a.err
}

// A writing is one batch of additions.
type writing struct {
	log       *Log
	additions []*addition
	pending   *Pending
}

func (w *writing) Add(batch []*addition) {
	for _, a := range batch {
		offset, err := w.log.Add(a.parts...)
		if a.offset = offset; err != nil {
			a.err = err
		}
	}
	w.additions = append(w.additions, batch...)
}

func (w *writing) Close() { w.pending = w.log.Take() }

func (w *writing) Sync() {
	err := w.pending.Commit()
	for _, a := range w.additions {
		if errors.Is(a.err, errUnfinished) {
			a.err = err
		}
	}
}

func (w *writing) Publish() {}

// Abandon ends all writing: what comes later would stand behind a hole.
func (w *writing) Abandon() { _ = w.log.fail(errUnfinished) }

// End returns where the last record on stable storage ends.
func (w *Writer) End() int64 { return w.log.End() }

// Read returns the payload of the record at offset, having checked it, as
// [Reader.Read] does.
func (w *Writer) Read(offset int64, size int) ([]byte, error) {
	w.mu.RLock()
	defer w.mu.RUnlock()
	if w.closed {
		return nil, pool.ErrClosed
	}
	return w.log.Read(offset, size)
}

// Close waits for calls under way and closes the file. Later calls return
// [pool.ErrClosed].
func (w *Writer) Close() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		return nil
	}
	w.closed = true
	return w.log.Close()
}
