package attack

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/restante/restante/crypto/blind"
	"github.com/restante/restante/crypto/envelope"
	"github.com/restante/restante/crypto/identity"
	"github.com/restante/restante/crypto/token"
	"github.com/restante/restante/gateway/batch"
	"github.com/restante/restante/gateway/keyring"
	"github.com/restante/restante/gateway/office"
	"github.com/restante/restante/pool"
	"github.com/restante/restante/pool/memory"
)

// What may be the case with the mailbox that a message is for.
const (
	unused  = "unused"  // nothing ever came for it
	healthy = "healthy" // two entries wait
	full    = "full"    // all its slots in the coming batches are taken; the next message is dropped
	flooded = "flooded" // so many messages were dropped that a notice with their number waits
	planted = "planted" // flooded, and so many tags are worked out besides

	// For a message that takes three entries:
	longUnused = "unused, long message"
	longLacks  = "room for one of three" // so that all of it is dropped
)

// tags is how many that are: a third of what it takes, at the default settings, to
// find out slot by slot that a mailbox is full. Even through a socket, on a machine
// with far too much to do, that shows by ten times the noise.
const tags = 7 * 288 / 3

// TestTiming_depositsTellNothingOfAMailbox measures how much processor time a
// private message takes, by what waits for the mailbox that it is for. The
// queue's log is in memory, where no disk hides a difference.
func TestTiming_depositsTellNothingOfAMailbox(t *testing.T) {
	d := newDepositing(t)
	n := tries(t, 1_000, 25_000)
	mustBeAlike(t, func() times { return d.measure(n) }, pairs(unused, healthy, full, flooded), [2]string{planted, flooded})
}

// TestTiming_placesTellNextToNothing measures the part of it that knows what
// waits: to find a place for a message and to keep it. Without public-key
// operations, whose time varies most, it sees far smaller differences, down to a
// twentieth of a microsecond. Some are left, of maps and of memory that is not in
// a cache: some tenths of a microsecond between mailboxes. A connection hides them.
// They must not grow.
func TestTiming_placesTellNextToNothing(t *testing.T) {
	const most = 10_000 // nanoseconds: a thirtieth of what a message takes
	d := newDepositing(t)
	n := tries(t, 1_000, 25_000)
	alike := append(pairs(unused, healthy, full, flooded), [2]string{longUnused, longLacks})
	mustNotDiffer(t, func() times { return d.measurePlaces(n) },
		func(c contrast) bool { return c.t > beyondChance && math.Abs(c.shift) > most },
		alike, [2]string{planted, flooded})
}

// depositing is an office that takes messages.
type depositing struct {
	t      *testing.T
	shape  batch.Shape
	folder string
	keys   *keyring.Ring
	office *office.Office
}

func newDepositing(t *testing.T) *depositing {
	t.Helper()
	d := &depositing{t: t, folder: quickFolder(t), shape: batch.Shape{
		Calendar: pool.Calendar{EpochLength: 24000 * time.Hour, BatchInterval: time.Hour, Retention: 4, TokenLife: 12},
		Size:     1 << 13, Slots: 4, Backlog: 3, Posts: 1 << 20,
	}}
	d.keys = newRing(t, filepath.Join(d.folder, "keys"), d.shape)
	d.office = office.New(office.Options{
		Domain: domain, Group: "restante.pool", Calendar: d.shape.Calendar, Slots: d.shape.Slots,
		Keys: d.keys, Store: memory.New(domain), MaxArticle: 1 << 20, Logins: 1,
	})
	return d
}

func newRing(t *testing.T, dir string, shape batch.Shape) *keyring.Ring {
	t.Helper()
	if err := keyring.Create(dir); err != nil {
		t.Fatal(err)
	}
	ring, err := keyring.Open(dir, domain, keyring.Policy{Calendar: shape.Calendar, BatchSize: shape.Size, SlotsPerBatch: shape.Slots})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := ring.Advance(time.Now()); err != nil {
		t.Fatal(err)
	}
	return ring
}

// perQueue is how many tries of each case are made into one queue.
const perQueue = 100

// measure makes n tries of each case.
func (d *depositing) measure(n int) times {
	d.t.Helper()
	cases := []string{unused, healthy, full, flooded, planted}
	return d.rounds(n, cases, func(order []string) func(i int) error {
		posts, _ := prepare(order, d.shape, d)
		return func(i int) error {
			_, err := d.office.Submit(d.t.Context(), posts[i], nil)
			return err
		}
	})
}

