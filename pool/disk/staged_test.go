package disk

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/restante/restante/pool"
	"github.com/restante/restante/pool/pooltest"
)

// Whoever was told that an article is there finds it at once, whichever way, while
// others file and what is staged goes to the database.
func TestStore_findsWhatItAcknowledged(t *testing.T) {
	s := mustOpen(t, t.TempDir(), small())
	defer mustClose(t, s)
	mustSetGroup(t, s, "a", "b")
	ctx, stop := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { _ = s.Run(ctx) })
	defer running.Wait()
	defer stop()
	start := time.Now()
	var writers errgroup.Group
	for w := range 8 {
		writers.Go(func() error {
			for i := range 50 {
				name := fmt.Sprint(w, "-", i)
				a := pooltest.Article(t, name, "a", "b")
				a.Arrived = start.Add(time.Duration(i) * time.Second)
				at, err := s.Append(t.Context(), a)
				if err == nil {
					err = find(t.Context(), s, a, at)
				}
				if err != nil {
					return fmt.Errorf("%s: %w", name, err)
				}
			}
			return nil
		})
	}
	if err := writers.Wait(); err != nil {
		t.Fatal(err)
	}
}

// find looks for an article in each way that there is.
func find(ctx context.Context, s *Store, a *pool.Article, at []pool.Location) error {
	if _, err := s.ByID(ctx, a.ID); err != nil {
		return fmt.Errorf("ByID: %w", err)
	}
	if seen, err := s.Seen(ctx, a.ID); !seen || err != nil {
		return fmt.Errorf("Seen: %v, %w", seen, err)
	}
	for _, l := range at {
		if _, err := s.ByNumber(ctx, l.Group, l.Number); err != nil {
			return fmt.Errorf("ByNumber: %w", err)
		}
		lines := 0
		err := s.Scan(ctx, l.Group, pool.Range{From: l.Number, To: l.Number}, func(pool.Number, []byte) bool {
			lines++
			return true
		})
		if lines != 1 || err != nil {
			return fmt.Errorf("Scan: %d lines, %w", lines, err)
		}
	}
	var since []pool.MessageID
	err := s.Since(ctx, a.Arrived, func(id pool.MessageID, _ []pool.Location) bool {
		since = append(since, id)
		return true
	})
	if err == nil && !slices.Contains(since, a.ID) {
		err = errors.New("it is missing")
	}
	if err != nil {
		return fmt.Errorf("since: %w", err)
	}
	return nil
}

// What is staged is bounded, also when nothing but appends brings it to the
// database, and a scan waits for it only where it must.
func TestStore_boundsWhatIsStaged(t *testing.T) {
	s := mustOpen(t, t.TempDir(), Options{ServerName: pooltest.Server})
	defer mustClose(t, s)
	mustSetGroup(t, s, "a", "b")
	y := s.index.staging
	written := new(atomic.Int64)
	s.index.count = written
	most := 0
	for i := range 40 {
		var filings []*filing
		for j := range 100 {
			filings = append(filings, filingOf(t, fmt.Sprint(i, "-", j)))
		}
		b := s.filed(filings...)
		b.Sync()
		b.Publish()
		if filings[0].err != nil {
			t.Fatal(filings[0].err)
		}
		most = max(most, y.young.size().keys())
	}
	if all := written.Load(); all > 40*(100*3+3) {
		t.Errorf("%d keys were written, want each once", all)
	}
	if most > stagedKeys+400 || most < stagedKeys/2 {
		t.Errorf("up to %d keys are staged, want about %d", most, stagedKeys)
	}
	scan := func(name pool.Group, to pool.Number) {
		t.Helper()
		err := s.Scan(t.Context(), name, pool.Range{From: 1, To: to}, func(pool.Number, []byte) bool { return true })
		if err != nil {
			t.Fatal(err)
		}
	}
	staged := y.young.size().keys()
	scan("b", pool.MaxNumber)
	scan("a", y.young.least[s.groups["a"].id]-1)
	if staged == 0 || y.young.size().keys() != staged {
		t.Errorf("of %d keys %d are staged after scans of others", staged, y.young.size().keys())
	}
	scan("a", pool.MaxNumber)
	if n := y.young.size().keys(); n > 0 {
		t.Errorf("%d keys are staged after a scan of them", n)
	}
}
