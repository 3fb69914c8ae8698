package attack

import (
	"context"
	"math/rand/v2"
	"path/filepath"
	"runtime"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/restante/restante/crypto/blind"
	"github.com/restante/restante/crypto/envelope"
	"github.com/restante/restante/crypto/identity"
	"github.com/restante/restante/crypto/note"
	"github.com/restante/restante/gateway/batch"
	"github.com/restante/restante/pool"
	"github.com/restante/restante/pool/memory"
)

// TestTraffic_theMomentOfReleaseSaysNothing measures how much work lies
// between the start of a batch and the moments at which it begins to appear and
// is complete: a batch of mail against one of cover, interleaved, with the same
// work before either. It goes by the processor's time, in which less noise hides
// a difference than in what the network sees. The
// control does what would be natural, and make cover only where there is no
// mail.
func TestTraffic_theMomentOfReleaseSaysNothing(t *testing.T) {
	const tries = 1200
	bench := newReleases(t)
	first := bench.measure(t, tries, false)
	last := bench.last
	begin, complete := bench.compare(first), bench.compare(last)
	control := bench.compare(bench.measure(t, tries, true))
	t.Logf("%d releases, half of them all mail: first entry after %.0f µs of work, |t| %.2f; last after %.0f µs, |t| %.2f; control, eight seals more for cover: |t| %.1f",
		tries, mean(first)/1e3, begin, mean(last)/1e3, complete, control)
	if begin > 4.5 || complete > 4.5 {
		t.Error("mail in a batch shows in the moment at which it appears")
	}
	if control < 4.5 {
		t.Error("the measurement does not see the time that cover takes to make")
	}
}

// releases is a queue whose batches are released one by one, as fast as it goes.
type releases struct {
	queue    *batch.Queue
	releaser *batch.Releaser
	store    *stopwatch
	full     []bool // of the last measurement
	last     []float64
}

// A stopwatch is a store that notes when it was given its first and its last
// article.
type stopwatch struct {
	pool.Store
	first, last time.Duration
}

func (s *stopwatch) Append(ctx context.Context, a *pool.Article) ([]pool.Location, error) {
	if s.last = spent(); s.first == 0 {
		s.first = s.last
	}
	return s.Store.Append(ctx, a)
}

func newReleases(t *testing.T) *releases {
	t.Helper()
	shape := batch.Shape{
		Calendar: pool.Calendar{EpochLength: 24000 * time.Hour, BatchInterval: time.Second, Retention: 4, TokenLife: 12},
		Size:     batchSize, Slots: batchSize, Backlog: 100, Posts: 1 << 20,
	}
	q, err := batch.OpenQueue(filepath.Join(quickFolder(t), "queue"), shape)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = q.Close() })
	signer, err := note.NewSigner(domain, note.GenerateSeed())
	if err != nil {
		t.Fatal(err)
	}
	r := &releases{queue: q}
	r.releaser = &batch.Releaser{Queue: q, Signer: signer, Domain: domain, Group: "restante.pool"}
	return r
}

// measure releases batches, those with mail and those without in random order,
// and returns how long each took to its first article, in nanoseconds.
func (r *releases) measure(t *testing.T, tries int, flawed bool) (first []float64) {
	t.Helper()
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	r.full, r.last = nil, nil
	box := identity.NewSeed().Mailbox(0)
	for i := range tries {
		if i%500 == 0 {
			r.freshStore(t)
		}
		booking := r.queue.Begin()
		var slots []batch.Slot
		var payloads [][]byte
		for range batchSize { // one entry for each of as many mailboxes fills a batch
			secret := blind.RandomBlinded()
			got, _, err := booking.Entries(1, func(uint64) (*blind.Blinded, error) { return secret, nil })
			if err != nil {
				t.Fatal(err)
			}
			slots = append(slots, got...)
			payloads = append(payloads, seal(t, box, secret, got[0].Tag.MessageID(domain)))
		}
		number := slots[0].Batch
		full := rand.IntN(2) == 0
		if full {
			if err := booking.Deposit(t.Context(), payloads, nil); err != nil {
				t.Fatal(err)
			}
		}
		booking.Drop()
		r.store.first = 0
		start := spent()
		if flawed && !full {
			for _, slot := range slots {
				seal(t, box, slot.Blind, slot.Tag.MessageID(domain))
			}
		}
		if err := r.releaser.Release(t.Context(), number); err != nil {
			t.Fatal(err)
		}
		r.full = append(r.full, full)
		first = append(first, float64(r.store.first-start))
		r.last = append(r.last, float64(r.store.last-start))
	}
	return first
}

// spent is the processor's time that this thread has had.
func spent() time.Duration {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &t); err != nil {
		panic(err) // Linux has that clock
	}
	return time.Duration(t.Nano())
}

func (r *releases) freshStore(t *testing.T) {
	t.Helper()
	store := memory.New(domain)
	for _, name := range []pool.Group{"restante.pool", batch.Manifest} {
		if err := store.SetGroup(t.Context(), pool.GroupInfo{Name: name}); err != nil {
			t.Fatal(err)
		}
	}
	r.store = &stopwatch{Store: store}
	r.releaser.Store = r.store
}

func seal(t *testing.T, box *identity.Mailbox, secret *blind.Blinded, id string) []byte {
	t.Helper()
	payload, err := envelope.Seal(box.ReplyKey(), secret, id, envelope.Fragment{Kind: envelope.KindMessage, Count: 1})
	if err != nil {
		t.Fatal(err)
	}
	return payload
}

// compare is |t| between the batches with mail and those without. The slower
// half is left out of both, as what the machine did besides.
func (r *releases) compare(times []float64) float64 {
	limit := quantile(times, 0.5)
	var m [2]moments
	for i, x := range times {
		class := 0
		if r.full[i] {
			class = 1
		}
		if x <= limit {
			m[class].add(x)
		}
	}
	return max(welch(m[0], m[1]), welch(m[1], m[0]))
}

func quantile(xs []float64, q float64) float64 {
	sorted := slices.Sorted(slices.Values(xs))
	return sorted[int(q*float64(len(sorted)-1))]
}

func mean(xs []float64) float64 {
	var m moments
	for _, x := range xs {
		m.add(x)
	}
	return m.mean
}
