package record

import (
	"bytes"
	"errors"
	"io"
	"slices"

	"github.com/restante/restante/pool"
)

// A Gap is octets of a file, from From up to but without To, that are no record
// although a valid one follows.
type Gap struct{ From, To int64 }

// A Result is what a scan found.
type Result struct {
	End    int64 // where the last valid record ends, and the next one goes
	Torn   bool  // whether something other than zeros stands behind End
	Synced int64 // where that ends of which the file says that it was on stable storage
	// Gaps are damage: they begin before Synced. In a file without marks all are.
	Gaps []Gap
	// Unsynced are what a failing of the power took while what is behind them was written
	// already: nobody was told that they were there.
	Unsynced []Gap
}

// Learn takes into account that the file was synced up to an offset, as is known from
// elsewhere.
func (r *Result) Learn(synced int64) {
	r.Synced = max(r.Synced, synced)
	damaged := func(g Gap) bool { return g.From < r.Synced }
	for _, g := range r.Unsynced {
		if damaged(g) {
			r.Gaps = append(r.Gaps, g)
		}
	}
	r.Unsynced = slices.DeleteFunc(r.Unsynced, damaged)
}

// Scan calls visit, if there is one, for each valid record of the first size octets of the file,
// from the record at offset from on, or from the first one when from is 0; none
// when from is behind them. The payload is only valid during the call. An error
// of visit ends the scan and is returned, like one of reading.
func (r *Reader) Scan(size, from int64, visit func(offset int64, payload []byte) error) (Result, error) {
	return r.scan(size, from, visit, nil)
}

// scan is Scan. At the first gap it calls mend, if there is one, with what is found from there
// on, before it goes on with what it then finds.
func (r *Reader) scan(size, from int64, visit func(offset int64, payload []byte) error, mend func(ahead *Result) error) (res Result, err error) {
	s := scanner{r: r, size: size}
	at := max(from, HeaderSize)
	res.End = at
	if !r.marked {
		res.Synced = size
	}
	var covered []Gap
	defer func() {
		res.Learn(0)
		res.Unsynced = append(covered, res.Unsynced...)
	}()
	for at <= size {
		one, err := s.next(at)
		if errors.Is(err, pool.ErrCorrupt) {
			next, found, err := s.resync(at)
			if err == nil && !found {
				res.Torn, err = s.dirty(at)
			}
			if err != nil || !found {
				return res, err
			}
			if mend != nil {
				ahead, err := r.Scan(size, at, nil)
				if err == nil {
					err = mend(&ahead)
				}
				if err != nil {
					return res, err
				}
				mend, covered, s.win = nil, ahead.Unsynced, nil
				continue
			}
			res.Unsynced = append(res.Unsynced, Gap{From: at, To: next})
			at = next
			continue
		}
		if err != nil {
			return res, err
		}
		if one.payload != nil && visit != nil {
			if err := visit(at, one.payload); err != nil {
				return res, err
			}
		}
		res.Synced = max(res.Synced, one.synced)
		at += one.size
		res.End = at
	}
	return res, nil
}

// scanWindow is how much is read at once.
const scanWindow = 1 << 20

// A scanner reads a file through a window.
type scanner struct {
	r     *Reader
	size  int64
	start int64 // where the window stands in the file
	win   []byte
	buf   []byte
}

// bytes returns n octets at offset, or fewer at the end of the file.
func (s *scanner) bytes(offset int64, n int) ([]byte, error) {
	n = int(max(min(int64(n), s.size-offset), 0))
	if offset < s.start || offset+int64(n) > s.start+int64(len(s.win)) {
		if err := s.fill(offset, n); err != nil {
			return nil, err
		}
	}
	skip := min(int(offset-s.start), len(s.win))
	return s.win[skip:min(skip+n, len(s.win))], nil
}

// rest returns what the window holds from offset on, having moved it when that
// is too little to be searched.
func (s *scanner) rest(offset int64) ([]byte, error) {
	if skip := offset - s.start; skip < 0 || skip+Overhead > int64(len(s.win)) {
		if err := s.fill(offset, scanWindow); err != nil {
			return nil, err
		}
	}
	return s.win[offset-s.start:], nil
}

func (s *scanner) fill(offset int64, n int) error {
	want := int(min(int64(max(n, scanWindow)), s.size-offset))
	if cap(s.buf) < want {
		s.buf = make([]byte, want)
	}
	got, err := s.r.r.ReadAt(s.buf[:want], offset)
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	s.start, s.win = offset, s.buf[:got]
	return nil
}

// A found is a record or a mark.
type found struct {
	size    int64  // all of it
	payload []byte // of a record
	synced  int64  // what a mark says
}

// next returns what stands at offset, or [pool.ErrCorrupt] when it is nothing valid.
func (s *scanner) next(offset int64) (found, error) {
	head, err := s.bytes(offset, Overhead)
	if err != nil {
		return found{}, err
	}
	if len(head) < Overhead {
		return found{}, pool.ErrCorrupt
	}
	size, isMark := s.r.salt.markAt(offset, head)
	counts := min(size, markPayload)
	if !isMark {
		var ok bool
		if size, ok = s.r.salt.payloadSize(offset, head); !ok {
			return found{}, pool.ErrCorrupt
		}
		counts = size
	}
	if offset+Overhead+int64(size) > s.size {
		return found{}, pool.ErrCorrupt
	}
	whole, err := s.bytes(offset, Overhead+counts)
	if err != nil {
		return found{}, err
	}
	if len(whole) < Overhead+counts {
		return found{}, pool.ErrCorrupt
	}
	one := found{size: Overhead + int64(size)}
	var valid bool
	if isMark {
		one.synced, valid = syncedOf(whole, offset)
	} else {
		one.payload, valid = payloadOf(whole)
	}
	if !valid {
		return found{}, pool.ErrCorrupt
	}
	return one, nil
}

// resync finds the next valid record or mark behind the bad one at offset.
func (s *scanner) resync(offset int64) (next int64, found bool, err error) {
	for at := offset + 1; at+Overhead < s.size; {
		win, err := s.rest(at)
		if err != nil {
			return 0, false, err
		}
		i := bytes.Index(win, []byte(commonMagic))
		if i < 0 {
			if len(win) < len(commonMagic) {
				break
			}
			at += int64(len(win) - len(commonMagic) + 1)
			continue
		}
		at += int64(i)
		if _, err := s.next(at); err == nil {
			return at, true, nil
		} else if !errors.Is(err, pool.ErrCorrupt) {
			return 0, false, err
		}
		at++
	}
	return 0, false, nil
}

// dirty says whether anything but zeros stands from offset on.
func (s *scanner) dirty(offset int64) (bool, error) {
	for offset < s.size {
		win, err := s.bytes(offset, scanWindow)
		if err != nil {
			return false, err
		}
		if len(win) == 0 {
			return false, nil
		}
		if len(bytes.TrimLeft(win, "\x00")) > 0 {
			return true, nil
		}
		offset += int64(len(win))
	}
	return false, nil
}
