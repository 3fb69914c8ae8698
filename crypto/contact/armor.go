package contact

import (
	"encoding/base64"
	"iter"
	"strings"
)

// The labels of the two kinds of blocks.
const (
	cardLabel    = "RESTANTE CARD"
	messageLabel = "RESTANTE MESSAGE"
)

// columns is the width of a block's lines: base64 of 48 octets. Quoted a few
// times over they stay below 80.
const columns = 64

// armor writes octets as a block of text.
func armor(label string, octets []byte) string {
	packed := base64.StdEncoding.EncodeToString(octets)
	var out strings.Builder
	out.Grow(len(packed) + len(packed)/columns + 2*len(label) + 32)
	out.WriteString(begin(label) + "\n")
	for len(packed) > 0 {
		n := min(columns, len(packed))
		out.WriteString(packed[:n] + "\n")
		packed = packed[n:]
	}
	out.WriteString(end(label) + "\n")
	return out.String()
}

func begin(label string) string { return "-----BEGIN " + label + "-----" }
func end(label string) string   { return "-----END " + label + "-----" }

// blocks gives the octets of each block with that label in a text. What
// newsreaders and mailers do to text is passed over: marks of quoting and
// spaces in front of lines, lines wrapped or joined, soft ends of lines.
func blocks(label, text string) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		for {
			_, rest, found := strings.Cut(text, begin(label))
			if !found {
				return
			}
			body, after, closed := strings.Cut(rest, end(label))
			if !closed {
				return
			}
			// A block cut short, with another one behind it.
			if again := strings.LastIndex(body, begin(label)); again >= 0 {
				body = body[again+len(begin(label)):]
			}
			octets, err := base64.StdEncoding.Strict().DecodeString(unpack(body))
			if err == nil && !yield(octets) {
				return
			}
			text = after
		}
	}
}

// unpack is the base64 in the lines of a block.
func unpack(body string) string {
	var out strings.Builder
	for line := range strings.Lines(body) {
		out.WriteString(strings.Map(packed, unquote(line)))
	}
	return out.String()
}

// maxInitials is the longest name that is taken for a quoted author's.
const maxInitials = 16

// unquote cuts marks of quoting off a line. Some newsreaders write the author's
// initials in each, as in "ZW> ".
func unquote(line string) string {
	for {
		initials, rest, found := strings.Cut(line, ">")
		initials = strings.TrimLeft(initials, " \t|")
		if !found || len(initials) > maxInitials || strings.ContainsAny(initials, " \t") {
			return line
		}
		line = rest
	}
}

// packed keeps the characters of base64.
func packed(r rune) rune {
	switch {
	case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '+', r == '/', r == '=':
		return r
	}
	return -1
}
