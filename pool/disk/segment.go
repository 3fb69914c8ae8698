package disk

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/restante/restante/pool"
	"github.com/restante/restante/pool/record"
)

// A segment is one file of articles.
type segment struct {
	epoch  uint64
	number uint32
	path   string

	mu     sync.RWMutex   // held for reading while reading; guards reader and file
	reader *record.Reader // nil when the file's header is damaged, or it is closed
	file   record.File    // nil when log owns it
	gone   bool           // its articles have expired

	shown atomic.Int64 // up to where message-ids lead to its records

	log  *record.Log // not nil while articles may be added; used under the batcher's turn
	size int64       // of the file when it was opened
	gaps int         // bad stretches found when the store was opened

	tally tally // changed under the batcher's turn
	kept  bool  // damage keeps it from being given up; guarded by the store's expiring
}

func segmentPath(dir string, epoch uint64, number uint32) string {
	return filepath.Join(dir, segmentsDir, strconv.FormatUint(epoch, 10), strconv.FormatUint(uint64(number), 10)+".seg")
}

// openToAppend opens the segment as the one that articles are added to, cuts
// off a torn tail and calls visit for what lies behind from.
func (g *segment) openToAppend(files record.Opener, from int64, visit func(int64, []byte) error) (record.Result, error) {
	log, res, err := record.Open(files, g.path, from, visit)
	if err != nil {
		return res, err
	}
	g.log, g.reader, g.size = log, log.Reader, res.End
	return res, nil
}

// openToRead opens the segment for reading and calls visit for what lies
// behind from. A segment whose header is damaged stays without a reader, since
// what is in it can't be told from other octets. synced says of the file whether it is known
// that all of it was synced, as in [record.Recover].
func (g *segment) openToRead(files record.Opener, from int64, synced func(*record.Reader) (bool, error), visit func(int64, []byte) error) (record.Result, error) {
	f, size, err := files.OpenFile(g.path, os.O_RDONLY)
	if err != nil {
		return record.Result{}, err
	}
	g.file, g.size = f, size
	r, err := record.NewReader(f)
	if from == 0 && record.Unbegun(err, size) {
		return record.Result{}, nil
	}
	if errors.Is(err, pool.ErrCorrupt) {
		return record.Result{Gaps: []record.Gap{{From: from, To: size}}}, nil
	}
	if err != nil {
		return record.Result{}, err
	}
	g.reader = r
	switch {
	case from > size:
		return record.Result{}, errDoubt
	case from == size:
		return record.Result{End: size}, nil
	}
	// One batch goes to several segments, and the next one may begin a segment
	// while it is synced: that there is a newer one does not say that this was
	// synced. What is shown once must last.
	res, err := record.Recover(files, g.path, from, size, func() (bool, error) { return synced(r) }, visit)
	if err == nil && !res.Torn {
		res.End = size
	}
	g.size = res.End
	return res, err
}

// wasSynced says whether anything but a segment's file, which the reader is of, says that all of it was synced.
// An index that knows the segments does not: what it has not learned of yet was mostly not
// acknowledged. Otherwise a later segment of the epoch may, since each batch brings a segment to stable
// storage before the one that was begun after it. Of a file without marks nothing can be
// known so: what is damaged may have been acknowledged.
func wasSynced(files record.Opener, g *segment, file *record.Reader, all []*segment, indexed bool) (synced bool, err error) {
	switch {
	case indexed:
		return false, nil
	case !file.Marked():
		return true, nil
	}
	for _, later := range all {
		if later.epoch == g.epoch && later.number > g.number && !synced && err == nil {
			synced, err = later.testifies(files)
		}
	}
	return synced, err
}

// testifies says whether there is a mark in the segment that says that some of it was synced.
func (g *segment) testifies(files record.Opener) (bool, error) {
	f, size, err := files.OpenFile(g.path, os.O_RDONLY)
	if err != nil {
		return false, err
	}
	r, err := record.NewReader(f)
	var res record.Result
	if err == nil && r.Marked() {
		res, err = r.Scan(size, 0, nil)
	}
	if errors.Is(err, pool.ErrCorrupt) { // it says nothing
		err = nil
	}
	return res.Synced > record.HeaderSize, errors.Join(err, f.Close())
}

// salt returns the file's random number, or 0 when it can't be read.
func (g *segment) salt() uint32 {
	if g.reader == nil {
		return 0
	}
	return g.reader.Salt()
}

// read returns the payload of a record, checked. It returns pool.ErrNotFound
// when the segment's articles have expired meanwhile.
func (g *segment) read(p place) ([]byte, error) {
	if p.size < 0 || p.size > record.MaxPayload {
		return nil, pool.ErrCorrupt
	}
	return g.readInto(make([]byte, record.Overhead+p.size), p)
}

