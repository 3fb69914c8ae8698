package session

import (
	"cmp"
	"context"
	"errors"

	"github.com/restante/restante/gateway/nntp"
)

// drain is how many times the largest article is read to its end, so that the
// client gets to hear why it is refused.
const drain = 4

// post asks for the article. It recommends no message-id: the office gives each
// article one of its own, which the 240 line says.
func (s *session) post(context.Context, request) (response, error) {
	return response{Reply: nntp.Reply{Code: nntp.CodeSendPost, Text: "Send the article"}, next: s.takePost}, nil
}

// takePost reads the article and hands it to the office.
func (s *session) takePost(ctx context.Context) (response, error) {
	block, err := s.readBlock()
	if err != nil {
		return response{}, postError{err}
	}
	posted, err := s.opts.Office.Submit(ctx, block.Text(), s.mailbox)
	if err != nil {
		return response{}, postError{err}
	}
	return response{Reply: nntp.Reply{Code: nntp.CodePosted, Text: "Article " + cmp.Or(posted.How, "received") + " " + string(posted.ID)}}, nil
}

// readBlock reads an article. What the connection fails with is a
// connectionError.
func (s *session) readBlock() (nntp.Block, error) {
	s.clock.pause()
	defer s.clock.resume()
	block, err := s.r.ReadBlock(s.opts.MaxArticle, drain*s.opts.MaxArticle)
	switch {
	case err == nil,
		errors.Is(err, nntp.ErrBlockMalformed),
		errors.Is(err, nntp.ErrBlockTooLarge),
		errors.Is(err, nntp.ErrBlockEndless):
		return block, err
	}
	return nntp.Block{}, connectionError{err}
}
