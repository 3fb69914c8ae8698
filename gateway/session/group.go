package session

import (
	"context"
	"fmt"

	"github.com/restante/restante/gateway/nntp"
	"github.com/restante/restante/pool"
)

func (s *session) selectGroup(ctx context.Context, req request) (response, error) {
	info, err := s.choose(ctx, req.args[0])
	if err != nil {
		return response{}, err
	}
	return response{Reply: groupReply(info, "")}, nil
}

// groupReply answers GROUP and LISTGROUP. An empty group has a low mark one
// above the high one (RFC 3977, Section 6.1.1.2): "0 1 0" when it never had an
// article.
func groupReply(info pool.GroupInfo, more string) nntp.Reply {
	low := info.Low
	if info.Count == 0 {
		low = info.High + 1
	}
	return nntp.Reply{Code: nntp.CodeGroup, Text: fmt.Sprintf("%d %d %d %s%s", info.Count, low, info.High, info.Name, more)}
}

// listGroup selects a group as GROUP does, whatever the range, and lists the
// numbers of the articles in the range (RFC 3977, Section 6.1.2).
func (s *session) listGroup(ctx context.Context, req request) (response, error) {
	numbers := pool.All
	if len(req.args) > 1 {
		r, err := nntp.ParseRange(req.args[1])
		if err != nil {
			return response{}, err
		}
		numbers = clamp(r)
	}
	name := string(s.group)
	if len(req.args) > 0 {
		name = req.args[0]
	} else if err := groupSelected(s); err != nil {
		return response{}, err
	}
	reader, info, err := s.open(ctx, name)
	if err != nil {
		return response{}, err
	}
	if err := s.affordable(info, numbers, 1); err != nil {
		return response{}, err
	}
	if err := s.enter(ctx, reader, info); err != nil {
		return response{}, err
	}
	return response{Reply: groupReply(info, " list follows"), body: func(w *nntp.Writer) error {
		var number [numberSize]byte
		err := s.reader.Scan(ctx, s.group, numbers, func(n pool.Number, _ []byte) bool {
			w.Line(appendNumber(number[:0], n))
			return w.Err() == nil
		})
		return firstError(w.Err(), err)
	}}, nil
}

func firstError(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

func (s *session) next(ctx context.Context, _ request) (response, error) {
	if s.current == 0 {
		return response{}, errNoCurrent
	}
	found, err := firstIn(ctx, s.reader, s.group, pool.Range{From: s.current + 1, To: pool.MaxNumber})
	if err != nil {
		return response{}, err
	}
	return s.moveTo(found, errNoNext)
}

// last looks backwards in windows that grow, as articles can only be scanned
// forwards: the gap behind an article is mostly none.
func (s *session) last(ctx context.Context, _ request) (response, error) {
	if s.current == 0 {
		return response{}, errNoCurrent
	}
	var found row
	for to, size := s.current-1, pool.Number(1); to > 0 && found.number == 0; size = min(size, pool.MaxNumber/8) * 8 {
		from := to - min(size, to) + 1
		var err error
		if found, err = lastIn(ctx, s.reader, s.group, pool.Range{From: from, To: to}); err != nil {
			return response{}, err
		}
		to = from - 1
	}
	return s.moveTo(found, errNoPrevious)
}

// moveTo makes an article the current one. When there is none nothing changes.
func (s *session) moveTo(found row, missing error) (response, error) {
	if found.number == 0 {
		return response{}, missing
	}
	s.current = found.number
	return response{Reply: articleReply(nntp.CodeStat, found.number, found.id)}, nil
}
