package record

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/restante/restante/pool"
)

// ErrSize is returned for a payload that is empty or larger than [MaxPayload].
var ErrSize = errors.New("record is empty or too large")

// A Log is one file that records are added to. [Log.Add] and [Log.Commit] are
// for one goroutine at a time; reading goes on meanwhile. A [Writer] is a Log
// for many goroutines.
type Log struct {
	*Reader
	f      File
	end    int64  // the end of the last record that is on stable storage
	buf    []byte // what Add brought and is not yet written; it goes to end + flushed
	flush  int64  // octets behind end that are written and not yet synced
	err    error  // what failed since the last Commit
	failed error  // latched: no more writes
}

// Open opens a file and makes it when there is none, its name durable. It calls
// visit, as [Reader.Scan] does, for each valid record from the one at offset
// from on (0 for the first), and cuts off a torn tail. It returns
// [pool.ErrCorrupt] when the file's header is damaged, and [pool.ErrDiskFull]
// when there is no space for a new file.
func Open(fs Opener, path string, from int64, visit func(offset int64, payload []byte) error) (*Log, Result, error) {
	f, size, err := fs.OpenFile(path, os.O_RDWR|os.O_CREATE)
	if err != nil {
		return nil, Result{}, Full(err)
	}
	l, res, err := open(f, size, from, visit)
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
	// The header is synced before the first record is written: up to its size
	// there is nothing to lose.
	if errors.Is(err, pool.ErrCorrupt) && size <= HeaderSize {
		r, err = start(f)
		size = HeaderSize
	}
	if err != nil {
		return nil, Result{}, err
	}
	if from > size {
		return nil, Result{}, fmt.Errorf("record file is shorter than it was: %w", pool.ErrCorrupt)
	}
	res, err := r.Scan(size, from, visit)
	if err != nil {
		return nil, res, err
	}
	if res.Torn {
		if err := f.Truncate(res.End); err != nil {
			return nil, res, err
		}
	}
	if res.Torn || res.End > from {
		if err := rewrite(f, from, res.End); err != nil {
			return nil, res, err
		}
	}
	return &Log{Reader: r, f: f, end: res.End}, res, nil
}

// rewriteMost is how much of a file's end is written anew at most. What was
// brought between two syncs is less.
const rewriteMost = 2 * flushSize

// rewrite brings what stands from an offset on to stable storage, after a crash
// or a failed sync. It may be read and yet be in the system's cache alone, and
// after a failed sync another one does not write it: Linux takes it for written.
// So it is written once more. What stands before the last part was synced then.
func rewrite(f File, from, end int64) error {
	start := max(from, end-rewriteMost)
	if from == 0 && start > 0 {
		if err := copyOver(f, 0, HeaderSize); err != nil {
			return err
		}
	}
	return errors.Join(copyOver(f, start, end), f.Sync())
}

// copyOver writes a part of a file over itself.
func copyOver(f File, from, to int64) error {
	octets := make([]byte, to-from)
	if _, err := f.ReadAt(octets, from); err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	return writeAll(f, octets, from)
}

// start writes the header of a new file.
func start(f File) (*Reader, error) {
	var b [4]byte
	_, _ = rand.Read(b[:]) // never fails
	s := salt(binary.BigEndian.Uint32(b[:]))
	if err := errors.Join(f.Truncate(0), writeAll(f, appendHeader(nil, s), 0), f.Sync()); err != nil {
		return nil, err
	}
	return &Reader{r: f, salt: s}, nil
}

// flushSize is the most that Add gathers before it writes.
const flushSize = 8 << 20

// End returns where the last record on stable storage ends.
func (l *Log) End() int64 { return l.end }

// Failed returns the error that [Log.Commit] latched, or nil.
func (l *Log) Failed() error { return l.failed }

// Add adds a record, its payload given in parts, and returns its offset. It is
// on stable storage once [Log.Commit] has returned without error. It returns
// [ErrSize] for a payload that can't be a record's.
func (l *Log) Add(parts ...[]byte) (offset int64, err error) {
	size := 0
	for _, p := range parts {
		size += len(p)
	}
	if size == 0 || size > MaxPayload {
		return 0, ErrSize
	}
	offset = l.end + l.flush + int64(len(l.buf))
	l.buf = l.salt.appendRecord(l.buf, offset, parts...)
	if len(l.buf) >= flushSize {
		l.write()
	}
	return offset, nil
}

// write writes what Add gathered, and keeps the first error for Commit.
func (l *Log) write() {
	if l.err == nil && l.failed == nil {
		l.err = writeAll(l.f, l.buf, l.end+l.flush)
	}
	l.flush += int64(len(l.buf))
	l.buf = l.buf[:0]
}

// Commit brings all records added since the last Commit to stable storage, in
// one sync. On error none of them counts:
//
//   - [pool.ErrDiskFull]: no space. What was written is cut off again, and
//     adding may be tried again later.
//   - [pool.ErrReadOnly]: writing or syncing failed, now or earlier. What
//     became of these records shows when the file is opened again. The sync is
//     never tried again, since a second one may succeed without the octets of
//     the first.
func (l *Log) Commit() error {
	l.write()
	size, err := l.flush, l.err
	l.flush, l.err = 0, nil
	if cap(l.buf) > flushSize*2 {
		l.buf = nil
	}
	switch {
	case l.failed != nil:
		return l.failed
	case size == 0:
		return nil
	case err == nil:
		if err = l.f.Sync(); err == nil {
			l.end += size
			return nil
		}
	case full(err):
		cut := l.f.Truncate(l.end)
		if cut == nil {
			return fmt.Errorf("%w: %w", pool.ErrDiskFull, err)
		}
		err = errors.Join(err, cut)
	}
	l.failed = fmt.Errorf("%w: %w", pool.ErrReadOnly, err)
	return l.failed
}

// Close closes the file. Records added since the last Commit are lost.
func (l *Log) Close() error { return l.f.Close() }

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
