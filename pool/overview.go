package pool

import (
	"slices"
	"strconv"
	"strings"
)

// An Overview is the fields of one overview line (RFC 3977, Section 8.3.2) but
// for the number. Header fields are unfolded, and TAB, CR, LF and NUL in them
// are spaces already.
type Overview struct {
	Subject, From, Date string
	References          string // trimmed by the builder so that a line stays under [MaxOverviewLine]
	Bytes               int    // octets of the article as sent, without dot-stuffing and terminator
	Lines               int    // lines of the body
}

// MaxOverviewLine is the longest overview line sent, in octets: Python's
// nntplib refuses anything from 2,048 on.
const MaxOverviewLine = 2000

// AppendLine appends the overview line from the subject on (no number, no line
// end) to dst. xref is the value of the Xref header, without its name; its last
// locations are left out where the line would pass [MaxOverviewLine].
func (o *Overview) AppendLine(dst []byte, id MessageID, xref string) []byte {
	start := len(dst)
	const more = len("\t\t\t\t\t2147483647\t2147483647\tXref: ")
	dst = slices.Grow(dst, len(o.Subject)+len(o.From)+len(o.Date)+len(id)+len(o.References)+len(xref)+more)
	for _, field := range [...]string{o.Subject, o.From, o.Date, string(id), o.References} {
		dst = append(append(dst, field...), '\t')
	}
	dst = append(strconv.AppendInt(dst, int64(o.Bytes), 10), '\t')
	dst = append(strconv.AppendInt(dst, int64(o.Lines), 10), '\t')
	dst = append(dst, "Xref: "...)
	room := MaxOverviewLine - len("4294967295\t\r\n") - (len(dst) - start)
	for len(xref) > max(room, 0) {
		xref = xref[:max(strings.LastIndexByte(xref, ' '), 0)]
	}
	return append(dst, xref...)
}

// Xref returns the value of the Xref header for an article that server holds at
// the given locations (RFC 5536, Section 3.2.14).
func Xref(server string, at []Location) string {
	var room [128]byte // most fit: nothing but the string is allocated
	return string(AppendXref(room[:0], server, at))
}

// AppendXref appends what Xref returns to dst.
func AppendXref(dst []byte, server string, at []Location) []byte {
	dst = append(dst, server...)
	for _, l := range at {
		dst = append(append(append(dst, ' '), l.Group...), ':')
		dst = strconv.AppendUint(dst, uint64(l.Number), 10)
	}
	return dst
}
