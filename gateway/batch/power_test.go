package batch

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/restante/restante/crypto/blind"
	"github.com/restante/restante/crypto/note"
	"github.com/restante/restante/pool"
	"github.com/restante/restante/pool/entry"
	"github.com/restante/restante/pool/record"
	"github.com/restante/restante/pool/record/recordtest"
)

// A flicker is a queue on a file system whose power fails again and again. The
// store keeps what it has: its own tests show that it does.
type flicker struct {
	*bench
	r      *rand.Rand
	power  *recordtest.Power
	people []person
	slots  []Slot            // of deposits that were accepted
	posts  []string          // the same
	told   map[blind.Tag]int // what accepted notices say
	tried  int
	lost   int
}

// cramped is a shape in which mailboxes are soon full.
func cramped() Shape {
	s := shape
	s.Backlog = 2
	return s
}

// open opens the queue as a new process does.
func (f *flicker) open() error {
	q, err := openQueue(f.power, f.dir, cramped())
	if err != nil {
		return err
	}
	signer, err := note.NewSigner(domain, f.seed)
	if err != nil {
		return err
	}
	f.queue = q
	f.rel = &Releaser{Queue: q, Store: f.store, Signer: signer, Domain: domain, Group: poolGroup}
	return nil
}

// deposit deposits entries, a post, or both.
func (f *flicker) deposit() error {
	booking := f.queue.Begin()
	defer booking.Drop()
	p := f.people[f.r.IntN(len(f.people))]
	slots, dropped, err := booking.Entries(1+f.r.IntN(3), p.blinder)
	if errors.Is(err, ErrBacklog) {
		return nil
	}
	if err != nil {
		return err
	}
	slots = slices.Clone(slots)
	f.tried++
	id := fmt.Sprintf("<%d@x.example>", f.tried)
	var text []byte
	if f.r.IntN(3) == 0 {
		if _, err := booking.Post(300); err != nil {
			return nil // too many wait already
		}
		text = fmt.Appendf(nil, "Newsgroups: restante.cards\r\nMessage-ID: %s\r\nSubject: x\r\nFrom: x\r\nDate: Sat, 01 Jan 2000 00:00:00 +0000\r\n\r\nx\r\n", id)
	}
	payloads := f.payloads(p, slots)
	if dropped > 0 {
		payloads[0] = plain(fmt.Sprint(dropped, "."))
	}
	if err := booking.Deposit(f.t.Context(), payloads, text); err != nil {
		return err
	}
	if dropped == 0 {
		f.slots = append(f.slots, slots...)
	} else if slots[0].use == notice {
		f.told[slots[0].Tag] = dropped
	}
	if text != nil {
		f.posts = append(f.posts, id)
	}
	return nil
}

func (f *flicker) release() error {
	for n, last := f.rel.Due(time.Now()); n <= last; n++ {
		if err := f.rel.Release(f.t.Context(), n); err != nil {
			return err
		}
	}
	return nil
}

// live works until the power fails, or for a while, and checks that each error
// comes of the fault.
func (f *flicker) live() {
	err := f.open()
	for range 30 {
		if err != nil {
			break
		}
		if f.r.IntN(4) > 0 {
			err = f.deposit()
			continue
		}
		time.Sleep(time.Duration(f.r.IntN(100)) * time.Second)
		err = f.release()
	}
	if err != nil && !f.power.Off() && !strings.Contains(err.Error(), syscall.EIO.Error()) {
		f.t.Errorf("without a fault: %v", err)
	}
	if f.queue != nil {
		_ = f.queue.Close()
	}
}

// outage lets the power fail, or the process be killed.
func (f *flicker) outage() {
	f.power.FailAfter(f.r.IntN([]int{30, 300}[f.r.IntN(2)]))
	if f.r.IntN(4) == 0 {
		f.power.FailSync(f.r.IntN(40))
	}
	f.live()
	if f.r.IntN(4) == 0 {
		f.power = f.power.Killed()
		return
	}
	f.power = f.power.Failed(f.r)
	f.lost += f.power.Lost()
}

