package attack

import (
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/restante/restante/crypto/blind"
	"github.com/restante/restante/crypto/identity"
	"github.com/restante/restante/gateway/batch"
	"github.com/restante/restante/gateway/keyring"
	"github.com/restante/restante/gateway/office"
	"github.com/restante/restante/pool"
	"github.com/restante/restante/pool/disk"
)

// What may be the case with the mailbox that is picked up.
const (
	missing = "never used"
	waiting = "mail waits" // it is accepted, and its batch has not left
	oneHit  = "one entry"  // its batch has left
	manyHit = "four entries"

	entriesHit = 4
)

// TestTiming_pickupTellsNothingOfWhatWaits measures how much processor time a
// pickup takes: XPICKUP of a mailbox, XBLIND of its ID, and the look for new mail
// of who is logged in. That mail waits for its batch must not show in any. That
// an entry has come does show where the gateway reads or opens it for its owner,
// who is the one to whom it is told: this measures how much, and is the control.
// Oblivious pickup must not show even that.
func TestTiming_pickupTellsNothingOfWhatWaits(t *testing.T) {
	n := tries(t, 1_000, 25_000)
	in := func(way func(*collecting, int) times) func() times {
		return func() (all times) {
			inBubble(t, func(t *testing.T) { all = way(newCollecting(t), n) })
			return all
		}
	}
	t.Run("commands", func(t *testing.T) {
		alike := append(named("XPICKUP", pairs(missing, waiting)), named("XBLIND", pairs(missing, waiting, manyHit))...)
		controls := append(named("XPICKUP", [][2]string{{manyHit, missing}, {planted, missing}}), named("XBLIND", [][2]string{{planted, missing}})...)
		mustBeAlike(t, in((*collecting).commands), alike, controls...)
	})
	t.Run("login", func(t *testing.T) {
		mustBeAlike(t, in((*collecting).logins), named("login", pairs(missing, waiting)), named("login", [][2]string{{oneHit, missing}})...)
	})
}

// named is pairs of the cases of one way to pick up.
func named(way string, pairs [][2]string) [][2]string {
	for i, pair := range pairs {
		pairs[i] = [2]string{way + ", " + pair[0], way + ", " + pair[1]}
	}
	return pairs
}

// collecting is an office whose batches leave into a store on the disk, on the
// clock of a bubble.
type collecting struct {
	t        *testing.T
	calendar pool.Calendar
	keys     *keyring.Ring
	store    pool.Store
	releaser *batch.Releaser
	*office.Office
}

