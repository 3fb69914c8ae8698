package session

import (
	"context"
	"fmt"

	"github.com/restante/restante/gateway/nntp"
	"github.com/restante/restante/pool"
)

// articleReply answers the commands that name one article. The number is 0 when
// it was asked for by message-id (RFC 3977, Section 6.2.1.2).
func articleReply(code nntp.Code, n pool.Number, id string) nntp.Reply {
	return nntp.Reply{Code: code, Text: fmt.Sprintf("%d %s", n, id)}
}

func (s *session) article(ctx context.Context, req request) (response, error) {
	return s.send(ctx, req, nntp.CodeArticle, pool.Whole)
}

func (s *session) head(ctx context.Context, req request) (response, error) {
	return s.send(ctx, req, nntp.CodeHead, pool.HeadPart)
}

func (s *session) body(ctx context.Context, req request) (response, error) {
	return s.send(ctx, req, nntp.CodeBody, pool.BodyPart)
}

// send answers with a part of an article. An article asked for by its number
// becomes the current one.
func (s *session) send(ctx context.Context, req request, code nntp.Code, part pool.Part) (response, error) {
	t, err := s.single(req.args)
	if err != nil {
		return response{}, err
	}
	loan, err := s.borrow(ctx, t)
	if err != nil {
		return response{}, err
	}
	s.visit(t)
	return response{
		Reply: articleReply(code, t.numbers.From, string(loan.ID())),
		body: func(w *nntp.Writer) error {
			defer loan.Return()
			return loan.WritePart(w, part)
		},
	}, nil
}

// visit makes an article that was asked for by its number the current one.
func (s *session) visit(t target) {
	if t.id == "" {
		s.current = t.numbers.From
	}
}

// stat needs no more of an article than its overview.
func (s *session) stat(ctx context.Context, req request) (response, error) {
	t, err := s.single(req.args)
	if err != nil {
		return response{}, err
	}
	if t.id != "" {
		loan, err := s.borrow(ctx, t)
		if err != nil {
			return response{}, err
		}
		loan.Return()
		return response{Reply: articleReply(nntp.CodeStat, 0, string(t.id))}, nil
	}
	found, err := firstIn(ctx, s.reader, s.group, t.numbers)
	if err != nil {
		return response{}, err
	}
	return s.moveTo(found, t.missing)
}
