package nntp

import (
	"bytes"
	"errors"
	"iter"

	"github.com/restante/restante/pool"
)

// Errors of [Reader.ReadBlock].
var (
	ErrBlockMalformed = errors.New("block holds NUL, or CR or LF alone")
	ErrBlockTooLarge  = errors.New("block larger than allowed")
	ErrBlockEndless   = errors.New("block goes on beyond every bound")
)

// A Block is a multi-line data block (RFC 3977, Section 3.1.1) without the
// terminating line.
type Block struct {
	wire  []byte // dot-stuffed; each line ended by CRLF
	lines int
	stuff int    // octets in wire that are dot-stuffing: one in each line of Text that starts with a dot
	spare *spare // where wire is; nil for memory of its own
}

// Free lets the memory be used for another block, if the Reader was wide. Nothing
// may use Wire afterwards, nor Text where it is the same. It may be called from any
// goroutine, and once.
func (b Block) Free() {
	if b.spare != nil {
		b.spare.octets = b.wire
		b.spare.free()
	}
}

// Wire is the lines as they travel: dot-stuffed, each ended by CRLF. A line
// that came with a dot in front and without a second one has lost it, so that
// Wire always is the one right form of Text.
func (b Block) Wire() []byte { return b.wire }

// Len is the octets of [Block.Text].
func (b Block) Len() int { return len(b.wire) - b.stuff }

// Text is the lines without dot-stuffing, each ended by CRLF. It shares its
// octets with Wire where they are the same.
func (b Block) Text() []byte {
	if b.stuff == 0 {
		return b.wire
	}
	text := make([]byte, 0, b.Len())
	for line := range bytes.Lines(b.wire) {
		text = append(text, unstuff(line)...)
	}
	return text
}

// Checked is Text with what reading it has found out.
func (b Block) Checked() pool.Checked {
	return pool.Checked{Text: b.Text(), Lines: b.lines, Dots: b.stuff}
}

// Lines yields each line without dot-stuffing and CRLF.
func (b Block) Lines() iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		for line := range bytes.Lines(b.wire) {
			if !yield(bytes.TrimSuffix(unstuff(line), []byte("\r\n"))) {
				return
			}
		}
	}
}

func unstuff(line []byte) []byte {
	if line[0] == '.' {
		return line[1:]
	}
	return line
}

// ReadBlock reads a block. Only CRLF "." CRLF ends it, or "." CRLF at its very
// start. Unless it says otherwise the block was read to its true end, and the
// connection can go on. Errors:
//
//   - [ErrBlockTooLarge]: the text has more than limit octets.
//   - [ErrBlockMalformed]: NUL, or CR or LF alone, is in it.
//   - [ErrBlockEndless]: it has more than bound octets and still goes on. It was
//     not read to its end: the connection is of no more use.
//   - io.EOF or io.ErrUnexpectedEOF: the source ended; any other error is the
//     source's own.
func (r *Reader) ReadBlock(limit, bound int) (Block, error) {
	s := blockScanner{limit: limit}
	if err := r.await(); err != nil {
		return Block{}, err
	}
	if r.wide {
		s.spare = r.buffers.spare()
		s.wire = s.spare.octets[:0]
	}
	for {
		for r.next < r.end {
			used, done := s.scan(r.buf[r.next:r.end])
			r.next += used
			if done {
				return s.block()
			}
		}
		if s.came > bound {
			return Block{}, ErrBlockEndless
		}
		if err := r.more(); err != nil {
			return Block{}, err
		}
	}
}

// A blockScanner takes a block in pieces of any size and finds its end.
type blockScanner struct {
	limit int
	came  int // octets of the block so far
	size  int // octets of the text so far
	line  int // octets of the line so far
	lines int // that have ended
	stuff int // dots of dot-stuffing kept in wire
	wire  []byte
	spare *spare // nil for a block that is not to be freed

	dot       bool // the line starts with a dot
	cr        bool // the last octet was CR
	malformed bool
}

