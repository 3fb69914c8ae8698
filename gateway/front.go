package gateway

import (
	"context"
	"errors"
	"fmt"

	"github.com/restante/restante/gateway/office"
	"github.com/restante/restante/gateway/session"
	"github.com/restante/restante/pool"
)

// A front is the office as a session sees it.
type front struct{ *office.Office }

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
	return f.Office.Submit(ctx, text, m)
}
