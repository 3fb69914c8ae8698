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
	if !wholeLines(text) {
		return nil, refuseBareLine()
	}
	if len(text) == 0 || bytes.HasPrefix(text, []byte("\r\n")) {
		return nil, refuse(ErrNoHeader, "The article has no header: send header lines, an empty line, then the body")
	}
	end := bytes.Index(text, []byte("\r\n\r\n"))
	if end < 0 {
		return nil, refuse(ErrNoBody, "The article has no empty line between header and body: add one and send again")
	}
	fields, err := parseHeader(string(text[:end+len("\r\n")]))
	if err != nil {
		return nil, err
	}
	return &Article{fields: fields, body: text[end+len("\r\n\r\n"):]}, nil
}

// usualFields is more fields than most headers have.
const usualFields = 16

// parseHeader cuts a header of whole lines into fields.
func parseHeader(head string) ([]Field, error) {
	fields := make([]Field, 0, usualFields)
	for head != "" {
		size, err := fieldSize(head)
		if err != nil {
			return nil, err
		}
		name, raw, ok := strings.Cut(head[:size-len("\r\n")], ":")
		// RFC 5536, Section 2.2 wants a space behind the colon. A field that
		// begins with a fold, as some newsreaders send a long one, has it on
		// its next line.
		if !ok || !validName(name) || raw != "" && strings.IndexByte(" \t\r", raw[0]) < 0 {
			return nil, refuseHeader()
		}
		fields = append(fields, Field{name: name, raw: raw})
		head = head[size:]
	}
	return fields, nil
}

// fieldSize returns how many octets the first line and its continuation lines
// have, CRLFs included.
func fieldSize(head string) (int, error) {
	size := 0
	for {
		line, _, _ := strings.Cut(head[size:], "\r\n")
		if len(line) > maxHeaderLine {
			return 0, refuseLongLine()
		}
		if strings.TrimLeft(line, " \t") == "" { // RFC 5536, Section 2.2
			return 0, refuseHeader()
		}
		size += len(line) + len("\r\n")
		if size == len(head) || head[size] != ' ' && head[size] != '\t' {
			return size, nil
		}
	}
}

// wholeLines says whether text is lines ended by CRLF and holds no NUL and no
// other CR or LF.
func wholeLines(text []byte) bool {
	if bytes.IndexByte(text, 0) >= 0 {
		return false
	}
	lines := 0
	for rest := text; len(rest) > 0; lines++ {
		i := bytes.IndexByte(rest, '\n')
		if i < 1 || rest[i-1] != '\r' {
			return false
		}
		rest = rest[i+1:]
	}
	return bytes.Count(text, []byte{'\r'}) == lines
}
