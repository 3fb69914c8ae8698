package gateway

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/restante/restante/gateway/batch"
	"github.com/restante/restante/gateway/mirror"
	"github.com/restante/restante/gateway/pull"
	"github.com/restante/restante/pool/entry"
	"github.com/restante/restante/pool/record"
)

// lostFile in the data folder says that the disk was lost, until it is known what
// had left before: a start that is cut short must not forget it.
const lostFile = "lost"

// errLost is why nothing is taken just after a loss.
var errLost = errors.New("it is not known yet what has left here before")

// lookForLoss finds out whether the disk was lost and the keys were not: they have
// published a directory, and the queue remembers nothing, or a batch that the
// store knows nothing of. It is called before the queue is opened.
func (g *Gateway) lookForLoss(ctx context.Context, data string) error {
	mark := filepath.Join(data, lostFile)
	if _, err := os.Stat(mark); err == nil {
		g.lost.Store(true)
		return nil
	} else if !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("look whether the disk was lost: %w", err)
	}
	remembers, last, err := batch.Kept(filepath.Join(data, "queue"))
	if err != nil {
		return err
	}
	lost := !remembers
	if last > 0 {
		seen, err := g.store.Seen(ctx, entry.ManifestID(g.domain, last))
		if err != nil {
			return fmt.Errorf("look whether the disk was lost: %w", err)
		}
		lost = !seen
	}
	if !lost || g.keys.Directory().Signed == nil { // it is new
		return nil
	}
	g.lost.Store(true)
	return record.Replace(record.OS{}, mark, []byte("Other servers are still to be asked what this gateway has released.\n"))
}

// begin brings the keys up to the clock at the start, unless other servers are to
// be asked first: a directory that does not follow from the one published last
// would contradict it.
func (g *Gateway) begin(now time.Time) error {
	g.floor()
	if g.doubts(now) {
		return nil
	}
	if err := g.advance(now); err != nil && !g.Held() { // a clock may come right by itself
		return err
	}
	return nil
}

// doubts says whether something may have left here that the data folder does not
// know of: after a loss, or while batches are overdue and there is somebody to ask.
func (g *Gateway) doubts(now time.Time) bool {
	return g.lost.Load() || len(g.mirror.from()) > 0 && g.overdue(now) > 0
}

// patient is how long a server that does not answer is waited for where another
// one has.
const patient = time.Minute

// recall finds out from other servers what has left here, before anything more
// does: a second, other batch under the number of an earlier one would be proof
// that this gateway lies. After a loss it waits until one answers, if any is
// configured. Where batches are overdue the folder may be an older copy: then it
// asks once.
func (g *Gateway) recall(ctx context.Context) {
	begun, said := time.Now(), time.Time{}
	for ctx.Err() == nil {
		now := time.Now()
		if !g.doubts(now) {
			return
		}
		readings := g.mirror.from()
		lost := g.lost.Load()
		answered, err := g.ask(ctx, readings, now)
		switch {
		case !lost && err == nil:
			return
		case err == nil && (answered == len(readings) || answered > 0 && now.Sub(begun) > patient):
			err = g.found()
		case err == nil:
			err = errLost
		}
		if err == nil {
			return
		}
		if now.Sub(said) >= complain && ctx.Err() == nil {
			g.log.Error().Err(err).Msg("other servers must be asked what has left here before: trying again every second")
			said = now
		}
		pause(ctx)
	}
}

// ask asks the store and every server for the last directory and the last batch
// that left, and has keys and queue go on from there. It says how many servers
// answered.
func (g *Gateway) ask(ctx context.Context, readings []Reading, now time.Time) (answered int, err error) {
	lost := g.lost.Load()
	heads, answered := g.heads(ctx, readings, now)
	if err := g.adopt(ctx); err != nil {
		return 0, err
	}
	own, err := g.last(ctx, mirror.Shelf{Reader: g.store}, now)
	if err != nil {
		return 0, err
	}
	head := slices.MaxFunc(append(heads, own), func(a, b mirror.Head) int { return cmp.Compare(a.Batch, b.Batch) })
	_, kept, err := batch.Kept(filepath.Join(g.data, "queue"))
	if err != nil || head.Batch <= kept {
		return answered, err
	}
	if !lost {
		g.log.Warn().Msg("the queue is an older copy: batches that other servers have are not released a second time, and what waits for them is given up")
	}
	return answered, g.queue.Resume(head.Batch, head.Manifest)
}

// heads fetches directories of every server, and asks each for the last batch that
// left here. It says how many answered.
func (g *Gateway) heads(ctx context.Context, readings []Reading, now time.Time) (heads []mirror.Head, answered int) {
	ctx, cancel := context.WithTimeout(ctx, patient)
	defer cancel()
	var mu sync.Mutex // guards the results
	var all sync.WaitGroup
	for _, from := range readings {
		all.Go(func() {
			r := &reader{mirroring: g.mirror, Reading: from}
			if _, err := r.directories(ctx, ""); err != nil {
				return
			}
			head, err := g.last(ctx, &pull.Puller{Server: from.Server, Most: g.mirror.manifest}, now)
			mu.Lock()
			defer mu.Unlock()
			if err == nil {
				heads, answered = append(heads, head), answered+1
			}
		})
	}
	all.Wait()
	return heads, answered
}

// last asks one server for the last batch that left here. After a loss that may
// be long before the one that the queue begins with.
func (g *Gateway) last(ctx context.Context, server mirror.Source, now time.Time) (mirror.Head, error) {
	known := g.queue.Begun()
	head, err := g.mirror.policy.After(ctx, server, known)
	if err != nil || head.Batch > 0 || !g.lost.Load() {
		return head, err
	}
	return g.mirror.policy.UpTo(ctx, server, known, now)
}

// found ends what follows a loss.
func (g *Gateway) found() error {
	if err := os.Remove(filepath.Join(g.data, lostFile)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	g.lost.Store(false)
	g.log.Warn().Msg("the disk was lost: batches go on from now, and what other servers have of those before is fetched from them")
	return nil
}
