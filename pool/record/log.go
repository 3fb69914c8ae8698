package record

import (
	"bytes"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"

	"github.com/restante/restante/pool"
)

// ErrSize is returned for a payload that is empty or larger than [MaxPayload].
var ErrSize = errors.New("record is empty or too large")

// A Log is one file that records are added to. Adding is for one goroutine at a
// time, and so is committing; both may go on at the same time, as may reading
// and [Log.Extend]. A [Writer] is a Log for many goroutines.
type Log struct {
	*Reader
	fs   Opener
	path string
	f    File

	opened int64 // where the last record ended then

	// Used by whoever adds.
	gathering *Pending // nil while nothing is added
	next      int64    // where the next record goes
	seen      int      // cuts that next takes into account

	mu     sync.Mutex // guards what follows; held for moments
	end    int64      // the end of the last record on stable storage
	wrote  int64      // the end of the last octets that were written, and all before them
	cuts   int        // how often records that had no space were cut off
	cut    error      // why they were
	failed error      // latched: no more writes
	spares [][]byte   // buffers to gather in

	roomMu sync.Mutex // guards what follows, and writes behind room
	room   int64      // the file's size, as far as nothing but zeros is behind the records
	sealed bool       // no more is added
	zeros  File       // what Extend writes with
	blank  []byte     // and what it writes
}

// Open opens a file and makes it when there is none, its name durable. It calls
// visit, as [Reader.Scan] does, for each valid record from the one at offset
// from on (0 for the first), covers what a failing of the power took, and cuts off a torn
// tail. It returns [pool.ErrCorrupt] when the file's header is damaged, and [pool.ErrDiskFull]
// when there is no space for a new file.
func Open(fs Opener, path string, from int64, visit func(offset int64, payload []byte) error) (*Log, Result, error) {
	f, size, err := fs.OpenFile(path, os.O_RDWR|os.O_CREATE)
	if err != nil {
		return nil, Result{}, Full(err)
	}
	l, res, err := open(f, size, from, visit)
	if err == nil {
		l.fs, l.path = fs, path
	}
	if err == nil && size <= HeaderSize {
		err = fs.SyncDir(filepath.Dir(path))
	}
	if err != nil {
		return nil, res, Full(errors.Join(err, f.Close()))
	}
	return l, res, nil
}

func open(f File, size, from int64, visit func(offset int64, payload []byte) error) (*Log, Result, error) {
	r, err := NewReader(f)
	fresh := Unbegun(err, size)
	if fresh {
		r, err = start(f)
		size = HeaderSize
	}
	if err != nil {
		return nil, Result{}, err
	}
	if from > size {
		return nil, Result{}, fmt.Errorf("record file is shorter than it was: %w", pool.ErrCorrupt)
	}
	if !fresh {
		if err := rewrite(f, from, size); err != nil {
			return nil, Result{}, err
		}
	}
	res, err := r.scan(size, from, visit, func(ahead *Result) error { return r.cover(f, ahead.Unsynced) })
	if err != nil {
		return nil, res, err
	}
	if res.Torn {
		if err := errors.Join(f.Truncate(res.End), f.Sync()); err != nil {
			return nil, res, err
		}
		size = res.End
	}
	return &Log{Reader: r, f: f, opened: res.End, end: res.End, wrote: res.End, next: res.End, room: max(size, res.End)}, res, nil
}

// Unbegun says of a file whose header [NewReader] refused with an error that it is a new
// one, which a crash left without a header. That is synced before the first record is
// written: up to its size there is nothing to lose.
func Unbegun(err error, size int64) bool {
	return errors.Is(err, pool.ErrCorrupt) && size <= HeaderSize
}

// rewriteMost is how much of a file's end is written anew at most. What was
// brought between two syncs is less, with the room that was made ahead.
const rewriteMost = 4 * flushSize

// rewrite brings what stands from an offset on to stable storage, after a crash
// or a failed sync. It may be read and yet be in the system's cache alone, and
// after a failed sync another one does not write it: Linux takes it for written.
// So it is written once more, before anybody is told of it. What stands before
// the last part was synced then.
func rewrite(f File, from, end int64) error {
	if from >= end {
		return nil
	}
	start := max(from, end-rewriteMost)
	if from == 0 && start > 0 {
		if err := copyOver(f, 0, HeaderSize); err != nil {
			return err
		}
	}
	return errors.Join(copyOver(f, start, end), f.Sync())
}

// copyOver writes a part of a file over itself, without the zeros at its end.
func copyOver(f File, from, to int64) error {
	octets := make([]byte, to-from)
	if _, err := f.ReadAt(octets, from); err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	return writeAll(f, bytes.TrimRight(octets, "\x00"), from)
}

