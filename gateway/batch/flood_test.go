package batch

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/restante/restante/crypto/blind"
	"github.com/restante/restante/crypto/envelope"
	"github.com/restante/restante/pool"
	"github.com/restante/restante/pool/entry"
	"github.com/restante/restante/pool/record/recordtest"
)

// plain is a payload of the right size that can be read.
func plain(words string) []byte {
	return append([]byte(words), make([]byte, envelope.PayloadSize-len(words))...)
}

// pour deposits n messages of one entry each for one mailbox, all in one go. The
// payloads of those that were dropped say how many that makes.
func (b *bench) pour(p person, n int) (slots []Slot, dropped int) {
	b.t.Helper()
	booking := b.queue.Begin()
	defer booking.Drop()
	var payloads [][]byte
	for range n {
		s, d, err := booking.Entries(1, p.blinder)
		if err != nil {
			b.t.Fatal(err)
		}
		slots = append(slots, s...)
		payloads = append(payloads, plain(fmt.Sprint(d, " dropped.")))
		dropped = max(dropped, d)
	}
	if err := booking.Deposit(b.t.Context(), payloads); err != nil {
		b.t.Fatal(err)
	}
	return slots, dropped
}

// notices returns what is in the pool in a mailbox's slots for notices, of all
// batches that have left.
func (b *bench) notices(p person) (said []string) {
	b.t.Helper()
	for batch := b.queue.Released() - 200; batch <= b.queue.Released(); batch++ {
		tag := p.blinded.Tag(batch, uint16(shape.notice()))
		s, err := b.store.ByID(b.t.Context(), pool.MessageID(tag.MessageID(domain)))
		if errors.Is(err, pool.ErrNotFound) {
			continue
		}
		payload, err := entry.Payload(s)
		if err != nil {
			b.t.Fatal(err)
		}
		words, _, _ := strings.Cut(string(payload), ".")
		said = append(said, words)
	}
	return said
}

// drain lets all leave that waits, and checks that batches keep their size.
func (b *bench) drain() {
	b.t.Helper()
	for b.queue.Waiting() > 0 {
		nextBatch()
		b.releaseDue()
	}
	if entries, batches := b.count(poolGroup), b.count(Manifest); entries != batches*shape.Size {
		b.t.Errorf("%d entries in %d batches of %d", entries, batches, shape.Size)
	}
}

func next() uint64 { return shape.Calendar.Batch(time.Now()) + 1 }

func TestFlood_ofOneMailboxDelaysNobodyElse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		flooded := somebody()
		poured := 0
		for i := range 3 * shape.Backlog {
			b.pour(flooded, 100)
			poured += 100
			// The other places but one, which is the notice's now and then.
			for range shape.Size - shape.mail() - 1 {
				if slot := b.send(somebody(), 1)[0]; slot.Batch != next() {
					t.Fatalf("batch %d: somebody's first entry waits for %d batches more", i, slot.Batch-next())
				}
			}
			nextBatch()
			b.releaseDue()
			if got, want := b.count(poolGroup), (i+1)*shape.Size; got != want {
				t.Fatalf("the pool holds %d entries, want %d", got, want)
			}
		}
		b.drain()
		var mail, told int
		for batch := b.queue.Released() - 100; batch <= b.queue.Released(); batch++ {
			for slot := range uint16(shape.mail()) {
				if b.holds(Slot{Tag: flooded.blinded.Tag(batch, slot)}) {
					mail++
				}
			}
		}
		for _, words := range b.notices(flooded) {
			var n int
			if _, err := fmt.Sscan(words, &n); err != nil {
				t.Fatal(err)
			}
			told += n
		}
		if mail+told != poured || told == 0 {
			t.Errorf("of %d entries %d came, and notices tell of %d", poured, mail, told)
		}
		t.Logf("%d deposits for one mailbox: %d came, %d were dropped and told of in %d notices; nobody else waited",
			poured, mail, told, len(b.notices(flooded)))
	})
}

