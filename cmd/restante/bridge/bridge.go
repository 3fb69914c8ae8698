package bridge

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"sync"
	"time"

	"github.com/rs/zerolog"
	"golang.org/x/sync/errgroup"

	"github.com/restante/restante/gateway/remote"
	"github.com/restante/restante/gateway/session"
	"github.com/restante/restante/pool"
)

// ErrExposed is an address that others than this machine can reach.
var ErrExposed = errors.New("the bridge listens on this machine alone, since whoever reaches it reads your mail: use an address like 127.0.0.1:1120 or [::1]:1120")

// Options are what a bridge is made of. Everything must be set.
type Options struct {
	Listen  string        // host:port of this machine
	Mail    pool.Reader   // restante.inbox and restante.sent
	Desk    Desk          // seals and fetches
	News    remote.Server // the server behind
	Domains []string      // of the user's gateways: names at them may stand in From
	Every   time.Duration // from one bringing up to date to the next, on average
	Version string        // of the software
}

// A Bridge serves one user's newsreaders.
type Bridge struct {
	listen  string
	desk    Desk
	domains []string
	every   time.Duration
	news    *News
	groups  groups
	server  *session.Server
	turns   *turns
	waiting chan struct{} // holds something while there is something to be posted
}

// Bounds on newsreaders. A browser that a web page makes send something here is
// sent away before it gets through its own header.
const (
	maxConns   = 64
	maxFaults  = 6
	idle       = 30 * time.Minute
	stopWithin = 5 * time.Second
)

// New returns a bridge. It starts nothing.
func New(o Options) *Bridge {
	b := &Bridge{
		listen: o.Listen, desk: o.Desk, domains: o.Domains, every: o.Every,
		news: newNews(newWires(o.News)), turns: newTurns(), waiting: make(chan struct{}, 1),
	}
	b.groups = groups{mail: o.Mail, news: b.news, shown: newRack()}
	b.server = session.New(session.Options{
		Store: b.groups, Office: office{b}, Name: "restante.invalid", Version: o.Version,
		Posting: true, MayLogin: func(net.Conn) bool { return true },
		MaxArticle: maxArticle,
		Limits:     session.Limits{Idle: idle, Command: 5 * time.Minute, Errors: maxFaults},
		Logger:     zerolog.Nop(),
	})
	return b
}

// Run listens, serves, and brings mail up to date, until ctx ends. It calls ready
// with the address once newsreaders can connect. It returns [ErrExposed] for an
// address that is not this machine's alone.
func (b *Bridge) Run(ctx context.Context, ready func(net.Addr)) error {
	l, err := listen(b.listen)
	if err != nil {
		return err
	}
	defer b.news.wires.close()
	ready(l.Addr())
	all, ctx := errgroup.WithContext(ctx)
	all.Go(func() error { return b.accept(ctx, l) })
	all.Go(func() error { b.rounds(ctx); return nil })
	return all.Wait()
}

// listen listens on an address that only this machine reaches, and looks at it
// before and after.
func listen(address string) (net.Listener, error) {
	addr, err := net.ResolveTCPAddr("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("the bridge's address: %w", err)
	}
	if !addr.IP.IsLoopback() {
		return nil, ErrExposed
	}
	l, err := net.ListenTCP("tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("listen for your newsreader: %w", err)
	}
	return l, nil
}

// accept serves connections, and ends them when ctx ends: each when its command is
// done, and at last at once.
func (b *Bridge) accept(ctx context.Context, l net.Listener) error {
	defer context.AfterFunc(ctx, func() { _ = l.Close() })()
	var conns errgroup.Group
	conns.SetLimit(maxConns)
	for {
		conn, err := l.Accept()
		if ctx.Err() != nil {
			return conns.Wait()
		}
		if errors.Is(err, net.ErrClosed) {
			return fmt.Errorf("accept a newsreader: %w", err)
		}
		if err != nil { // too many open files, say: it passes
			select {
			case <-ctx.Done():
			case <-time.After(time.Second):
			}
			continue
		}
		conns.Go(func() error {
			defer context.AfterFunc(ctx, func() {
				time.AfterFunc(stopWithin, func() { _ = conn.Close() })
			})()
			_ = b.server.Serve(ctx, conn) // how it ended is nobody's business
			return nil
		})
	}
}

// rounds brings mail up to date again and again, at times that nobody can foretell,
// and posts what is to be as soon as it is there.
func (b *Bridge) rounds(ctx context.Context) {
	next := time.NewTimer(0)
	defer next.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-b.waiting:
			_ = b.turns.fetch(ctx, b.desk.Flush) // what could not be posted waits for the next round
		case <-next.C:
			err := b.turns.fetch(ctx, b.desk.Sync) // the desk tells the user of what went wrong
			if errors.Is(err, errInterrupted) {
				next.Reset(time.Second)
				continue
			}
			next.Reset(b.every/2 + rand.N(b.every)) //nolint:gosec // it must not be regular, and need not be secret
		}
	}
}

// wake has what waits posted.
func (b *Bridge) wake() {
	select {
	case b.waiting <- struct{}{}:
	default:
	}
}

// turns lets one at a time use the desk. Posting does not wait for a
// synchronisation, which may take minutes: it ends it, and that begins again.
type turns struct {
	busy chan struct{}

	mu        sync.Mutex
	interrupt context.CancelCauseFunc // ends what is under way; nil: it can't be ended
}

var errInterrupted = errors.New("a message is being posted")

func newTurns() *turns { return &turns{busy: make(chan struct{}, 1)} }

func (t *turns) fetch(ctx context.Context, do func(context.Context) error) error {
	select {
	case t.busy <- struct{}{}:
		defer func() { <-t.busy }()
	case <-ctx.Done():
		return ctx.Err()
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	t.set(cancel)
	defer t.set(nil)
	err := do(ctx)
	if cause := context.Cause(ctx); err != nil && errors.Is(cause, errInterrupted) {
		return cause
	}
	return err
}

func (t *turns) set(cancel context.CancelCauseFunc) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.interrupt = cancel
}

func (t *turns) end() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.interrupt != nil {
		t.interrupt(errInterrupted)
	}
}

func (t *turns) post(ctx context.Context, do func() (Sealed, error)) (Sealed, error) {
	for {
		t.end()
		select {
		case t.busy <- struct{}{}:
			defer func() { <-t.busy }()
			return do()
		case <-ctx.Done():
			return Sealed{}, ctx.Err()
		case <-time.After(100 * time.Millisecond): // something else may have begun meanwhile
		}
	}
}
