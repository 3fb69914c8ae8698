package article

import (
	"strings"

	"github.com/restante/restante/pool"
)

// A Form is what a store adds to an article once it knows its places.
type Form struct {
	Xref     string // the header field that follows the others, with its CRLF
	Overview []byte // as in [pool.Stored]
	HeadSize int    // as in [pool.Stored]
}

// Complete makes of an article that a store takes what it still lacks. server
// is the server's name in Xref, at the places that the store gave the article.
// Every store goes by it, so that all of them send the same octets.
func Complete(a *pool.Article, server string, at []pool.Location) Form {
	line, xref := xrefLine(server, at)
	overview := a.Overview
	overview.Bytes += len(line)
	return Form{Xref: line, Overview: overview.AppendLine(nil, a.ID, xref), HeadSize: len(a.Head) + len(line)}
}

// AppendWire appends the whole article in wire form to dst.
func (f *Form) AppendWire(dst []byte, a *pool.Article) []byte {
	dst = append(append(dst, a.Head...), f.Xref...)
	dst = append(dst, "\r\n"...)
	return append(append(dst, a.Body...), ".\r\n"...)
}

// WireSize is how many octets AppendWire appends.
func (f *Form) WireSize(a *pool.Article) int {
	return f.HeadSize + len("\r\n") + len(a.Body) + len(".\r\n")
}

// Render makes of an article that a store takes what it keeps: the wire form
// with Xref and terminator, and the overview line, by [Complete].
func Render(a *pool.Article, server string, at []pool.Location) *pool.Stored {
	f := Complete(a, server, at)
	return &pool.Stored{
		ID:        a.ID,
		Arrived:   a.Arrived,
		Epoch:     a.Epoch,
		Locations: at,
		Overview:  f.Overview,
		Wire:      f.AppendWire(make([]byte, 0, f.WireSize(a)), a),
		HeadSize:  f.HeadSize,
	}
}

// xrefLine returns the Xref header field, and what it says. The field is folded between
// locations where it would pass the longest header line. A server's name that can't be
// folded stays as it is.
func xrefLine(server string, at []pool.Location) (line, xref string) {
	const name = "Xref: "
	var room [128]byte // most fit: nothing but the string is allocated
	line = string(append(pool.AppendXref(append(room[:0], name...), server, at), "\r\n"...))
	xref = line[len(name) : len(line)-len("\r\n")]
	if len(name)+len(xref) <= maxHeaderLine {
		return line, xref
	}
	raw, ok := fold("Xref", xref)
	if !ok {
		raw = " " + xref
	}
	return "Xref:" + raw + "\r\n", xref
}

// RawField finds the first header field of that name, in any case, in header
// lines in wire form ([pool.Stored.Head]). It returns the octets between the
// colon and the field's last CRLF, folds included: [Flatten] makes of it what
// HDR sends.
func RawField(head []byte, name string) (string, bool) {
	for len(head) > 0 {
		size := lineSize(head)
		for size < len(head) && (head[size] == ' ' || head[size] == '\t') {
			size += lineSize(head[size:])
		}
		line := head[:size]
		if line[0] == '.' { // dot-stuffed: a field's name may start with a dot
			line = line[1:]
		}
		if len(line) > len(name) && line[len(name)] == ':' && strings.EqualFold(string(line[:len(name)]), name) {
			return strings.TrimSuffix(string(line[len(name)+1:]), "\r\n"), true
		}
		head = head[size:]
	}
	return "", false
}

// HeaderField is [RawField] with the body unfolded and trimmed.
func HeaderField(head []byte, name string) (string, bool) {
	raw, ok := RawField(head, name)
	return unfold(raw), ok
}
