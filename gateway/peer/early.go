package peer

import (
	"slices"
	"sync"
	"time"

	"github.com/restante/restante/pool"
	"github.com/restante/restante/pool/control"
)

const (
	maxEarly     = 4096    // cancels remembered, of all peers
	maxEarlyKeys = 1 << 10 // octets of one's keys
)

// early is the cancels that came before the articles that they name (RFC 5537,
// Section 5.3). Whether they have the key shows only once the article comes.
// They are in memory alone: a restart forgets them, and the article stays then.
type early struct {
	life time.Duration

	mu   sync.Mutex     // guards what follows
	line []cancel       // by time
	of   map[string]int // how many are in it, by the peer that brought them
}

// A cancel is one that waits for its article.
type cancel struct {
	request control.Request
	peer    string
	until   time.Time
}

// newEarly keeps cancels for as long as their articles may still come.
func newEarly(cutoff time.Duration) *early {
	return &early{life: cutoff + tolerance, of: make(map[string]int)}
}

// add remembers a cancel that a peer has brought. Where there are too many, the peer
// that has most loses its oldest: so a flood of cancels of nothing pushes out no other
// peer's.
func (e *early) add(peer string, r control.Request, now time.Time) {
	if len(r.Keys) > maxEarlyKeys || r.Keys == "" {
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	old := 0
	for old < len(e.line) && !e.line[old].until.After(now) {
		old++
	}
	e.forget(0, old)
	e.line = append(e.line, cancel{r, peer, now.Add(e.life)})
	e.of[peer]++
	if len(e.line) > maxEarly {
		most := peer
		for other, n := range e.of {
			if n > e.of[most] {
				most = other
			}
		}
		i := slices.IndexFunc(e.line, func(c cancel) bool { return c.peer == most })
		e.forget(i, i+1)
	}
}

// remove forgets a cancel whose article was here.
func (e *early) remove(r control.Request) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for i := len(e.line) - 1; i >= 0; i-- {
		if e.line[i].request == r {
			e.forget(i, i+1)
		}
	}
}

// forget takes a part of the line out of it.
func (e *early) forget(from, to int) {
	for _, c := range e.line[from:to] {
		if e.of[c.peer]--; e.of[c.peer] == 0 {
			delete(e.of, c.peer)
		}
	}
	e.line = slices.Delete(e.line, from, to)
}

// withdrew says whether a cancel that came before has the key to the lock of
// that article.
func (e *early) withdrew(id pool.MessageID, lock string, now time.Time) bool {
	if lock == "" {
		return false
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.ContainsFunc(e.line, func(c cancel) bool {
		return c.request.Target == id && c.until.After(now) && control.Opens(c.request.Keys, lock)
	})
}
