package session

import (
	"context"

	"github.com/restante/restante/gateway/nntp"
)

func (s *session) authinfoUser(_ context.Context, req request) (response, error) {
	s.handle = req.args[0]
	return response{Reply: nntp.Reply{Code: nntp.CodePasswordRequired, Text: "Send the passphrase"}}, nil
}

// authinfoPass opens the mailbox. The passphrase is all of the line behind the
// keyword: passphrases are words with spaces between. A failed login needs
// AUTHINFO USER again.
func (s *session) authinfoPass(ctx context.Context, req request) (response, error) {
	if s.handle == "" {
		return response{}, errLoginSequence
	}
	handle := s.handle
	s.handle = ""
	return s.login(ctx, handle, req.tail)
}

// login opens the mailbox of a handle and a passphrase, unless they are a
// peer's.
func (s *session) login(ctx context.Context, handle, passphrase string) (response, error) {
	if s.opts.Feeds != nil {
		if feed := s.opts.Feeds.Login(s.conn, handle, passphrase); feed != nil {
			s.changeFeed(feed)
			s.peer = true
			return response{Reply: nntp.Reply{Code: nntp.CodeLoggedIn, Text: "Welcome, you may feed articles"}}, nil
		}
	}
	mailbox, err := s.opts.Office.Login(ctx, handle, passphrase)
	if err != nil {
		return response{}, mailboxError{err}
	}
	s.mailbox = mailbox
	return response{Reply: nntp.Reply{Code: nntp.CodeLoggedIn, Text: "Welcome, your mailbox is open"}}, nil
}

// refresh lets the mailbox look for what was released since.
func (s *session) refresh(ctx context.Context) error {
	if err := s.mailbox.Refresh(ctx); err != nil {
		return mailboxError{err}
	}
	return nil
}

// loggedIn says whether the client has logged in, to a mailbox or as a peer.
func (s *session) loggedIn() bool { return s.mailbox != nil || s.peer }
