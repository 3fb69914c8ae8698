package session

import (
	"context"
	"time"

	"github.com/restante/restante/pool"
)

// A Store is the part of a [pool.Store] that a session reads.
type Store interface {
	pool.Reader

	// Since is as [pool.Store] has it.
	Since(ctx context.Context, t time.Time, yield func(id pool.MessageID, at []pool.Location) bool) error
}

// A Mailbox is what one login opened: groups of its own, and articles that
// only it can see. It is used by one session, and forgotten with it.
type Mailbox interface {
	pool.Reader

	// Refresh looks for entries released since it was last called. A session
	// calls it when a group of the mailbox is selected or listed.
	Refresh(ctx context.Context) error
}

// An Office takes articles and opens mailboxes. All methods may be called at
// the same time from many goroutines.
type Office interface {
	// Private returns the groups that exist only in a login, sorted by name.
	// They are listed to everyone, so that newsreaders find them, and opened
	// after a login only.
	Private() []pool.GroupInfo

	// Login opens a mailbox. Errors:
	//
	//   - *[pool.Refusal]: handle or passphrase can't be used; its sentence is
	//     shown.
	//   - [ErrBusy]: too many logins are under way; try again shortly.
	Login(ctx context.Context, handle, passphrase string) (Mailbox, error)

	// Submit takes an article, in text form: each line ended by CRLF, no
	// dot-stuffing. from is the sender's mailbox, nil when not logged in. It
	// returns the message-id that the article got, once the article is safe
	// against a crash. Errors: *[pool.Refusal], whose sentence is shown, and
	// those of [pool.Store].
	Submit(ctx context.Context, text []byte, from Mailbox) (pool.MessageID, error)
}
