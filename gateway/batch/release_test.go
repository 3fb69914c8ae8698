package batch

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"

	"github.com/restante/restante/crypto/note"
	"github.com/restante/restante/pool"
	"github.com/restante/restante/pool/article"
	"github.com/restante/restante/pool/entry"
)

func TestRelease_sameSizeWhateverCame(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		for i, deposits := range []int{0, 3, 8, 19, 0, 0, 0} {
			for range deposits {
				b.send(somebody(), 1)
			}
			nextBatch()
			b.releaseDue()
			if got, want := b.count(poolGroup), (i+1)*shape.Size; got != want {
				t.Fatalf("after batch %d the pool holds %d entries, want %d", i+1, got, want)
			}
		}
		if n := b.queue.Waiting(); n != 0 {
			t.Errorf("%d deposits still wait", n)
		}
	})
}

func TestRelease_everyEntryLooksTheSame(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.send(somebody(), 3)
		nextBatch()
		b.releaseDue()
		forms := map[string]int{}
		for n := range pool.Number(shape.Size) {
			s, err := b.store.ByNumber(t.Context(), poolGroup, n+1)
			if err != nil {
				t.Fatal(err)
			}
			if err := entry.Verify(s, b.rel.Signer.Verifier()); err != nil {
				t.Errorf("entry %d: %v", n+1, err)
			}
			forms[masked(s)]++
		}
		if len(forms) != 1 {
			t.Errorf("entries of %d forms:\n%v", len(forms), forms)
		}
	})
}

// masked is an entry with a dot for each octet of what may differ: Message-ID,
// signature, Xref's number, and the body's base64.
func masked(s *pool.Stored) string {
	dots := func(text string) string { return strings.Repeat(".", len(text)) }
	head := string(s.Head())
	for _, name := range []string{"Message-ID", "Restante-Signature"} {
		value, _ := article.HeaderField(s.Head(), name)
		head = strings.Replace(head, value, dots(value), 1)
	}
	head, _, _ = strings.Cut(head, "Xref:")
	body := strings.Map(func(r rune) rune {
		if r == '\r' || r == '\n' || r == '=' {
			return r
		}
		return '.'
	}, string(s.Body()))
	return head + "\n" + body
}

// A deposit under way holds the making of a batch up, which must not show.
func TestRelease_appearsAtAMomentOfItsOwn(t *testing.T) {
	for name, busy := range map[string]time.Duration{"idle": 0, "busy": 30 * time.Millisecond, "very busy": 130 * time.Millisecond} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t)
				clock := &appearance{Store: b.store}
				b.rel.Store, b.rel.Pace = clock, 100*time.Millisecond
				booking := b.queue.Begin()
				if _, err := booking.Post(100); err != nil {
					t.Fatal(err)
				}
				nextBatch()
				begun := time.Now()
				go func() {
					time.Sleep(busy)
					booking.Drop()
				}()
				b.releaseDue()
				want := busy.Truncate(b.rel.Pace) + b.rel.Pace
				if got := clock.first.Sub(begun); got != want {
					t.Errorf("the first entry came %v after the release had begun, want %v", got, want)
				}
			})
		})
	}
}

// An appearance notes when a store was given its first article.
type appearance struct {
	pool.Store
	first time.Time
}

func (a *appearance) Append(ctx context.Context, article *pool.Article) ([]pool.Location, error) {
	if a.first.IsZero() {
		a.first = time.Now()
	}
	return a.Store.Append(ctx, article)
}

// Who stops the gateway while a batch waits for its moment finds it afterwards.
func TestRelease_stoppedBeforeItsMoment(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.rel.Pace = 100 * time.Millisecond
		slot := b.send(somebody(), 1)[0]
		nextBatch()
		ctx, stop := context.WithTimeout(t.Context(), b.rel.Pace/2)
		defer stop()
		if err := b.rel.Release(ctx, slot.Batch); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("got error %v, want that of the context", err)
		}
		if n := b.count(poolGroup); n != 0 {
			t.Fatalf("%d entries appeared before their moment", n)
		}
		b.reopen()
		b.releaseDue()
		if n := b.count(poolGroup); n != shape.Size {
			t.Errorf("%d entries after the restart, want %d", n, shape.Size)
		}
		if _, err := b.store.ByID(t.Context(), pool.MessageID(slot.Tag.MessageID(domain))); err != nil {
			t.Error(err)
		}
	})
}

// Real entries in front of the cover, or behind it, would tell which is which.
func TestRelease_placeInTheBatchSaysNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		const batches = 160
		places := make([]int, shape.Size)
		for i := range batches {
			slot := b.send(somebody(), 1)[0]
			nextBatch()
			b.releaseDue()
			s, err := b.store.ByID(t.Context(), pool.MessageID(slot.Tag.MessageID(domain)))
			if err != nil {
				t.Fatal(err)
			}
			places[int(s.In(poolGroup))-1-i*shape.Size]++
		}
		// Pearson's test with 7 degrees of freedom: 34 comes by chance once in
		// 60,000 runs, and a fixed place gives 1,120.
		statistic, expected := 0.0, float64(batches)/float64(shape.Size)
		for _, n := range places {
			statistic += (float64(n) - expected) * (float64(n) - expected) / expected
		}
		if statistic > 34 {
			t.Errorf("real entries stood at places %v: chi-squared %.1f", places, statistic)
		}
	})
}

