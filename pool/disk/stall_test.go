package disk

import (
	"fmt"
	"path/filepath"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/restante/restante/pool"
	"github.com/restante/restante/pool/pooltest"
	"github.com/restante/restante/pool/record/recordtest"
)

// What is done at once while nothing can be filed does not grow with what is
// dropped or expires.
func TestExpire_boundedTurns(t *testing.T) {
	const articles = 4000
	dir := t.TempDir()
	s := mustOpen(t, dir, Options{
		ServerName: pooltest.Server, SegmentSize: 256 << 10, Files: recordtest.NewPower(filepath.Dir(dir)),
	})
	defer mustClose(t, s)
	mustSetGroup(t, s, "a", "b")
	var group errgroup.Group
	group.SetLimit(64)
	for i := range 2 * articles {
		a := pooltest.Article(t, fmt.Sprint(i), "a", "b")
		a.Epoch = uint64(i % 2)
		group.Go(func() error {
			_, err := s.Append(t.Context(), a)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		t.Fatal(err)
	}
	// The keys of an article: two rows, message-id, arrival; and those of what
	// they are counted in. Of a copy's also the old arrival, and a look at each row.
	const most = stepRows*4 + 64
	count := new(atomic.Int64)
	s.index.count = count
	turns, largest, all := 0, int64(0), int64(0)
	s.turns = func(work func()) {
		before := count.Load()
		work()
		keys := count.Load() - before
		turns, largest, all = turns+1, max(largest, keys), all+keys
	}
	for name, work := range map[string]func() error{
		"dropping an epoch": func() error { return s.DropBefore(t.Context(), 2) },
		"expiry": func() error {
			return s.Expire(t.Context(), map[pool.Group]pool.Keep{"a": {Articles: 50}, "b": {Articles: 700}})
		},
	} {
		turns, largest, all = 0, 0, 0
		if err := work(); err != nil {
			t.Fatal(err)
		}
		t.Logf("%s: %d turns, %d keys in all, %d at most", name, turns, all, largest)
		if largest > most || all < 2*articles {
			t.Errorf("%s looks at %d keys in one turn, and %d in all; want %d at most", name, largest, all, most)
		}
	}
	s.turns = nil
}

// How long appends of four writers take while a large epoch is dropped, next to
// how long they take before that, in one run.
func BenchmarkStore_AppendWhileDropping(b *testing.B) {
	const old = 100_000
	s := speedStore(b, filepath.Join(b.TempDir(), "store"), Options{SegmentSize: 32 << 20})
	articles := newPress(2 << 10)
	articles.epoch = 1
	if err := articles.appendAll(b.Context(), s, 256, old); err != nil {
		b.Fatal(err)
	}
	articles.epoch = 2
	var before, during []time.Duration
	for b.Loop() {
		done := make(chan struct{})
		time.AfterFunc(3*time.Second, func() { close(done) })
		before = append(before, latencies(b, s, articles, done)...)
		dropped := make(chan struct{})
		start := time.Now()
		go func() {
			defer close(dropped)
			if err := s.DropBefore(b.Context(), 2); err != nil {
				b.Error(err)
			}
		}()
		during = append(during, latencies(b, s, articles, dropped)...)
		b.ReportMetric(time.Since(start).Seconds(), "s-dropping")
	}
	for name, rank := range map[string]float64{"p50": 0.5, "p99": 0.99} {
		was, is := quantile(before, rank), quantile(during, rank)
		b.ReportMetric(float64(was.Microseconds()), name+"-before-µs")
		b.ReportMetric(float64(is.Microseconds()), name+"-dropping-µs")
		b.ReportMetric(float64(is)/float64(was), name+"-ratio")
	}
	b.ReportMetric(float64(len(during)), "appends-dropping")
}

// latencies appends from four goroutines until done is closed, and returns how
// long each took.
func latencies(b *testing.B, s *Store, articles *press, done <-chan struct{}) []time.Duration {
	const writers = 4
	var group errgroup.Group
	took := make([][]time.Duration, writers)
	for w := range writers {
		group.Go(func() error {
			for {
				select {
				case <-done:
					return nil
				default:
				}
				start := time.Now()
				if _, err := s.Append(b.Context(), articles.article()); err != nil {
					return err
				}
				took[w] = append(took[w], time.Since(start))
			}
		})
	}
	if err := group.Wait(); err != nil {
		b.Fatal(err)
	}
	return slices.Concat(took...)
}

func quantile(took []time.Duration, rank float64) time.Duration {
	sorted := slices.Sorted(slices.Values(took))
	return sorted[int(rank*float64(len(sorted)-1))]
}
