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
	return s.send(ctx, req, nntp.CodeArticle, func(stored *pool.Stored) []byte {
		return stored.Wire[:len(stored.Wire)-len(".\r\n")]
	})
}

func (s *session) head(ctx context.Context, req request) (response, error) {
	return s.send(ctx, req, nntp.CodeHead, (*pool.Stored).Head)
}

func (s *session) body(ctx context.Context, req request) (response, error) {
	return s.send(ctx, req, nntp.CodeBody, (*pool.Stored).Body)
}

// send answers with a part of an article. An article asked for by its number
// becomes the current one.
func (s *session) send(ctx context.Context, req request, code nntp.Code, part func(*pool.Stored) []byte) (response, error) {
	t, err := s.single(req.args)
	if err != nil {
		return response{}, err
	}
	var stored *pool.Stored
	if t.id != "" {
		stored, err = s.byID(ctx, t.id)
	} else {
		stored, err = s.byNumber(ctx, t.numbers.From, t.missing)
	}
	if err != nil {
		return response{}, err
	}
	s.visit(t)
	return response{
		Reply: articleReply(code, t.numbers.From, string(stored.ID)),
		body: func(w *nntp.Writer) error {
			w.Wire(part(stored))
			return w.Err()
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
		if _, err := s.byID(ctx, t.id); err != nil {
			return response{}, err
		}
		return response{Reply: articleReply(nntp.CodeStat, 0, string(t.id))}, nil
	}
	found, err := firstIn(ctx, s.reader, s.group, t.numbers)
	if err != nil {
		return response{}, err
	}
	return s.moveTo(found, t.missing)
}
