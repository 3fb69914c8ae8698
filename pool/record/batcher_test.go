package record_test

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"

	"github.com/restante/restante/pool/record"
)

// A diary is what happened in a batcher's stages.
type diary struct {
	mu      sync.Mutex
	lines   []string
	batches int
	sync    chan struct{} // each sync takes one from it
}

func (d *diary) note(line string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.lines = append(d.lines, line)
}

func (d *diary) begin() record.Stages[int] {
	d.batches++
	return &noted{diary: d, number: d.batches}
}

type noted struct {
	*diary
	number int
	items  []int
}

func (n *noted) Add(items []int) {
	n.items = append(n.items, items...)
	if slices.Contains(items, bad) {
		panic("bad item")
	}
}
func (n *noted) Close() { n.note(fmt.Sprint("close ", n.number, " ", n.items)) }

func (n *noted) Sync() {
	n.note(fmt.Sprint("sync ", n.number))
	<-n.sync
	n.note(fmt.Sprint("synced ", n.number))
}

func (n *noted) Publish() { n.note(fmt.Sprint("publish ", n.number)) }
func (n *noted) Abandon() { n.note(fmt.Sprint("abandon ", n.number)) }

// bad is an item that panics.
const bad = -1

// Items put by one goroutine keep their order. While a batch is synced the next
// one gathers, and takes what comes until then.
func TestBatcher_gathersWhileOneSyncs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &diary{sync: make(chan struct{})}
		b := record.NewBatcher(d.begin)
		var waits sync.WaitGroup
		put := func(i int) {
			waits.Go(func() { b.Do(i) })
			synctest.Wait()
		}
		for i := range 5 {
			put(i)
		}
		d.sync <- struct{}{}
		synctest.Wait()
		put(5)
		close(d.sync)
		waits.Wait()
		got := strings.Join(d.lines, "\n")
		want := strings.Join([]string{
			"close 1 [0]", "sync 1", "synced 1",
			"close 2 [1 2 3 4]", "sync 2",
		}, "\n")
		// When batch 1 is published does not matter.
		others := slices.DeleteFunc(slices.Clone(d.lines), func(line string) bool { return line == "publish 1" })
		if diff := cmp.Diff(want, strings.Join(others[:5], "\n")); diff != "" {
			t.Errorf("(-want +got):\n%s\n%s", diff, got)
		}
		if !strings.Contains(got, "close 3 [5]") || strings.Index(got, "publish 2") > strings.Index(got, "publish 3") {
			t.Errorf("got\n%s", got)
		}
	})
}

// Alone waits until all that was put before is published.
func TestBatcher_alone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &diary{sync: make(chan struct{})}
		b := record.NewBatcher(d.begin)
		var waits sync.WaitGroup
		waits.Go(func() { b.Do(1) })
		synctest.Wait()
		waits.Go(func() { b.Alone(func() { d.note("alone") }) })
		synctest.Wait()
		close(d.sync)
		waits.Wait()
		want := []string{"close 1 [1]", "sync 1", "synced 1", "publish 1", "alone"}
		if diff := cmp.Diff(want, d.lines); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	})
}

// A panic in one batch holds up no other.
func TestBatcher_panic(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &diary{sync: make(chan struct{})}
		close(d.sync)
		b := record.NewBatcher(d.begin)
		func() {
			defer func() {
				if recover() == nil {
					t.Error("the panic is gone")
				}
			}()
			b.Do(bad)
		}()
		b.Do(2)
		want := []string{"abandon 1", "close 2 [2]", "sync 2", "synced 2", "publish 2"}
		if diff := cmp.Diff(want, d.lines); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	})
}
