package archive

import (
	"cmp"
	"context"
	"errors"
	"io"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/semaphore"

	"github.com/restante/restante/pool"
	"github.com/restante/restante/pool/article"
)

// inFlight is how many octets of articles may wait for one sync.
const inFlight = 32 << 20

// An Importer files articles in a store.
type Importer struct {
	Store pool.Store

	// Check says whether an article is welcome, and in which newsgroups: of
	// those in which it lies in the archive, or where there is no telling of
	// those that it names. It returns a [*pool.Refusal] for one that is not.
	Check func(ctx context.Context, text []byte, in []pool.Group, arrived time.Time) (*pool.Article, error)

	// Reason names the reason of a refusal, for [Counts.Refused].
	Reason func(error) string

	// Xref is the server whose Xref header fields give the numbers of articles
	// for which the archive has none: "" for no server's.
	Xref string
}

// Counts is what became of the articles of an archive.
type Counts struct {
	Read      int            // and something became of it
	Filed     int            // and on stable storage
	Duplicate int            // seen before
	Refused   map[string]int // by reason
	Lost      int            // places of filed articles that they could not get
}

// NumberTaken is the reason of a refusal for [pool.ErrNumber].
const NumberTaken = "number_taken"

// Run files all articles of a source, many in one sync. When it returns, all
// that it counts as filed are on stable storage; after an error the same
// archive may be imported again, and what is there already counts as duplicate.
func (i *Importer) Run(ctx context.Context, src Source) (Counts, error) {
	r := &run{importer: i, budget: semaphore.NewWeighted(inFlight)}
	r.counts.Refused = make(map[string]int)
	err := r.all(ctx, src)
	r.waits.Wait()
	return r.counts, errors.Join(err, r.failed)
}

// A run is one call of Run.
type run struct {
	importer *Importer
	budget   *semaphore.Weighted
	waits    sync.WaitGroup

	mu     sync.Mutex // guards what follows
	counts Counts
	failed error
}

func (r *run) all(ctx context.Context, src Source) error {
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		item, err := src.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		var refusal *pool.Refusal
		if err != nil && !errors.As(err, &refusal) {
			return err
		}
		a, err := r.prepare(ctx, item, err)
		if !r.note(err, item, a == nil) {
			return nil // the error is kept
		}
		if a == nil {
			continue
		}
		if err := r.file(ctx, a, item); err != nil {
			return err
		}
	}
}

// prepare makes of an article what the store takes. err is that of its reading.
func (r *run) prepare(ctx context.Context, item Item, err error) (*pool.Article, error) {
	if err != nil {
		return nil, err
	}
	at := item.At
	if len(at) == 0 && r.importer.Xref != "" {
		value, _ := article.HeaderField(article.Stuff(header(item.Text)), "Xref")
		if server, found, ok := ParseXref(value); ok && server == r.importer.Xref {
			at = found
		}
	}
	var in []pool.Group
	for _, l := range item.At {
		in = append(in, l.Group)
	}
	arrived := item.Arrived
	if now := time.Now(); arrived.IsZero() || arrived.After(now) {
		arrived = now
	}
	a, err := r.importer.Check(ctx, item.Text, in, arrived)
	if err != nil {
		return nil, err
	}
	a.Numbers = numbers(a.Groups, at)
	return a, nil
}

// numbers returns the numbers in these groups, or none unless there is one in
// each.
func numbers(groups []pool.Group, at []pool.Location) []pool.Number {
	var out []pool.Number
	for _, g := range groups {
		i := slices.IndexFunc(at, func(l pool.Location) bool { return l.Group == g })
		if i < 0 {
			return nil
		}
		out = append(out, at[i].Number)
	}
	return out
}

// file gives an article its turn in the store. The turns are in order; the
// outcomes come later.
func (r *run) file(ctx context.Context, a *pool.Article, item Item) error {
	size := min(int64(len(a.Head)+len(a.Body)), inFlight)
	if err := r.budget.Acquire(ctx, size); err != nil {
		return err
	}
	// What has its turn is waited for, whatever becomes of ctx.
	ctx = context.WithoutCancel(ctx)
	begun := pool.Begin(ctx, r.importer.Store, a)
	r.waits.Go(func() {
		_, err := begun.Wait()
		r.budget.Release(size)
		r.note(err, item, true)
	})
	return nil
}

// note counts what became of an article, if that is known now. It returns false
// when nothing more should be brought.
func (r *run) note(err error, item Item, final bool) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	var refusal *pool.Refusal
	switch {
	case !final:
	case err == nil:
		r.counts.Filed++
		r.counts.Lost += item.Lost
	case errors.Is(err, pool.ErrDuplicate):
		r.counts.Duplicate++
	case errors.Is(err, pool.ErrNumber):
		r.counts.Refused[NumberTaken]++
	case errors.As(err, &refusal), errors.Is(err, pool.ErrGroupFull):
		r.counts.Refused[r.reason(err)]++
	default: // what becomes of it is not known
		r.failed = cmp.Or(r.failed, err)
		final = false
	}
	if final {
		r.counts.Read++
	}
	return r.failed == nil
}

// reason names the reason of a refusal, be it made here or by the check.
func (r *run) reason(err error) string {
	for _, own := range []error{ErrTooLarge, ErrIncomplete} {
		if errors.Is(err, own) {
			return own.Error()
		}
	}
	return r.importer.Reason(err)
}
