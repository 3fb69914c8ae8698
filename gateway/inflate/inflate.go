// Package inflate reads a raw DEFLATE stream (RFC 1951) that its sender flushes
// now and then, as the commands of a compressed session come. Whatever can be
// known from the octets that came is handed out before it waits for more, with
// every way of flushing that zlib has: compress/flate holds back what was sent
// with a partial flush, which RFC 8054, Section 4 names, until more comes, and
// the session would stand still.
//
// It refuses to know what it reads. It is built for what clients send, little
// and seldom: a Reader takes up no more memory than the stream made necessary,
// and 36 KiB at most.
package inflate

import (
	"errors"
	"io"
)

// ErrCorrupt is a stream that is not DEFLATE.
var ErrCorrupt = errors.New("not a DEFLATE stream")

const (
	inputSize   = 512
	windowSize  = 32 << 10 // RFC 1951, Section 2: distances reach so far back
	firstWindow = 1 << 10
	longest     = 258 // octets that one symbol stands for

	// enough is how many octets are decoded before they are handed out. With
	// one more symbol they still lie within the window.
	enough = firstWindow - longest
)

// A Reader reads what was compressed. It is for one goroutine.
type Reader struct {
	src  io.Reader
	err  error // once there is nothing more to decode
	in   [inputSize]byte
	next int // in[next:end] came and is not used yet
	end  int
	bits uint64 // that came and are not used yet, the first one lowest
	held uint   // how many

	window []byte // a ring; its length is a power of two
	wrote  uint64 // octets decoded in all
	read   uint64 // octets handed out in all

	step  func(*Reader) error // what comes next in the stream
	final bool                // the block is the last
	left  int                 // octets to come of a stored block
	table tables
}

// NewReader returns a Reader of the stream src.
func NewReader(src io.Reader) *Reader {
	return &Reader{src: src, step: (*Reader).header, window: make([]byte, firstWindow)}
}

// errStarved is that the next step needs bits that have not come.
var errStarved = errors.New("no more input")

// Read waits only when nothing can be decoded from what came. It returns
// [ErrCorrupt] for a stream that is not DEFLATE, io.EOF behind its last block,
// io.ErrUnexpectedEOF when src ends before it, and otherwise src's own errors,
// after which it may be called again.
func (r *Reader) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	for {
		err := r.err
		for err == nil && r.wrote-r.read < enough {
			err = r.step(r)
		}
		if !errors.Is(err, errStarved) {
			r.err = err
		}
		if r.wrote > r.read {
			return r.take(p), nil
		}
		if r.err != nil {
			return 0, r.err
		}
		if err := r.fill(); err != nil {
			return 0, err
		}
	}
}

// take hands out decoded octets.
func (r *Reader) take(p []byte) int {
	mask := uint64(len(r.window) - 1)
	n := 0
	for n < len(p) && r.read < r.wrote {
		from := r.read & mask
		to := min(uint64(len(r.window)), from+r.wrote-r.read)
		copied := copy(p[n:], r.window[from:to])
		n += copied
		r.read += uint64(copied)
	}
	return n
}

// fill waits for more input. All that came is in r.bits then.
func (r *Reader) fill() error {
	n, err := r.src.Read(r.in[:])
	r.next, r.end = 0, n
	switch {
	case n > 0:
		return nil
	case errors.Is(err, io.EOF):
		return io.ErrUnexpectedEOF
	}
	return err
}

// need makes sure that n bits are held, 56 at most.
func (r *Reader) need(n uint) error {
	for r.held < n {
		if r.next == r.end {
			return errStarved
		}
		r.bits |= uint64(r.in[r.next]) << r.held
		r.next++
		r.held += 8
	}
	return nil
}

// use takes n held bits.
func (r *Reader) use(n uint) int {
	v := r.bits & (1<<n - 1)
	r.bits >>= n
	r.held -= n
	return int(v)
}

// put decodes one octet.
func (r *Reader) put(c byte) {
	if r.wrote == uint64(len(r.window)) && r.wrote < windowSize {
		r.window = append(r.window, make([]byte, len(r.window))...)
	}
	r.window[r.wrote&uint64(len(r.window)-1)] = c
	r.wrote++
}

// again decodes octets that came before, distance octets back. They may overlap
// what they become.
func (r *Reader) again(length, distance int) error {
	if uint64(distance) > min(r.wrote, windowSize) {
		return ErrCorrupt
	}
	for range length {
		r.put(r.window[(r.wrote-uint64(distance))&uint64(len(r.window)-1)])
	}
	return nil
}
