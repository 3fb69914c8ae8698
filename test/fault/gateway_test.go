package fault

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/restante/restante/test/harness"
)

// TestGateway_killed kills the gateway itself while peers feed it and people
// post. Posts wait in the queue for their batch, which leaves every second.
func TestGateway_killed(t *testing.T) {
	kills := count(t, 6, 200)
	r := rand.New(rand.NewPCG(seedOf(t), 0))
	g := harness.Start(t, peer(), harness.Setting{Key: "disk_reserve", Value: "0"})
	var d diary
	all := 0
	for life := range kills {
		stop := make(chan struct{})
		fed := d.feed(g, life, stop)
		time.Sleep(time.Duration(r.Int64N(int64(300 * time.Millisecond)))) // when it dies is up to chance
		g.Kill()
		close(stop)
		fed.Wait()
		g.Restart()
		d.check(t, g)
		if t.Failed() {
			return
		}
		all += len(d.letters())
		d.taken = nil // looked at once, and by their numbers from now on
	}
	t.Logf("%d kills: %d articles acknowledged, 0 lost, no number twice", kills, all)
}
