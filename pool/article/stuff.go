package article

import "bytes"

// Stuff doubles the dot at the start of each line (RFC 3977, Section 3.1.1).
// The lines must be ended by CRLF or LF. No terminator is added. Where no line
// starts with a dot it returns text itself.
func Stuff(text []byte) []byte {
	dots := countDots(text)
	if dots == 0 {
		return text
	}
	out := make([]byte, 0, len(text)+dots)
	copied := 0
	for at := 0; dots > 0; at += lineSize(text[at:]) {
		if text[at] == '.' {
			out = append(append(out, text[copied:at]...), '.')
			copied = at
			dots--
		}
	}
	return append(out, text[copied:]...)
}

// Unstuff takes one dot from the start of each line that has one, and so undoes
// [Stuff]. The terminator must be gone already. Where no line starts with a dot
// it returns wire itself.
func Unstuff(wire []byte) []byte {
	dots := countDots(wire)
	if dots == 0 {
		return wire
	}
	out := make([]byte, 0, len(wire)-dots)
	copied := 0
	for at := 0; dots > 0; at += lineSize(wire[at:]) {
		if wire[at] == '.' {
			out = append(out, wire[copied:at]...)
			copied = at + 1
			dots--
		}
	}
	return append(out, wire[copied:]...)
}

// countDots counts the lines that start with a dot. It goes by lines: a search
// for "\n." is slow on a body of nothing but dots.
func countDots(text []byte) int {
	dots := 0
	for len(text) > 0 {
		if text[0] == '.' {
			dots++
		}
		text = text[lineSize(text):]
	}
	return dots
}

// lineSize returns the octets of the first line, line end included.
func lineSize(text []byte) int {
	if i := bytes.IndexByte(text, '\n'); i >= 0 {
		return i + 1
	}
	return len(text)
}
