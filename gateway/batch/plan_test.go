package batch

import (
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"

	"github.com/restante/restante/pool/record"
	"github.com/restante/restante/pool/record/recordtest"
)

// once checks that a batch with three entries and a post left once, and whole.
func (b *bench) once(slots []Slot, how string) {
	b.t.Helper()
	if e, m, c := b.count(poolGroup), b.count(Manifest), b.count(cards); e != shape.Size || m != 1 || c != 1 {
		b.t.Errorf("%s: %d entries, %d manifests, %d posts", how, e, m, c)
	}
	for _, s := range slots {
		if !b.holds(s) {
			b.t.Errorf("%s: an entry is lost", how)
		}
	}
}

// A plan that is damaged, or of which the end is lacking, is read whole or refused, each
// time, and stays as it is: what is left of it is not the batch.
func TestLoad_neverTakesAPartOfAPlan(t *testing.T) {
	f := folder{record.OS{}, t.TempDir()}
	want := &plan{batch: 7, manifest: [32]byte{1}, texts: [][]byte{[]byte("one"), []byte("two"), []byte("three")}}
	if err := f.save(want, planFile); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(f.dir, planFile)
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	never := func(what string, octets []byte) {
		t.Helper()
		if err := os.WriteFile(path, octets, 0o600); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			p, err := f.load(planFile)
			if errors.Is(err, fs.ErrNotExist) || err == nil && !cmp.Equal(p, want, cmp.AllowUnexported(plan{})) {
				t.Errorf("%s: a part is taken for the whole: %v", what, err)
			}
		}
		if now, err := os.ReadFile(path); err != nil || !slices.Equal(now, octets) {
			t.Errorf("%s: reading changed it: %v", what, err)
		}
	}
	for at := range whole {
		never(fmt.Sprintf("cut off at octet %d", at), whole[:at])
		never(fmt.Sprintf("zeros from octet %d on", at), append(slices.Clone(whole[:at]), make([]byte, len(whole)-at)...))
		changed := slices.Clone(whole)
		changed[at] ^= 1
		never(fmt.Sprintf("octet %d changed", at), changed)
	}
	if err := os.WriteFile(path, whole, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := f.load(planFile); err != nil {
		t.Errorf("the whole one: %v", err)
	}
}

// Of the batch released last the file needs no more than its head.
func TestReadReleased_needsTheHeadAlone(t *testing.T) {
	f := folder{record.OS{}, t.TempDir()}
	if err := f.save(&plan{batch: 7}, releasedFile); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(f.dir, releasedFile)
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	whole[len(whole)-1] ^= 1
	if err := os.WriteFile(path, whole, 0o600); err != nil {
		t.Fatal(err)
	}
	if n, err := f.readReleased(shape.Calendar); err != nil || n != 7 {
		t.Errorf("batch %d, %v", n, err)
	}
}

// Whatever step fails, once: the same process tries again, and the batch leaves once.
func TestRelease_aFailedStepIsTriedAgain(t *testing.T) {
	for _, op := range []recordtest.Op{recordtest.OpenFile, recordtest.WriteAt, recordtest.Truncate, recordtest.Sync, recordtest.SyncDir, recordtest.Rename, recordtest.Remove} {
		struck := true
		for skip := 0; struck; skip++ {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t)
				faults := b.failing()
				slots := b.send(somebody(), 3)
				b.post("one")
				nextBatch()
				faults.Set(recordtest.Fault{Op: op, Err: errors.New("the disk is failing"), Once: true, Skip: skip})
				err := b.rel.Release(t.Context(), slots[0].Batch)
				if struck = err != nil; struck {
					err = b.rel.Release(t.Context(), slots[0].Batch)
				}
				if err != nil {
					t.Fatal(err)
				}
				b.once(slots, fmt.Sprintf("step %d of %s", skip, op))
				if n := b.queue.Waiting(); n != 0 {
					t.Errorf("%d still wait", n)
				}
			})
		}
	}
}

// A careless disk does not know of a folder's changes although, once, it was told to.
type careless struct {
	*recordtest.Power
	left int
}

func (c *careless) SyncDir(dir string) error {
	if c.left--; c.left == -1 {
		return errors.New("the disk is failing")
	}
	return c.Power.SyncDir(dir)
}

// A folder could not be synced, the batch is tried again, and the power fails while
// its articles are filed: the disk knows the plan by which some were.
func TestRelease_powerFailsAfterAFailedSync(t *testing.T) {
	for failing := range 8 {
		for seed := range uint64(20) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t)
				_ = b.queue.Close()
				c := &careless{Power: recordtest.NewPower(filepath.Dir(b.dir)), left: -2}
				b.on(c)
				slots := b.send(somebody(), 3)
				b.post("one")
				nextBatch()
				c.left = failing
				_ = b.rel.Release(t.Context(), slots[0].Batch)
				b.rel.Store = &failingStore{b.store, int(seed) % shape.Size}
				_ = b.rel.Release(t.Context(), slots[0].Batch)
				_ = b.queue.Close()
				b.on(c.Failed(rand.New(rand.NewPCG(seed, 5))))
				if err := b.rel.Release(t.Context(), slots[0].Batch); err != nil {
					t.Fatal(err)
				}
				b.once(slots, fmt.Sprintf("sync %d of the folder fails, outage %d", failing, seed))
			})
		}
	}
}

// on opens the queue on a file system.
func (b *bench) on(files record.FS) {
	b.t.Helper()
	q, err := openQueue(files, b.dir, shape)
	if err != nil {
		b.t.Fatal(err)
	}
	b.queue = q
	b.rel = &Releaser{Queue: q, Store: b.store, Signer: b.rel.Signer, Domain: domain, Group: poolGroup}
}