// check lets all that waits leave, and compares.
func (f *flicker) check() {
	if err := f.open(); err != nil {
		f.t.Fatal(err)
	}
	defer func() { _ = f.queue.Close() }()
	if n := f.queue.Damaged(); n > 0 {
		f.t.Errorf("%d places of the queue are damaged", n)
	}
	for f.queue.Waiting() > 0 {
		nextBatch()
		f.releaseDue()
	}
	for _, s := range f.slots {
		if !f.holds(s) {
			f.t.Errorf("an entry that was accepted for batch %d is lost", s.Batch)
		}
	}
	for tag, accepted := range f.told {
		// One more may have been on its way when the power failed.
		if said := f.says(tag); said != accepted && said != accepted+1 {
			f.t.Errorf("of %d that were dropped a notice says %d", accepted, said)
		}
	}
	for _, id := range f.posts {
		if _, err := f.store.ByID(f.t.Context(), pool.MessageID(id)); err != nil {
			f.t.Errorf("a post that was accepted is lost: %v", err)
		}
	}
	if entries, batches := f.count(poolGroup), f.count(Manifest); entries != batches*shape.Size {
		f.t.Errorf("%d entries in %d batches of %d: a batch left in two forms", entries, batches, shape.Size)
	}
}

// says returns the number in a notice.
func (f *flicker) says(tag blind.Tag) (n int) {
	s, err := f.store.ByID(f.t.Context(), pool.MessageID(tag.MessageID(domain)))
	if err != nil {
		f.t.Errorf("a notice is lost: %v", err)
		return 0
	}
	payload, err := entry.Payload(s)
	if err == nil {
		_, err = fmt.Sscanf(string(payload[:20]), "%d.", &n)
	}
	if err != nil {
		f.t.Error(err)
	}
	return n
}

