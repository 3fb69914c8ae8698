package gateway

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"github.com/restante/restante/crypto/note"
	"github.com/restante/restante/gateway/batch"
	"github.com/restante/restante/gateway/mirror"
	"github.com/restante/restante/gateway/nntp"
	"github.com/restante/restante/gateway/peer"
	"github.com/restante/restante/gateway/pull"
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
}

// Policy is which articles of other gateways are taken, as a gateway with these
// settings, whether it runs or not, takes them. It needs of the settings what
// concerns other gateways, and the pool.
func (s *Settings) Policy() (*mirror.Policy, error) {
	book, err := mirror.OpenBook(filepath.Join(s.Data, "gateways.json"), s.Domain, s.Known, s.Learn)
	if err != nil {
		return nil, err
	}
	return &mirror.Policy{
		Book: book, Calendar: s.Batches.Calendar,
		Groups: mirror.Groups{Pool: s.PoolGroup, Manifest: batch.Manifest, Keys: keysGroup},
	}, nil
}

// mirroring fetches what other servers have and this one lacks.
type mirroring struct {
	policy *mirror.Policy
	store  pool.Store
	desk   *peer.Desk
	data   string
	most   int // octets of an article
	log    zerolog.Logger

	witness *mirror.Witness

	mu       sync.Mutex // guards what follows
	readings []Reading
	repair   time.Duration
	looked   map[string]bool // states of servers whose directories were looked through
}

func newMirroring(policy *mirror.Policy, store pool.Store, desk *peer.Desk, signer *note.Signer, s Settings) *mirroring {
	return &mirroring{
		witness: &mirror.Witness{Book: policy.Book, Domain: s.Domain, Signer: signer, Group: keysGroup, Store: store},
		policy:  policy, store: store, desk: desk, data: s.Data, most: s.MaxArticle, log: s.Logger,
		readings: s.Readings, repair: s.Repair, looked: make(map[string]bool),
	}
}

func (m *mirroring) set(s Settings) {
	m.policy.Book.Set(s.Known, s.Learn)
	m.mu.Lock()
	defer m.mu.Unlock()
	m.readings, m.repair = s.Readings, s.Repair
	clear(m.looked) // a gateway may be welcome now of which directories were refused
}

func (m *mirroring) now() ([]Reading, time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.readings, max(m.repair, time.Second)
}

// run pulls and repairs until ctx ends.
func (m *mirroring) run(ctx context.Context) error {
	repairer := mirror.NewRepairer(m.policy, m.store)
	pulled := make(map[string]time.Time)
	var repaired, witnessed time.Time
	for ctx.Err() == nil {
		readings, every := m.now()
		now := time.Now()
		if now.Sub(witnessed) >= every {
			witnessed = now
			if err := m.witness.Round(ctx, now); err != nil && ctx.Err() == nil {
				m.log.Error().Err(err).Msg("what was seen of other gateways' directories can't be posted")
			}
		}
		for _, r := range readings {
			if r.Pulls && now.Sub(pulled[r.Peer.Name]) >= r.Every {
				pulled[r.Peer.Name] = now
				m.fetch(ctx, r, func(p *pull.Puller) (pull.Counts, error) { return p.Run(ctx) })
			}
		}
		if len(readings) > 0 && now.Sub(repaired) >= every {
			repaired = now
			m.keys(ctx, readings)
			if err := m.mend(ctx, repairer, readings); err != nil && ctx.Err() == nil {
				m.log.Error().Err(err).Msg("what is lacking of other gateways' pools can't be found out")
			}
		}
		select {
		case <-ctx.Done():
		case <-time.After(time.Second):
		}
	}
	return nil
}

// keys looks for directories that are not here. Without a gateway's nothing of it
// is taken and nothing mended, and who feeds us sends each once: after a loss
// nobody would bring it again. The first look goes through all that there are,
// and so does the next while a gateway came to be known by one: what came before
// that, such as what it witnessed, was refused.
func (m *mirroring) keys(ctx context.Context, readings []Reading) {
	group, err := nntp.ParseWildmat(string(keysGroup))
	if err != nil {
		m.log.Error().Err(err).Msg("the group of directories has no name that can be asked for")
		return
	}
	for _, r := range readings {
		state := pullState(m.data, r.Peer.Name+"\x00keys")
		if !m.hasLooked(state) {
			if err := os.Remove(state); err != nil && !errors.Is(err, fs.ErrNotExist) {
				m.log.Error().Err(err).Msg("how far directories were looked for can't be forgotten")
			}
		}
		var counts pull.Counts
		asked := m.fetch(ctx, r, func(p *pull.Puller) (_ pull.Counts, err error) {
			p.Groups, p.NewNews, p.Since, p.State = group, false, time.Time{}, state
			counts, err = p.Run(ctx)
			return counts, err
		})
		m.look(state, asked, counts)
	}
}

func (m *mirroring) hasLooked(state string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.looked[state]
}

func (m *mirroring) look(state string, asked bool, counts pull.Counts) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.looked[state] = (asked || m.looked[state]) && (counts.Taken == 0 || counts.Refused == 0)
}

// mend fetches what is lacking, from one server after the other.
func (m *mirroring) mend(ctx context.Context, repairer *mirror.Repairer, readings []Reading) error {
	for ctx.Err() == nil {
		lacking, err := repairer.Lacking(ctx, time.Now())
		if err != nil || len(lacking) == 0 {
			return err
		}
		left, everybody := lacking, true
		for _, r := range readings {
			if len(left) == 0 {
				break
			}
			if !m.fetch(ctx, r, func(p *pull.Puller) (pull.Counts, error) { return p.Fetch(ctx, left) }) {
				everybody = false
			}
			if left, err = m.absent(ctx, left); err != nil {
				return err
			}
		}
		repairer.Asked(lacking, everybody, time.Now())
		if n := len(lacking) - len(left); n > 0 {
			m.log.Info().Int("articles", n).Msg("fetched what was lacking of other gateways' pools")
		}
	}
	return nil
}

func (m *mirroring) absent(ctx context.Context, ids []pool.MessageID) (left []pool.MessageID, err error) {
	for _, id := range ids {
		seen, err := m.store.Seen(ctx, id)
		if err != nil {
			return nil, err
		}
		if !seen {
			left = append(left, id)
		}
	}
	return left, nil
}

// fetch brings articles of one server to the desk. It says whether the server
// could be asked for all of them.
func (m *mirroring) fetch(ctx context.Context, r Reading, how func(*pull.Puller) (pull.Counts, error)) bool {
	feed := m.desk.Of(r.Peer)
	defer feed.Close()
	p := &pull.Puller{
		Server: r.Server, Groups: r.Pull, NewNews: r.NewNews, Most: m.most,
		Store: m.store, Taker: feed, State: pullState(m.data, r.Peer.Name),
	}
	if r.Since > 0 {
		p.Since = time.Now().Add(-r.Since)
	}
	_, err := how(p)
	if err != nil && ctx.Err() == nil {
		m.log.Warn().Err(err).Msg("a server can't be read from just now")
	}
	return err == nil
}

// pullState is the name of the file that says how far pulling has come: no
// host's name shows in it.
func pullState(data, name string) string {
	sum := sha256.Sum256([]byte(name))
	return filepath.Join(data, "pulls", hex.EncodeToString(sum[:8])+".json")
}