// start writes the header of a new file.
func start(f File) (*Reader, error) {
	var b [4]byte
	_, _ = rand.Read(b[:]) // never fails
	s := salt(binary.BigEndian.Uint32(b[:]))
	if err := errors.Join(f.Truncate(0), writeAll(f, appendHeader(nil, s), 0), f.Sync()); err != nil {
		return nil, err
	}
	return &Reader{r: f, salt: s, marked: true}, nil
}

// flushSize is how much is written between two syncs at most.
const flushSize = 8 << 20

// Once earlyLeast octets are gathered they are written while the records before
// them are synced, up to earlyMost that are not synced themselves.
const (
	earlyLeast = 256 << 10
	earlyMost  = flushSize / 2
)

// spareBuffers is how many buffers are kept to be used again: while one is
// committed, another gathers.
const spareBuffers = 2

// End returns where the last record on stable storage ends.
func (l *Log) End() int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.end
}

// Next returns where the next record goes, if all that were added get there. It
// is for whoever adds.
func (l *Log) Next() int64 {
	if l.gathering == nil {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.rewind()
		return l.next + l.lead()
	}
	return l.next
}

// lead is how many octets come before the next record if it is the first of a commit: those of
// a mark, unless there is nothing before it.
func (l *Log) lead() int64 {
	if !l.marked || l.next == HeaderSize {
		return 0
	}
	return markSize
}

// rewind goes back to the end after records were cut off. l.mu is held.
func (l *Log) rewind() {
	if l.seen != l.cuts {
		l.seen, l.next = l.cuts, l.end
	}
}

// Failed returns the error that a commit latched, or nil.
func (l *Log) Failed() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.failed
}

// A Pending is records on their way to stable storage.
type Pending struct {
	log      *Log
	from, to int64  // where they stand
	led      bool   // they begin with a mark
	buf      []byte // what is not written yet
	cuts     int    // of the log when the first was added
	err      error  // of writing them
	cut      bool   // it was for lack of space
}

// Add adds a record, its payload given in parts, and returns its offset. It is
// on stable storage once [Log.Commit] has returned without error, or
// [Pending.Commit] of what [Log.Take] returned. It returns [ErrSize] for a
// payload that can't be a record's.
func (l *Log) Add(parts ...[]byte) (offset int64, err error) {
	size := 0
	for _, p := range parts {
		size += len(p)
	}
	if size == 0 || size > MaxPayload {
		return 0, ErrSize
	}
	if l.gathering == nil {
		l.gathering = l.begin()
	}
	p := l.gathering
	offset = p.to
	p.buf = l.salt.appendRecord(p.buf, offset, parts...)
	p.to += Overhead + int64(size)
	l.next = p.to
	switch {
	case len(p.buf) >= flushSize && p.from == l.End():
		buf := p.buf[:0]
		p.write()
		p.buf = buf
	case len(p.buf) >= earlyLeast && p.to-p.from <= earlyMost:
		p.early()
	}
	return offset, nil
}

// early writes what was gathered, if all before it is written, and keeps an error
// for Commit. Nobody hears of it before it is synced, which is Commit's part: a
// second sync of the file at the same time could take an error away from the first.
func (p *Pending) early() {
	l, at := p.log, p.to-int64(len(p.buf))
	l.mu.Lock()
	may := l.failed == nil && l.cuts == p.cuts && l.wrote == at
	l.mu.Unlock()
	if p.err == nil && may {
		p.err = l.put(p.buf, at)
		p.cut = full(p.err)
		if p.err == nil {
			p.err = l.f.Start(at, int64(len(p.buf)))
		}
		p.buf = p.buf[:0]
	}
}

func (l *Log) begin() *Pending {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.rewind()
	p := &Pending{log: l, from: l.next, to: l.next, cuts: l.cuts}
	if n := len(l.spares); n > 0 {
		p.buf, l.spares = l.spares[n-1], l.spares[:n-1]
	}
	if p.led = l.lead() > 0; p.led {
		p.buf = l.salt.appendMark(p.buf, p.from, l.end, markPayload)
		p.to += markSize
		l.next = p.to
	}
	return p
}

// Vouch adds a mark that says that all added before it is on stable storage. It is for a
// file that counts once it is committed and has its name: so that damage to what was added
// last is told from what a failing of the power takes.
func (l *Log) Vouch() {
	if p := l.gathering; p != nil && l.marked {
		p.buf = l.salt.appendMark(p.buf, p.to, p.to, markPayload)
		p.to += markSize
		l.next = p.to
	}
}

// Take returns the records added since it was last called, which must be
// committed before later ones are. More may be added meanwhile.
func (l *Log) Take() *Pending {
	p := l.gathering
	l.gathering = nil
	if p == nil {
		p = &Pending{log: l, from: l.next, to: l.next}
	}
	return p
}