func newCollecting(t *testing.T) *collecting {
	t.Helper()
	shape := batch.Shape{
		Calendar: pool.Calendar{EpochLength: 30 * time.Minute, BatchInterval: time.Minute, Retention: 1, TokenLife: 3},
		Size:     32, Slots: 8, Backlog: 8, Posts: 1 << 20,
	}
	folder := quickFolder(t)
	queue, err := batch.OpenQueue(filepath.Join(folder, "queue"), shape)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = queue.Close() })
	store, err := disk.Open(filepath.Join(folder, "store"), disk.Options{ServerName: domain, SegmentSize: 16 << 20, Logger: zerolog.Nop()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	for _, name := range []pool.Group{"restante.pool", batch.Manifest} {
		if err := store.SetGroup(t.Context(), pool.GroupInfo{Name: name, Posting: pool.PostingDenied}); err != nil {
			t.Fatal(err)
		}
	}
	c := &collecting{t: t, calendar: shape.Calendar, keys: newRing(t, filepath.Join(folder, "keys"), shape), store: store}
	c.releaser = &batch.Releaser{Queue: queue, Store: store, Signer: c.keys.Signer(), Domain: domain, Group: "restante.pool"}
	c.Office = office.New(office.Options{
		Domain: domain, Group: "restante.pool", Calendar: shape.Calendar, Slots: shape.Slots,
		Keys: c.keys, Queue: queue, Store: store, MaxArticle: 1 << 20, Logins: 1,
	})
	return c
}

// turn lets a batch pass.
func (c *collecting) turn() {
	c.t.Helper()
	time.Sleep(time.Until(c.calendar.Start(c.calendar.Batch(time.Now()) + 1)))
	if _, err := c.keys.Advance(time.Now()); err != nil {
		c.t.Fatal(err)
	}
	for due, last := c.releaser.Due(time.Now()); due <= last; due++ {
		if err := c.releaser.Release(c.t.Context(), due); err != nil {
			c.t.Fatal(err)
		}
	}
	oldest, _ := c.keys.Retained()
	if err := c.store.DropBefore(c.t.Context(), oldest); err != nil {
		c.t.Fatal(err)
	}
}

// write sends a message to a mailbox.
func (c *collecting) write(box *identity.Mailbox) {
	c.t.Helper()
	if _, err := c.Submit(c.t.Context(), letterOf(c.t, c.keys, box), nil); err != nil {
		c.t.Fatal(err)
	}
}

// commands makes n tries of each case by XPICKUP and by XBLIND, in rounds, each of
// which prepares some mailboxes of every case and then tries them in random order.
func (c *collecting) commands(n int) times {
	c.t.Helper()
	const perRound = 10
	for range 20 { // so that there is something to look through
		c.turn()
	}
	all := times{}
	for range (n + perRound - 1) / perRound {
		order := shuffled(perRound, missing, waiting, manyHit, planted)
		boxes := make([]*identity.Mailbox, len(order))
		for i, state := range order {
			boxes[i] = identity.NewSeed().Mailbox(0)
			if state == manyHit {
				for range entriesHit {
					c.write(boxes[i])
				}
			}
		}
		for c.Queue.Waiting() > 0 {
			c.turn()
		}
		for i, state := range order {
			if state == waiting {
				c.write(boxes[i])
			}
		}
		c.time(all, "XPICKUP", order, func(i int) func() { return c.sealed(boxes[i]) })
		c.time(all, "XBLIND", order, func(i int) func() { return c.oblivious(boxes[i]) })
	}
	return all
}

// time times what prepare returns for each try.
func (c *collecting) time(all times, way string, order []string, prepare func(i int) func()) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	for i, state := range order {
		run := prepare(i)
		start := spent()
		if state == planted {
			workOutTags()
		}
		run()
		took := float64(spent() - start)
		all[way+", "+state] = append(all[way+", "+state], took)
	}
}

// sealed is an XPICKUP.
func (c *collecting) sealed(box *identity.Mailbox) func() {
	c.t.Helper()
	_, seal := c.keys.Mint()
	sealed, err := seal.SealID(box.ID())
	if err != nil {
		c.t.Fatal(err)
	}
	return func() {
		if err := c.Find(c.t.Context(), sealed, func(pool.Number, pool.MessageID) {}); err != nil {
			c.t.Fatal(err)
		}
	}
}

// oblivious is an XBLIND of one element.
func (c *collecting) oblivious(box *identity.Mailbox) func() {
	c.t.Helper()
	_, epoch := c.keys.Retained()
	key, err := c.keys.Blind(epoch)
	if err != nil {
		c.t.Fatal(err)
	}
	client, err := blind.NewClient(key.Public())
	if err != nil {
		c.t.Fatal(err)
	}
	request, err := client.Blind([]identity.ID{box.ID()})
	if err != nil {
		c.t.Fatal(err)
	}
	return func() {
		if _, _, err := c.Evaluate(c.t.Context(), epoch, request.Elements()); err != nil {
			c.t.Fatal(err)
		}
	}
}

// logins lets some people log in, and look for new mail after each batch.
func (c *collecting) logins(n int) times {
	c.t.Helper()
	const people = 15 // each costs a fifth of a second
	all := times{}
	var boxes []*identity.Mailbox
	var opened []*office.Mailbox
	for i := range people {
		passphrase := fmt.Sprintf("%s-%d-%d", alicePassphrase, i, rand.Uint64())
		m, err := c.Login(c.t.Context(), "alice", passphrase)
		if err != nil {
			c.t.Fatal(err)
		}
		opened = append(opened, m)
		boxes = append(boxes, identity.FromPassphrase(domain, "alice", passphrase).Mailbox(0))
	}
	for range (n + people/3 - 1) / (people / 3) {
		order := shuffled(people/3, missing, waiting, oneHit)
		for i, state := range order {
			if state == oneHit {
				c.write(boxes[i])
			}
		}
		c.turn()
		for i, state := range order {
			if state == waiting {
				c.write(boxes[i])
			}
		}
		look := func(i int) func() {
			return func() {
				if err := opened[i].Refresh(c.t.Context()); err != nil {
					c.t.Fatal(err)
				}
			}
		}
		c.time(all, "login", order, look)
		c.turn() // what waited is found now, and in no later try
		for i := range opened {
			look(i)()
		}
	}
	return all
}
