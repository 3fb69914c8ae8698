package session

import (
	"context"
	"errors"

	"github.com/restante/restante/gateway/nntp"
	"github.com/restante/restante/pool"
)

// feed returns what the client may feed, or nil. It asks anew once the
// connection is another, as when TLS has started and the client has shown a
// certificate.
func (s *session) feed() Feed {
	if s.opts.Feeds == nil || s.asked == s.conn {
		return s.feeding
	}
	s.changeFeed(s.opts.Feeds.Feed(s.conn))
	return s.feeding
}

// changeFeed lets the client feed something else from now on, or nothing.
func (s *session) changeFeed(feed Feed) {
	if s.feeding != nil {
		s.feeding.Close()
	}
	s.asked, s.feeding = s.conn, feed
}

// modeStream changes nothing: CHECK and TAKETHIS work without it (RFC 4644,
// Section 2.3.2).
func (s *session) modeStream(context.Context, request) (response, error) {
	return response{Reply: nntp.Reply{Code: nntp.CodeStreaming, Text: "Streaming permitted"}}, nil
}

// check says whether an article is wanted (RFC 4644, Section 2.4). While replies
// are outstanding it asks when its turn has come: what it names may be among the
// articles that they are for.
func (s *session) check(ctx context.Context, req request) (response, error) {
	feed := s.feed()
	if s.outstanding() {
		return response{later: &checking{ctx, feed, req.args[0]}}, nil
	}
	return offered(ctx, feed, req.args[0])
}

// A checking is a CHECK whose turn has not come yet.
type checking struct {
	ctx  context.Context
	feed Feed
	word string
}

func (c *checking) known() bool             { return true }
func (c *checking) wait() (response, error) { return offered(c.ctx, c.feed, c.word) }
func (c *checking) octets() int             { return 0 }

func offered(ctx context.Context, feed Feed, word string) (response, error) {
	id, err := pool.ParseMessageID(word)
	if err == nil {
		err = feed.Offer(ctx, id)
	}
	if err != nil {
		return response{}, transitError{err, nntp.CodeStreamLater, nntp.CodeStreamUnwanted, word}
	}
	return response{Reply: nntp.Reply{Code: nntp.CodeStreamSend, Text: word}}, nil
}

// ihave asks for an article if it is wanted (RFC 3977, Section 6.3.2).
func (s *session) ihave(ctx context.Context, req request) (response, error) {
	id, err := pool.ParseMessageID(req.args[0])
	if err == nil {
		err = s.feed().Offer(ctx, id)
	}
	if err != nil {
		return response{}, transitError{err, nntp.CodeTransferLater, nntp.CodeTransferNotWanted, ""}
	}
	return response{
		Reply: nntp.Reply{Code: nntp.CodeSendTransfer, Text: "Send the article"},
		next:  func(ctx context.Context) (response, error) { return s.takeTransfer(ctx, id) },
	}, nil
}

func (s *session) takeTransfer(ctx context.Context, id pool.MessageID) (response, error) {
	block, err := s.readBlock()
	if err != nil {
		s.feed().Refuse(id, err)
	} else {
		err = s.feed().Take(ctx, id, block.Checked()).Wait()
	}
	if err != nil {
		return response{}, transitError{err, nntp.CodeTransferLater, nntp.CodeTransferRejected, ""}
	}
	return response{Reply: nntp.Reply{Code: nntp.CodeTransferred, Text: "Article received"}}, nil
}

// takeThis takes the article that follows the line (RFC 4644, Section 2.5). The
// reply comes once the article is on stable storage; the articles behind it are
// read meanwhile, so that many share a sync.
func (s *session) takeThis(ctx context.Context, req request) (response, error) {
	word := req.args[0]
	s.r.Widen()
	block, err := s.readBlock()
	id, malformed := pool.ParseMessageID(word)
	switch {
	case malformed != nil && err == nil:
		return response{}, notTaken(malformed, word)
	case err != nil:
		if malformed == nil {
			s.feed().Refuse(id, err)
		}
		return response{}, notTaken(err, word)
	}
	if over := s.makeRoom(); over != nil {
		return response{}, sessionOver{over}
	}
	return response{later: &taking{s.feed().Take(ctx, id, block.Checked()), word, block}}, nil
}

// A taking is a TAKETHIS whose article has its turn.
type taking struct {
	Taking
	word  string
	block nntp.Block // freed once nobody needs it
}

func (t *taking) known() bool { return t.Known() }
func (t *taking) octets() int { return t.block.Len() }

func (t *taking) wait() (response, error) {
	err := t.Wait()
	t.block.Free()
	if err != nil {
		return response{}, notTaken(err, t.word)
	}
	return response{Reply: nntp.Reply{Code: nntp.CodeStreamTaken, Text: t.word}}, nil
}

func notTaken(err error, word string) error {
	return transitError{err, nntp.CodeUnavailable, nntp.CodeStreamRejected, word}
}

// passBlock reads the block of a command that fails, so that nothing in it is
// taken for a command, and keeps none of it.
func (s *session) passBlock(cause error) error {
	s.clock.pause()
	defer s.clock.resume()
	_, err := s.r.ReadBlock(0, drain*s.opts.MaxArticle)
	switch {
	case err == nil, errors.Is(err, nntp.ErrBlockMalformed), errors.Is(err, nntp.ErrBlockTooLarge):
		return cause
	case errors.Is(err, nntp.ErrBlockEndless):
		return err
	}
	return connectionError{err}
}
