package fault

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"

	"github.com/restante/restante/pool"
	"github.com/restante/restante/pool/pooltest"
)

// A work is what goes on in a store while something happens to it: articles
// come and are withdrawn, epochs are dropped, numbers expire, message-ids are
// remembered, groups changed, and room is made ahead, all at once.
type work struct {
	store  pool.Store
	life   string            // which makes the articles' names new ones
	rounds int               // of each writer; 0 for no end
	say    func(line string) // is told each thing before the next; by many goroutines
	seed   uint64

	mu    sync.RWMutex // guards epoch; held for reading while an article is filed
	epoch uint64       // articles go into it and the next one
}

// writers is how many goroutines file articles.
const writers = 4

// run works until the end, or until each goroutine has met an error, and
// returns them.
func (w *work) run(ctx context.Context) []error {
	for i, g := range groups() {
		info := pool.GroupInfo{Name: g, Posting: pool.PostingAllowed, Description: "0"}
		if known, err := w.store.Group(ctx, g); err == nil {
			info.Description = known.Description
		}
		if err := w.store.SetGroup(ctx, info); err != nil {
			return []error{err}
		}
		if i == len(groups())-1 && info.Description == "0" {
			w.say(described + " 0")
		}
	}
	errs := make([]error, writers+1)
	var wg, room sync.WaitGroup
	if s, ok := w.store.(interface{ Run(context.Context) error }); ok {
		running, stop := context.WithCancel(ctx)
		defer room.Wait()
		defer stop()
		room.Go(func() { _ = s.Run(running) }) // always nil
	}
	for i := range writers {
		wg.Go(func() { errs[i] = w.write(ctx, i) })
	}
	wg.Go(func() { errs[writers] = w.housekeep(ctx) })
	wg.Wait()
	return slices.DeleteFunc(errs, func(err error) bool { return err == nil })
}

func (w *work) tell(format string, args ...any) { w.say(fmt.Sprintf(format, args...)) }

// write is one writer.
func (w *work) write(ctx context.Context, number int) error {
	r := rand.New(rand.NewPCG(w.seed, uint64(number)))
	for i := 0; w.rounds == 0 || i < w.rounds; i++ {
		name := fmt.Sprintf("%s-%d-%d", w.life, number, i)
		if err := w.file(ctx, name, r.Uint64N(3)); err != nil {
			return err
		}
		if r.IntN(5) > 0 {
			continue
		}
		w.tell("%s %s", cancelling, name)
		if err := w.store.Cancel(ctx, pooltest.ID(name)); err != nil {
			return err
		}
		w.tell("%s %s", cancelled, name)
	}
	return nil
}

// file files an article in no epoch, the current one, or the next.
func (w *work) file(ctx context.Context, name string, which uint64) error {
	w.mu.RLock()
	defer w.mu.RUnlock()
	epoch := uint64(noEpoch)
	if which > 0 {
		epoch = w.epoch + which - 1
	}
	at, err := w.store.Append(ctx, makeArticle(name, epoch))
	if err != nil {
		return err
	}
	w.tell("%s %s %d %s", filed, name, epoch, formatLocations(at))
	return nil
}

// housekeep drops epochs and does the rest.
func (w *work) housekeep(ctx context.Context) error {
	r := rand.New(rand.NewPCG(w.seed, writers))
	for i := 0; w.rounds == 0 || i < max(w.rounds/4, 1); i++ {
		name := fmt.Sprintf("%s-r-%d", w.life, i)
		if err := w.store.Remember(ctx, pooltest.ID(name)); err != nil {
			return err
		}
		w.tell("%s %s", remembered, name)
		if r.IntN(2) == 0 {
			if err := w.drop(ctx); err != nil {
				return err
			}
		}
		if r.IntN(3) == 0 {
			if err := w.describe(ctx); err != nil {
				return err
			}
		}
		if r.IntN(3) == 0 {
			if err := w.expire(ctx, r); err != nil {
				return err
			}
		}
	}
	return nil
}

func (w *work) drop(ctx context.Context) error {
	w.mu.Lock()
	w.epoch++
	epoch := w.epoch
	w.mu.Unlock()
	w.tell("%s %d", dropping, epoch)
	if err := w.store.DropBefore(ctx, epoch); err != nil {
		return err
	}
	w.tell("%s %d", dropped, epoch)
	return nil
}

// expire takes the lowest numbers out of the groups, and with them, at times,
// segments that little is left of.
func (w *work) expire(ctx context.Context, r *rand.Rand) error {
	w.mu.Lock() // what was filed is told
	w.tell(expiring)
	w.mu.Unlock()
	keep := make(map[pool.Group]pool.Keep)
	for _, g := range groups() {
		keep[g] = pool.Keep{Articles: 20 + r.IntN(40)}
	}
	if err := w.store.Expire(ctx, keep); err != nil {
		return err
	}
	var lows []pool.Location
	for _, g := range groups() {
		info, err := w.store.Group(ctx, g)
		if err != nil {
			return err
		}
		lows = append(lows, pool.Location{Group: g, Number: info.Low})
	}
	w.tell("%s %s", expired, formatLocations(lows))
	return nil
}

func (w *work) describe(ctx context.Context) error {
	last := groups()[len(groups())-1]
	info, err := w.store.Group(ctx, last)
	if err != nil {
		return err
	}
	n := atoi(info.Description) + 1
	info.Description = fmt.Sprint(n)
	if err := w.store.SetGroup(ctx, info); err != nil {
		return err
	}
	w.tell("%s %d", described, n)
	return nil
}
