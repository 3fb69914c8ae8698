package session

import (
	"bytes"
	"context"
	"errors"
	"strings"

	"github.com/restante/restante/gateway/nntp"
	"github.com/restante/restante/pool"
	"github.com/restante/restante/pool/article"
)

// A field is what HDR, XHDR and XPAT look at in each article: a header, or a
// metadata item.
type field struct {
	name  string
	place int // in the overview, or notThere
	calc  bool
}

const notThere = -1

// parseField reads the name of a header, without colon, or of a metadata item,
// with a colon in front (RFC 3977, Section 8.5.2). XHDR and XPAT know the
// metadata items by the names that LIST OVERVIEW.FMT gives them.
func parseField(s string, legacy bool) (field, error) {
	name := strings.ToLower(s)
	if legacy && (name == "bytes" || name == "lines") {
		name = ":" + name
	}
	switch name {
	case ":bytes":
		return field{name, overviewBytes, true}, nil
	case ":lines":
		return field{name, overviewLines, true}, nil
	}
	bare := strings.TrimPrefix(name, ":")
	if bare == "" || strings.ContainsFunc(bare, func(r rune) bool { return r <= ' ' || r > '~' || r == ':' }) {
		return field{}, errSyntax
	}
	if bare != name {
		return field{}, errField
	}
	return field{name: name, place: placeOf(name)}, nil
}

func placeOf(header string) int {
	switch header {
	case "subject":
		return overviewSubject
	case "from":
		return overviewFrom
	case "date":
		return overviewDate
	case "message-id":
		return overviewID
	case "references":
		return overviewReferences
	case "xref":
		return overviewXref
	}
	return notThere
}

// Lengths from which an overview may have been cut to [pool.MaxOverviewLine],
// in octets: all of its line, and one field but Date, which is shorter. Beyond
// them HDR reads the article.
const (
	maybeCutLine  = pool.MaxOverviewLine / 2
	maybeCutField = 200
	maybeCutDate  = 50
)

// maybeCut says whether a header may be longer than the overview has it.
func (f field) maybeCut(overview, value []byte) bool {
	switch f.place {
	case overviewBytes, overviewLines, overviewID:
		return false
	case overviewDate:
		return len(value) >= maybeCutDate
	}
	return len(value) >= maybeCutField || len(overview) >= maybeCutLine
}

// ofOverview returns the field if the overview line tells it.
func (f field) ofOverview(overview []byte) (string, bool) {
	if f.place == notThere {
		return "", false
	}
	value := overviewField(overview, f.place)
	if len(value) == 0 || f.maybeCut(overview, value) {
		return "", false // an empty one may be absent: the article tells
	}
	if f.place == overviewXref {
		value = value[min(len(value), len("Xref: ")):]
	}
	return string(value), true
}

// of returns the field of a whole article. present is false when there is no
// such header; of several the first counts.
func (f field) of(stored *pool.Stored) (value string, present bool) {
	if f.calc {
		return f.ofOverview(stored.Overview)
	}
	return f.ofHead(stored.Head())
}

// ofHead is of for a header of which nothing else is known.
func (f field) ofHead(head []byte) (value string, present bool) {
	if f.calc {
		return "", false
	}
	raw, present := article.RawField(head, f.name)
	return article.Flatten(raw), present
}

// hdr answers a line for each article, also where the header is absent (RFC
// 3977, Section 8.5.2).
func (s *session) hdr(ctx context.Context, req request) (response, error) {
	f, err := parseField(req.args[0], false)
	if err != nil {
		return response{}, err
	}
	t, err := s.parseTarget(req.args[1:])
	if err != nil {
		return response{}, err
	}
	if err := s.mustExist(ctx, t); err != nil {
		return response{}, err
	}
	return s.headers(ctx, t, headerAnswer{field: f, code: nntp.CodeHeaders, byID: "0"})
}