// The power fails, or the process dies, at any step: whatever was accepted
// leaves, and once.
func TestQueue_powerFails(t *testing.T) {
	var accepted, notices, posts, lost int
	const outages = 8
	lives := 8
	if os.Getenv("RESTANTE_FAULTS") == "full" { // as in test/fault
		lives = 60
	}
	for seed := range uint64(lives) {
		synctest.Test(t, func(t *testing.T) {
			b := newBench(t)
			f := &flicker{
				bench: b, r: rand.New(rand.NewPCG(seed, 4)), power: recordtest.NewPower(filepath.Dir(b.dir)), told: make(map[blind.Tag]int),
			}
			_ = b.queue.Close()
			b.queue = nil
			for range 4 {
				f.people = append(f.people, somebody())
			}
			for range outages {
				f.outage()
			}
			f.check()
			accepted += len(f.slots)
			notices += len(f.told)
			posts += len(f.posts)
			lost += f.lost
		})
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
	t.Logf("%d outages: %d entries, %d notices and %d posts accepted, %d unsynced changes lost, 0 promises broken",
		lives*outages, accepted, notices, posts, lost)
}

// crowd deposits in many mailboxes at the same time until the power fails, and returns
// what was accepted.
func (f *flicker) crowd() (accepted []Slot) {
	var all sync.WaitGroup
	var mu sync.Mutex // guards accepted
	for range 30 {
		p, n := person{blinded: blind.RandomBlinded()}, 1+f.r.IntN(4)
		all.Go(func() {
			booking := f.queue.Begin()
			defer booking.Drop()
			slots, _, err := booking.Entries(n, p.blinder)
			if err != nil {
				f.t.Error(err)
				return
			}
			slots = slices.Clone(slots)
			payloads := make([][]byte, n)
			for i := range payloads {
				payloads[i] = plain(fmt.Sprint(i))
			}
			if booking.Deposit(f.t.Context(), payloads) == nil {
				mu.Lock()
				defer mu.Unlock()
				accepted = append(accepted, slots...)
			}
		})
	}
	all.Wait()
	return accepted
}

// Many deposit at once, and the power fails: what is written while others are synced,
// and may be there without them, is no damage, since none of it was accepted.
func TestQueue_powerFailsInACrowd(t *testing.T) {
	wide := shape
	wide.Size = 500
	lives, accepted, lost, torn := 30, 0, 0, 0
	if os.Getenv("RESTANTE_FAULTS") == "full" {
		lives = 2000
	}
	for seed := range uint64(lives) {
		synctest.Test(t, func(t *testing.T) {
			dir := filepath.Join("/d", "queue")
			f := &flicker{bench: &bench{t: t, dir: dir}, r: rand.New(rand.NewPCG(seed, 6)), power: recordtest.NewPower("/d")}
			for range 3 {
				q, err := openQueue(f.power, dir, wide)
				if err != nil {
					t.Fatal(err)
				}
				f.queue = q
				f.power.FailAfter(1 + f.r.IntN(12))
				f.slots = append(f.slots, f.crowd()...)
				_ = q.Close()
				f.power = f.power.Failed(f.r)
				lost += f.power.Lost()
				torn += f.torn()
			}
			q, err := openQueue(f.power, dir, wide)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = q.Close() }()
			if n := q.Damaged(); n > 0 {
				t.Errorf("%d places of the queue are damaged", n)
			}
			for _, s := range f.slots {
				if p := q.batches[s.Batch]; p == nil || p.places[s.Tag] == nil {
					t.Errorf("an entry that was accepted for batch %d is lost", s.Batch)
				}
			}
			accepted += len(f.slots)
		})
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
	if torn == 0 {
		t.Error("nothing was written while others were synced")
	}
	t.Logf("%d outages: %d entries accepted, %d unsynced changes lost, %d stretches torn before others, 0 taken for damage", 3*lives, accepted, lost, torn)
}

// torn returns how many stretches of the queue's files are no records though others
// follow.
func (f *flicker) torn() (n int) {
	names, err := f.power.ReadDir(f.dir)
	if err != nil {
		return 0 // not even the folder is there
	}
	for _, name := range names {
		if !strings.HasSuffix(name.Name(), logSuffix) {
			continue
		}
		file, size, err := f.power.OpenFile(filepath.Join(f.dir, name.Name()), os.O_RDONLY)
		if err != nil {
			f.t.Fatal(err)
		}
		reader, err := record.NewReader(file)
		if err != nil {
			f.t.Fatal(err)
		}
		res, err := reader.Scan(size, 0, nil)
		if err != nil {
			f.t.Fatal(err)
		}
		n += len(res.Unsynced)
	}
	return n
}

// What was accepted and can't be read any more is damage, be it among what a file
// begins with or deposited since. Of what was deposited last it can't be told.
func TestQueue_damageIsCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		for range 2 {
			b.send(somebody(), 1)
		}
		b.reopen() // which begins a file with these
		var places []int64
		for range 3 {
			places = append(places, b.queue.log.current.End()-1)
			b.send(somebody(), 2)
		}
		path := b.queue.log.path(b.queue.log.number)
		if err := b.queue.Close(); err != nil {
			t.Fatal(err)
		}
		whole, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for at, want := range map[int64]int{record.HeaderSize + 100: 1, places[0] - 100: 1, places[1]: 1, places[2]: 1, int64(len(whole)) - 1: 0} {
			changed := slices.Clone(whole)
			changed[at] ^= 1
			if err := os.WriteFile(path, changed, 0o600); err != nil {
				t.Fatal(err)
			}
			d := &deposits{folder: folder{record.OS{}, b.dir}}
			if _, err := d.read(b.queue.log.number); err != nil || d.damaged != want {
				t.Errorf("octet %d of %d changed: %d places are damaged, want %d, %v", at, len(whole), d.damaged, want, err)
			}
		}
	})
}