// scan takes some of the next octets, of which there is one at least, and
// returns how many. It says whether the block ends with them.
func (s *blockScanner) scan(held []byte) (used int, done bool) {
	if s.line == 0 {
		if used, done = s.scanLines(held); used > 0 {
			return used, done
		}
	}
	if at := bytes.IndexByte(held, '\n'); at >= 0 {
		held = held[:at+1]
	}
	return len(held), s.scanPart(held)
}

// scanLines takes the whole lines in front, up to the first that CRLF does not
// end. What it does for each line is little, for nearly all of a block goes this
// way.
func (s *blockScanner) scanLines(held []byte) (used int, done bool) {
	lines, dots, kept := 0, 0, 0
	for !done {
		size := bytes.IndexByte(held[used:], '\n') + 1
		if size < len("\r\n") || held[used+size-2] != '\r' {
			break
		}
		if line := held[used : used+size]; line[0] == '.' {
			dots++
			if line[1] == '.' {
				s.stuff++
			} else { // never stuffed, or the terminating line's
				s.add(held[kept:used])
				kept = used + 1
				done = size == len(".\r\n")
			}
		}
		lines++
		used += size
	}
	// Each line has one LF and a CR before it: there must be no further CR.
	taken := held[:used]
	if bytes.Count(taken, []byte("\r")) != lines || bytes.IndexByte(taken, 0) >= 0 {
		s.malformed = true
	}
	s.lines += lines
	s.came += used
	s.size += used - dots
	s.add(held[kept:used])
	return used, done
}

// add adds octets to what the block holds, as far as it will be wanted.
func (s *blockScanner) add(octets []byte) {
	if s.wanted() {
		s.wire = append(s.wire, octets...)
	} else {
		s.wire = nil
	}
}

// scanPart takes the next octets: not empty, with at most one LF, as the last
// octet. It says whether the block ends with them.
func (s *blockScanner) scanPart(chunk []byte) (done bool) {
	last := len(chunk) - 1
	lf := chunk[last] == '\n'
	crlf := lf && (last > 0 && chunk[last-1] == '\r' || last == 0 && s.cr)
	s.check(chunk, lf, crlf)
	s.keep(chunk)
	s.came += len(chunk)
	s.line += len(chunk)
	s.cr = chunk[last] == '\r'
	if !crlf {
		return false
	}
	done = s.dot && s.line == len(".\r\n")
	s.line = 0
	s.lines++
	return done
}

// check looks for the octets that a block must not hold.
func (s *blockScanner) check(chunk []byte, lf, crlf bool) {
	if lf && !crlf || s.cr && chunk[0] != '\n' || bytes.IndexByte(chunk, 0) >= 0 {
		s.malformed = true
		return
	}
	at := bytes.IndexByte(chunk, '\r')
	if at >= 0 && at != len(chunk)-1 && (!crlf || at != len(chunk)-2) {
		s.malformed = true
	}
}

// keep adds the chunk to what the block holds, as far as it will be wanted. The
// dot in front of a line is added only once the octet after it is known to be a
// dot too: else it is one that was never stuffed, or the terminating line's.
func (s *blockScanner) keep(chunk []byte) {
	if s.line == 0 {
		s.dot = chunk[0] == '.'
		if s.dot {
			chunk = chunk[1:]
		}
		if len(chunk) > 0 && s.dot {
			s.afterDot(chunk[0])
		}
	} else if s.line == 1 && s.dot {
		s.afterDot(chunk[0])
	}
	s.size += len(chunk)
	s.add(chunk)
}

func (s *blockScanner) afterDot(c byte) {
	if c == '.' && s.wanted() {
		s.wire = append(s.wire, '.')
		s.stuff++
	}
}

// wanted says whether the block can still be a good one. The terminating
// line's CRLF counts as text until it is known to be that.
func (s *blockScanner) wanted() bool {
	return !s.malformed && s.size <= s.limit+len("\r\n")
}

// block is the result once the end was found.
func (s *blockScanner) block() (Block, error) {
	switch {
	case s.size-len("\r\n") > s.limit:
		return Block{}, ErrBlockTooLarge
	case s.malformed:
		return Block{}, ErrBlockMalformed
	}
	return Block{wire: s.wire[:len(s.wire)-len("\r\n")], lines: s.lines - 1, stuff: s.stuff, spare: s.spare}, nil
}
