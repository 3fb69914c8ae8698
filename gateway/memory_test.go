package gateway

import (
	"context"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// A heap is what a caretaker sees of a process.
type heap struct {
	mu              sync.Mutex // guards what follows: the caretaker is another goroutine
	working, idle   int
	garbage, needed uint64
	takes           time.Duration // one collection
	collections     int
}

func (h *heap) caretaker() *caretaker {
	return &caretaker{
		counts: func() (int, int) {
			h.mu.Lock()
			defer h.mu.Unlock()
			return h.working, h.idle
		},
		held: func() uint64 {
			h.mu.Lock()
			defer h.mu.Unlock()
			return h.garbage + h.needed
		},
		collect: func() {
			time.Sleep(h.takes)
			h.mu.Lock()
			defer h.mu.Unlock()
			h.garbage = 0
			h.collections++
		},
	}
}

// after changes the process, and lets time pass.
func (h *heap) after(change func(), d time.Duration) {
	h.mu.Lock()
	change()
	h.mu.Unlock()
	time.Sleep(d)
	synctest.Wait()
}

func tend(t *testing.T, h *heap, work func()) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := context.WithCancel(t.Context())
		go h.caretaker().run(ctx)
		synctest.Wait()
		work()
		stop()
		synctest.Wait()
	})
}

func TestCaretaker_collectsOnceSessionsAreIdle(t *testing.T) {
	t.Parallel()
	h := &heap{working: 600, idle: 400, needed: 50 << 20, takes: 100 * time.Millisecond}
	tend(t, h, func() {
		h.after(func() { h.garbage = 100 << 20 }, time.Hour)
		if h.collections > 0 {
			t.Error("collected while most sessions work")
		}
		h.after(func() { h.working, h.idle = 100, 900 }, 2*time.Second)
		if h.collections != 1 || h.garbage > 0 {
			t.Errorf("%d collections, %d octets of garbage left", h.collections, h.garbage)
		}
		h.after(func() {}, 24*time.Hour)
		if h.collections != 1 {
			t.Errorf("%d collections of nothing", h.collections-1)
		}
	})
}

func TestCaretaker_leavesALittleAlone(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		needed, garbage uint64
		want            int
	}{
		{0, worthwhile - 1, 0},
		{0, worthwhile, 1},
		{part * worthwhile, worthwhile, 1},
		{2 * part * worthwhile, 2*worthwhile - 1, 0},
		{2 * part * worthwhile, 2 * worthwhile, 1},
	} {
		h := &heap{idle: 1, needed: c.needed}
		tend(t, h, func() {
			h.after(func() { h.garbage = c.garbage }, time.Hour)
		})
		if h.collections != c.want {
			t.Errorf("%d octets beside %d: %d collections, want %d", c.garbage, c.needed, h.collections, c.want)
		}
	}
}

func TestCaretaker_spendsAPartOfTheTime(t *testing.T) {
	t.Parallel()
	h := &heap{idle: 1, takes: time.Second}
	tend(t, h, func() {
		for range 3600 { // there is always something
			h.after(func() { h.garbage = 100 << 20 }, time.Second)
		}
	})
	if most := 3600/thrift + 1; h.collections > most || h.collections < most/2 {
		t.Errorf("%d collections of a second in an hour, want near %d", h.collections, most)
	}
}

// What a session had that worked during the last collection is garbage once it
// is idle, though the process has not grown.
func TestCaretaker_collectsAfterTheLastOnes(t *testing.T) {
	t.Parallel()
	h := &heap{idle: 2000}
	tend(t, h, func() {
		h.after(func() { h.working, h.garbage = 1000, 100<<20 }, time.Minute)
		h.after(func() { h.working = 600 }, time.Minute)
		if h.collections != 1 {
			t.Errorf("%d collections, want 1", h.collections)
		}
		h.after(func() { h.working = 0 }, time.Hour)
	})
	if h.collections != 2 {
		t.Errorf("%d collections, want 2", h.collections)
	}
}

func TestCaretaker_followsWhatTheRuntimeGivesBack(t *testing.T) {
	t.Parallel()
	h := &heap{idle: 1, needed: 500 << 20}
	tend(t, h, func() {
		h.after(func() { h.needed = 10 << 20 }, time.Minute)
		h.after(func() { h.garbage = 5 << 20 }, time.Minute)
	})
	if h.collections != 1 {
		t.Errorf("%d collections, want 1", h.collections)
	}
}

func TestHeldMemory_growsAndShrinks(t *testing.T) {
	newCaretaker(nil).collect() // what other tests have left would be used again
	before := heldMemory()
	big := make([]byte, 64<<20)
	for i := 0; i < len(big); i += 4096 {
		big[i] = 1
	}
	with := heldMemory()
	if with < before+32<<20 {
		t.Errorf("%d octets before and %d with 64 MiB", before, with)
	}
	runtime.KeepAlive(big) // and no longer
	newCaretaker(nil).collect()
	if after := heldMemory(); after+32<<20 > with {
		t.Errorf("%d octets with 64 MiB and %d without", with, after)
	}
}
