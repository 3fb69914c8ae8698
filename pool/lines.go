package pool

import (
	"bytes"
	"context"
	"strconv"
)

// A Liner is a Reader that has overview lines ready as they are sent.
type Liner interface {
	// ScanLines is [Reader.Scan] for whoever sends the lines on. Each call of
	// yield brings some of them, as [AppendLine] makes them.
	ScanLines(ctx context.Context, name Group, r Range, yield func(lines []byte) bool) error
}

// ScanLines has r bring overview lines, or makes them where r is no [Liner].
func ScanLines(ctx context.Context, r Reader, name Group, numbers Range, yield func(lines []byte) bool) error {
	if l, ok := r.(Liner); ok {
		return l.ScanLines(ctx, name, numbers, yield)
	}
	var line []byte
	return r.Scan(ctx, name, numbers, func(n Number, overview []byte) bool {
		line = AppendLine(line[:0], n, overview)
		return yield(line)
	})
}

// AppendLine appends an article's line of OVER in wire form to dst: number, TAB,
// overview line, CRLF. NUL, CR and LF in it, which would end the line or more
// at the other side, become spaces.
func AppendLine(dst []byte, n Number, overview []byte) []byte {
	dst = append(strconv.AppendUint(dst, uint64(n), 10), '\t')
	start := len(dst)
	dst = append(dst, overview...)
	for line, c := dst[start:], 0; c < len(unfit); c++ {
		for at := bytes.IndexByte(line, unfit[c]); at >= 0; at = bytes.IndexByte(line, unfit[c]) {
			line[at] = ' '
		}
	}
	return append(dst, '\r', '\n')
}

// unfit is what may not be in a line (RFC 3977, Section 3.1).
const unfit = "\x00\r\n"
