package record_test

import (
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/restante/restante/pool/record"
)

// A watch looks whether stages come in their order, and none where it must not.
type watch struct {
	t      *testing.T
	panics bool // stages panic now and then
	stages atomic.Int64

	begun                  int64
	turn, syncs, publishes atomic.Int32
	synced, published      atomic.Int64
	alone                  atomic.Bool
	abandoned              atomic.Int64
}

type watched struct {
	w       *watch
	number  int64
	items   []*atomic.Int64
	settled bool // synced
}

func (w *watch) begin() record.Stages[*atomic.Int64] {
	w.begun++
	return &watched{w: w, number: w.begun}
}

// within says that a stage is under way, of which there is one at a time.
func (s *watched) within(stage *atomic.Int32) func() {
	if stage.Add(1) != 1 || s.w.alone.Load() {
		s.w.t.Error("a stage is not alone")
	}
	if s.w.panics && (s.w.stages.Add(1) == 100 || rand.IntN(200) == 0) { // that many there are on any machine
		stage.Add(-1)
		panic("now and then")
	}
	return func() { stage.Add(-1) }
}

func (s *watched) Add(items []*atomic.Int64) {
	defer s.within(&s.w.turn)()
	s.items = append(s.items, items...)
}

func (s *watched) Close() { defer s.within(&s.w.turn)() }

func (s *watched) Sync() {
	defer s.within(&s.w.syncs)()
	if s.w.synced.Swap(s.number) >= s.number {
		s.w.t.Error("synced out of order")
	}
	s.settled = true
}

func (s *watched) Publish() {
	defer s.within(&s.w.publishes)()
	if !s.settled || s.w.published.Swap(s.number) >= s.number {
		s.w.t.Error("published out of order, or before it was synced")
	}
	for _, item := range s.items {
		item.Add(1)
	}
}

func (s *watched) Abandon() { s.w.abandoned.Add(1) }

// Many goroutines bring items, some several before they wait; others call Alone.
func TestBatcher_manyAtOnce(t *testing.T) {
	for name, panics := range map[string]bool{"": false, "panics": true} {
		t.Run(name, func(t *testing.T) {
			w := &watch{t: t, panics: panics}
			b := record.NewBatcher(w.begin)
			var running sync.WaitGroup
			var lost atomic.Int64
			for range 50 {
				running.Go(func() {
					for range 200 {
						bring(b, 1+rand.IntN(5), &lost)
					}
				})
			}
			running.Go(func() {
				for range 100 {
					b.Alone(func() {
						w.alone.Store(true)
						if w.turn.Load()+w.syncs.Load()+w.publishes.Load() != 0 {
							t.Error("Alone is not alone")
						}
						w.alone.Store(false)
					})
				}
			})
			running.Wait()
			if lost, abandoned := lost.Load(), w.abandoned.Load(); !panics && lost+abandoned > 0 || panics && abandoned == 0 {
				t.Errorf("%d items were not published, %d batches abandoned", lost, abandoned)
			}
		})
	}
}

// bring brings items and then waits for each, and counts those not published.
func bring(b *record.Batcher[*atomic.Int64], n int, lost *atomic.Int64) {
	items, tickets := make([]atomic.Int64, n), make([]record.Ticket, n)
	for i := range items {
		b.Put(&items[i], &tickets[i])
	}
	for i := range items {
		attempt(tickets[i].Wait)
		if !tickets[i].Known() || items[i].Load() != 1 {
			lost.Add(1)
		}
	}
}

// attempt calls f and takes its panics.
func attempt(f func()) {
	defer func() { _ = recover() }()
	f()
}
