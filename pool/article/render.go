package article

import (
	"strings"

	"github.com/restante/restante/pool"
)

// Render makes of an article that a store takes what it keeps: the wire form
// with Xref and terminator, and the overview line. server is the server's name
// in Xref, at the places that the store gave the article. Every store renders
// by it, so that all of them send the same octets.
func Render(a *pool.Article, server string, at []pool.Location) *pool.Stored {
	xref := pool.Xref(server, at)
	line := xrefLine(xref)
	headSize := len(a.Head) + len(line)

	wire := make([]byte, 0, headSize+len("\r\n")+len(a.Body)+len(".\r\n"))
	wire = append(append(wire, a.Head...), line...)
	wire = append(wire, "\r\n"...)
	wire = append(append(wire, a.Body...), ".\r\n"...)

	overview := a.Overview
	overview.Bytes += len(line)
	return &pool.Stored{
		ID:        a.ID,
		Arrived:   a.Arrived,
		Epoch:     a.Epoch,
		Locations: at,
		Overview:  overview.AppendLine(nil, a.ID, xref),
		Wire:      wire,
		HeadSize:  headSize,
	}
}

// xrefLine returns the Xref header field, folded between locations where it
// would pass the longest header line. A server's name that can't be folded
// stays as it is.
func xrefLine(xref string) string {
	raw, ok := fold("Xref", xref)
	if !ok {
		raw = " " + xref
	}
	return "Xref:" + raw + "\r\n"
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