// xhdr is older than HDR: an empty range is an empty list, an article asked
// for by message-id bears that, and an absent header is "(none)".
func (s *session) xhdr(ctx context.Context, req request) (response, error) {
	f, err := parseField(req.args[0], true)
	if err != nil {
		return response{}, err
	}
	t, err := s.parseTarget(req.args[1:])
	if err != nil {
		return response{}, err
	}
	return s.headers(ctx, t, headerAnswer{field: f, code: nntp.CodeLegacyHeaders, byID: string(t.id), absent: "(none)"})
}

// xpat is XHDR for the articles whose field matches. Arguments beyond the
// pattern belong to it, with a space between (RFC 2980, Section 2.9).
func (s *session) xpat(ctx context.Context, req request) (response, error) {
	f, err := parseField(req.args[0], true)
	if err != nil {
		return response{}, err
	}
	t, err := s.parseTarget(req.args[1:2])
	if err != nil {
		return response{}, err
	}
	pattern, err := nntp.ParsePattern(strings.Join(req.args[2:], " "))
	if err != nil {
		return response{}, err
	}
	return s.headers(ctx, t, headerAnswer{field: f, code: nntp.CodeLegacyHeaders, byID: string(t.id), match: pattern.Match})
}

// A headerAnswer says how the lines of HDR, XHDR or XPAT look.
type headerAnswer struct {
	field  field
	code   nntp.Code
	byID   string                  // in place of the number of an article asked for by message-id
	absent string                  // in place of an absent header
	match  func(value string) bool // nil: every article has a line
}

// write writes the line of one article, if it has one.
func (a headerAnswer) write(w *nntp.Writer, name []byte, value string, present bool) {
	switch {
	case a.match != nil && (!present || !a.match(value)):
		return
	case !present:
		value = a.absent
	}
	w.Line(name, []byte(" "), []byte(value))
}

func (s *session) headers(ctx context.Context, t target, a headerAnswer) (response, error) {
	body := func(w *nntp.Writer) error { return s.headersIn(ctx, w, t.numbers, a) }
	if t.id != "" {
		stored, err := s.byID(ctx, t.id)
		if err != nil {
			return response{}, err
		}
		body = func(w *nntp.Writer) error {
			value, present := a.field.of(stored)
			a.write(w, []byte(a.byID), value, present)
			return w.Err()
		}
	} else if err := s.affordableHeaders(ctx, t.numbers, a.field); err != nil {
		return response{}, err
	}
	return listing(a.code, "Headers follow", body), nil
}

func (s *session) affordableHeaders(ctx context.Context, r pool.Range, f field) error {
	info, err := s.reader.Group(ctx, s.group)
	if err != nil {
		return err
	}
	return s.affordable(info, r, f.cost())
}

// window is how many articles' overviews are looked at before those articles
// are read that must be: no store is asked for an article in the midst of a
// scan.
const window = 64

// headersIn writes the lines for a range.
func (s *session) headersIn(ctx context.Context, w *nntp.Writer, r pool.Range, a headerAnswer) error {
	type value struct {
		n     pool.Number
		text  string
		known bool
	}
	var head bytes.Buffer
	for found := make([]value, 0, window); ; found = found[:0] {
		err := s.reader.Scan(ctx, s.group, r, func(n pool.Number, overview []byte) bool {
			text, known := a.field.ofOverview(overview)
			found = append(found, value{n, text, known})
			return len(found) < window
		})
		if err != nil {
			return err
		}
		var number [numberSize]byte
		for _, v := range found {
			present := true
			if !v.known {
				err := s.readHead(ctx, &head, v.n)
				if errors.Is(err, pool.ErrNotFound) {
					continue // gone since
				}
				if err != nil {
					return err
				}
				v.text, present = a.field.ofHead(head.Bytes())
			}
			a.write(w, appendNumber(number[:0], v.n), v.text, present)
		}
		if w.Err() != nil || len(found) < window {
			return w.Err()
		}
		r.From = found[len(found)-1].n + 1
	}
}

// readHead reads the header of an article of the selected group.
func (s *session) readHead(ctx context.Context, into *bytes.Buffer, n pool.Number) error {
	loan, err := pool.LendByNumber(ctx, s.reader, s.group, n)
	if err != nil {
		return err
	}
	defer loan.Return()
	into.Reset()
	return loan.WritePart(into, pool.HeadPart)
}
