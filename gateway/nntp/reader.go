package nntp

import (
	"bytes"
	"errors"
	"io"
)

// Errors of a [Reader] after which the connection goes on: the line or block
// was read to its end.
var (
	ErrLineTooLong   = errors.New("line longer than 512 octets")
	ErrLineMalformed = errors.New("line holds NUL, or CR or LF alone")
)

// A Reader reads lines and blocks. It holds a buffer only from the first octet
// of a line or block on until everything that came has been used, or a little
// longer once it is wide. It is for one goroutine.
type Reader struct {
	src     io.Reader
	buffers *Buffers
	wide    bool
	buf     []byte // nil while nothing is held
	next    int    // buf[next:end] came and is not used yet
	end     int
	first   [1]byte // where the octet lands that ends a wait
}

// NewReader returns a Reader of src.
func NewReader(src io.Reader, buffers *Buffers) *Reader {
	return &Reader{src: src, buffers: buffers}
}

// Widen prepares for many blocks, as a peer sends them. From now on the Reader has
// a larger buffer, which it keeps while it waits for the next line or block, so
// that it takes a call of the source to read many. It gives it back once the
// source returns an error, as at a deadline. Blocks may be freed ([Block.Free]).
func (r *Reader) Widen() { r.wide = true }

// ReadLine reads one line and returns it without its CRLF. The line is only
// valid until the next call of any method. Only CRLF ends a line (RFC 3977,
// Section 3.1). Errors:
//
//   - [ErrLineTooLong]: the line with its CRLF has more than [MaxLine] octets.
//     It was read to its end.
//   - [ErrLineMalformed]: NUL, or CR or LF alone, is in it. It was read to its
//     end.
//   - io.EOF: the source ended between lines; io.ErrUnexpectedEOF: within one.
//   - any other error is the source's own.
func (r *Reader) ReadLine() ([]byte, error) { return r.ReadLongLine(MaxLine) }

// ReadLongLine is [Reader.ReadLine] with another limit, for the commands of
// extensions that may be longer (RFC 3977, Section 3.1): most octets with the
// CRLF, and no more than 8192.
func (r *Reader) ReadLongLine(most int) ([]byte, error) {
	if err := r.await(); err != nil {
		return nil, err
	}
	searched := 0
	for {
		held := r.buf[r.next:r.end]
		if at := crlf(held, searched); at >= 0 {
			r.next += at + len("\r\n")
			return checkLine(held[:at], most)
		}
		if len(held) >= most {
			return nil, r.skipLine()
		}
		searched = max(len(held)-1, 0)
		if err := r.more(); err != nil {
			return nil, err
		}
	}
}

// crlf returns where the first CRLF of p at from or later starts, or -1.
func crlf(p []byte, from int) int {
	if at := bytes.Index(p[from:], []byte("\r\n")); at >= 0 {
		return from + at
	}
	return -1
}

func checkLine(line []byte, most int) ([]byte, error) {
	if len(line)+len("\r\n") > most {
		return nil, ErrLineTooLong
	}
	if !plain(line) {
		return nil, ErrLineMalformed
	}
	return line, nil
}

// plain says whether p is without NUL, CR and LF. Three searches for one octet
// each are several times as fast as one for any of three.
func plain(p []byte) bool {
	return bytes.IndexByte(p, 0) < 0 && bytes.IndexByte(p, '\r') < 0 && bytes.IndexByte(p, '\n') < 0
}

// skipLine reads on to the end of a line that is too long already.
func (r *Reader) skipLine() error {
	for {
		held := r.buf[r.next:r.end]
		if at := crlf(held, 0); at >= 0 {
			r.next += at + len("\r\n")
			return ErrLineTooLong
		}
		r.next = r.end
		if held[len(held)-1] == '\r' {
			r.next-- // half of a CRLF perhaps
		}
		if err := r.more(); err != nil {
			return err
		}
	}
}

// HasLine says whether a whole line lies in the buffer, so that ReadLine would
// not wait. A server sends its replies when there is none, and so answers
// pipelined commands (RFC 3977, Section 3.5) together.
func (r *Reader) HasLine() bool {
	return r.buf != nil && crlf(r.buf[r.next:r.end], 0) >= 0
}

// Buffered returns how many octets came and are not used yet. Whoever changes
// the layer below in mid-session must have none left, or must throw them away
// (RFC 8143, Section 4) by going on with another Reader.
func (r *Reader) Buffered() int { return r.end - r.next }

// Release gives the buffer back, and with it whatever came and was not used. The
// Reader can go on afterwards.
func (r *Reader) Release() {
	if r.buf != nil {
		r.buffers.give(r.buf)
		r.buf, r.next, r.end = nil, 0, 0
	}
}

// await makes sure that something unused is held. While it waits it holds no
// buffer, unless it is wide.
func (r *Reader) await() error {
	if r.next < r.end {
		return nil
	}
	into := r.first[:]
	if r.wide {
		r.widen()
		r.next, r.end = 0, 0
		into = r.buf
	} else {
		r.Release()
	}
	for {
		n, err := r.src.Read(into)
		if n > 0 {
			if r.buf == nil {
				r.buf = r.buffers.take(bufferSize)
				r.buf[0] = r.first[0]
			}
			r.end = n
			return nil
		}
		if err != nil {
			r.Release()
			return err
		}
	}
}

// widen makes sure that the buffer is as large as one of a wide Reader.
func (r *Reader) widen() {
	if len(r.buf) == wideSize {
		return
	}
	wide := r.buffers.take(wideSize)
	held := copy(wide, r.buf[r.next:r.end])
	r.Release()
	r.buf, r.next, r.end = wide, 0, held
}

// more reads what there is behind what is held. The caller holds something,
// and less than a buffer full.
func (r *Reader) more() error {
	if r.wide {
		r.widen()
	}
	if r.next > 0 && r.end == len(r.buf) || r.next == r.end {
		copy(r.buf, r.buf[r.next:r.end])
		r.next, r.end = 0, r.end-r.next
	}
	for {
		n, err := r.src.Read(r.buf[r.end:])
		if n > 0 {
			r.end += n
			return nil
		}
		if errors.Is(err, io.EOF) {
			return io.ErrUnexpectedEOF
		}
		if err != nil {
			return err
		}
	}
}

// ReadReply reads a status line, as a client does. It returns [ErrReply] when
// the line is none, and the errors of [Reader.ReadLine].
func (r *Reader) ReadReply() (Reply, error) {
	line, err := r.ReadLine()
	if err != nil {
		return Reply{}, err
	}
	return ParseReply(line)
}