func TestRelease_postsLeaveInAnyOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		first := 0
		const batches = 60
		for i := range batches {
			for j := range 2 {
				b.post(fmt.Sprintf("%d-%d", i, j))
			}
			nextBatch()
			b.releaseDue()
			s, err := b.store.ByID(t.Context(), pool.MessageID(fmt.Sprintf("<%d-0@x.example>", i)))
			if err != nil {
				t.Fatal(err)
			}
			if s.In(cards)%2 == 1 {
				first++
			}
		}
		if first < 10 || first > 50 { // by chance once in ten million runs
			t.Errorf("the earlier of two posts came first in %d of %d batches", first, batches)
		}
	})
}

func TestDeposits_keepNothingThatHasLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		slots := b.send(somebody(), shape.mail()*3) // three batches
		held, err := os.Open(b.queue.log.path(b.queue.log.number))
		if err != nil {
			t.Fatal(err)
		}
		defer held.Close()
		for i := range 3 {
			nextBatch()
			b.releaseDue()
			numbers, err := b.queue.log.files()
			if err != nil || len(numbers) != 1 {
				t.Fatalf("%d queue files, %v", len(numbers), err)
			}
			text, err := os.ReadFile(b.queue.log.path(numbers[0]))
			if err != nil {
				t.Fatal(err)
			}
			for j, s := range slots {
				if got, want := bytes.Contains(text, s.Tag[:]), j/shape.mail() > i; got != want {
					t.Errorf("after batch %d the tag of entry %d is on the disk: %v", i, j, got)
				}
			}
		}
		if left, err := io.ReadAll(held); err != nil || len(bytes.Trim(left, "\x00")) != 0 {
			t.Errorf("a queue file was removed and not overwritten, %v", err)
		}
	})
}

func TestRelease_postsOutliveTheRetention(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		b.post("one")
		b.send(somebody(), 6)
		nextBatch()
		b.releaseDue() // four of them leave with the post
		b.post("two")
		time.Sleep(100 * time.Hour) // down for longer than any entry lives
		b.reopen()
		var log bytes.Buffer
		b.rel.Log = zerolog.New(&log)
		b.releaseDue()
		if lines := log.String(); strings.Count(lines, "\n") != 1 || !strings.Contains(lines, `"entries":2,`) {
			t.Errorf("of two entries that are lost the log says %q", lines)
		}
		if got := b.count(cards); got != 2 {
			t.Errorf("%d public posts after a long downtime, want the two accepted", got)
		}
		if n := b.queue.Waiting(); n != 0 {
			t.Errorf("%d deposits wait for batches long past", n)
		}
	})
}

func TestRelease_waitsForABookingUnderWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		p := somebody()
		booking := b.queue.Begin()
		slots, _, err := booking.Entries(1, p.blinder)
		if err != nil {
			t.Fatal(err)
		}
		slots = slices.Clone(slots)
		nextBatch()
		released := make(chan error, 1)
		go func() { released <- b.rel.Release(t.Context(), slots[0].Batch) }()
		if late := b.send(somebody(), 1); late[0].Batch <= slots[0].Batch {
			t.Error("a batch took a booking after its time")
		}
		if err := booking.Deposit(t.Context(), b.payloads(p, slots)); err != nil {
			t.Fatal(err)
		}
		if err := <-released; err != nil {
			t.Fatal(err)
		}
		if !b.holds(slots[0]) {
			t.Error("the batch left without a deposit that was accepted for it")
		}
	})
}

func TestManifest_isSignedChainedAndComplete(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		var previous [32]byte
		for i := range 3 {
			b.send(somebody(), 2)
			nextBatch()
			b.releaseDue()
			b.reopen()
			id := fmt.Sprintf("<m.%d@%s>", shape.Calendar.Batch(time.Now()), domain)
			s, err := b.store.ByID(t.Context(), pool.MessageID(id))
			if err != nil {
				t.Fatal(err)
			}
			m, text, err := note.OpenManifest(entry.Signed(s), b.rel.Signer.Verifier())
			if err != nil {
				t.Fatal(err)
			}
			if m.Previous != previous || len(m.Entries) != shape.Size {
				t.Errorf("manifest %d: previous %x, %d entries", i, m.Previous, len(m.Entries))
			}
			previous = note.Hash(text)
			for _, e := range m.Entries {
				if _, err := b.store.ByID(t.Context(), pool.MessageID("<"+e.Tag+"@"+domain+">")); err != nil {
					t.Errorf("manifest %d names an entry that is not there: %v", i, err)
				}
			}
		}
	})
}

func TestDue_leavesOutWhatNobodyCouldFetch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		time.Sleep(100 * time.Hour)
		first, last := b.rel.Due(time.Now())
		if got, want := last-first, uint64(2*60); got < want || got > want+60 {
			t.Errorf("%d batches are due after a hundred epochs, want those of the retained ones", got)
		}
	})
}