// Commit is [Pending.Commit] for all records added since it was last called.
func (l *Log) Commit() error { return l.Take().Commit() }

// End returns where the last one ends.
func (p *Pending) End() int64 { return p.to }

// Size returns how many octets they are.
func (p *Pending) Size() int64 { return p.to - p.from }

// write brings what Add gathered to stable storage, and keeps the first error
// for Commit. There is never much that is written and not synced.
func (p *Pending) write() {
	if p.err == nil {
		p.err = p.log.Failed()
	}
	if p.led && int64(len(p.buf)) == p.to-p.from { // more may have been synced since it was made
		p.log.salt.appendMark(p.buf[:0], p.from, p.log.End(), markPayload)
	}
	for p.err == nil {
		octets := p.buf[:min(len(p.buf), flushSize)]
		p.err = p.log.put(octets, p.to-int64(len(p.buf)))
		p.cut = full(p.err)
		if p.err == nil {
			p.err = p.log.f.Sync()
		}
		p.buf = p.buf[len(octets):]
		if len(p.buf) == 0 {
			return
		}
	}
}

// put writes octets where a record goes. What lies behind the zeros waits for
// those that are being written.
func (l *Log) put(octets []byte, at int64) error {
	to := at + int64(len(octets))
	l.roomMu.Lock()
	if to <= l.room {
		l.roomMu.Unlock()
	} else {
		defer l.roomMu.Unlock()
		l.room = to
	}
	if err := writeAll(l.f, octets, at); err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.wrote = to
	return nil
}

// Commit brings the records to stable storage, in one sync unless they are many
// megabytes. On error none of
// them counts:
//
//   - [pool.ErrDiskFull]: no space, for these or for some before them. What was
//     written is cut off again, and adding may be tried again later.
//   - [pool.ErrReadOnly]: writing or syncing failed, now or earlier. What
//     became of these records shows when the file is opened again. The sync is
//     never tried again, since a second one may succeed without the octets of
//     the first.
func (p *Pending) Commit() error {
	l := p.log
	if p.from == p.to {
		return l.Failed()
	}
	l.mu.Lock()
	failed, cut := l.failed, l.cut
	doomed := p.cuts != l.cuts
	l.mu.Unlock()
	switch {
	case failed != nil:
		return failed
	case doomed: // records before these are not there
		return cut
	}
	all := p.buf[:0]
	p.write()
	switch {
	case p.err == nil:
		l.settle(p.to, all)
		return nil
	case p.cut:
		err := l.truncate(p.from)
		if err == nil { // or what was cut off might come back, with numbers that others have by then
			err = l.f.Sync()
		}
		if err == nil {
			return l.noSpace(p.err)
		}
		p.err = errors.Join(p.err, err)
	}
	return l.fail(p.err)
}

// settle notes that all records up to an offset are on stable storage. The
// buffer may be used again.
func (l *Log) settle(end int64, buf []byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.end = end
	if cap(buf) <= 2*flushSize && len(l.spares) < spareBuffers {
		l.spares = append(l.spares, buf[:0])
	}
}

// noSpace notes that records were cut off.
func (l *Log) noSpace(err error) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.cuts++
	l.wrote = l.end
	l.cut = fmt.Errorf("%w: %w", pool.ErrDiskFull, err)
	return l.cut
}

func (l *Log) fail(err error) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.failed = fmt.Errorf("%w: %w", pool.ErrReadOnly, err)
	return l.failed
}

// truncate cuts the file off.
func (l *Log) truncate(size int64) error {
	l.roomMu.Lock()
	defer l.roomMu.Unlock()
	if err := l.f.Truncate(size); err != nil {
		return err
	}
	l.room = size
	return nil
}

// Finish is [Log.Close] with a mark behind what was committed, for the same reason as
// [Log.Vouch]. What was committed is no less durable without it, so that its errors mean nothing.
func (l *Log) Finish() error {
	l.roomMu.Lock()
	sealed := l.sealed
	l.roomMu.Unlock()
	if end := l.End(); !sealed && l.gathering == nil && l.next == end && end > l.opened {
		l.gathering = l.begin()
		_ = l.Commit()
	}
	return l.Close()
}

// Close closes the file. Records that were not committed are lost.
func (l *Log) Close() error {
	err := l.Seal()
	return errors.Join(err, l.f.Close())
}

// writeAll writes all of b at offset or returns an error.
func writeAll(f File, b []byte, offset int64) error {
	if len(b) == 0 {
		return nil
	}
	n, err := f.WriteAt(b, offset)
	if err == nil && n < len(b) {
		err = io.ErrShortWrite
	}
	return err
}
