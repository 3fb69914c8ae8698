package archive

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"time"
)

// from is what a line begins with that separates two articles.
const from = "From "

// fromTime is how the time stands in such a line (RFC 4155, Appendix A).
const fromTime = "Mon Jan _2 15:04:05 2006"

// An MboxWriter writes an mbox.
type MboxWriter struct{ out *bufio.Writer }

// NewMboxWriter returns a writer of an mbox. Its Flush must be called at the end.
func NewMboxWriter(w io.Writer) *MboxWriter {
	return &MboxWriter{bufio.NewWriterSize(w, bufferSize)}
}

// Put implements [Sink].
func (m *MboxWriter) Put(text []byte, arrived time.Time) error {
	_, _ = m.out.WriteString(from + "news " + arrived.UTC().Format(fromTime) + "\n") // Flush has the error
	for len(text) > 0 {
		line, rest, _ := bytes.Cut(text, []byte("\r\n"))
		if bytes.HasPrefix(bytes.TrimLeft(line, ">"), []byte(from)) {
			_ = m.out.WriteByte('>')
		}
		_, _ = m.out.Write(line)
		_ = m.out.WriteByte('\n')
		text = rest
	}
	return m.out.WriteByte('\n')
}

// Flush writes what is still held back.
func (m *MboxWriter) Flush() error { return m.out.Flush() }

// A Mbox reads an mbox.
type Mbox struct {
	lines *lines
	max   int
	next  []byte // the "From " line of the next article
	begun bool
}

// NewMbox returns a reader of an mbox. An article of more than maximum octets is
// refused.
func NewMbox(r io.Reader, maximum int) *Mbox { return &Mbox{lines: newLines(r, maximum), max: maximum} }

// Next implements [Source].
func (m *Mbox) Next() (Item, error) {
	if !m.begun {
		if err := m.begin(); err != nil {
			return Item{}, err
		}
	}
	if m.next == nil {
		return Item{}, io.EOF
	}
	item := Item{Arrived: arrival(m.next)}
	m.next = nil
	large := false
	for blank := false; ; {
		line, cut, err := m.lines.next()
		if errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return Item{}, err
		}
		if blank && bytes.HasPrefix(line, []byte(from)) {
			m.next = bytes.Clone(line)
			break
		}
		large = large || cut || len(item.Text)+len(line)+2*len("\r\n") > m.max
		if large {
			item.Text = nil
		} else if blank {
			item.Text = append(item.Text, "\r\n"...)
		}
		// An empty line is written once another one follows: the last one is
		// not the article's.
		if blank = len(line) == 0; !blank && !large {
			item.Text = append(append(item.Text, unquote(line)...), "\r\n"...)
		}
	}
	if large {
		return Item{}, refuseLarge()
	}
	return item, nil
}

// begin looks for the first "From " line.
func (m *Mbox) begin() error {
	m.begun = true
	for {
		at := m.lines.offset
		line, _, err := m.lines.next()
		switch {
		case err != nil:
			return err
		case len(line) == 0:
		case bytes.HasPrefix(line, []byte(from)):
			m.next = bytes.Clone(line)
			return nil
		default:
			return &Damage{at, `this is no mbox: it must start with a line that begins with "From "`}
		}
	}
}

// unquote takes away what [MboxWriter] puts before a line.
func unquote(line []byte) []byte {
	if len(line) > 0 && line[0] == '>' && bytes.HasPrefix(bytes.TrimLeft(line, ">"), []byte(from)) {
		return line[1:]
	}
	return line
}

// arrival reads the time in a "From " line, or returns the zero one.
func arrival(line []byte) time.Time {
	_, when, _ := bytes.Cut(line[len(from):], []byte{' '})
	t, err := time.Parse(fromTime, string(bytes.TrimSpace(when)))
	if err != nil {
		return time.Time{}
	}
	return t
}
