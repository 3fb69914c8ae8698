package archive

import (
	"bufio"
	"bytes"
	"compress/bzip2"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
)

// rnews is what stands before each article's size.
const rnews = "#! rnews "

// A RnewsWriter writes an rnews batch.
type RnewsWriter struct{ out *bufio.Writer }

// NewRnewsWriter returns a writer of a batch. Its Flush must be called at the end.
func NewRnewsWriter(w io.Writer) *RnewsWriter {
	return &RnewsWriter{bufio.NewWriterSize(w, bufferSize)}
}

// Put implements [Sink].
func (w *RnewsWriter) Put(text []byte, _ time.Time) error {
	text = bytes.ReplaceAll(text, []byte("\r\n"), []byte{'\n'})
	fmt.Fprintf(w.out, "%s%d\n", rnews, len(text)) // Flush has the error
	_, err := w.out.Write(text)
	return err
}

// Flush writes what is still held back.
func (w *RnewsWriter) Flush() error { return w.out.Flush() }

// A Rnews reads an rnews batch.
type Rnews struct {
	lines *lines
	max   int
	begun bool
}

// NewRnews returns a reader of a batch. An article of more than maximum octets
// is refused.
func NewRnews(r io.Reader, maximum int) *Rnews {
	return &Rnews{lines: newLines(r, maximum), max: maximum}
}

// Next implements [Source].
func (r *Rnews) Next() (Item, error) {
	at := r.lines.offset
	line, _, err := r.lines.next()
	if err != nil {
		return Item{}, err
	}
	if !r.begun {
		r.begun = true
		if unpacked, err := r.unpack(string(line)); err != nil {
			return Item{}, err
		} else if unpacked {
			return r.Next()
		}
	}
	digits, ok := strings.CutPrefix(string(line), rnews)
	size, err := strconv.ParseInt(strings.TrimSpace(digits), 10, 64)
	if !ok || err != nil || size < 0 {
		return Item{}, &Damage{at, `there must be a line "#! rnews" with a number of octets; what stands before it was read`}
	}
	if size > int64(r.max) {
		n, err := io.CopyN(io.Discard, r.lines.in, size)
		r.lines.offset += n
		if err != nil {
			return Item{}, r.ended(err)
		}
		return Item{}, refuseLarge()
	}
	text := make([]byte, size)
	n, err := io.ReadFull(r.lines.in, text)
	r.lines.offset += int64(n)
	if err != nil {
		return Item{}, r.ended(err)
	}
	return Item{Text: toCRLF(text)}, nil
}

func (r *Rnews) ended(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return &Damage{r.lines.offset, "the batch ends in the middle of an article"}
	}
	return err
}

// unpack goes on inside a compressed batch, and says whether it is one. Offsets
// are then those of what is inside.
func (r *Rnews) unpack(line string) (bool, error) {
	var inside io.Reader
	switch strings.TrimSpace(line) {
	default:
		return false, nil
	case "#! bunbatch":
		inside = bzip2.NewReader(r.lines.in)
	case "#! cunbatch", "#! gunbatch", "#! zunbatch":
		if magic, err := r.lines.in.Peek(2); err == nil && magic[0] == 0x1f && magic[1] == 0x9d {
			return false, &Damage{r.lines.offset, "the batch was packed by compress(1): cut off the first line and unpack the rest with uncompress or zcat"}
		}
		z, err := gzip.NewReader(r.lines.in)
		if err != nil {
			return false, &Damage{r.lines.offset, "what follows is not compressed by gzip"}
		}
		inside = z
	}
	r.lines = newLines(inside, r.max)
	return true, nil
}
