package attack

import (
	"context"
	"path/filepath"
	"runtime"
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
// is complete: a batch of mail against one of cover. A gateway rounds these moments
// up besides, which hides more than this measures. It goes by the processor's time,
// in which less noise hides a difference than in what the network sees. The
// control does what would be natural, and makes cover only where there is no
// mail.
func TestTraffic_theMomentOfReleaseSaysNothing(t *testing.T) {
	const n = 500
	bench := newReleases(t)
	mustBeAlike(t, func() times { return bench.measure(t, n) },
		[][2]string{{firstEntry + ofMail, firstEntry + ofCover}, {lastEntry + ofMail, lastEntry + ofCover}},
		[2]string{firstEntry + ofLateCover, firstEntry + ofMail})
}

// What is timed, and of which batches.
const (
	firstEntry  = "the first article of a batch of "
	lastEntry   = "the last article of a batch of "
	ofMail      = "mail"
	ofCover     = "cover"
	ofLateCover = "cover made when there is no mail"
)

// releases is two gateways' batches, released as fast as it goes. The same is
// deposited whatever a batch is to be: for the other gateway, where it is not of
// mail. Whatever a deposit leaves behind in caches and heap it so leaves before
// every release.
type releases struct{ timed, other *releasing }

// releasing is one gateway's queue and store.
type releasing struct {
	*batch.Releaser
	store *stopwatch
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
	return &releases{newReleasing(t), newReleasing(t)}
}

func newReleasing(t *testing.T) *releasing {
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
	return &releasing{Releaser: &batch.Releaser{Queue: q, Signer: signer, Domain: domain, Group: "restante.pool"}}
}

// measure releases n batches of each kind, in random order.
func (r *releases) measure(t *testing.T, n int) times {
	t.Helper()
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	all := times{}
	box := identity.NewSeed().Mailbox(0)
	for i, kind := range shuffled(n, ofMail, ofCover, ofLateCover) {
		if i%500 == 0 {
			r.timed.freshStore(t)
			r.other.freshStore(t)
		}
		holder := r.other
		if kind == ofMail {
			holder = r.timed
		}
		number := holder.fill(t, box)
		r.timed.store.first = 0
		start := spent()
		if kind == ofLateCover {
			for range batchSize {
				seal(t, box, blind.RandomBlinded(), blind.RandomTag().MessageID(domain))
			}
		}
		if err := r.timed.Release(t.Context(), number); err != nil {
			t.Fatal(err)
		}
		all[firstEntry+kind] = append(all[firstEntry+kind], float64(r.timed.store.first-start))
		all[lastEntry+kind] = append(all[lastEntry+kind], float64(r.timed.store.last-start))
		if err := r.other.Release(t.Context(), number); err != nil {
			t.Fatal(err)
		}
	}
	return all
}

// fill deposits one entry for each of as many mailboxes as fill a batch, and
// returns the batch's number.
func (r *releasing) fill(t *testing.T, box *identity.Mailbox) uint64 {
	t.Helper()
	booking := r.Queue.Begin()
	defer booking.Drop()
	var payloads [][]byte
	var number uint64
	for range batchSize {
		secret := blind.RandomBlinded()
		slots, _, err := booking.Entries(1, func(uint64) (*blind.Blinded, error) { return secret, nil })
		if err != nil {
			t.Fatal(err)
		}
		number = slots[0].Batch
		payloads = append(payloads, seal(t, box, secret, slots[0].Tag.MessageID(domain)))
	}
	if err := booking.Deposit(t.Context(), payloads); err != nil {
		t.Fatal(err)
	}
	return number
}

// spent is the processor's time that this thread has had.
func spent() time.Duration {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &t); err != nil {
		panic(err) // Linux has that clock
	}
	return time.Duration(t.Nano())
}

func (r *releasing) freshStore(t *testing.T) {
	t.Helper()
	store := memory.New(domain)
	for _, name := range []pool.Group{"restante.pool", batch.Manifest} {
		if err := store.SetGroup(t.Context(), pool.GroupInfo{Name: name}); err != nil {
			t.Fatal(err)
		}
	}
	r.store = &stopwatch{Store: store}
	r.Store = r.store
}

func seal(t *testing.T, box *identity.Mailbox, secret *blind.Blinded, id string) []byte {
	t.Helper()
	payload, err := envelope.Seal(box.ReplyKey(), secret, id, envelope.Fragment{Kind: envelope.KindMessage, Count: 1})
	if err != nil {
		t.Fatal(err)
	}
	return payload
}
