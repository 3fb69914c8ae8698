package pool

// A Checked is text of which is known that it is whole lines, each ended by CRLF,
// without NUL and any other CR or LF. Whoever makes one vouches for that: it is not
// looked for again.
type Checked struct {
	Text  []byte
	Lines int // that Text has
	Dots  int // lines that start with a dot
}
