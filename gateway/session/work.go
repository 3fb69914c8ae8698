package session

import (
	"context"
	"time"

	"github.com/restante/restante/pool"
)

// readCost is how many articles' overviews one article costs that must be read
// whole.
const readCost = 20

// A command that asks for more than Limits.Work is answered 503, before
// anything of its answer was sent: the server "only handles a subset of
// legitimate cases" (RFC 3977, Section 3.2.1). A 403 would say that the same
// command may do better later, which it will not.

// affordable says whether a command may look at the articles of a range, each
// at a cost.
func (s *session) affordable(info pool.GroupInfo, r pool.Range, cost int) error {
	most := s.limits.Load().Work
	from, to := max(r.From, info.Low), min(r.To, info.High)
	if most == 0 || from > to {
		return nil
	}
	if n := min(int(to-from)+1, info.Count); n > most/cost {
		return errTooMuch
	}
	return nil
}

// affordableSince says whether NEWNEWS may look at all that arrived since. It
// counts as far as the limit, as the first line of the answer must be right.
func (s *session) affordableSince(ctx context.Context, arrivals Arrivals, since time.Time) error {
	most := s.limits.Load().Work
	if most == 0 {
		return nil
	}
	looked := 0
	err := arrivals.Since(ctx, since, func(pool.MessageID, []pool.Location) bool {
		looked++
		return looked <= most
	})
	if err == nil && looked > most {
		return errTooMuch
	}
	return err
}

// cost is what it costs to look at the field of one article.
func (f field) cost() int {
	if f.place == notThere {
		return readCost
	}
	return 1
}
