package archive

import (
	"bufio"
	"bytes"
	"compress/bzip2"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/restante/restante/pool"
)

// An Item is one article of an archive.
type Item struct {
	Text    []byte          // its lines, each ended by CRLF, not dot-stuffed; the caller's to keep
	Arrived time.Time       // zero where the archive does not say
	At      []pool.Location // its numbers; none where the archive has no numbers
	Lost    int             // further places that it had, and can't get (see [Spool])
}

// A Source gives the articles of an archive one after the other.
type Source interface {
	// Next returns the next article, and io.EOF behind the last one. After a
	// [*pool.Refusal] more may follow: it is of one article that can't be read.
	// After any other error there is no more.
	Next() (Item, error)
}

// A Sink takes articles into an archive.
type Sink interface {
	// Put adds an article: its lines, each ended by CRLF, not dot-stuffed, and
	// when it arrived.
	Put(text []byte, arrived time.Time) error
}

// The causes of a [pool.Refusal] made here, which are named so in [Counts.Refused].
var (
	ErrTooLarge   = errors.New("too_large")
	ErrIncomplete = errors.New("incomplete")
)

func refuseLarge() error {
	return &pool.Refusal{Sentence: "The article is larger than this server takes", Cause: ErrTooLarge}
}

func refuseIncomplete() error {
	return &pool.Refusal{Sentence: "The article's file is not complete", Cause: ErrIncomplete}
}

// A Damage is where an archive stops being one.
type Damage struct {
	Offset   int64 // octets read before that place
	Sentence string
}

func (d *Damage) Error() string { return fmt.Sprintf("octet %d: %s", d.Offset, d.Sentence) }

// Unpacked reads what is packed by gzip or bzip2, as files of articles often are, and
// anything else as it is.
func Unpacked(r io.Reader) (io.Reader, error) {
	in := bufio.NewReaderSize(r, bufferSize)
	start, err := in.Peek(len("BZh"))
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	switch {
	case bytes.HasPrefix(start, []byte{0x1f, 0x8b}):
		return gzip.NewReader(in)
	case string(start) == "BZh":
		return bzip2.NewReader(in), nil
	}
	return in, nil
}

// bufferSize is how much is read at a time.
const bufferSize = 64 << 10

// lines reads lines that end with LF or CRLF.
type lines struct {
	in     *bufio.Reader
	max    int // octets of a line that are kept
	offset int64
	long   []byte
}

func newLines(r io.Reader, maximum int) *lines {
	return &lines{in: bufio.NewReaderSize(r, bufferSize), max: maximum}
}

// next returns a line without its end, valid until the next call, and io.EOF
// behind the last one. The last one need not have an end. Of a line longer than
// max the rest is dropped, and cut is true.
func (l *lines) next() (line []byte, cut bool, err error) {
	line, err = l.in.ReadSlice('\n')
	l.offset += int64(len(line))
	if errors.Is(err, bufio.ErrBufferFull) {
		l.long = append(l.long[:0], line...)
		for errors.Is(err, bufio.ErrBufferFull) {
			line, err = l.in.ReadSlice('\n')
			l.offset += int64(len(line))
			if cut = cut || len(l.long)+len(line) > l.max; !cut {
				l.long = append(l.long, line...)
			}
		}
		line = l.long
	}
	if err != nil && (!errors.Is(err, io.EOF) || len(line) == 0) {
		return nil, false, err
	}
	return bytes.TrimSuffix(bytes.TrimSuffix(line, []byte{'\n'}), []byte{'\r'}), cut, nil
}

// toCRLF ends each line with CRLF, whether it ended with LF or CRLF.
func toCRLF(text []byte) []byte {
	out := make([]byte, 0, len(text)+bytes.Count(text, []byte{'\n'})+2)
	for len(text) > 0 {
		line, rest, _ := bytes.Cut(text, []byte{'\n'})
		out = append(append(out, bytes.TrimSuffix(line, []byte{'\r'})...), "\r\n"...)
		text = rest
	}
	return out
}
