package attack

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/restante/restante/gateway"
	"github.com/restante/restante/pool"
	"github.com/restante/restante/test/pipe"
)

// In a bubble weeks of batches pass in seconds, and every article arrives at a
// moment that is the same in each run. The gateway in it is the whole real one;
// only the clock and the network are the test's.

// inBubble runs f on a clock of its own. The index's library has a goroutine
// that goes half a minute after it is closed.
func inBubble(t *testing.T, f func(t *testing.T)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		t.Cleanup(func() { time.Sleep(time.Minute) })
		f(t)
	})
}

// newBubbleTarget starts a gateway, in a bubble, with a batch a minute.
func newBubbleTarget(t *testing.T, changes ...func(*gateway.Settings)) *target {
	t.Helper()
	p := pipe.Listen()
	slow := func(s *gateway.Settings) {
		s.Batches.Calendar = pool.Calendar{EpochLength: 24 * time.Hour, BatchInterval: time.Minute, Retention: 4, TokenLife: 12}
		s.Batches.Backlog = 1000
		s.Limits.Idle = 1000 * time.Hour
	}
	g := start(t, p, p.Dial, append([]func(*gateway.Settings){slow}, changes...))
	g.nextBatch()
	return g
}

// nextBatch lets the clock run to a second behind the next batch, when all of it
// has left.
func (g *target) nextBatch() {
	c := g.policy.Calendar
	time.Sleep(time.Until(c.Start(c.Batch(time.Now()) + 1).Add(time.Second)))
	synctest.Wait()
}
