package session

import (
	"context"
	"net"
	"time"

	"github.com/restante/restante/pool"
)

// Arrivals is an add-on to the reader of Options.Store: it knows when articles
// came. Without it NEWNEWS answers 503 and is not offered.
type Arrivals interface {
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
	// returns once the article is safe against a crash. Errors: *[pool.Refusal],
	// whose sentence is shown, and those of [pool.Store].
	Submit(ctx context.Context, text []byte, from Mailbox) (Posted, error)
}

// Posted is what the 240 line says of an article.
type Posted struct {
	ID  pool.MessageID // that it got
	How string         // what became of it, a few words of printable ASCII; "" stands for "received"
}

// Feeds says who may feed articles. It may be used from many goroutines at the
// same time.
type Feeds interface {
	// Feed returns the feed that conn's client may bring, or nil when it is no
	// peer. conn is the connection as it is then: a *tls.Conn where TLS runs.
	// The session closes the feed.
	Feed(conn net.Conn) Feed

	// Login returns the feed that conn's client may bring now that it has said
	// that user and password, or nil when they are no peer's.
	Login(conn net.Conn, user, password string) Feed
}

// A Feed is one connection's articles. One goroutine uses it, but for the
// functions that Take returns. An error that is a *[pool.Refusal] or
// [pool.ErrDuplicate] stands for good; all others say that the article may be
// offered again later.
type Feed interface {
	// Offer says whether the article is wanted: nil when it is. It returns
	// [ErrInFlight] for one that another connection is bringing.
	Offer(ctx context.Context, id pool.MessageID) error

	// Take takes an article, in text form: each line ended by CRLF, no
	// dot-stuffing. It returns once the article has its turn. text is not changed
	// until the outcome has been waited for.
	Take(ctx context.Context, id pool.MessageID, text pool.Checked) Taking

	// Refuse notes that an article was announced, and came in a form that the
	// session refused, or did not come.
	Refuse(id pool.MessageID, cause error)

	// Close ends the feed.
	Close()
}

// A Taking is an article that has its turn.
type Taking interface {
	// Known says whether Wait would return at once.
	Known() bool

	// Wait waits until the article is on stable storage. It is called once, in
	// the order of the articles, and from another goroutine.
	Wait() error
}
