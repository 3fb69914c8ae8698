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
	for len(text) > 0 {
		if text[0] == '.' {
			out = append(out, '.')
		}
		size := lineSize(text)
		out = append(out, text[:size]...)
		text = text[size:]
	}
	return out
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
	for len(wire) > 0 {
		size := lineSize(wire)
		if wire[0] == '.' {
			out = append(out, wire[1:size]...)
		} else {
			out = append(out, wire[:size]...)
		}
		wire = wire[size:]
	}
	return out
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
