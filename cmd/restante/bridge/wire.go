package bridge

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/restante/restante/gateway/nntp"
	"github.com/restante/restante/gateway/remote"
	"github.com/restante/restante/pool"
)

// awaySentence is what a newsreader hears of a command that needs the server
// behind.
const awaySentence = "The news server behind the bridge can't be reached or used; your mail can be read all the same"

const (
	maxWires = 4               // connections to the server behind: many allow no more
	idleFor  = 2 * time.Minute // a connection is kept without use; servers wait three or more (RFC 3977, Section 3.1)
)

// A wire is a connection to the server behind.
type wire struct {
	*remote.Conn
	group pool.Group // that is selected there, "" for none
	since time.Time  // not in use
	used  bool       // it has answered before, so that it may have been closed meanwhile
}

// wires lends connections to the server behind. Its methods may be called from
// many goroutines.
type wires struct {
	server remote.Server
	turns  chan struct{}

	mu   sync.Mutex
	idle []*wire
}

func newWires(server remote.Server) *wires {
	return &wires{server: server, turns: make(chan struct{}, maxWires)}
}

// use lends a connection to ask, the one with that group selected where there is
// one. What fails on a connection that was kept, and may have been closed by the
// other side, is asked once more on a new one: ask must leave no trace until it
// has its answer. Errors are ask's own, ctx's, or a [*pool.Refusal].
func (w *wires) use(ctx context.Context, group pool.Group, ask func(*wire) error) error {
	select {
	case w.turns <- struct{}{}:
		defer func() { <-w.turns }()
	case <-ctx.Done():
		return ctx.Err()
	}
	for {
		one, err := w.take(ctx, group)
		if err != nil {
			return away(ctx, err)
		}
		stop := context.AfterFunc(ctx, func() { _ = one.Close() })
		err = ask(one)
		if alive := stop(); alive && reusable(err) {
			w.give(one)
			return err
		}
		_ = one.Close() // it is of no more use
		if ctx.Err() != nil || !one.used || !closed(err) {
			return away(ctx, err)
		}
	}
}

// away makes of an error what a session understands.
func away(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return &pool.Refusal{Sentence: awaySentence, Cause: err}
}

// closed says whether the other side had closed the connection.
func closed(err error) bool {
	refused, ok := errors.AsType[*remote.Refused](err)
	return errors.Is(err, remote.ErrLost) || ok && refused.Code == nntp.CodeUnavailable
}

// reusable says whether a connection can go on after that.
func reusable(err error) bool {
	if refused, ok := errors.AsType[*remote.Refused](err); ok {
		return refused.Code != nntp.CodeUnavailable
	}
	for _, fine := range []error{nil, pool.ErrNoGroup, pool.ErrNotFound, pool.ErrCorrupt, errSaid} {
		if errors.Is(err, fine) {
			return true
		}
	}
	return false
}

func (w *wires) take(ctx context.Context, group pool.Group) (*wire, error) {
	if one := w.kept(group); one != nil {
		return one, nil
	}
	conn, err := w.server.Connect(ctx)
	if err != nil {
		return nil, err
	}
	one := &wire{Conn: conn}
	if _, err := one.Send("MODE READER"); err != nil { // what it answers does not matter
		_ = one.Close()
		return nil, err
	}
	return one, nil
}

// kept takes a connection that is idle: the one with that group, or else the last
// one used.
func (w *wires) kept(group pool.Group) *wire {
	w.mu.Lock()
	defer w.mu.Unlock()
	for len(w.idle) > 0 && time.Since(w.idle[0].since) > idleFor {
		_ = w.idle[0].Close() // nobody waits for it
		w.idle = w.idle[1:]
	}
	at := len(w.idle) - 1
	for i, one := range w.idle {
		if one.group == group {
			at = i
		}
	}
	if at < 0 {
		return nil
	}
	one := w.idle[at]
	w.idle = append(w.idle[:at:at], w.idle[at+1:]...)
	return one
}

func (w *wires) give(one *wire) {
	one.since, one.used = time.Now(), true
	w.mu.Lock()
	defer w.mu.Unlock()
	w.idle = append(w.idle, one)
}

// close closes what is idle.
func (w *wires) close() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, one := range w.idle {
		_ = one.Close() // nobody waits for it
	}
	w.idle = nil
}
