package gateway

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/restante/restante/pool"
	"github.com/restante/restante/pool/entry"
)

// retry is how long after a failed round the next one is tried, and complain
// how often that is logged.
const (
	retry    = time.Second
	complain = time.Minute
)

// releasePace is what the moments are rounded up to at which batches appear: many
// times as long as it takes to make one of the default size.
const releasePace = 100 * time.Millisecond

// rounds keeps the gateway's rhythm until ctx ends: a round at the start of
// every batch.
func (g *Gateway) rounds(ctx context.Context) error {
	if n := g.queue.Damaged(); n > 0 {
		g.log.Error().Int("places", n).Msg("accepted deposits can't be read any more: the disk is failing")
	}
	var said time.Time
	for ctx.Err() == nil {
		now := time.Now()
		next := g.calendar.Start(g.calendar.Batch(now) + 1)
		if err := g.round(ctx, now); err != nil && ctx.Err() == nil {
			if now.Sub(said) >= complain && !g.Held() { // which was said already
				g.log.Error().Err(err).Msg("batch not released, trying again every second")
				said = now
			}
			next = now.Add(retry)
		}
		if n := g.refusedPosts.Swap(0); n > 0 {
			g.log.Error().Int64("posts", n).Msg("posts were refused because nothing can be stored")
		}
		select {
		case <-ctx.Done():
		case <-time.After(time.Until(next)):
		}
	}
	return nil
}

// round brings the keys up to date and releases every batch that is due.
func (g *Gateway) round(ctx context.Context, now time.Time) error {
	if err := g.advance(now); err != nil {
		return err
	}
	if err := g.publish(ctx, now); err != nil {
		return fmt.Errorf("publish the directory: %w", err)
	}
	first, last := g.releaser.Due(now)
	for b := first; b <= last; b++ {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := g.releaser.Release(ctx, b); err != nil {
			return fmt.Errorf("release a batch: %w", err)
		}
	}
	if overdue := int64(last) - int64(first); overdue > 0 {
		g.log.Info().Int64("batches", overdue).Msg("released what was overdue")
	}
	return nil
}

// publish posts the current directory, unless it is posted already.
func (g *Gateway) publish(ctx context.Context, now time.Time) error {
	d := g.keys.Directory()
	if seen, err := g.store.Seen(ctx, d.ID); seen || err != nil {
		return err
	}
	subject := fmt.Sprintf("directory %d of epoch %d", d.Serial, d.Epoch)
	a, err := entry.Note(g.domain, keysGroup, d.ID, subject, now, d.Signed)
	if err != nil {
		return err
	}
	filed, err := a.File([]pool.Group{keysGroup}, now, 0)
	if err != nil {
		return err
	}
	if _, err := g.store.Append(ctx, filed); !errors.Is(err, pool.ErrDuplicate) {
		return err
	}
	return nil
}

// noteFault notes that a post was refused for a fault of ours.
func (g *Gateway) noteFault() {
	g.refusedPosts.Add(1)
	g.refusedAt.Store(time.Now().Unix())
}
