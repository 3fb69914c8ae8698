package batch

import (
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"
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
	if err := booking.Deposit(t.Context(), payloads, nil); !errors.Is(err, ErrClosed) {
		t.Errorf("got %v, want ErrClosed", err)
	}
	booking.Drop()
}