// Whatever the size of a batch, one mailbox's mail gets half of it at most, and
// as many others' first entries as the rest holds leave with the next one.
func TestShape_halfIsForFirstEntries(t *testing.T) {
	for size := 1; size <= 17; size++ {
		synctest.Test(t, func(t *testing.T) {
			s := shape
			s.Size, s.Slots = size, 2+size%7
			q, err := OpenQueue(t.TempDir(), s)
			if err != nil {
				t.Fatal(err)
			}
			defer q.Close()
			booking := q.Begin()
			defer booking.Drop()
			p, first, own := somebody(), next(), 0
			for range 50 {
				slots, _, err := booking.Entries(1, p.blinder)
				if errors.Is(err, ErrBacklog) {
					break
				} else if err != nil {
					t.Fatal(err)
				}
				if slots[0].Batch == first && slots[0].use == mail {
					own++
				}
			}
			if own != max(1, min(size/2, s.Slots-1)) {
				t.Errorf("of %d places one mailbox has %d", size, own)
			}
			others := 0
			for range size - own {
				slots, dropped, err := booking.Entries(1, somebody().blinder)
				if err != nil || dropped > 0 {
					t.Fatal(dropped, err)
				}
				if slots[0].Batch == first {
					others++
				}
			}
			if others != size-own {
				t.Errorf("of %d places one mailbox has %d, and others %d", size, own, others)
			}
		})
	}
}

func TestNotice_laterOnesReplaceIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		p := somebody()
		room := shape.Backlog * shape.mail()
		slots, dropped := b.pour(p, room+5)
		if dropped != 5 || b.queue.Waiting() != room+1 {
			t.Fatalf("%d dropped, want 5; %d deposits wait, want %d and a notice", dropped, b.queue.Waiting(), room)
		}
		for _, s := range slots[room:] {
			if s.Tag != p.blinded.Tag(next()+uint64(shape.Backlog)-1, uint16(shape.notice())) {
				t.Error("a notice is not in its slot of the last batch")
			}
		}
		long := b.queue.Begin() // a message of four entries is one that is dropped
		four, dropped, err := long.Entries(4, p.blinder)
		if err != nil || dropped != 6 || len(four) != 4 {
			t.Fatalf("%d slots, %d dropped, %v", len(four), dropped, err)
		}
		if err := long.Deposit(t.Context(), [][]byte{plain("six."), plain("x"), plain("x"), plain("x")}); err != nil {
			t.Fatal(err)
		}
		if got := b.queue.Waiting(); got != room+1 {
			t.Errorf("%d deposits wait, want %d", got, room+1)
		}
		b.drain()
		if said := b.notices(p); len(said) != 1 || said[0] != "six" {
			t.Errorf("notices say %q", said)
		}
		b.pour(p, room+2)
		b.drain()
		if said := b.notices(p); len(said) != 2 || said[1] != "2 dropped" {
			t.Errorf("the count did not begin anew: notices say %q", said)
		}
	})
}

func TestNotice_afterARestartIsAnother(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		p := somebody()
		room := shape.Backlog * shape.mail()
		b.pour(p, room+5)
		b.reopen()
		slots, dropped := b.pour(p, 3)
		if dropped != 3 {
			t.Errorf("after a restart %d are dropped of 3: slots were given out twice", dropped)
		}
		for _, s := range slots {
			if s.use != notice || s.Batch != next()+uint64(shape.Backlog)-2 {
				t.Errorf("the other notice is in batch %+d", int64(s.Batch-next()))
			}
		}
		b.drain()
		if said := b.notices(p); !slices.Equal(said, []string{"3 dropped", "5 dropped"}) {
			t.Errorf("notices say %q", said)
		}
	})
}

