package batch

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/restante/restante/crypto/note"
	"github.com/restante/restante/pool"
	"github.com/restante/restante/pool/entry"
)

func TestResume_goesOnAfterWhatLeftAndReleasesNothingBefore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		slots := b.send(somebody(), 1) // in a copy that is older than what has left
		nextBatch()
		now := shape.Calendar.Batch(time.Now())
		left := [32]byte{7}
		if err := b.queue.Resume(now-1, left); err != nil { // and in the meantime others may have
			t.Fatal(err)
		}
		b.reopen()
		if first, last := b.rel.Due(time.Now()); first <= last || b.queue.Waiting() != 0 || slots[0].Batch > now {
			t.Errorf("batches %+d to %+d are due, and %d entries wait", int64(first-now), int64(last-now), b.queue.Waiting())
		}
		if remembers, last, err := Kept(b.dir); err != nil || !remembers || last != now {
			t.Errorf("the queue remembers batch %+d, %v", int64(last-now), err)
		}
		nextBatch()
		b.releaseDue()
		s, err := b.store.ByID(t.Context(), pool.MessageID(fmt.Sprintf("<m.%d@%s>", now+1, domain)))
		if err != nil {
			t.Fatal(err)
		}
		if m, _, err := note.OpenManifest(entry.Signed(s), b.rel.Signer.Verifier()); err != nil || m.Previous != left {
			t.Errorf("the next batch does not follow from the one known to have left, %v", err)
		}
		if err := b.queue.Resume(now+10, left); err != nil { // the clock is behind
			t.Fatal(err)
		}
		if slots := b.send(somebody(), 1); slots[0].Batch <= now+10 {
			t.Errorf("a deposit is booked for a batch that has left")
		}
	})
}

func TestKept_ofAQueueThatIsNotThereOrJustBegins(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		if remembers, _, err := Kept(t.TempDir()); err != nil || remembers {
			t.Errorf("an empty folder remembers something, %v", err)
		}
		if remembers, last, err := Kept(newBench(t).dir); err != nil || !remembers || last != 0 {
			t.Errorf("a queue that nothing left: %v, batch %d, %v", remembers, last, err)
		}
	})
}