// measurePlaces does, of the queue alone.
func (d *depositing) measurePlaces(n int) times {
	d.t.Helper()
	var payloads [3][]byte
	for i := range payloads {
		payloads[i] = make([]byte, envelope.PayloadSize)
	}
	cases := []string{unused, healthy, full, flooded, planted, longUnused, longLacks}
	return d.rounds(n, cases, func(order []string) func(i int) error {
		blinders, entries := make([]batch.Blinder, len(order)), make([]int, len(order))
		for i, state := range order {
			blinders[i], entries[i] = d.blinder(identity.NewSeed().Mailbox(0)), 1
			if state == longUnused || state == longLacks {
				entries[i] = len(payloads)
			}
			d.take(blinders[i], held(d.shape)[state])
		}
		return func(i int) error {
			booking := d.office.Queue.Begin()
			if _, _, err := booking.Entries(entries[i], blinders[i]); err != nil {
				return err
			}
			return booking.Deposit(d.t.Context(), payloads[:entries[i]])
		}
	})
}

// rounds makes n tries of each case into a queue after the other. prepare brings
// about the states and returns what is to be tried.
func (d *depositing) rounds(n int, cases []string, prepare func(order []string) (try func(i int) error)) times {
	d.t.Helper()
	all := times{}
	for done := 0; done < n; done += perQueue {
		d.round(all, shuffled(min(perQueue, n-done), cases...), prepare)
	}
	return all
}

func (d *depositing) round(all times, order []string, prepare func(order []string) (try func(i int) error)) {
	d.t.Helper()
	dir := filepath.Join(d.folder, "queue")
	queue, err := batch.OpenQueue(dir, d.shape)
	if err != nil {
		d.t.Fatal(err)
	}
	defer func() {
		if err := queue.Close(); err != nil {
			d.t.Error(err)
		}
		_ = os.RemoveAll(dir)
	}()
	d.office.Queue = queue
	try := prepare(order)
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	for i, state := range order {
		start := spent()
		if state == planted {
			workOutTags()
		}
		err := try(i)
		all[state] = append(all[state], float64(spent()-start))
		if err != nil {
			d.t.Fatal(err)
		}
	}
}

// A sender writes messages and sends them.
type sender interface {
	letter(to *identity.Mailbox) []byte
	fill(box *identity.Mailbox, messages int) // with messages of an entry each
}

// prepare brings about the states, each in a mailbox of its own, and writes a
// message for each try. Each has a token of its own.
func prepare(order []string, shape batch.Shape, s sender) (posts [][]byte, boxes []*identity.Mailbox) {
	for _, state := range order {
		box := identity.NewSeed().Mailbox(0)
		s.fill(box, held(shape)[state])
		posts, boxes = append(posts, s.letter(box)), append(boxes, box)
	}
	return posts, boxes
}

// held is how many messages were sent to a mailbox, by its state. A slot of each
// batch is for a notice.
func held(shape batch.Shape) map[string]int {
	room := (shape.Slots - 1) * shape.Backlog
	return map[string]int{healthy: 2, full: room, flooded: room + 3, planted: room + 3, longLacks: room - 1}
}

// fill leaves out what a message costs besides its places.
func (d *depositing) fill(box *identity.Mailbox, messages int) {
	d.t.Helper()
	d.take(d.blinder(box), messages)
}

// take takes places for messages of an entry each.
func (d *depositing) take(blinder batch.Blinder, messages int) {
	d.t.Helper()
	for range messages {
		booking := d.office.Queue.Begin()
		_, _, err := booking.Entries(1, blinder)
		if err == nil {
			err = booking.Deposit(d.t.Context(), [][]byte{make([]byte, envelope.PayloadSize)})
		}
		if err != nil {
			d.t.Fatal(err)
		}
	}
}

// blinder blinds a mailbox, whose batches are all of one epoch, once.
func (d *depositing) blinder(box *identity.Mailbox) batch.Blinder {
	d.t.Helper()
	key, err := d.keys.Blind(d.shape.Calendar.EpochOf(d.shape.Calendar.Batch(time.Now())))
	if err != nil {
		d.t.Fatal(err)
	}
	blinded, err := key.Evaluate(box.ID())
	if err != nil {
		d.t.Fatal(err)
	}
	return func(uint64) (*blind.Blinded, error) { return blinded, nil }
}

func (d *depositing) letter(box *identity.Mailbox) []byte {
	d.t.Helper()
	return letterOf(d.t, d.keys, box)
}

// letterOf is a message to a mailbox under a new token, always of one size.
func letterOf(t *testing.T, keys *keyring.Ring, box *identity.Mailbox) []byte {
	t.Helper()
	epoch, seal := keys.Mint()
	to, err := token.Mint(seal, domain, epoch, box)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Appendf(nil, "Newsgroups: restante.reply\r\nFrom: x\r\nSubject: s\r\nReferences: %s\r\n\r\n%s", to.MessageID(domain),
		strings.Repeat("A line of text that says nothing at all.\r\n", 20))
}

// workOutTags is what it costs to look for a free slot in the way that suggests
// itself.
func workOutTags() {
	box := blind.RandomBlinded()
	for i := range uint64(tags) {
		box.Tag(i, 0)
	}
}
