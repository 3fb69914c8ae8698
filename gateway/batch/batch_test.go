package batch

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"

	"github.com/restante/restante/crypto/blind"
	"github.com/restante/restante/crypto/envelope"
	"github.com/restante/restante/crypto/identity"
	"github.com/restante/restante/crypto/note"
	"github.com/restante/restante/pool"
	"github.com/restante/restante/pool/article"
	"github.com/restante/restante/pool/entry"
	"github.com/restante/restante/pool/memory"
	"github.com/restante/restante/pool/record/recordtest"
)

const (
	domain    = "gw.example"
	poolGroup = pool.Group("restante.pool")
	cards     = pool.Group("restante.cards")
)

var shape = Shape{
	Calendar: pool.Calendar{EpochLength: time.Hour, BatchInterval: time.Minute, Retention: 2, TokenLife: 3},
	Size:     8, Slots: 5, Backlog: 10, Posts: 10_000,
}

// A bench is a queue with a releaser over a store in memory.
type bench struct {
	t     *testing.T
	dir   string
	store pool.Store
	seed  []byte
	queue *Queue
	rel   *Releaser
}

func newBench(t *testing.T) *bench {
	t.Helper()
	store := memory.New(domain)
	for _, g := range []pool.Group{poolGroup, Manifest, cards} {
		if err := store.SetGroup(t.Context(), pool.GroupInfo{Name: g, Posting: pool.PostingAllowed, Created: time.Now()}); err != nil {
			t.Fatal(err)
		}
	}
	b := &bench{t: t, dir: filepath.Join(t.TempDir(), "queue"), store: store, seed: note.GenerateSeed()}
	b.reopen()
	t.Cleanup(func() { _ = b.queue.Close() })
	return b
}

// reopen opens the queue as a new process would. What the old one held in
// memory is lost.
func (b *bench) reopen() {
	b.t.Helper()
	if b.queue != nil {
		if err := b.queue.Close(); err != nil {
			b.t.Fatal(err)
		}
	}
	q, err := OpenQueue(b.dir, shape)
	if err != nil {
		b.t.Fatal(err)
	}
	signer, err := note.NewSigner(domain, b.seed)
	if err != nil {
		b.t.Fatal(err)
	}
	b.queue = q
	b.rel = &Releaser{Queue: q, Store: b.store, Signer: signer, Domain: domain, Group: poolGroup}
}

// A person is a mailbox and what blinds its ID: one blinded ID for all epochs
// will do here.
type person struct {
	box     *identity.Mailbox
	blinded *blind.Blinded
}

func somebody() person {
	return person{identity.NewSeed().Mailbox(0), blind.RandomBlinded()}
}

func (p person) blinder(uint64) (*blind.Blinded, error) { return p.blinded, nil }

// send deposits one message of n fragments and returns its slots.
func (b *bench) send(p person, n int) []Slot {
	b.t.Helper()
	booking := b.queue.Begin()
	defer booking.Drop()
	slots, _, err := booking.Entries(n, p.blinder)
	if err != nil {
		b.t.Fatal(err)
	}
	slots = slices.Clone(slots)
	if err := booking.Deposit(b.t.Context(), b.payloads(p, slots), nil); err != nil {
		b.t.Fatal(err)
	}
	return slots
}

func (b *bench) payloads(p person, slots []Slot) [][]byte {
	b.t.Helper()
	var out [][]byte
	for _, s := range slots {
		f := envelope.Fragment{Kind: envelope.KindMessage, Count: 1, Content: []byte("x")}
		payload, err := envelope.Seal(p.box.ReplyKey(), p.blinded, s.Tag.MessageID(domain), f)
		if err != nil {
			b.t.Fatal(err)
		}
		out = append(out, payload)
	}
	return out
}

func (b *bench) post(words string) time.Time {
	b.t.Helper()
	booking := b.queue.Begin()
	defer booking.Drop()
	when, err := booking.Post(1000)
	if err != nil {
		b.t.Fatal(err)
	}
	text := fmt.Sprintf("Newsgroups: restante.cards,not.carried\r\nMessage-ID: <%s@x.example>\r\nSubject: x\r\nFrom: x\r\nDate: %s\r\n\r\nx\r\n", words, article.Date(when))
	if err := booking.Deposit(b.t.Context(), nil, []byte(text)); err != nil {
		b.t.Fatal(err)
	}
	return when
}

// releaseDue releases all that is due now.
func (b *bench) releaseDue() {
	b.t.Helper()
	for n, last := b.rel.Due(time.Now()); n <= last; n++ {
		if err := b.rel.Release(b.t.Context(), n); err != nil {
			b.t.Fatal(err)
		}
	}
}

func (b *bench) count(g pool.Group) int {
	b.t.Helper()
	info, err := b.store.Group(b.t.Context(), g)
	if err != nil {
		b.t.Fatal(err)
	}
	return info.Count
}

func (b *bench) holds(s Slot) bool {
	b.t.Helper()
	_, err := b.store.ByID(b.t.Context(), pool.MessageID(s.Tag.MessageID(domain)))
	if err != nil && !errors.Is(err, pool.ErrNotFound) {
		b.t.Fatal(err)
	}
	return err == nil
}

// nextBatch lets the clock run to the start of the next batch.
func nextBatch() {
	c := shape.Calendar
	time.Sleep(time.Until(c.Start(c.Batch(time.Now()) + 1)))
}

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

func TestQueue_aPlannedBatchTakesNoMore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		slots := b.send(somebody(), 1)
		nextBatch()
		b.rel.Store = &failingStore{b.store, 3}
		if err := b.rel.Release(t.Context(), slots[0].Batch); !errors.Is(err, errCrash) {
			t.Fatal(err)
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
		if err := booking.Deposit(t.Context(), b.payloads(p, slots), nil); err != nil {
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

func TestDeposit_thatFailedInASyncKeepsItsSlots(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		faults := &recordtest.Faults{}
		if err := b.queue.Close(); err != nil {
			t.Fatal(err)
		}
		q, err := openQueue(faults, b.dir, shape)
		if err != nil {
			t.Fatal(err)
		}
		b.queue, b.rel.Queue = q, q
		p := somebody()
		booking := b.queue.Begin()
		slots, _, err := booking.Entries(2, p.blinder)
		if err != nil {
			t.Fatal(err)
		}
		payloads := b.payloads(p, slots)
		faults.Set(recordtest.Fault{Op: recordtest.Sync, Err: errors.New("the disk is failing"), Once: true})
		if err := booking.Deposit(t.Context(), payloads, nil); !errors.Is(err, pool.ErrReadOnly) {
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
		if err := b.queue.Close(); err != nil {
			t.Fatal(err)
		}
		faults := &recordtest.Faults{}
		q, err := openQueue(faults, b.dir, shape)
		if err != nil {
			t.Fatal(err)
		}
		b.queue = q
		p := somebody()
		booking := b.queue.Begin()
		failed, _, err := booking.Entries(1, p.blinder)
		if err != nil {
			t.Fatal(err)
		}
		tag := failed[0].Tag
		faults.Set(recordtest.Fault{Op: recordtest.Sync, Err: errors.New("the disk is failing"), Once: true})
		if err := booking.Deposit(t.Context(), b.payloads(p, failed), nil); err == nil {
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
