package mirror

import (
	"context"
	"errors"
	"hash/maphash"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/restante/restante/pool"
)

const (
	// firstRetry is how long after a server did not have an article it is asked for
	// it again; each further time it is twice as long, up to longestRetry.
	firstRetry   = 15 * time.Second
	longestRetry = 6 * time.Hour
	// maxVain bounds what is remembered of one server's answers, each of which takes
	// 24 octets: with the room that a map leaves, less than fifteen megabytes.
	maxVain = 1 << 18

	// handed is how long an article is left to the server that is being asked for
	// it, before another one may be asked too.
	handed = 10 * time.Second
)

// A Search is what is lacking here and which servers were asked for it. Each
// server is asked by a goroutine of its own, in parts: [Search.Take] says for what,
// and [Search.Done] hears of it. So whatever one of them does, says nothing,
// breaks off or lies, the others are asked for the same. Its methods may be called
// from many goroutines.
type Search struct {
	store pool.Reader
	seed  maphash.Seed

	mu      sync.Mutex // guards what follows
	lacking []pool.MessageID
	servers map[string]*source
	asking  map[pool.MessageID]asking
	came    bool          // something has come since the last Set
	changed chan struct{} // closed by Set

	more chan struct{}
}

// A source is what is known of one server.
type source struct {
	away bool
	vain map[name]vain
}

// A name is a hash of a Message-ID, which may be long. Of two that have the same one
// would be asked for later than it might be.
type name uint64

// vain is a fruitless search.
type vain struct {
	wait time.Duration
	next int64 // in nanoseconds since 1970
}

func (s *Search) name(id pool.MessageID) name { return name(maphash.String(s.seed, string(id))) }

// asking is that a server is being asked for an article.
type asking struct {
	server string
	since  time.Time
}

// NewSearch returns a search for what a store lacks.
func NewSearch(store pool.Reader) *Search {
	return &Search{
		store: store, seed: maphash.MakeSeed(), servers: make(map[string]*source), asking: make(map[pool.MessageID]asking),
		changed: make(chan struct{}), more: make(chan struct{}, 1),
	}
}

// Join says that a server can be asked, for the first time or again. What it did
// not have before it was away it may have now.
func (s *Search) Join(server string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	from := s.servers[server]
	if from == nil {
		from = &source{away: true, vain: make(map[name]vain)}
		s.servers[server] = from
	}
	if from.away {
		from.away = false
		clear(from.vain)
		s.Wake()
	}
}

// Rest says that a server that has joined can't be asked for a while.
func (s *Search) Rest(server string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if from := s.servers[server]; from != nil {
		from.away = true
	}
}

// Leave forgets a server.
func (s *Search) Leave(server string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.servers, server)
	maps.DeleteFunc(s.asking, func(_ pool.MessageID, a asking) bool { return a.server == server })
}

// Due says whether some server can be asked for an article that was not just asked
// in vain.
func (s *Search) Due(id pool.MessageID, now time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	name := s.name(id)
	for _, from := range s.servers {
		if !from.away && from.due(name, now) {
			return true
		}
	}
	return false
}

func (f *source) due(n name, now time.Time) bool {
	v, ok := f.vain[n]
	return !ok || now.UnixNano() >= v.next
}

// miss notes that an article was asked for in vain. Where too much is remembered,
// something of it is forgotten, and asked for again: which one is left to chance.
func (f *source) miss(n name, now time.Time) {
	v, ok := f.vain[n]
	if !ok && len(f.vain) >= maxVain {
		for other := range f.vain {
			delete(f.vain, other)
			break
		}
	}
	v.wait = min(max(2*v.wait, firstRetry), longestRetry)
	v.next = now.Add(v.wait).UnixNano()
	f.vain[n] = v
}

// Set says what is lacking, what is wanted most in front.
func (s *Search) Set(lacking []pool.MessageID, now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lacking, s.came = slices.Clone(lacking), false
	for _, from := range s.servers {
		maps.DeleteFunc(from.vain, func(_ name, v vain) bool { return now.UnixNano()-v.next > int64(longestRetry) })
	}
	close(s.changed)
	s.changed = make(chan struct{})
}

// Changed is closed by the next [Search.Set].
func (s *Search) Changed() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.changed
}

// Wake has [Search.More] tell.
func (s *Search) Wake() {
	select {
	case s.more <- struct{}{}:
	default:
	}
}

// More tells when it is worth looking anew what is lacking: a server can be asked,
// or all that was lacking has been asked for and some of it came, by which more may
// have come to be known to lack.
func (s *Search) More() <-chan struct{} { return s.more }

// Take returns what a server is to be asked for now, most at most. [Search.Done]
// must follow.
func (s *Search) Take(server string, most int, now time.Time) []pool.MessageID {
	s.mu.Lock()
	defer s.mu.Unlock()
	from := s.servers[server]
	if from == nil {
		return nil
	}
	var out []pool.MessageID
	for _, id := range s.lacking {
		if len(out) == most {
			break
		}
		if a, ok := s.asking[id]; ok && now.Sub(a.since) < handed || !from.due(s.name(id), now) {
			continue
		}
		s.asking[id] = asking{server, now}
		out = append(out, id)
	}
	if len(out) == 0 && s.came {
		s.came = false
		s.Wake()
	}
	return out
}

// Done says that a server was asked for some articles, or could not be. It returns
// how many of them are here now. What came and is not what it should be lacks
// still: so none is asked for again soon.
func (s *Search) Done(ctx context.Context, server string, ids []pool.MessageID, asked bool, now time.Time) (came int, err error) {
	here := make(map[pool.MessageID]bool)
	for _, id := range ids {
		held, err := holds(ctx, s.store, id)
		if err != nil {
			return 0, err
		}
		here[id] = held
		if held {
			came++
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.came = s.came || came > 0
	s.lacking = slices.DeleteFunc(s.lacking, func(id pool.MessageID) bool { return here[id] })
	from := s.servers[server]
	for _, id := range ids {
		if s.asking[id].server == server {
			delete(s.asking, id)
		}
		if asked && from != nil {
			from.miss(s.name(id), now)
		}
	}
	return came, nil
}

// holds says whether an article can be read.
func holds(ctx context.Context, store pool.Reader, id pool.MessageID) (bool, error) {
	loan, err := pool.LendByID(ctx, store, id)
	switch {
	case errors.Is(err, pool.ErrNotFound), errors.Is(err, pool.ErrCorrupt):
		return false, nil
	case err != nil:
		return false, err
	}
	loan.Return()
	return true, nil
}
