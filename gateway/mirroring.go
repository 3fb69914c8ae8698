package gateway

import (
	"context"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"
	"golang.org/x/sync/errgroup"

	"github.com/restante/restante/crypto/note"
	"github.com/restante/restante/gateway/batch"
	"github.com/restante/restante/gateway/mirror"
	"github.com/restante/restante/gateway/nntp"
	"github.com/restante/restante/gateway/peer"
	"github.com/restante/restante/gateway/remote"
	"github.com/restante/restante/pool"
)

// A Reading is a server from which articles are fetched.
type Reading struct {
	Peer    peer.Peer // as which its articles are taken
	Server  remote.Server
	Pulls   bool         // whether it is asked for what is new
	Pull    nntp.Wildmat // in these groups
	Every   time.Duration
	Since   time.Duration // what is dated longer ago is left there
	NewNews bool

	Version string // changes whenever anything above does
}

// Policy is which articles of other gateways are taken, as a gateway with these
// settings, whether it runs or not, takes them. It needs of the settings what
// concerns other gateways, and the pool.
func (s *Settings) Policy() (*mirror.Policy, error) {
	book, err := mirror.OpenBook(filepath.Join(s.Data, "gateways.json"), s.Domain, s.Known, s.Learn)
	if err != nil {
		return nil, err
	}
	book.Bound(s.Bounds, s.Batches.Calendar)
	return &mirror.Policy{
		Book: book, Calendar: s.Batches.Calendar,
		Groups: mirror.Groups{Pool: s.PoolGroup, Manifest: batch.Manifest, Keys: keysGroup},
	}, nil
}

// mirroring fetches what other servers have and this one lacks. Each server has a
// [reader] of its own, so that one that stalls holds up nobody.
type mirroring struct {
	policy *mirror.Policy
	store  pool.Store
	desk   *peer.Desk
	data   string
	most   int         // octets of an article
	filed  pool.Number // the last entry that was here at the start
	log    zerolog.Logger

	// manifest is octets of one of our manifests, whatever servers have added to its
	// header. Hundreds are asked for at a time: larger ones would take memory for nothing.
	manifest int

	witness *mirror.Witness
	search  *mirror.Search

	changed chan struct{}      // settings were
	running map[string]*reader // run's

	settings atomic.Uint64 // how often they were changed

	mu       sync.Mutex // guards what follows
	readings []Reading
	repair   time.Duration
}

func newMirroring(policy *mirror.Policy, store pool.Store, desk *peer.Desk, signer *note.Signer, s Settings) *mirroring {
	return &mirroring{
		witness: &mirror.Witness{Book: policy.Book, Domain: s.Domain, Signer: signer, Group: keysGroup, Store: store, Keeps: policy.Keeps},
		search:  mirror.NewSearch(store),
		policy:  policy, store: store, desk: desk, data: s.Data, most: s.MaxArticle, log: s.Logger,
		manifest: 16<<10 + 128*s.Batches.Size,
		changed:  make(chan struct{}, 1), running: make(map[string]*reader),
		readings: s.Readings, repair: s.Repair,
	}
}

func (m *mirroring) set(s Settings) {
	m.policy.Book.Set(s.Known, s.Learn)
	m.policy.Book.Bound(s.Bounds, s.Batches.Calendar)
	m.mu.Lock()
	m.readings, m.repair = s.Readings, s.Repair
	m.mu.Unlock()
	m.settings.Add(1)
	select {
	case m.changed <- struct{}{}:
	default:
	}
}

// from is the servers that are read from.
func (m *mirroring) from() []Reading {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.readings
}

// every is how often what is lacking is looked for.
func (m *mirroring) every() time.Duration {
	m.mu.Lock()
	defer m.mu.Unlock()
	return max(m.repair, time.Second)
}

// reads says whether there is anybody to be asked for what is lacking.
func (m *mirroring) reads() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.readings) > 0
}

// run pulls, repairs and witnesses until ctx ends.
func (m *mirroring) run(ctx context.Context) error {
	var group errgroup.Group
	group.Go(func() error { m.look(ctx); return nil })
	for {
		m.adjust(ctx, &group)
		select {
		case <-ctx.Done():
			return group.Wait()
		case <-m.changed:
		}
	}
}

// adjust stops and starts readers. Those whose settings are as they were go on.
func (m *mirroring) adjust(ctx context.Context, group *errgroup.Group) {
	wanted := make(map[string]Reading)
	for _, r := range m.from() {
		wanted[r.Peer.Name] = r
	}
	for name, r := range m.running {
		if w, ok := wanted[name]; ok && w.Version == r.Version {
			continue
		}
		r.stop()
		<-r.done
		delete(m.running, name)
	}
	for name, w := range wanted {
		if m.running[name] == nil {
			m.running[name] = m.read(ctx, group, w)
		}
	}
}

// look finds out what is lacking, for the readers, and posts what was seen of other
// gateways' directories, until ctx ends. It waits for no other server.
func (m *mirroring) look(ctx context.Context) {
	if err := m.policy.Recount(ctx, m.store, m.filed, time.Now()); err != nil && ctx.Err() == nil {
		m.log.Error().Err(err).Msg("what is here of other gateways' batches can't be counted")
	}
	if err := m.policy.Relearn(ctx, m.store, time.Now()); err != nil && ctx.Err() == nil {
		m.log.Error().Err(err).Msg("what the store has of other gateways' directories can't be learnt")
	}
	repairer := mirror.NewRepairer(m.policy, m.store)
	var looked, witnessed time.Time
	unsigned := 0 // gateways of which that was said
	for ctx.Err() == nil {
		every, now := m.every(), time.Now()
		if now.Sub(witnessed) >= every {
			witnessed = now
			if err := m.policy.Book.Retry(now); err != nil {
				m.log.Error().Err(err).Msg("a gateway whose key was given anew can't be begun with")
			}
			before := unsigned
			if unsigned = m.policy.Book.Unsigned(); unsigned > before {
				m.log.Warn().Msg("directories come of a gateway that the key in its [[gateway]] table has not signed: nothing of it is taken. restanted gateways says which is unheard of")
			}
			if err := m.witness.Round(ctx, now); err != nil && ctx.Err() == nil {
				m.log.Error().Err(err).Msg("what was seen of other gateways' directories can't be posted")
			}
		}
		if m.reads() && now.Sub(looked) >= every {
			looked = now
			lacking, err := repairer.Lacking(ctx, now, func(id pool.MessageID) bool { return m.search.Due(id, now) })
			if err == nil {
				m.search.Set(lacking, now)
			} else if ctx.Err() == nil {
				m.log.Error().Err(err).Msg("what is lacking of other gateways' pools can't be found out")
			}
		}
		select {
		case <-ctx.Done():
		case <-m.search.More():
			looked = time.Time{}
		case <-time.After(time.Second):
		}
	}
}
