package gateway

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync/atomic"

	"github.com/restante/restante/gateway/office"
	"github.com/restante/restante/gateway/peer"
	"github.com/restante/restante/gateway/session"
	"github.com/restante/restante/pool"
)

// A front is the office as a session sees it.
type front struct {
	faults *atomic.Int64 // posts refused for a fault of ours
	*office.Office
}

var _ session.Office = front{}

// Login implements [session.Office].
func (f front) Login(ctx context.Context, handle, passphrase string) (session.Mailbox, error) {
	m, err := f.Office.Login(ctx, handle, passphrase)
	switch {
	case errors.Is(err, office.ErrBusy):
		return nil, fmt.Errorf("%w: %w", session.ErrBusy, err)
	case err != nil:
		return nil, err
	}
	return m, nil
}

// Submit implements [session.Office].
func (f front) Submit(ctx context.Context, text []byte, from session.Mailbox) (pool.MessageID, error) {
	m, _ := from.(*office.Mailbox) // nil when nobody is logged in
	id, err := f.Office.Submit(ctx, text, m)
	var refusal *pool.Refusal
	if err != nil && !errors.As(err, &refusal) {
		f.faults.Add(1)
	}
	return id, err
}

// feeds is the peers' desk as a session sees it.
type feeds struct{ *peer.Desk }

var _ session.Feeds = feeds{}

// Feed implements [session.Feeds].
func (f feeds) Feed(conn net.Conn) session.Feed {
	if found := f.Desk.Feed(conn); found != nil {
		return feed{found}
	}
	return nil
}

// A feed is one peer's feed as a session sees it.
type feed struct{ *peer.Feed }

// Offer implements [session.Feed].
func (f feed) Offer(ctx context.Context, id pool.MessageID) error {
	err := f.Feed.Offer(ctx, id)
	if errors.Is(err, peer.ErrInFlight) {
		return fmt.Errorf("%w: %w", session.ErrInFlight, err)
	}
	return err
}
