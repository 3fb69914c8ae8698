package record

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"

	"github.com/restante/restante/pool"
)

// A Reader reads the records of one file. It may be used from many goroutines.
type Reader struct {
	r      io.ReaderAt
	salt   salt
	marked bool // the file has marks
}

// NewReader reads the file's header. It returns [pool.ErrCorrupt] when neither
// copy of it is whole.
func NewReader(r io.ReaderAt) (*Reader, error) {
	header := make([]byte, HeaderSize)
	if n, err := r.ReadAt(header, 0); err != nil && (err != io.EOF || n < HeaderSize) {
		if err == io.EOF {
			return nil, fmt.Errorf("record file's header: %w", pool.ErrCorrupt)
		}
		return nil, err
	}
	s, marked, err := parseHeader(header)
	if err != nil {
		return nil, err
	}
	return &Reader{r: r, salt: s, marked: marked}, nil
}

// Salt returns the file's random number: what knows the file's inside by heart
// can tell by it whether it is still the same file.
func (r *Reader) Salt() uint32 { return uint32(r.salt) }

// Marked says whether there are marks in the file: one of an earlier version has none.
func (r *Reader) Marked() bool { return r.marked }

// Frame returns the octets of a record with that payload at offset, for whoever
// mends a file.
func (r *Reader) Frame(offset int64, payload []byte) []byte {
	return r.salt.appendRecord(nil, offset, payload)
}

// Size returns the size of the payload of the record at offset. It returns
// [pool.ErrCorrupt] when no record begins there.
func (r *Reader) Size(offset int64) (int, error) {
	head := make([]byte, Overhead)
	if n, err := r.r.ReadAt(head, offset); n < len(head) && err != nil && err != io.EOF {
		return 0, err
	}
	size, ok := r.salt.payloadSize(offset, head)
	if !ok {
		return 0, pool.ErrCorrupt
	}
	return size, nil
}

// Look calls visit for each record that begins within so many octets from offset on,
// with the first octets of its payload, which are valid during the call, as far as they
// fit into a buffer together with what stands before. Of each only the head is checked.
func (r *Reader) Look(buf []byte, offset int64, within int, visit func(offset int64, size int, first []byte)) error {
	n, err := r.r.ReadAt(buf, offset)
	if n < len(buf) && err != io.EOF {
		return err
	}
	for at := 0; at < within && at+Overhead <= n; at++ {
		size, ok := r.salt.payloadSize(offset+int64(at), buf[at:n])
		if ok {
			first := buf[at+Overhead : n]
			visit(offset+int64(at), size, first[:min(size, len(first))])
		}
	}
	return nil
}

// Read returns the payload of the record at offset, having checked it. size is
// the payload's size. It returns [pool.ErrCorrupt] when what stands there is
// not that record, whole.
func (r *Reader) Read(offset int64, size int) ([]byte, error) {
	if size <= 0 || size > MaxPayload {
		return nil, pool.ErrCorrupt
	}
	return r.ReadInto(make([]byte, Overhead+size), offset, size)
}

// ReadInto is [Reader.Read] into a buffer of the caller's, which must have room
// for size and [Overhead]. The payload is a part of it.
func (r *Reader) ReadInto(buf []byte, offset int64, size int) ([]byte, error) {
	if offset < HeaderSize || size <= 0 || size > len(buf)-Overhead {
		return nil, pool.ErrCorrupt
	}
	buf = buf[:Overhead+size]
	if err := r.fill(buf, offset); err != nil {
		return nil, err
	}
	if got, ok := r.salt.payloadSize(offset, buf); !ok || got != size {
		return nil, pool.ErrCorrupt
	}
	payload, ok := payloadOf(buf)
	if !ok {
		return nil, pool.ErrCorrupt
	}
	return payload, nil
}

// Check is [Reader.Read] for a record that is larger than the caller wants to
// have in memory: it reads all of it, a buffer full at a time. It calls begin
// with the first octets of the payload, which are valid during the call, and
// not checked before Check has returned without error. begin's error ends it.
func (r *Reader) Check(buf []byte, offset int64, size int, begin func(first []byte) error) error {
	if offset < HeaderSize || size <= 0 || size > MaxPayload || len(buf) <= Overhead {
		return pool.ErrCorrupt
	}
	end := offset + Overhead + int64(size)
	part := buf[:min(int64(len(buf)), end-offset)]
	if err := r.fill(part, offset); err != nil {
		return err
	}
	if got, ok := r.salt.payloadSize(offset, part); !ok || got != size {
		return pool.ErrCorrupt
	}
	sum, want := binary.BigEndian.Uint32(part[8:]), binary.BigEndian.Uint32(part[12:])
	if err := begin(part[Overhead:]); err != nil {
		return err
	}
	sum = crc32.Update(sum, castagnoli(), part[Overhead:])
	for at := offset + int64(len(part)); at < end; at += int64(len(part)) {
		part = buf[:min(int64(len(buf)), end-at)]
		if err := r.fill(part, at); err != nil {
			return err
		}
		sum = crc32.Update(sum, castagnoli(), part)
	}
	if sum != want {
		return pool.ErrCorrupt
	}
	return nil
}

// fill reads all of p. A file that ends before is damaged.
func (r *Reader) fill(p []byte, at int64) error {
	n, err := r.r.ReadAt(p, at)
	if n == len(p) {
		return nil
	}
	if err == nil || err == io.EOF {
		err = pool.ErrCorrupt
	}
	return err
}
