package archive

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/restante/restante/pool"
	"github.com/restante/restante/pool/article"
)

// An Exporter writes what any reader of a store can read into an archive, in the
// order of arrival. Withdrawn articles and hidden newsgroups are not among it.
type Exporter struct {
	Store  pool.Store
	Wanted func(pool.Group) bool
	Passed func(places int) // told how many places of the newsgroups are done; may be nil
}

// Exported is what became of the articles of a store.
type Exported struct {
	Written int // an article in several newsgroups once
	Damaged int // articles that can't be read any more
}

// Run writes all articles that lie in a newsgroup that is wanted.
func (e *Exporter) Run(ctx context.Context, to Sink) (Exported, error) {
	var counts Exported
	var failed error
	err := e.Store.Since(ctx, time.Time{}, func(id pool.MessageID, at []pool.Location) bool {
		wanted := 0
		for _, l := range at {
			if e.Wanted(l.Group) {
				wanted++
			}
		}
		if wanted == 0 {
			return true
		}
		failed = e.write(ctx, id, to, &counts)
		if e.Passed != nil {
			e.Passed(wanted)
		}
		return failed == nil
	})
	return counts, errors.Join(err, failed)
}

func (e *Exporter) write(ctx context.Context, id pool.MessageID, to Sink, counts *Exported) error {
	a, err := e.Store.ByID(ctx, id)
	switch {
	case errors.Is(err, pool.ErrNotFound): // withdrawn or expired meanwhile
		return nil
	case errors.Is(err, pool.ErrCorrupt):
		counts.Damaged++
		return nil
	case err != nil:
		return err
	}
	counts.Written++
	text := article.Unstuff(a.Wire[:len(a.Wire)-len(".\r\n")])
	return to.Put(slices.Clip(text), a.Arrived)
}
