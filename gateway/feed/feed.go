package feed

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"math/rand/v2"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"
	"golang.org/x/sync/errgroup"

	"github.com/restante/restante/gateway/remote"
	"github.com/restante/restante/pool"
)

// A Peer is a server that is to be fed.
type Peer struct {
	Name   string // the operator's name for it
	Path   string // its identity in Path: what passed it is not sent to it
	Server remote.Server

	Groups      Subscription
	MaxSize     int           // octets of the largest article; 0: any
	Exclude     []string      // what passed one of these, by Path, is not sent either
	Connections int           // at a time; 0: one
	Window      int           // articles offered ahead of the replies; 0: 64
	TakeThis    bool          // send without asking first
	Delay       time.Duration // how long an article is kept before it is offered
	Backlog     time.Duration // what arrived longer ago is not offered any more; 0: all that the store has
	Backfill    bool          // offer what the store had before the peer was first configured
	Idle        time.Duration // how long a connection stays open with nothing to offer; 0: a minute

	Version string // changes whenever anything above does
}

func (p *Peer) window() int { return positive(p.Window, 64) }

func (p *Peer) idle() time.Duration {
	if p.Idle > 0 {
		return p.Idle
	}
	return time.Minute
}

func positive(n, otherwise int) int {
	if n > 0 {
		return n
	}
	return otherwise
}

const (
	firstRetry   = time.Second // after a failure; each further one doubles it
	longestRetry = 5 * time.Minute
	keep         = 5 * time.Second // how often a feed's state is written
)

// A feeder feeds one peer.
type feeder struct {
	peer  Peer
	queue *queue
	path  string // of the state
	log   zerolog.Logger

	up     atomic.Int32           // connections
	failed atomic.Pointer[string] // what the last failure was, nil after a success
}

// stateFile is the name of a peer's state: no host's name shows in it.
func stateFile(dir, name string) string {
	sum := sha256.Sum256([]byte(name))
	return filepath.Join(dir, hex.EncodeToString(sum[:8])+".json")
}

func newFeeder(dir string, store pool.Reader, p Peer, log zerolog.Logger) (*feeder, error) {
	f := &feeder{peer: p, path: stateFile(dir, p.Name), log: log}
	s, err := loadState(f.path)
	if err != nil {
		return nil, err
	}
	f.queue = newQueue(store, &f.peer, s)
	return f, nil
}

