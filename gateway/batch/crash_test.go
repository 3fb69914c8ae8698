package batch

import (
	"context"
	"errors"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"github.com/restante/restante/pool"
	"github.com/restante/restante/pool/article"
	"github.com/restante/restante/pool/record/recordtest"
)

func TestQueue_aPlannedBatchTakesNoMore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		slots := b.send(somebody(), 1)
		nextBatch()
		b.rel.Store = &failingStore{b.store, 3}
		if err := b.rel.Release(t.Context(), slots[0].Batch); !errors.Is(err, errCrash) {
			t.Fatal(err)
		}
		if begun, err := Begun(b.dir); err != nil || begun != slots[0].Batch {
			t.Errorf("batch %d was begun, not %d: %v", slots[0].Batch, begun, err)
		}
		b.reopen()
		b.queue.mu.Lock()
		open := b.queue.open
		b.queue.mu.Unlock()
		if open != slots[0].Batch+1 { // even if the clock is a little behind now
			t.Errorf("the queue takes bookings from batch %+d on", int64(open)-int64(slots[0].Batch))
		}
	})
}

func TestRelease_anOldPlanDoesNotSwallowABatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		slots := b.send(somebody(), 1)
		nextBatch()
		b.rel.Store = &failingStore{b.store, 3}
		if err := b.rel.Release(t.Context(), slots[0].Batch); !errors.Is(err, errCrash) {
			t.Fatal(err)
		}
		later := slots[0].Batch + 50
		b.reopen()
		if err := b.rel.Release(t.Context(), later); err != nil {
			t.Fatal(err)
		}
		if got := b.count(poolGroup); got != 2*shape.Size || b.queue.Released() != later {
			t.Errorf("%d entries, want those of the old batch and of the new one", got)
		}
	})
}

func TestQueue_restartKeepsWhatWasAccepted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		p := somebody()
		slots := b.send(p, 6)
		when := b.post("one")
		b.reopen()
		if n := b.queue.Waiting(); n != 7 {
			t.Fatalf("%d deposits wait after a restart, want 7", n)
		}
		if again := b.send(p, 1); again[0].Tag != p.blinded.Tag(slots[0].Batch+1, 2) {
			t.Error("after a restart a slot was given out twice")
		}
		time.Sleep(30 * time.Minute) // down for thirty batches
		b.reopen()
		b.releaseDue()
		if got, want := b.count(poolGroup), 30*shape.Size; got != want {
			t.Errorf("%d entries after thirty overdue batches, want %d", got, want)
		}
		for i, s := range slots {
			if !b.holds(s) {
				t.Errorf("entry %d is lost", i)
			}
		}
		posted, err := b.store.ByID(t.Context(), "<one@x.example>")
		if err != nil {
			t.Fatal(err)
		}
		if date, _ := article.HeaderField(posted.Head(), "Date"); date != article.Date(when) || posted.In(cards) != 1 {
			t.Errorf("the public post has date %s, number %d", date, posted.In(cards))
		}
		b.reopen()
		b.releaseDue()
		if got, want := b.count(poolGroup), 30*shape.Size; got != want {
			t.Errorf("a restart released again: %d entries", got)
		}
	})
}

// A failingStore fails every Append after the first few.
type failingStore struct {
	pool.Store
	left int
}

var errCrash = errors.New("crash")

func (s *failingStore) Append(ctx context.Context, a *pool.Article) ([]pool.Location, error) {
	if s.left == 0 {
		return nil, errCrash
	}
	s.left--
	return s.Store.Append(ctx, a)
}

func TestRelease_afterACrashAnywhereFilesEachArticleOnce(t *testing.T) {
	for survived := range shape.Size + 3 {
		synctest.Test(t, func(t *testing.T) {
			b := newBench(t)
			slots := b.send(somebody(), 3)
			b.post("one")
			b.post("two")
			nextBatch()
			b.rel.Store = &failingStore{b.store, survived}
			if err := b.rel.Release(t.Context(), slots[0].Batch); !errors.Is(err, errCrash) {
				t.Fatalf("got %v", err)
			}
			b.reopen()
			b.releaseDue()
			if got := b.count(poolGroup); got != shape.Size {
				t.Errorf("crash after %d articles: %d entries in the pool", survived, got)
			}
			if m, c := b.count(Manifest), b.count(cards); m != 1 || c != 2 {
				t.Errorf("crash after %d articles: %d manifests, %d posts", survived, m, c)
			}
			for _, s := range slots {
				if !b.holds(s) {
					t.Errorf("crash after %d articles: an entry is lost", survived)
				}
			}
		})
	}
}

func TestRelease_failingStoreIsTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		slots := b.send(somebody(), 1)
		nextBatch()
		failing := &failingStore{b.store, 2}
		b.rel.Store = failing
		for range 3 {
			if err := b.rel.Release(t.Context(), slots[0].Batch); !errors.Is(err, errCrash) {
				t.Fatalf("got %v", err)
			}
		}
		failing.left = 100
		b.releaseDue()
		if got := b.count(poolGroup); got != shape.Size || !b.holds(slots[0]) {
			t.Errorf("%d entries in the pool", got)
		}
	})
}

func TestDeposit_thatFailedInASyncKeepsItsSlots(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		faults := b.failing()
		p := somebody()
		booking := b.queue.Begin()
		slots, _, err := booking.Entries(2, p.blinder)
		if err != nil {
			t.Fatal(err)
		}
		payloads := b.payloads(p, slots)
		faults.Set(recordtest.Fault{Op: recordtest.Sync, Err: errors.New("the disk is failing"), Once: true})
		if err := booking.Deposit(t.Context(), payloads); !errors.Is(err, pool.ErrReadOnly) {
			t.Fatalf("got %v, want ErrReadOnly", err)
		}
		booking.Drop()
		nextBatch()
		b.releaseDue() // this one had the failed deposit; a new file takes the next
		for range 4 {
			b.send(p, 2)
		}
		b.reopen() // whatever the failed sync left on the disk is read now
		for range 4 {
			nextBatch()
			b.releaseDue()
		}
		if got, want := b.count(poolGroup), 5*shape.Size; got != want {
			t.Errorf("%d entries in five batches, want %d", got, want)
		}
	})
}

func TestDeposit_slotsOfAFailedOneAreNotGivenToAnother(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		faults := b.failing()
		p := somebody()
		booking := b.queue.Begin()
		failed, _, err := booking.Entries(1, p.blinder)
		if err != nil {
			t.Fatal(err)
		}
		tag := failed[0].Tag
		faults.Set(recordtest.Fault{Op: recordtest.Sync, Err: errors.New("the disk is failing"), Once: true})
		if err := booking.Deposit(t.Context(), b.payloads(p, failed)); err == nil {
			t.Fatal("the fault did not strike")
		}
		again, _, err := b.queue.Begin().Entries(1, p.blinder)
		if err != nil || again[0].Tag == tag {
			t.Errorf("the same slot was given out again, %v", err)
		}
	})
}

// A crash may leave a file that was being destroyed.
func TestOpenQueue_halfDestroyedFile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		path := b.queue.log.path(b.queue.log.number-1) + goneSuffix
		if err := os.WriteFile(path, make([]byte, 4096), 0o600); err != nil {
			t.Fatal(err)
		}
		b.reopen()
		if _, err := os.Stat(path); !os.IsNotExist(err) {
			t.Errorf("it is still there: %v", err)
		}
	})
}
