package gateway

import (
	"context"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

// A caretaker gives memory back to the system once most sessions are idle. What
// working sessions had, their stacks and buffers, is garbage then. The runtime
// leaves it there until the heap has doubled, or for two minutes, and keeps much
// of the room even then: an idle connection would cost twice what it holds. The
// caretaker collects when the process has grown since it last did so, and spends
// on that one part in thrift of the time at most.
type caretaker struct {
	counts  func() (working, idle int) // sessions
	held    func() uint64              // octets that the process has from the system
	collect func()

	kept uint64 // what was held after the last collection
	busy int    // sessions that worked then, and what they had was kept for
}

const (
	thrift     = 50
	glance     = time.Second // between two looks
	worthwhile = 4 << 20     // octets of growth below which nothing is collected,
	part       = 16          // and one part in so many of what was kept
	each       = 8 << 10     // octets that a working session has, its stack for the most part
)

func newCaretaker(counts func() (working, idle int)) *caretaker {
	return &caretaker{counts: counts, held: heldMemory, collect: debug.FreeOSMemory}
}

// run looks after the memory until ctx ends.
func (c *caretaker) run(ctx context.Context) {
	c.kept = c.held()
	wait := glance
	for {
		select {
		case <-ctx.Done():
			return
		case <-time.After(wait):
		}
		wait = glance
		if c.due() {
			start := time.Now()
			c.busy, _ = c.counts()
			c.collect()
			c.kept = c.held()
			wait = max(glance, thrift*time.Since(start))
		}
	}
}

// due says whether a collection pays: the process has grown, or sessions have
// fallen idle that worked at the last one, and most won't need the memory at
// once.
func (c *caretaker) due() bool {
	working, idle := c.counts()
	if working > idle {
		return false
	}
	held := c.held()
	c.kept = min(c.kept, held) // the runtime gives back something by itself
	given := uint64(max(0, c.busy-working)) * each
	return held-c.kept+given >= max(worthwhile, c.kept/part)
}

// heldMemory returns the octets that the Go runtime has from the system, which
// takes microseconds to find out.
func heldMemory() uint64 {
	samples := []metrics.Sample{
		{Name: "/memory/classes/total:bytes"},
		{Name: "/memory/classes/heap/released:bytes"},
	}
	metrics.Read(samples)
	return samples[0].Value.Uint64() - samples[1].Value.Uint64()
}
