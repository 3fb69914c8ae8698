package article

import (
	"bytes"
	"slices"
	"strings"

	"github.com/restante/restante/pool"
)

// Parse reads an article's text: lines ended by CRLF, neither dot-stuffed nor
// terminated. The article keeps the body's octets, which must not be changed
// afterwards. What it can't take it refuses with a [pool.Refusal]:
//
//   - [ErrBareLine]: a NUL, a bare CR or a bare LF, or no CRLF at the end
//   - [ErrNoHeader]: no header
//   - [ErrHeaderSyntax]: a line of the header that is no field and no
//     continuation of one, or only white space
//   - [ErrLongLine]: a line of the header of more than 998 octets
//   - [ErrNoBody]: no empty line; nothing behind it is a body too, an empty one
//     (RFC 3977, Section 3.6)
func Parse(text []byte) (*Article, error) {
	c, err := Check(text)
	if err != nil {
		return nil, err
	}
	a := New()
	if err := a.Read(c); err != nil {
		return nil, err
	}
	return a, nil
}

// Read is [Parse] for what can't be an [ErrBareLine], into an article that is new or
// was [Article.Reset].
func (a *Article) Read(c pool.Checked) error {
	end := bytes.Index(c.Text, []byte("\r\n\r\n"))
	switch {
	case len(c.Text) == 0 || bytes.HasPrefix(c.Text, []byte("\r\n")):
		return refuse(ErrNoHeader, "The article has no header: send header lines, an empty line, then the body")
	case end < 0:
		return refuse(ErrNoBody, "The article has no empty line between header and body: add one and send again")
	}
	head := string(c.Text[:end+len("\r\n")])
	a.header = len(head)
	lines := strings.Count(head, "\n")
	a.fields = slices.Grow(a.fields, lines)
	if err := a.readHeader(head); err != nil {
		return err
	}
	a.body = pool.Checked{Text: c.Text[end+len("\r\n\r\n"):], Lines: c.Lines - lines - 1, Dots: c.Dots - a.dotted()}
	return nil
}

// readHeader cuts a header of whole lines into fields.
func (a *Article) readHeader(head string) error {
	for head != "" {
		size, err := fieldSize(head)
		if err != nil {
			return err
		}
		f, ok := fieldOf(head[:size])
		if !ok {
			return refuseHeader()
		}
		a.fields = append(a.fields, f)
		head = head[size:]
	}
	return nil
}

// fieldSize returns how many octets the first line and its continuation lines
// have, CRLFs included.
func fieldSize(head string) (int, error) {
	size := 0
	for {
		end := size + strings.IndexByte(head[size:], '\n') + 1
		line := head[size : end-len("\r\n")]
		if len(line) > maxHeaderLine {
			return 0, refuseLongLine()
		}
		if trimSpace(line) == "" { // RFC 5536, Section 2.2
			return 0, refuseHeader()
		}
		size = end
		if size == len(head) || !isSpace(head[size]) {
			return size, nil
		}
	}
}

// Check looks at lines ended by CRLF. Where text is something else, or holds a NUL or
// another CR or LF, it refuses it with [ErrBareLine] as cause.
func Check(text []byte) (pool.Checked, error) {
	c := pool.Checked{Text: text}
	for rest := text; len(rest) > 0; c.Lines++ {
		i := bytes.IndexByte(rest, '\n')
		if i < 1 || rest[i-1] != '\r' {
			return pool.Checked{}, refuseBareLine()
		}
		if rest[0] == '.' {
			c.Dots++
		}
		rest = rest[i+1:]
	}
	if bytes.Count(text, []byte{'\r'}) != c.Lines || bytes.IndexByte(text, 0) >= 0 {
		return pool.Checked{}, refuseBareLine()
	}
	return c, nil
}
