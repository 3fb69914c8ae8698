package session

import (
	"bytes"
	"context"

	"github.com/restante/restante/gateway/nntp"
	"github.com/restante/restante/pool"
)

// Places of the fields in an overview line without its number (RFC 3977,
// Section 8.3.2).
const (
	overviewSubject = iota
	overviewFrom
	overviewDate
	overviewID
	overviewReferences
	overviewBytes
	overviewLines
	overviewXref
)

// overviewField returns one field of an overview line.
func overviewField(overview []byte, place int) []byte {
	for ; place > 0; place-- {
		at := bytes.IndexByte(overview, '\t')
		if at < 0 {
			return nil
		}
		overview = overview[at+1:]
	}
	if at := bytes.IndexByte(overview, '\t'); at >= 0 {
		return overview[:at]
	}
	return overview
}

func (s *session) over(ctx context.Context, req request) (response, error) {
	t, err := s.parseTarget(req.args)
	if err != nil {
		return response{}, err
	}
	if err := s.mustExist(ctx, t); err != nil {
		return response{}, err
	}
	return s.overviews(ctx, t)
}

// xover answers an empty range with an empty list, as newsreaders have learned
// to expect, and not with 423 as OVER does.
func (s *session) xover(ctx context.Context, req request) (response, error) {
	t, err := s.parseTarget(req.args)
	if err != nil {
		return response{}, err
	}
	return s.overviews(ctx, t)
}

// mustExist says whether any of the numbers is an article's. A message-id is
// looked up by whoever reads the article.
func (s *session) mustExist(ctx context.Context, t target) error {
	if t.id != "" {
		return nil
	}
	found, err := firstIn(ctx, s.reader, s.group, t.numbers)
	if err == nil && found.number == 0 {
		err = t.missing
	}
	return err
}

func (s *session) overviews(ctx context.Context, t target) (response, error) {
	var stored *pool.Stored
	if t.id != "" {
		var err error
		if stored, err = s.byID(ctx, t.id); err != nil {
			return response{}, err
		}
	}
	return listing(nntp.CodeOverview, "Overview follows", func(w *nntp.Writer) error {
		if stored != nil {
			w.Line([]byte("0\t"), stored.Overview)
			return w.Err()
		}
		err := pool.ScanLines(ctx, s.reader, s.group, t.numbers, func(lines []byte) bool {
			w.Wire(lines)
			return w.Err() == nil
		})
		return firstError(w.Err(), err)
	}), nil
}
