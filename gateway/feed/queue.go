package feed

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/restante/restante/pool"
)

const (
	// scanned is how many articles are looked up at a time.
	scanned = 256
	// maxAgain bounds what is put off: with more, nothing new is looked at until
	// some of it is settled.
	maxAgain = 10000
	// look is how often a feed with nothing to do looks for new articles.
	look = 500 * time.Millisecond
	// firstAgain is how long an article is put off at first, and longestAgain at
	// most (RFC 4644, Section 2.4: later, on this or another connection).
	firstAgain   = 10 * time.Second
	longestAgain = 10 * time.Minute
)

// A job is one article that a peer may have to be offered.
type job struct {
	place
	offered bool // it is counted already
	tries   int
	broke   int       // connections that ended when it was sent
	when    time.Time // not before
}

// A queue hands out what a peer has still to be offered. It may be used by many
// goroutines.
type queue struct {
	store pool.Reader
	peer  *Peer

	mu     sync.Mutex
	next   map[pool.Group]pool.Number // the first number not yet looked at
	open   map[place]bool             // looked at, and not settled
	ready  []job
	later  []job // by when
	counts Counts
}

func newQueue(store pool.Reader, peer *Peer, s *state) *queue {
	q := &queue{store: store, peer: peer, next: s.Next, open: make(map[place]bool), counts: s.Counts}
	// What was on its way when the state was written is offered anew.
	q.counts.Offered -= min(q.counts.Offered, q.counts.Deferred-min(q.counts.Deferred, uint64(len(s.Again))))
	q.counts.Deferred = uint64(len(s.Again))
	for _, p := range s.Again {
		q.open[p] = true
		q.later = append(q.later, job{place: p, offered: true})
	}
	return q
}

// state is what is to be kept.
func (q *queue) state() *state {
	q.mu.Lock()
	defer q.mu.Unlock()
	s := &state{Version: stateVersion, Next: make(map[pool.Group]pool.Number, len(q.next)), Counts: q.counts}
	for g, n := range q.next {
		s.Next[g] = n
	}
	kept := make(map[place]bool)
	for _, j := range q.later {
		if j.offered {
			s.Again = append(s.Again, j.place)
			kept[j.place] = true
		}
	}
	for p := range q.open {
		if !kept[p] {
			s.Next[p.Group] = min(s.Next[p.Group], p.Number)
		}
	}
	return s
}

// take returns what is to be offered next, most at most, and nothing when there
// is nothing within that time, or ctx ends.
func (q *queue) take(ctx context.Context, most int, within time.Duration) ([]job, error) {
	until := time.Now().Add(within)
	for {
		jobs, err := q.some(ctx, most)
		if err != nil || len(jobs) > 0 || !time.Now().Before(until) {
			return jobs, err
		}
		select {
		case <-ctx.Done():
			return nil, nil
		case <-time.After(min(look, time.Until(until))):
		}
	}
}

func (q *queue) some(ctx context.Context, most int) ([]job, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	now := time.Now()
	due := 0
	for due < len(q.later) && due < most && !q.later[due].when.After(now) {
		due++
	}
	out := slices.Clone(q.later[:due])
	q.later = slices.Delete(q.later, 0, due)
	if len(q.ready) == 0 && len(out) < most && len(q.later) < maxAgain {
		if err := q.scan(ctx); err != nil && ctx.Err() == nil {
			return nil, err
		}
	}
	n := min(most-len(out), len(q.ready))
	out = append(out, q.ready[:n]...)
	q.ready = slices.Delete(q.ready, 0, n)
	return out, nil
}

// scan looks for articles that were not looked at yet.
func (q *queue) scan(ctx context.Context) error {
	groups, err := q.store.Groups(ctx)
	if err != nil {
		return err
	}
	for _, g := range groups {
		if !q.peer.Groups.Group(g.Name) {
			continue
		}
		if err := q.scanGroup(ctx, g); err != nil {
			return err
		}
		if len(q.ready) >= scanned {
			return nil
		}
	}
	return nil
}

func (q *queue) scanGroup(ctx context.Context, g pool.GroupInfo) error {
	next, known := q.next[g.Name]
	switch {
	case !known && q.peer.Backfill:
		next = g.Low
	case !known:
		next = g.High + 1
	case next > g.High+1: // the store was lost and began anew
		next = g.Low
	case next < g.Low:
		q.counts.Offered += uint64(g.Low - next)
		q.counts.Lost += uint64(g.Low - next)
		next = g.Low
	}
	if next <= g.High {
		last := g.High
		err := q.store.Scan(ctx, g.Name, pool.Range{From: next, To: g.High}, func(n pool.Number, _ []byte) bool {
			p := place{g.Name, n}
			if q.open[p] { // it was put off before a restart
				return true
			}
			q.open[p] = true
			q.ready = append(q.ready, job{place: p})
			if len(q.ready) >= scanned {
				last = n
				return false
			}
			return true
		})
		if errors.Is(err, pool.ErrNoGroup) { // it went just now
			return nil
		} else if err != nil {
			return err
		}
		next = last + 1
	}
	q.next[g.Name] = next
	return nil
}

// offer counts an article as one that the peer is to have.
func (q *queue) offer(j *job) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if !j.offered {
		j.offered = true
		q.counts.Offered++
		q.counts.Deferred++
	}
}

// settle says how it went with an article. octets is what of it was sent.
func (q *queue) settle(j job, o outcome, octets int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.counts.Octets += uint64(octets)
	switch o {
	case unsent:
		q.ready = slices.Insert(q.ready, 0, j)
		return
	case deferred:
		wait := min(firstAgain<<min(j.tries, 10), longestAgain)
		j.tries++
		q.postpone(j, time.Now().Add(wait))
		return
	}
	delete(q.open, j.place)
	if j.offered {
		q.counts.settle(o)
	}
}

// wait puts an article off that is not to be offered yet.
func (q *queue) wait(j job, until time.Time) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.postpone(j, until)
}

func (q *queue) postpone(j job, until time.Time) {
	j.when = until
	at, _ := slices.BinarySearchFunc(q.later, until, func(k job, t time.Time) int { return k.when.Compare(t) })
	q.later = slices.Insert(q.later, at, j)
}

// waiting is how many articles may still have to be offered.
func (q *queue) waiting(ctx context.Context) int {
	groups, err := q.store.Groups(ctx)
	if err != nil {
		return 0
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	n := len(q.open)
	for _, g := range groups {
		if next, known := q.next[g.Name]; known && next <= g.High && q.peer.Groups.Group(g.Name) {
			n += int(g.High - max(next, g.Low) + 1)
		}
	}
	return n
}

func (q *queue) ledger() Counts {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.counts
}
