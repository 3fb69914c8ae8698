package record_test

import (
	"slices"
	"sync"
	"testing"

	"github.com/restante/restante/pool/record"
)

// Items put by one goroutine are committed in their order, and those that are
// put while a commit runs share the next one.
func TestBatcher_putKeepsTheOrder(t *testing.T) {
	const n = 100
	var got []int
	commits := 0
	started, release := make(chan struct{}), make(chan struct{})
	b := record.NewBatcher(func(items []int) {
		if commits++; commits == 1 {
			close(started)
			<-release
		}
		got = append(got, items...)
	})
	var waits sync.WaitGroup
	put := func(i int) { waits.Go(b.Put(i)) }
	put(0)
	<-started
	for i := 1; i < n; i++ {
		put(i)
	}
	close(release)
	waits.Wait()
	if !slices.IsSorted(got) || len(got) != n || commits != 2 {
		t.Errorf("%d items in %d commits: %v", len(got), commits, got)
	}
}
