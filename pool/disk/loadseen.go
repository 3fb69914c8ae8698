package disk

import (
	"runtime"
	"time"

	"golang.org/x/sync/errgroup"
)

// loadSeen fills the memory of message-ids from the index: those of articles by their
// arrivals, those of withdrawals, and those of what is gone. It goes over as many
// stretches of it at a time as there are processors.
func (s *Store) loadSeen() error {
	var group errgroup.Group
	group.SetLimit(runtime.GOMAXPROCS(0))
	stretches, err := s.arrivalStretches()
	if err != nil {
		return err
	}
	for _, t := range stretches {
		group.Go(func() error { return s.loadArrivals(t[0], t[1]) })
	}
	group.Go(func() error {
		return s.index.eachWithdrawal([]byte{'w'}, []byte{'w' + 1}, func(h hash, p place) bool {
			s.seen.add(h, leadTo(p))
			return true
		})
	})
	const stretch = 16 // of a hash's first octet
	for from := 0; from < 256; from += stretch {
		start, end := []byte{'m', byte(from)}, []byte{'m', byte(from + stretch)}
		if from+stretch == 256 {
			end = []byte{'m' + 1}
		}
		group.Go(func() error { return s.loadGone(start, end) })
	}
	return group.Wait()
}

// arrivalStretches returns from which key and up to which there are about as many
// arrivals as in other stretches, if they came evenly.
func (s *Store) arrivalStretches() (out [][2][]byte, err error) {
	const n = 16
	tallies, err := s.index.tallies()
	if err != nil {
		return nil, err
	}
	var all tally
	for _, t := range tallies {
		if t.filed > 0 && (all.filed == 0 || t.from < all.from) {
			all.from = t.from
		}
		if t.filed > 0 && (all.filed == 0 || t.to > all.to) {
			all.to = t.to
		}
		all.filed += t.filed
	}
	from := []byte{'t'}
	for i := range int64(n - 1) {
		to := timeKey(time.Unix(all.from+(all.to-all.from)/n*(i+1), 0))
		out = append(out, [2][]byte{from, to})
		from = to
	}
	return append(out, [2][]byte{from, {'t' + 1}}), nil
}

func (s *Store) loadArrivals(from, to []byte) error {
	return s.index.each(from, to, func(key, value []byte) (bool, error) {
		c := cursor{rest: value}
		id := c.bytes()
		if c.bad || len(key) != arrivalKeySize {
			return false, errDoubt
		}
		s.seen.add(hashOf(id), leadTo(arrivalPlace(key)))
		return true, nil
	})
}

func (s *Store) loadGone(from, to []byte) error {
	return s.index.each(from, to, func(key, _ []byte) (bool, error) {
		if len(key) != 1+len(hash{}) {
			return false, errDoubt
		}
		s.seen.add(hash(key[1:]), leadGone)
		return true, nil
	})
}