// readInto is read into a buffer with room for the record.
func (g *segment) readInto(buf []byte, p place) ([]byte, error) {
	g.mu.RLock()
	defer g.mu.RUnlock()
	if err := g.readable(); err != nil {
		return nil, err
	}
	payload, err := g.reader.ReadInto(buf, p.offset, p.size)
	return payload, damage(err)
}

// open checks a record, reading it through buf, and opens the file once more.
// The caller closes that.
func (g *segment) open(files record.Opener, p place, buf []byte, begin func(first []byte) error) (record.File, error) {
	g.mu.RLock()
	defer g.mu.RUnlock()
	if err := g.readable(); err != nil {
		return nil, err
	}
	if err := g.reader.Check(buf, p.offset, p.size, begin); err != nil {
		return nil, damage(err)
	}
	f, _, err := files.OpenFile(g.path, os.O_RDONLY)
	return f, err
}

// readable says why the segment can't be read. It is called with mu held.
func (g *segment) readable() error {
	switch {
	case g.gone:
		return pool.ErrNotFound
	case g.reader == nil:
		return pool.ErrCorrupt
	}
	return nil
}

// damage returns an error of reading as a pool.ErrCorrupt: whether the disk gives
// wrong octets or none makes no difference, and neither is a failed write.
func damage(err error) error {
	if err == nil || errors.Is(err, pool.ErrCorrupt) {
		return err
	}
	return fmt.Errorf("%w: %w", pool.ErrCorrupt, err)
}

// close waits for reads under way and closes the file.
func (g *segment) close() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	var err error
	if g.log != nil {
		err = g.log.Finish()
	}
	if g.file != nil {
		err = errors.Join(err, g.file.Close())
	}
	g.log, g.file, g.reader = nil, nil, nil
	return err
}

// remove closes the segment for good and deletes its file.
func (g *segment) remove(files record.FS) error {
	g.mu.Lock()
	g.gone = true
	g.mu.Unlock()
	err := g.close()
	if rm := files.Remove(g.path); !errors.Is(rm, fs.ErrNotExist) {
		err = errors.Join(err, rm)
	}
	return err
}

// listSegments returns all segments of a store, by number, none of them open.
func listSegments(files record.FS, dir string) ([]*segment, error) {
	epochs, err := files.ReadDir(filepath.Join(dir, segmentsDir))
	if err != nil {
		return nil, err
	}
	var out []*segment
	for _, e := range epochs {
		epoch, err := strconv.ParseUint(e.Name(), 10, 64)
		if err != nil {
			continue
		}
		names, err := files.ReadDir(filepath.Join(dir, segmentsDir, e.Name()))
		if err != nil {
			return nil, err
		}
		for _, f := range names {
			name, ok := strings.CutSuffix(f.Name(), ".seg")
			n, err := strconv.ParseUint(name, 10, 32)
			if !ok || err != nil {
				continue
			}
			out = append(out, &segment{epoch: epoch, number: uint32(n), path: segmentPath(dir, epoch, uint32(n))})
		}
	}
	slices.SortFunc(out, func(a, b *segment) int { return int(int64(a.number) - int64(b.number)) })
	return out, nil
}

// newSegment makes and opens the next segment of an epoch, the names of file
// and folder durable.
func (s *Store) newSegment(epoch uint64) (*segment, error) {
	n := s.lastSegment + 1
	g := &segment{epoch: epoch, number: n, path: segmentPath(s.dir, epoch, n)}
	folder := filepath.Dir(g.path)
	// A folder that is there may be one whose name a crash left unsynced.
	if err := s.files.MkdirAll(folder); err != nil {
		return nil, record.Full(err)
	}
	if err := s.files.SyncDir(filepath.Dir(folder)); err != nil {
		return nil, err
	}
	_, err := g.openToAppend(s.files, 0, func(int64, []byte) error {
		return fmt.Errorf("new segment holds records: %w", pool.ErrCorrupt)
	})
	if err != nil {
		return nil, err
	}
	s.lastSegment = n
	s.mu.Lock()
	s.segments[n], s.newest = g, n
	s.mu.Unlock()
	return g, nil
}

// appendable returns the segment that an epoch's articles are added to.
func (s *Store) appendable(epoch uint64) (*segment, error) {
	last := s.active[epoch]
	if last != nil && last.log.Next() < s.options.SegmentSize {
		return last, nil
	}
	g, err := s.newSegment(epoch)
	if err != nil {
		return nil, err
	}
	if last != nil {
		if err := last.log.Seal(); err != nil {
			return nil, err
		}
	}
	s.active[epoch] = g
	return g, nil
}
