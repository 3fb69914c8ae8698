package note

import (
	"crypto/sha256"
	"encoding/base64"
	"strconv"
	"strings"
)

// none stands for the hash before the first of a chain.
const none = "-"

// encodeHash is base64url, or "-" for the zero hash.
func encodeHash(h [sha256.Size]byte) string {
	if h == [sha256.Size]byte{} {
		return none
	}
	return base64.RawURLEncoding.EncodeToString(h[:])
}

// A reader takes a text apart, line by line. Its first failure sticks, so that
// a parser looks for one at the end only.
type reader struct {
	lines  []string
	failed bool
}

// newReader returns a reader of a text in which every line ends with a line
// feed.
func newReader(text string) *reader {
	body, ok := strings.CutSuffix(text, "\n")
	return &reader{lines: strings.Split(body, "\n"), failed: !ok}
}

// next returns the next line, or "" at the end.
func (r *reader) next() string {
	if len(r.lines) == 0 {
		r.failed = true
		return ""
	}
	line := r.lines[0]
	r.lines = r.lines[1:]
	return line
}

// more says whether the next line starts with that key.
func (r *reader) more(key string) bool {
	return len(r.lines) > 0 && strings.HasPrefix(r.lines[0], key+" ")
}

// literal takes a line that is nothing else.
func (r *reader) literal(line string) { r.check(r.next() == line) }

// value takes a line "key value".
func (r *reader) value(key string) string {
	value, ok := strings.CutPrefix(r.next(), key+" ")
	r.check(ok)
	return value
}

// domain takes a line "key value" with a domain for a value: no white space.
func (r *reader) domain(key string) string {
	domain := r.value(key)
	r.check(validName(domain))
	return domain
}

// number takes a line "key value" with a decimal for a value.
func (r *reader) number(key string) uint64 { return r.decimal(r.value(key)) }

func (r *reader) decimal(s string) uint64 {
	n, err := strconv.ParseUint(s, 10, 64)
	r.check(err == nil && strconv.FormatUint(n, 10) == s)
	return n
}

// hash takes a line "key value" with a hash for a value, or "-".
func (r *reader) hash(key string) [sha256.Size]byte {
	value := r.value(key)
	if value == none {
		return [sha256.Size]byte{}
	}
	h := r.octets(value)
	r.check(h != [sha256.Size]byte{}) // which is written "-"
	return h
}

// octets reads 32 octets of base64url.
func (r *reader) octets(s string) (out [32]byte) {
	octets, ok := decode(s, len(out))
	r.check(ok)
	copy(out[:], octets)
	return out
}

func (r *reader) check(ok bool) { r.failed = r.failed || !ok }

// end says whether all was well, with no line left over.
func (r *reader) end() bool { return !r.failed && len(r.lines) == 0 }

// validName says whether a domain is printable ASCII and can name a signer:
// not empty, no space, no plus sign.
func validName(domain string) bool {
	return domain != "" && !strings.ContainsFunc(domain, func(r rune) bool { return r <= ' ' || r > '~' || r == '+' })
}
