package article

import (
	"bytes"
	"strings"
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
	end := bytes.Index(text, []byte("\r\n\r\n"))
	head, body := text, []byte(nil)
	if end >= 0 {
		head, body = text[:end+len("\r\n")], text[end+len("\r\n\r\n"):]
	}
	header, okHead := surveyLines(head)
	found, okBody := surveyLines(body)
	switch {
	case !okHead || !okBody:
		return nil, refuseBareLine()
	case len(text) == 0 || bytes.HasPrefix(text, []byte("\r\n")):
		return nil, refuse(ErrNoHeader, "The article has no header: send header lines, an empty line, then the body")
	case end < 0:
		return nil, refuse(ErrNoBody, "The article has no empty line between header and body: add one and send again")
	}
	fields, err := parseHeader(string(head), header.lines)
	if err != nil {
		return nil, err
	}
	return &Article{fields: fields, body: body, survey: found}, nil
}

// parseHeader cuts a header of whole lines into fields.
func parseHeader(head string, lines int) ([]Field, error) {
	fields := make([]Field, 0, lines)
	for head != "" {
		size, err := fieldSize(head)
		if err != nil {
			return nil, err
		}
		f, ok := fieldOf(head[:size])
		if !ok {
			return nil, refuseHeader()
		}
		fields = append(fields, f)
		head = head[size:]
	}
	return fields, nil
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

// A survey is what one look at lines finds.
type survey struct {
	lines int
	dots  int // lines that start with one
}

// surveyLines looks at lines ended by CRLF. It returns false where text is
// something else, or holds a NUL or another CR or LF.
func surveyLines(text []byte) (found survey, ok bool) {
	for rest := text; len(rest) > 0; found.lines++ {
		i := bytes.IndexByte(rest, '\n')
		if i < 1 || rest[i-1] != '\r' {
			return survey{}, false
		}
		if rest[0] == '.' {
			found.dots++
		}
		rest = rest[i+1:]
	}
	return found, bytes.Count(text, []byte{'\r'}) == found.lines && bytes.IndexByte(text, 0) < 0
}
