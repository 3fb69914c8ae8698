package batch

import (
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/restante/restante/pool/record/recordtest"
)

func TestBooking_postsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		for i := range 10 {
			b.post(fmt.Sprint(i))
		}
		if _, err := b.queue.Begin().Post(1); !errors.Is(err, ErrBacklog) {
			t.Errorf("got %v, want ErrBacklog", err)
		}
		b.reopen()
		nextBatch()
		b.releaseDue()
		b.post("again")
	})
}

func TestBooking_slotsOfOneMailboxSpillIntoTheNextBatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		p := somebody()
		first := shape.Calendar.Batch(time.Now()) + 1
		slots := append(b.send(p, 6), b.send(p, 3)...)
		for i, s := range slots {
			wantBatch, wantSlot := first+uint64(i/shape.mail()), uint16(i%shape.mail())
			if s.Batch != wantBatch || s.Tag != p.blinded.Tag(wantBatch, wantSlot) {
				t.Errorf("entry %d is not slot %d of batch %d", i, wantSlot, wantBatch-first)
			}
		}
		for batch := range 3 {
			nextBatch()
			b.releaseDue()
			for i, s := range slots {
				if got, want := b.holds(s), i/shape.mail() <= batch; got != want {
					t.Errorf("after batch %d entry %d is in the pool: %v", batch, i, got)
				}
			}
		}
	})
}

// What is booked together is one deposit: it takes one sync, and all of it is kept or
// none.
func TestBooking_manyPostsAreOneDeposit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		p := somebody()
		book := func() (*Booking, [][]byte, [][]byte) {
			booking := b.queue.Begin()
			slots, _, err := booking.Entries(2, p.blinder)
			if err != nil {
				t.Fatal(err)
			}
			var texts [][]byte
			for i := range 8 {
				when, err := booking.Post(1000)
				if err != nil {
					t.Fatal(err)
				}
				texts = append(texts, posted(fmt.Sprint(i), when))
			}
			return booking, b.payloads(p, slots), texts
		}
		booking, _, _ := book()
		booking.Drop() // or there would be no room for the next one
		faults := b.failing()
		booking, payloads, texts := book()
		before := faults.Count(recordtest.Sync)
		if err := booking.Deposit(t.Context(), payloads, texts...); err != nil {
			t.Fatal(err)
		}
		if n := faults.Count(recordtest.Sync) - before; n != 1 {
			t.Errorf("a deposit of two entries and eight posts took %d syncs", n)
		}
		b.reopen()
		if n := b.queue.Waiting(); n != 10 {
			t.Errorf("%d of 10 wait", n)
		}
		nextBatch()
		b.releaseDue()
		if n := b.count(cards); n != 8 {
			t.Errorf("%d posts left, want 8", n)
		}

		faults = b.failing()
		booking, payloads, texts = book()
		faults.Set(recordtest.Fault{Op: recordtest.WriteAt, Err: errors.New("the disk is failing")})
		if err := booking.Deposit(t.Context(), payloads, texts...); err == nil {
			t.Error("what could not be written was accepted")
		}
		booking.Drop()
		b.reopen()
		if n := b.queue.Waiting(); n != 0 {
			t.Errorf("%d of a deposit that failed wait", n)
		}
	})
}

func TestBooking_droppedSlotsAreFree(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		p := somebody()
		booking := b.queue.Begin()
		if _, _, err := booking.Entries(4, p.blinder); err != nil {
			t.Fatal(err)
		}
		if _, err := booking.Post(1000); err != nil {
			t.Fatal(err)
		}
		booking.Drop()
		booking.Drop() // twice does no harm
		if s := b.send(p, 1); s[0].Tag != p.blinded.Tag(s[0].Batch, 0) {
			t.Error("slot 0 was not given back")
		}
		nextBatch()
		b.releaseDue()
	})
}

func TestBooking_backlogIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		for range shape.Backlog * shape.Size {
			b.send(somebody(), 1)
		}
		if _, _, err := b.queue.Begin().Entries(1, somebody().blinder); !errors.Is(err, ErrBacklog) {
			t.Errorf("got %v, want ErrBacklog", err)
		}
		nextBatch()
		b.releaseDue()
		b.send(somebody(), 1)
	})
}

func TestDeposit_afterClose(t *testing.T) {
	b := newBench(t)
	p := somebody()
	booking := b.queue.Begin()
	slots, _, err := booking.Entries(1, p.blinder)
	if err != nil {
		t.Fatal(err)
	}
	payloads := b.payloads(p, slots)
	if err := b.queue.Close(); err != nil {
		t.Fatal(err)
	}
	if err := booking.Deposit(t.Context(), payloads); !errors.Is(err, ErrClosed) {
		t.Errorf("got %v, want ErrClosed", err)
	}
	booking.Drop()
}
