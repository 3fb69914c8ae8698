package disk

import (
	"context"
	"errors"
	"runtime"
	"sync"

	"github.com/restante/restante/pool"
	"github.com/restante/restante/pool/record"
)

// Room made ahead in a segment: enough for some batches like the last one, and so
// many octets at least. One small batch does not say that many of them follow.
const (
	roomBatches = 64
	leastRoom   = 256 << 10
)

// largeBatch is the size, in octets, from which on making room ahead costs more
// than it saves: each octet is then written twice, to make a sync some 90 µs
// shorter.
const largeBatch = 32 << 10

// A growth is what one batch added to a segment.
type growth struct {
	log    *record.Log
	octets int64
}

// Run does what appends need not wait for, until ctx ends or the store is closed.
// It makes room ahead in the segments that grow in small steps: without it every
// sync takes a little longer, as the file system has to note that the file has
// grown. And it puts what was filed into the index's database: without it appends
// and scans do so, some hundred articles at a time. It returns nil.
func (s *Store) Run(ctx context.Context) error {
	var running sync.WaitGroup
	defer running.Wait()
	running.Go(func() { s.keepSettling(ctx) })
	s.keepMakingRoom(ctx)
	return nil
}

func (s *Store) keepSettling(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.done:
			return
		case <-s.index.staging.wake:
		}
		if s.enter(ctx) != nil {
			return
		}
		runtime.Gosched() // first those go on who were told at the same time that their articles are filed
		s.settle()
		s.leave()
	}
}

func (s *Store) keepMakingRoom(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.done:
			return
		case g := <-s.grown:
			s.makeRoom(ctx, g)
		}
	}
}

// noteGrowth tells Run, if it is not busy.
func (s *Store) noteGrowth(p *part) {
	g := growth{p.segment.log, p.records.Size()}
	s.largeSteps.Store(g.octets > largeBatch)
	if g.octets > largeBatch {
		return
	}
	select {
	case s.grown <- g:
	default:
	}
}

func (s *Store) makeRoom(ctx context.Context, g growth) {
	if s.enter(ctx) != nil {
		return
	}
	defer s.leave()
	ahead := max(roomBatches*g.octets, leastRoom)
	for ctx.Err() == nil && !s.largeSteps.Load() && s.room() == nil {
		extended, err := g.log.Extend(ahead)
		if err != nil && !errors.Is(err, pool.ErrDiskFull) {
			s.options.Logger.Debug().Err(err).Msg("can't make room ahead")
		}
		if err != nil || !extended {
			return
		}
	}
}
