package gateway

import (
	"context"
	"time"

	"github.com/restante/restante/pool"
)

// A Keep says how much of a group is kept; what is older, or more, expires. Zero
// values set no bound.
type Keep struct {
	Age      time.Duration // since arrival
	Articles int
	Octets   int64
}

// lookForExpired is how often it is looked for what expires, at least.
const lookForExpired = 10 * time.Minute

// expiry drops epochs and lets articles of public groups expire until ctx ends,
// beside the batches, which wait for none of it. A clock that has jumped ahead
// makes everything look old: nothing goes until it is right.
func (g *Gateway) expiry(ctx context.Context) error {
	var said time.Time
	for ctx.Err() == nil {
		now := time.Now()
		if err := g.expire(ctx, now); err != nil && ctx.Err() == nil && now.Sub(said) >= complain {
			g.log.Error().Err(err).Msg("old articles could not be removed, trying again later")
			said = now
		}
		select {
		case <-ctx.Done():
		case <-g.keepChanged:
		case <-time.After(min(lookForExpired, g.calendar.BatchInterval)):
		}
	}
	return nil
}

func (g *Gateway) expire(ctx context.Context, now time.Time) error {
	if g.keys.Clock(now) != nil {
		return nil //nolint:nilerr // advance says so
	}
	oldest, _ := g.keys.Retained()
	if err := g.store.DropBefore(ctx, oldest); err != nil {
		return err
	}
	keep := make(map[pool.Group]pool.Keep)
	for name, k := range *g.keep.Load() {
		bounds := pool.Keep{Articles: k.Articles, Octets: k.Octets}
		if k.Age > 0 {
			bounds.Since = now.Add(-k.Age)
		}
		keep[name] = bounds
	}
	return g.store.Expire(ctx, keep)
}

// setKeep changes what is kept of the public groups. Only these have bounds: the
// gateway's own are dropped by epochs, or kept, as the keys are.
func (g *Gateway) setKeep(s Settings) {
	keep := make(map[pool.Group]Keep)
	for _, info := range s.Groups {
		if k := s.Keep[info.Name]; k != (Keep{}) {
			keep[info.Name] = k
		}
	}
	g.keep.Store(&keep)
	select {
	case g.keepChanged <- struct{}{}:
	default:
	}
}

// remembered is how long the message-ids of what is gone must be remembered: an
// article may come again for as long as peers may bring it, and its date may be
// a day ahead (RFC 5537, Sections 3.3 and 3.6).
func remembered(cutoff time.Duration) time.Duration { return cutoff + 24*time.Hour }