func TestNotice_failedDepositsAreNotCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		faults := b.failing()
		p := somebody()
		b.pour(p, shape.Backlog*shape.mail())
		dropped := func() (*Booking, int) {
			booking := b.queue.Begin()
			_, n, err := booking.Entries(1, p.blinder)
			if err != nil {
				t.Fatal(err)
			}
			return booking, n
		}
		given, n := dropped()
		if given.Drop(); n != 1 {
			t.Errorf("the first one is number %d", n)
		}
		if _, n := b.pour(p, 2); n != 2 {
			t.Errorf("one that was given back is counted: %d, want 2", n)
		}
		failed, n := dropped()
		faults.Set(recordtest.Fault{Op: recordtest.Sync, Err: errors.New("the disk is failing"), Once: true})
		if err := failed.Deposit(t.Context(), [][]byte{plain("x")}); !errors.Is(err, pool.ErrReadOnly) || n != 3 {
			t.Fatalf("number %d, %v", n, err)
		}
		failed.Drop()
		last, n := dropped()
		if last.Drop(); n != 3 {
			t.Errorf("one that failed is counted: %d, want 3", n)
		}
		b.drain()
		if said := b.notices(p); !slices.Equal(said, []string{"2 dropped"}) {
			t.Errorf("notices say %q", said)
		}
	})
}

func TestNotice_manyDropAtOnce(t *testing.T) {
	b := newBench(t)
	p := somebody()
	b.pour(p, shape.Backlog*shape.mail())
	const senders, each = 8, 25
	var group sync.WaitGroup
	for range senders {
		group.Go(func() {
			for range each {
				booking := b.queue.Begin()
				_, n, err := booking.Entries(1, p.blinder)
				if err == nil {
					err = booking.Deposit(t.Context(), [][]byte{plain(fmt.Sprint(n, " dropped."))})
				}
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	group.Wait()
	var told []string
	for _, it := range b.queue.waiting() {
		if words, _, _ := strings.Cut(string(it.data), "."); words != "0 dropped" {
			told = append(told, words)
		}
	}
	if want := fmt.Sprint(senders*each, " dropped"); len(told) != 1 || told[0] != want {
		t.Errorf("notices say %q, want %q", told, want)
	}
	b.reopen()
	if n := b.queue.Waiting(); n != shape.Backlog*shape.mail()+1 {
		t.Errorf("%d deposits wait after a restart", n)
	}
}

// A message is dropped as a whole, and what is smaller may still find room.
func TestEntries_wholeMessagesAreDropped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		p := somebody()
		b.pour(p, shape.Backlog*shape.mail()-1)
		booking := b.queue.Begin()
		if _, dropped, err := booking.Entries(2, p.blinder); err != nil || dropped != 1 {
			t.Errorf("two entries where there is room for one: %d dropped, %v", dropped, err)
		}
		booking.Drop()
		if _, dropped := b.pour(p, 1); dropped != 0 {
			t.Error("the one slot left was not given")
		}
	})
}

// An epoch that ends within the backlog has another blinded ID.
func TestEntries_placedAcrossAnEpoch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := shape.Calendar
		epoch := c.Epoch(time.Now()) + 1
		time.Sleep(time.Until(c.Start(c.FirstBatch(epoch)-4)) + time.Second)
		b := newBench(t)
		ids := map[uint64]*blind.Blinded{epoch - 1: blind.RandomBlinded(), epoch: blind.RandomBlinded()}
		booking := b.queue.Begin()
		defer booking.Drop()
		blinder := func(e uint64) (*blind.Blinded, error) { return ids[e], nil }
		slots, dropped, err := booking.Entries(shape.Backlog*shape.mail(), blinder)
		if err != nil || dropped > 0 {
			t.Fatal(dropped, err)
		}
		for i, s := range slots {
			if want := ids[c.EpochOf(s.Batch)]; s.Blind != want || s.Tag != want.Tag(s.Batch, uint16(i%shape.mail())) {
				t.Errorf("entry %d is not of its batch's epoch", i)
			}
		}
	})
}
