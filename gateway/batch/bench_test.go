package batch

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/restante/restante/crypto/blind"
	"github.com/restante/restante/crypto/envelope"
	"github.com/restante/restante/crypto/identity"
	"github.com/restante/restante/crypto/note"
	"github.com/restante/restante/pool"
	"github.com/restante/restante/pool/article"
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

// failing opens the queue anew on files that can be made to fail.
func (b *bench) failing() *recordtest.Faults {
	b.t.Helper()
	faults := &recordtest.Faults{}
	if err := b.queue.Close(); err != nil {
		b.t.Fatal(err)
	}
	q, err := openQueue(faults, b.dir, shape)
	if err != nil {
		b.t.Fatal(err)
	}
	b.queue, b.rel.Queue = q, q
	return faults
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
	if err := booking.Deposit(b.t.Context(), b.payloads(p, slots)); err != nil {
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
	if err := booking.Deposit(b.t.Context(), nil, posted(words, when)); err != nil {
		b.t.Fatal(err)
	}
	return when
}

// posted is the text of a public post.
func posted(words string, when time.Time) []byte {
	return fmt.Appendf(nil, "Newsgroups: restante.cards,not.carried\r\nMessage-ID: <%s@x.example>\r\nSubject: x\r\nFrom: x\r\nDate: %s\r\n\r\nx\r\n", words, article.Date(when))
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
