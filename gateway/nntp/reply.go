package nntp

import (
	"cmp"
	"errors"
	"strconv"
	"strings"

	"github.com/restante/restante/pool"
)

// MaxLine is the longest command line and the longest status line, in octets
// with CRLF (RFC 3977, Section 3.1).
const MaxLine = 512

// ErrReply is a status line that does not start with a response code.
var ErrReply = errors.New("not an NNTP reply")

// A Reply is a status line: a code and the text after it.
type Reply struct {
	Code Code
	Text string // never sent empty: newsreaders wait for a text that doesn't come
}

// Append appends the status line to dst, CRLF included. It always has a text,
// never a line end within it, and never more than [MaxLine] octets.
func (r Reply) Append(dst []byte) []byte {
	start := len(dst)
	dst = append(strconv.AppendInt(dst, int64(r.Code), 10), ' ')
	text := cmp.Or(r.Text, r.Code.word())
	at := len(dst)
	dst = append(dst, text[:min(len(text), start+MaxLine-len("\r\n")-at)]...)
	if said := dst[at:]; !plain(said) {
		copy(said, spaced(said))
	}
	return append(dst, '\r', '\n')
}

// word is the text of a reply that was given none.
func (c Code) word() string {
	if c < 400 {
		return "OK"
	}
	return "Refused"
}

// Positive says whether the reply asks for more or says that all went well:
// its code is a 1xx, 2xx or 3xx.
func (r Reply) Positive() bool { return r.Code < 400 }

// Article returns the Message-ID that a reply names which says that an article is there:
// 220 to 223 (RFC 3977, Sections 6.2.1 to 6.2.4).
func (r Reply) Article() (id pool.MessageID, ok bool) {
	fields := strings.Fields(r.Text)
	if r.Code < CodeArticle || r.Code > CodeStat || len(fields) < 2 {
		return "", false
	}
	id, err := pool.ParseMessageID(fields[1])
	return id, err == nil
}

// ParseReply reads a status line without its line end. It returns [ErrReply]
// when the line does not start with three digits, the first from 1 to 5, and
// then a space or nothing.
func ParseReply(line []byte) (Reply, error) {
	if len(line) < 3 || len(line) > 3 && line[3] != ' ' || line[0] < '1' || line[0] > '5' {
		return Reply{}, ErrReply
	}
	code := 0
	for _, c := range line[:3] {
		if c < '0' || c > '9' {
			return Reply{}, ErrReply
		}
		code = code*10 + int(c-'0')
	}
	if len(line) == 3 {
		return Reply{Code: Code(code)}, nil
	}
	return Reply{Code: Code(code), Text: string(line[4:])}, nil
}
