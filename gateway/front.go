package gateway

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync/atomic"
	"time"

	"github.com/restante/restante/crypto/blind"
	"github.com/restante/restante/crypto/token"
	"github.com/restante/restante/gateway/keyring"
	"github.com/restante/restante/gateway/mirror"
	"github.com/restante/restante/gateway/office"
	"github.com/restante/restante/gateway/peer"
	"github.com/restante/restante/gateway/session"
	"github.com/restante/restante/pool"
)

// A front is the office as a session sees it.
type front struct {
	fault func() // told of each post refused for a fault of ours
	keys  *keyring.Ring
	lost  *atomic.Bool // nothing is taken: it is not known yet what has left here
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

// Submit implements [session.Office]. While the clock is not to be believed it
// takes nothing: that would be booked for a batch weeks away.
func (f front) Submit(ctx context.Context, text []byte, from session.Mailbox) (session.Posted, error) {
	if f.lost.Load() {
		return session.Posted{}, fmt.Errorf("%w: %w", pool.ErrReadOnly, errLost)
	}
	if err := f.keys.Clock(time.Now()); err != nil {
		return session.Posted{}, fmt.Errorf("%w: %w", pool.ErrReadOnly, err)
	}
	m, _ := from.(*office.Mailbox) // nil when nobody is logged in
	id, err := f.Office.Submit(ctx, text, m)
	var refusal *pool.Refusal
	if err != nil && !errors.As(err, &refusal) {
		f.fault()
	}
	return session.Posted{ID: id}, err
}

// away is the book of other gateways as the office sees it.
type away struct{ *mirror.Book }

var _ office.Away = away{}

// Seal implements [office.Away].
func (a away) Seal(domain string, now time.Time) (epoch uint64, key token.SealPublic, err error) {
	epoch, key, err = a.Book.Seal(domain, now)
	if errors.Is(err, mirror.ErrConvicted) {
		err = fmt.Errorf("%w: %w", office.ErrConvicted, err)
	}
	return epoch, key, err
}

// sealedIn is the office as sealed submissions come to it.
type sealedIn struct {
	lost *atomic.Bool
	*office.Office
}

// TakeSealed implements [intake.Office].
func (s sealedIn) TakeSealed(ctx context.Context, text []byte, name [32]byte) error {
	if s.lost.Load() {
		return errLost
	}
	return s.Office.TakeSealed(ctx, text, name)
}

// A window is the office as those see it who fetch their mail by command.
type window struct {
	keys *keyring.Ring
	*office.Office
}

var _ session.Pickup = window{}

// Directory implements [session.Pickup].
func (w window) Directory() []byte { return w.keys.Directory().Signed }

// Evaluate implements [session.Pickup].
func (w window) Evaluate(ctx context.Context, epoch uint64, elements [][]byte) (evaluated [][]byte, proof []byte, err error) {
	evaluated, proof, err = w.Office.Evaluate(ctx, epoch, elements)
	return evaluated, proof, asPickup(err)
}

// Find implements [session.Pickup].
func (w window) Find(ctx context.Context, sealed []byte, yield func(pool.Number, pool.MessageID)) error {
	return asPickup(w.Office.Find(ctx, sealed, yield))
}

// asPickup makes of the office's errors those of a [session.Pickup].
func asPickup(err error) error {
	for _, is := range []struct{ office, session error }{
		{blind.ErrElement, session.ErrElement},
		{office.ErrEpoch, session.ErrEpoch},
		{office.ErrSealed, session.ErrSealed},
		{office.ErrBusy, session.ErrBusy},
	} {
		if errors.Is(err, is.office) {
			return fmt.Errorf("%w: %w", is.session, err)
		}
	}
	return err
}

// feeds is the peers' desk as a session sees it.
type feeds struct{ *peer.Desk }

var _ session.Feeds = feeds{}

// Feed implements [session.Feeds].
func (f feeds) Feed(conn net.Conn) session.Feed {
	if found := f.Desk.Feed(conn); found != nil {
		return incoming{found}
	}
	return nil
}

// Login implements [session.Feeds].
func (f feeds) Login(conn net.Conn, user, password string) session.Feed {
	if found := f.Desk.Login(conn, user, password); found != nil {
		return incoming{found}
	}
	return nil
}

// incoming is one peer's feed as a session sees it.
type incoming struct{ *peer.Feed }

// Take implements [session.Feed].
func (f incoming) Take(ctx context.Context, id pool.MessageID, text pool.Checked) session.Taking {
	return f.TakeChecked(ctx, id, text)
}

// Offer implements [session.Feed].
func (f incoming) Offer(ctx context.Context, id pool.MessageID) error {
	err := f.Feed.Offer(ctx, id)
	if errors.Is(err, peer.ErrInFlight) {
		return fmt.Errorf("%w: %w", session.ErrInFlight, err)
	}
	return err
}
