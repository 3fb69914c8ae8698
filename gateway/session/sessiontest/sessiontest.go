// Package sessiontest serves stores to tests that read from a news server.
package sessiontest

import (
	"context"
	"time"

	"github.com/rs/zerolog"

	"github.com/restante/restante/gateway/session"
	"github.com/restante/restante/pool"
)

// New returns a server at which anybody may read a store, and nobody logs in or posts.
func New(store pool.Store) *session.Server {
	return session.New(session.Options{
		Store: store, Office: closed{}, Name: "far.example", Version: "test", MaxArticle: 1 << 20,
		Limits: session.Limits{Idle: time.Minute}, Logger: zerolog.Nop(),
	})
}

// closed is an office that takes nothing.
type closed struct{}

func (closed) Private() []pool.GroupInfo { return nil }

func (closed) Login(context.Context, string, string) (session.Mailbox, error) {
	return nil, session.ErrBusy
}

func (closed) Submit(context.Context, []byte, session.Mailbox) (session.Posted, error) {
	return session.Posted{}, pool.ErrReadOnly
}
