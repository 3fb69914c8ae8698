package gateway

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/restante/restante/gateway/nntp"
	"github.com/restante/restante/gateway/peer"
	"github.com/restante/restante/gateway/pull"
	"github.com/restante/restante/pool"
)

const (
	// inOne is how many articles a server is asked for before another one may get
	// the next.
	inOne = 32

	// A server that could not be asked is left alone for firstRest; after each
	// further failure for twice as long, up to longestRest.
	firstRest   = time.Second
	longestRest = 30 * time.Second
)

// A reader reads from one server: what is new there, what is lacking here, and
// directories. It has two connections at most.
type reader struct {
	*mirroring
	Reading
	stop context.CancelFunc
	done chan struct{}
	away atomic.Bool // it was said that the server can't be read from
}

// read starts reading from a server, until ctx ends or the reader is stopped.
func (m *mirroring) read(ctx context.Context, group *errgroup.Group, from Reading) *reader {
	ctx, stop := context.WithCancel(ctx)
	r := &reader{mirroring: m, Reading: from, stop: stop, done: make(chan struct{})}
	group.Go(func() error {
		defer close(r.done)
		var both sync.WaitGroup
		both.Go(func() { r.mend(ctx) })
		if r.Pulls {
			both.Go(func() { r.pull(ctx) })
		}
		both.Wait()
		return nil
	})
	return r
}

// rest waits longer each time.
type rest struct{ wait time.Duration }

// next is how long to wait now. Whoever lost a server does not come back with all
// others at once.
func (r *rest) next() time.Duration {
	r.wait = min(max(2*r.wait, firstRest), longestRest)
	return r.wait/2 + rand.N(r.wait/2)
}

func sleep(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// pull brings what is new on the server.
func (r *reader) pull(ctx context.Context) {
	var failing rest
	for ctx.Err() == nil {
		if _, err := r.fetch(ctx, r.desk.Of, func(p *pull.Puller) (pull.Counts, error) { return p.Run(ctx) }); err != nil {
			sleep(ctx, min(failing.next(), r.Every))
			continue
		}
		failing = rest{}
		sleep(ctx, r.Every)
	}
}

// mend brings what is lacking and the server has.
func (r *reader) mend(ctx context.Context) {
	name := r.Peer.Name
	defer r.search.Leave(name)
	var failing rest
	var keys time.Time // when it was last asked for directories
	through := false   // all that there are were looked at
	var under uint64   // these settings
	for ctx.Err() == nil {
		r.search.Join(name)
		changed := r.search.Changed()
		var err error
		if now := time.Now(); now.Sub(keys) >= r.every() {
			keys = now
			if n := r.settings.Load(); n != under { // a gateway may be welcome now of which directories were refused
				through, under = false, n
			}
			through, err = r.keys(ctx, through)
		}
		if err == nil {
			err = r.ask(ctx)
		}
		if err != nil {
			keys = time.Time{}
			r.search.Rest(name)
			sleep(ctx, failing.next())
			continue
		}
		failing = rest{}
		select {
		case <-ctx.Done():
		case <-changed:
		case <-time.After(time.Second):
		}
	}
}

// ask fetches what is lacking, part by part.
func (r *reader) ask(ctx context.Context) error {
	take := func() []pool.MessageID { return r.search.Take(r.Peer.Name, inOne, time.Now()) }
	part, came := take(), 0
	if len(part) == 0 {
		return nil
	}
	done := func(asked bool) {
		n, err := r.search.Done(ctx, r.Peer.Name, part, asked, time.Now())
		if err != nil && ctx.Err() == nil {
			r.log.Error().Err(err).Msg("whether what was fetched is here can't be found out")
		}
		came += n
	}
	begun := false
	_, err := r.fetch(ctx, r.desk.Back, func(p *pull.Puller) (pull.Counts, error) {
		return p.Fetch(ctx, func() []pool.MessageID {
			if begun {
				done(true)
				part = take()
			}
			begun = true
			return part
		})
	})
	done(false) // what was not come to
	if came > 0 {
		r.log.Info().Int("articles", came).Msg("fetched what was lacking of other gateways' pools")
	}
	return err
}

// keys looks for directories that are not here. Without a gateway's nothing of it
// is taken and nothing mended, and who feeds us sends each once: after a loss
// nobody would bring it again. The first look goes through all that there are,
// and so does the next while a gateway came to be known by one: what came before
// that, such as what it witnessed, was refused. It says whether such a look was had.
func (r *reader) keys(ctx context.Context, through bool) (bool, error) {
	state := pullState(r.data, r.Peer.Name+"\x00keys")
	if !through {
		if err := os.Remove(state); err != nil && !errors.Is(err, fs.ErrNotExist) {
			r.log.Error().Err(err).Msg("how far directories were looked for can't be forgotten")
		}
	}
	counts, err := r.directories(ctx, state)
	if counts.Taken > 0 {
		r.search.Wake()
	}
	return (err == nil || through) && (counts.Taken == 0 || counts.Refused == 0), err
}

// directories brings those that are new on the server since state, or all with "".
func (r *reader) directories(ctx context.Context, state string) (pull.Counts, error) {
	group, err := nntp.ParseWildmat(string(keysGroup))
	if err != nil {
		return pull.Counts{}, err
	}
	return r.fetch(ctx, r.desk.Back, func(p *pull.Puller) (pull.Counts, error) {
		p.Groups, p.NewNews, p.Since, p.State = group, false, time.Time{}, state
		return p.Run(ctx)
	})
}

// fetch brings articles of the server to the desk, as a feed of one kind or another.
func (r *reader) fetch(ctx context.Context, as func(peer.Peer) *peer.Feed, how func(*pull.Puller) (pull.Counts, error)) (pull.Counts, error) {
	feed := as(r.Peer)
	defer feed.Close()
	p := &pull.Puller{
		Server: r.Server, Groups: r.Pull, NewNews: r.NewNews, Most: r.most,
		Store: r.store, Taker: taker{feed}, State: pullState(r.data, r.Peer.Name),
	}
	if r.Since > 0 {
		p.Since = time.Now().Add(-r.Since)
	}
	counts, err := how(p)
	switch {
	case err != nil && ctx.Err() == nil && !r.away.Swap(true):
		r.log.Warn().Err(err).Msg("a server can't be read from just now")
	case err == nil && r.away.Swap(false):
		r.log.Info().Msg("a server can be read from again")
	}
	return counts, err
}

// pullState is the name of the file that says how far pulling has come: no
// host's name shows in it.
func pullState(data, name string) string {
	sum := sha256.Sum256([]byte(name))
	return filepath.Join(data, "pulls", hex.EncodeToString(sum[:8])+".json")
}
