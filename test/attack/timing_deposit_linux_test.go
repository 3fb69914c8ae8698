package attack

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/restante/restante/crypto/blind"
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

// tags is how many that are: a tenth of what it takes, at the default settings, to
// find out slot by slot that a mailbox is full.
const tags = 7 * 288 / 10

// TestTiming_depositsTellNothingOfAMailbox measures how much processor time a
// private message takes, by what waits for the mailbox that it is for. The
// queue's log is in memory, where no disk hides a difference.
func TestTiming_depositsTellNothingOfAMailbox(t *testing.T) {
	d := newDepositing(t)
	n := tries(t, 1_000, 25_000)
	alike := append(pairs(unused, healthy, full, flooded), pairs(longUnused, longLacks)...)
	mustBeAlike(t, func() times { return d.measure(n) }, alike, [2]string{planted, flooded})
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
	all := times{}
	for done := 0; done < n; done += perQueue {
		d.round(all, min(perQueue, n-done))
	}
	return all
}

// round makes n tries of each case, into a new queue.
func (d *depositing) round(all times, n int) {
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
	order := shuffled(n, unused, healthy, full, flooded, planted, longUnused, longLacks)
	posts, _ := prepare(order, d.shape, d)
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	for i, state := range order {
		start := spent()
		if state == planted {
			workOutTags()
		}
		d.submit(posts[i])
		all[state] = append(all[state], float64(spent()-start))
	}
}

// A sender writes messages of one size or the other, and sends them.
type sender interface {
	letter(to *identity.Mailbox, long bool) []byte
	submit([]byte)
}

// prepare brings about the states, and writes a message for each try: to a
// mailbox of its own where the message changes the state, and else to one of a
// few. Each has a token of its own.
func prepare(order []string, shape batch.Shape, s sender) (posts [][]byte, boxes []*identity.Mailbox) {
	const few, dropped = 4, 20
	holding := func(n int) *identity.Mailbox {
		box := identity.NewSeed().Mailbox(0)
		for range n {
			s.submit(s.letter(box, false))
		}
		return box
	}
	room := (shape.Slots - 1) * shape.Backlog // a slot of each batch is for a notice
	var floods []*identity.Mailbox
	for range few {
		floods = append(floods, holding(room+dropped))
	}
	for i, state := range order {
		box := floods[i%few]
		switch state {
		case unused, longUnused:
			box = holding(0)
		case healthy:
			box = holding(2)
		case full:
			box = holding(room)
		case longLacks:
			box = holding(room - 1)
		}
		posts, boxes = append(posts, s.letter(box, state == longUnused || state == longLacks)), append(boxes, box)
	}
	return posts, boxes
}

func (d *depositing) letter(box *identity.Mailbox, long bool) []byte {
	d.t.Helper()
	return letterOf(d.t, d.keys, box, long)
}

// letterOf is a message to a mailbox under a new token, which takes one entry or
// three.
func letterOf(t *testing.T, keys *keyring.Ring, box *identity.Mailbox, long bool) []byte {
	t.Helper()
	epoch, seal := keys.Mint()
	to, err := token.Mint(seal, domain, epoch, box)
	if err != nil {
		t.Fatal(err)
	}
	lines := 20
	if long {
		lines = 900
	}
	return fmt.Appendf(nil, "Newsgroups: restante.reply\r\nFrom: x\r\nSubject: s\r\nReferences: %s\r\n\r\n%s", to.MessageID(domain),
		strings.Repeat("A line of text that says nothing at all.\r\n", lines))
}

func (d *depositing) submit(post []byte) {
	d.t.Helper()
	if _, err := d.office.Submit(d.t.Context(), post, nil); err != nil {
		d.t.Fatal(err)
	}
}

// workOutTags is what it costs to look for a free slot in the way that suggests
// itself.
func workOutTags() {
	box := blind.RandomBlinded()
	for i := range uint64(tags) {
		box.Tag(i, 0)
	}
}
