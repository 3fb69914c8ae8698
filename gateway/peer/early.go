package peer

import (
	"slices"
	"sync"
	"time"

	"github.com/restante/restante/pool"
	"github.com/restante/restante/pool/control"
)

const (
	maxEarly     = 4096    // cancels remembered
	maxEarlyKeys = 1 << 10 // octets of one's keys
)

// early is the cancels that came before the articles that they name (RFC 5537,
// Section 5.3). Whether they have the key shows only once the article comes.
// They are in memory alone: a restart forgets them, and the article stays then.
type early struct {
	life time.Duration

	mu   sync.Mutex
	line []cancel // by time
}

// A cancel is one that waits for its article.
type cancel struct {
	request control.Request
	until   time.Time
}

// newEarly keeps cancels for as long as their articles may still come.
func newEarly(cutoff time.Duration) *early { return &early{life: cutoff + tolerance} }

// add remembers a cancel, and forgets the oldest where there are too many.
func (e *early) add(r control.Request, now time.Time) {
	if len(r.Keys) > maxEarlyKeys || r.Keys == "" {
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	old := 0
	for old < len(e.line) && (!e.line[old].until.After(now) || len(e.line)-old >= maxEarly) {
		old++
	}
	e.line = append(slices.Delete(e.line, 0, old), cancel{r, now.Add(e.life)})
}

// remove forgets a cancel whose article was here.
func (e *early) remove(r control.Request) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.line = slices.DeleteFunc(e.line, func(c cancel) bool { return c.request == r })
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
