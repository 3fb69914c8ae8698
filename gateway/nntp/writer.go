package nntp

import (
	"bytes"
	"io"
	"net"
)

// A Writer writes status lines, command lines and blocks. It gathers them in a
// buffer, which it holds only until the next [Writer.Flush]. After the first
// error of the destination it does nothing, and Flush returns that error. It is
// for one goroutine.
type Writer struct {
	dst     io.Writer
	buffers *Buffers
	buf     []byte // nil while nothing is gathered
	used    int
	err     error
}

// NewWriter returns a Writer to dst.
func NewWriter(dst io.Writer, buffers *Buffers) *Writer {
	return &Writer{dst: dst, buffers: buffers}
}

// Reply writes a status line. It leaves in one write, whole, however full the
// buffer is: some newsreaders take the first segment for the line.
func (w *Writer) Reply(r Reply) {
	w.hold()
	if len(w.buf)-w.used < MaxLine {
		w.send()
	}
	w.used += len(r.Append(w.buf[w.used:w.used]))
}

// Command writes a command line, as a client does. line has no line end; one
// with a NUL, CR or LF in it, or longer than [MaxLine] with its CRLF, is not
// written, and Command returns [ErrLineMalformed] or [ErrLineTooLong].
func (w *Writer) Command(line string) error {
	if _, err := checkLine([]byte(line), MaxLine); err != nil {
		return err
	}
	var octets [MaxLine]byte
	w.whole(append(append(octets[:0], line...), '\r', '\n'))
	return nil
}

// whole writes p, at most a buffer full, so that no write cuts it.
func (w *Writer) whole(p []byte) {
	if len(p) > bufferSize-w.used {
		w.send()
	}
	w.add(p)
}

// Line writes one line of a block: the parts one after the other, dot-stuffed
// where needed, with CRLF. NUL, CR and LF in a part become spaces, for they
// would end the line, or more, at the other side.
func (w *Writer) Line(parts ...[]byte) {
	start := true
	for _, part := range parts {
		if start && len(part) > 0 {
			if part[0] == '.' {
				w.add([]byte("."))
			}
			start = false
		}
		if !plain(part) {
			part = spaced(part)
		}
		w.add(part)
	}
	w.add([]byte("\r\n"))
}

// spaced returns a copy of p with spaces for NUL, CR and LF.
func spaced(p []byte) []byte {
	out := bytes.Clone(p)
	for i, c := range out {
		if c == 0 || c == '\r' || c == '\n' {
			out[i] = ' '
		}
	}
	return out
}

// Wire writes lines of a block that are in wire form already.
func (w *Writer) Wire(lines []byte) { w.add(lines) }

// Write is [Writer.Wire] as an io.Writer.
func (w *Writer) Write(lines []byte) (int, error) {
	w.add(lines)
	return len(lines), w.err
}

// ReadFrom writes lines that are in wire form already, up to the end of r. A
// destination that is an io.ReaderFrom, as a TCP connection is, takes them
// itself, so that a file's octets need not come through this process.
func (w *Writer) ReadFrom(r io.Reader) (n int64, err error) {
	w.hold()
	if dst, ok := w.dst.(io.ReaderFrom); ok {
		w.send()
		if w.err == nil {
			n, w.err = dst.ReadFrom(r)
		}
		return n, w.err
	}
	for w.err == nil {
		got, err := r.Read(w.buf[w.used:])
		n, w.used = n+int64(got), w.used+got
		if w.used == bufferSize {
			w.send()
		}
		if err == io.EOF {
			break
		}
		if err != nil {
			return n, err
		}
	}
	return n, w.err
}

// Text writes lines of a block that are not dot-stuffed yet, each ended by
// CRLF. It goes line by line, so that no text makes it slow.
func (w *Writer) Text(lines []byte) {
	for line := range bytes.Lines(lines) {
		if line[0] == '.' {
			w.add([]byte("."))
		}
		w.add(line)
	}
}

// End writes the terminating line of a block.
func (w *Writer) End() { w.add([]byte(".\r\n")) }

// add gathers p, and sends what there is whenever the buffer is full. What would
// fill an empty one is sent from where it is; on plain TCP so is what is large and
// fits no more, in one go with what was gathered, which saves the copy.
func (w *Writer) add(p []byte) {
	for len(p) > 0 && w.err == nil {
		w.hold()
		if tcp, ok := w.dst.(*net.TCPConn); ok && len(p) >= bufferSize/4 && w.used+len(p) > bufferSize {
			both := net.Buffers{w.buf[:w.used], p}
			_, w.err = both.WriteTo(tcp)
			w.used = 0
			return
		}
		if w.used == 0 && len(p) >= bufferSize {
			_, w.err = w.dst.Write(p)
			return
		}
		n := copy(w.buf[w.used:], p)
		w.used, p = w.used+n, p[n:]
		if w.used == bufferSize {
			w.send()
		}
	}
}

func (w *Writer) hold() {
	if w.buf == nil {
		w.buf = w.buffers.take(bufferSize)
	}
}

func (w *Writer) send() {
	if w.used > 0 && w.err == nil {
		_, w.err = w.dst.Write(w.buf[:w.used])
	}
	w.used = 0
}

// A flusher is a destination that gathers octets of its own, as a compressor
// does.
type flusher interface{ Flush() error }

// Flush sends what was gathered, and gives the buffer back. A destination that
// has a method Flush() error is flushed too.
func (w *Writer) Flush() error {
	if w.buf != nil {
		w.send()
		if dst, ok := w.dst.(flusher); ok && w.err == nil {
			w.err = dst.Flush()
		}
		w.buffers.give(w.buf)
		w.buf = nil
	}
	return w.err
}

// Err returns the destination's first error, so that whoever writes a long
// block can stop early.
func (w *Writer) Err() error { return w.err }