// run feeds until ctx ends. What fails is tried again: a disk that is full, or a store
// that can't be read just now, must not end a feed for good.
func (f *feeder) run(ctx context.Context) error {
	for failed := false; ; failed = true {
		err := f.begin(ctx)
		if err == nil {
			break
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if !failed {
			f.log.Error().Err(err).Msg("a feed can't begin just now, trying again")
		}
		f.pause(ctx)
	}
	var links sync.WaitGroup
	for range positive(f.peer.Connections, 1) {
		links.Go(func() { f.link(ctx) })
	}
	for failed := false; ctx.Err() == nil; f.pause(ctx) {
		err := f.queue.state().save(f.path)
		if err != nil && !failed {
			f.log.Error().Err(err).Msg("how far a feed has come can't be noted: after a restart some articles are offered twice")
		}
		failed = err != nil
	}
	links.Wait()
	return f.queue.state().save(f.path)
}

// pause is the time between two writings of the state.
func (f *feeder) pause(ctx context.Context) {
	select {
	case <-ctx.Done():
	case <-time.After(keep):
	}
}

// begin fixes where a new feed starts: what comes from now on is offered, even
// if it comes while the peer is away.
func (f *feeder) begin(ctx context.Context) error {
	f.queue.mu.Lock()
	defer f.queue.mu.Unlock()
	return f.queue.scan(ctx)
}

// link keeps one connection while there is something to feed, until ctx ends.
func (f *feeder) link(ctx context.Context) {
	wait := firstRetry
	for ctx.Err() == nil {
		err := f.connection(ctx)
		if err == nil {
			wait = firstRetry
			continue
		}
		if ctx.Err() != nil {
			return
		}
		what := err.Error()
		if f.failed.Swap(&what) == nil {
			f.log.Warn().Err(err).Msg("a peer can't be fed just now")
		}
		select { // jitter, so that peers that lost us do not come back all at once
		case <-ctx.Done():
		case <-time.After(wait/2 + rand.N(wait)):
		}
		wait = min(2*wait, longestRetry)
	}
}

// connection waits for something to feed, connects, and feeds.
func (f *feeder) connection(ctx context.Context) error {
	jobs, err := f.queue.take(ctx, 1, time.Minute)
	for _, j := range jobs {
		f.queue.settle(j, unsent, 0)
	}
	if err != nil || len(jobs) == 0 {
		return err
	}
	l := &link{peer: &f.peer, queue: f.queue}
	defer func() {
		if l.conn != nil {
			_ = l.conn.Close() // what mattered is answered
		}
	}()
	if err := l.open(ctx); err != nil {
		return err
	}
	defer context.AfterFunc(ctx, func() { _ = l.conn.Close() })()
	f.up.Add(1)
	defer f.up.Add(-1)
	if f.failed.Swap(nil) != nil {
		f.log.Info().Msg("a peer can be fed again")
	}
	if err := l.run(ctx); err != nil {
		return err
	}
	_ = l.conn.Quit() // politeness alone
	return nil
}

// Status is how it stands with one peer.
type Status struct {
	Name    string `json:"name"`
	Up      int    `json:"connections"`
	Failure string `json:"failure,omitempty"` // why the last connection ended, if it did badly
	Waiting int    `json:"waiting"`           // articles that may still have to be offered, at most
	Counts  Counts `json:"counts"`
}

func (f *feeder) status(ctx context.Context) Status {
	s := Status{Name: f.peer.Name, Up: int(f.up.Load()), Waiting: f.queue.waiting(ctx), Counts: f.queue.ledger()}
	if what := f.failed.Load(); what != nil {
		s.Failure = *what
	}
	return s
}

// Feeds is all feeds of a gateway. Its methods may be called from many
// goroutines.
type Feeds struct {
	dir   string
	store pool.Reader
	log   zerolog.Logger

	changed chan struct{}
	mu      sync.Mutex // guards what follows
	wanted  []Peer
	running map[string]*running
}

type running struct {
	*feeder
	stop context.CancelFunc
	done chan struct{}
}

// New returns the feeds of the articles in a store to some peers, with their
// state in dir. Nothing runs yet.
func New(dir string, store pool.Reader, peers []Peer, log zerolog.Logger) *Feeds {
	return &Feeds{
		dir: dir, store: store, log: log, wanted: peers,
		changed: make(chan struct{}, 1), running: make(map[string]*running),
	}
}

// Set changes the peers: feeds that are as they were go on, others stop, start,
// or start anew where they had come to.
func (f *Feeds) Set(peers []Peer) {
	f.mu.Lock()
	f.wanted = peers
	f.mu.Unlock()
	select {
	case f.changed <- struct{}{}:
	default:
	}
}

// Run feeds until ctx ends.
func (f *Feeds) Run(ctx context.Context) error {
	var group errgroup.Group
	for {
		f.adjust(ctx, &group)
		select {
		case <-ctx.Done():
			return group.Wait()
		case <-f.changed:
		}
	}
}

// adjust stops and starts feeds.
func (f *Feeds) adjust(ctx context.Context, group *errgroup.Group) {
	f.mu.Lock()
	defer f.mu.Unlock()
	wanted := make(map[string]Peer)
	for _, p := range f.wanted {
		wanted[p.Name] = p
	}
	for name, r := range f.running {
		if p, ok := wanted[name]; ok && p.Version == r.peer.Version {
			continue
		}
		r.stop()
		<-r.done
		delete(f.running, name)
	}
	for name, p := range wanted {
		if f.running[name] == nil {
			f.start(ctx, group, p)
		}
	}
}

func (f *Feeds) start(ctx context.Context, group *errgroup.Group, p Peer) {
	feeder, err := newFeeder(f.dir, f.store, p, f.log)
	if err != nil {
		f.log.Error().Err(err).Msg("a peer is not fed")
		return
	}
	ctx, stop := context.WithCancel(ctx)
	r := &running{feeder: feeder, stop: stop, done: make(chan struct{})}
	f.running[p.Name] = r
	group.Go(func() error {
		defer close(r.done)
		if err := feeder.run(ctx); err != nil && !errors.Is(err, context.Canceled) {
			f.log.Error().Err(err).Msg("a feed has stopped")
		}
		return nil
	})
}

// StatusOf returns how it stands with the peer of that name; nothing but zeros
// where it is not fed.
func (f *Feeds) StatusOf(ctx context.Context, name string) Status {
	f.mu.Lock()
	defer f.mu.Unlock()
	if r := f.running[name]; r != nil {
		return r.status(ctx)
	}
	return Status{}
}

// Status returns how it stands with each peer that is fed, by name.
func (f *Feeds) Status(ctx context.Context) []Status {
	f.mu.Lock()
	defer f.mu.Unlock()
	var out []Status
	for _, p := range f.wanted {
		if r := f.running[p.Name]; r != nil {
			out = append(out, r.status(ctx))
		}
	}
	return out
}
