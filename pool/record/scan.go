package record

import (
	"bytes"
	"errors"
	"io"

	"github.com/restante/restante/pool"
)

// A Gap is octets of a file, from From up to but without To, that are no record
// although a valid one follows.
type Gap struct{ From, To int64 }

// A Result is what a scan found.
type Result struct {
	End  int64 // where the last valid record ends, and the next one goes
	Torn bool  // whether something other than zeros stands behind End
	Gaps []Gap
}

// Scan calls visit, if there is one, for each valid record of the first size octets of the file,
// from the record at offset from on, or from the first one when from is 0; none
// when from is behind them. The payload is only valid during the call. An error
// of visit ends the scan and is returned, like one of reading.
func (r *Reader) Scan(size, from int64, visit func(offset int64, payload []byte) error) (Result, error) {
	s := scanner{r: r, size: size}
	at := max(from, HeaderSize)
	res := Result{End: at}
	for at <= size {
		payload, err := s.record(at)
		if errors.Is(err, pool.ErrCorrupt) {
			next, found, err := s.resync(at)
			if err != nil {
				return res, err
			}
			if !found {
				res.Torn, err = s.dirty(at)
				return res, err
			}
			res.Gaps = append(res.Gaps, Gap{From: at, To: next})
			at = next
			continue
		}
		if err != nil {
			return res, err
		}
		if visit != nil {
			if err := visit(at, payload); err != nil {
				return res, err
			}
		}
		at += Overhead + int64(len(payload))
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

// record returns the payload of the record at offset, or [pool.ErrCorrupt] when
// there is none.
func (s *scanner) record(offset int64) ([]byte, error) {
	head, err := s.bytes(offset, Overhead)
	if err != nil {
		return nil, err
	}
	if len(head) < Overhead {
		return nil, pool.ErrCorrupt
	}
	size, ok := s.r.salt.payloadSize(offset, head)
	if !ok || offset+Overhead+int64(size) > s.size {
		return nil, pool.ErrCorrupt
	}
	whole, err := s.bytes(offset, Overhead+size)
	if err != nil {
		return nil, err
	}
	if len(whole) < Overhead+size {
		return nil, pool.ErrCorrupt
	}
	payload, ok := payloadOf(whole)
	if !ok {
		return nil, pool.ErrCorrupt
	}
	return payload, nil
}

// resync finds the next valid record behind the bad one at offset.
func (s *scanner) resync(offset int64) (next int64, found bool, err error) {
	for at := offset + 1; at+Overhead < s.size; {
		win, err := s.rest(at)
		if err != nil {
			return 0, false, err
		}
		i := bytes.Index(win, []byte(recordMagic))
		if i < 0 {
			if len(win) < len(recordMagic) {
				break
			}
			at += int64(len(win) - len(recordMagic) + 1)
			continue
		}
		at += int64(i)
		if _, err := s.record(at); err == nil {
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
