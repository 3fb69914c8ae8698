package record_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/restante/restante/pool"
	"github.com/restante/restante/pool/record"
	"github.com/restante/restante/pool/record/recordtest"
)

// hooked is a file system that calls a function at the next sync of a file.
type hooked struct {
	record.FS
	onSync func() error
}

func (h *hooked) OpenFile(path string, flag int) (record.File, int64, error) {
	f, size, err := h.FS.OpenFile(path, flag)
	return hookedFile{f, h}, size, err
}

type hookedFile struct {
	record.File
	h *hooked
}

func (f hookedFile) Sync() error {
	if do := f.h.onSync; do != nil {
		f.h.onSync = nil
		if err := do(); err != nil {
			return err
		}
	}
	return f.File.Sync()
}

// Many octets are written while those before them are synced. That they are there
// says nothing: they count once they are synced, and not if what is before them
// does not.
func TestLog_writesWhileSyncing(t *testing.T) {
	large := strings.Repeat("large", 80_000)
	for why, c := range map[string]struct {
		sync         error            // of the first record
		write        recordtest.Fault // of the second
		first, other error
		after        []string
	}{
		"nothing fails": {after: []string{"first", large, "third"}},
		"the sync fails": {
			sync: syscall.EIO, first: pool.ErrReadOnly, other: pool.ErrReadOnly,
			after: []string{"first", large}, // as it happens: nobody heard of them
		},
		"the write fails": {
			write: recordtest.Fault{Op: recordtest.WriteAt, Err: syscall.EIO, Keep: 1000, Once: true},
			other: pool.ErrReadOnly, after: []string{"first"},
		},
		"it can't set out": {
			write: recordtest.Fault{Op: recordtest.Start, Err: syscall.EIO, Once: true},
			other: pool.ErrReadOnly, after: []string{"first", large}, // likewise
		},
		"no space": {
			write: recordtest.Fault{Op: recordtest.WriteAt, Err: syscall.ENOSPC, Keep: 1000, Once: true},
			other: pool.ErrDiskFull, after: []string{"first", "third"},
		},
	} {
		t.Run(why, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "file")
			faults := new(recordtest.Faults)
			fs := &hooked{FS: faults}
			log, _ := open(t, fs, path)
			mustAdd(t, log, "first")
			fs.onSync = func() error {
				faults.Set(c.write)
				mustAdd(t, log, large)
				if info, err := os.Stat(path); err != nil || c.write.Op == "" && info.Size() < int64(len(large)) {
					t.Errorf("%d octets are there, %v; want the large record", info.Size(), err)
				}
				return c.sync
			}
			if err := log.Commit(); !errors.Is(err, c.first) {
				t.Errorf("the first Commit: %v, want %v", err, c.first)
			}
			if err := log.Commit(); !errors.Is(err, c.other) {
				t.Errorf("the second Commit: %v, want %v", err, c.other)
			}
			mustAdd(t, log, "third")
			if err := log.Commit(); errors.Is(err, pool.ErrReadOnly) != errors.Is(c.other, pool.ErrReadOnly) {
				t.Errorf("the third Commit: %v", err)
			}
			if err := log.Close(); err != nil {
				t.Error(err)
			}
			log, f := open(t, record.OS{}, path)
			_ = log.Close()
			if !slices.Equal(f.Payloads, c.after) {
				t.Errorf("%d records afterwards, want %d", len(f.Payloads), len(c.after))
			}
		})
	}
}

func mustAdd(t *testing.T, log *record.Log, text string) {
	t.Helper()
	if _, err := log.Add([]byte(text)); err != nil {
		t.Fatal(err)
	}
}

// The power fails, or a sync does, at any step of adding large batches while others
// are committed.
func TestLog_writesWhileSyncingAndThePowerFails(t *testing.T) {
	lost, acked := 0, 0
	for seed := range uint64(40) {
		r := rand.New(rand.NewPCG(seed, 4))
		power := recordtest.NewPower("/d")
		const path = "/d/file"
		log, _, err := record.Open(power, path, 0, nil)
		if err != nil {
			t.Fatal(err)
		}
		power.FailAfter(r.IntN(40))
		if r.IntN(3) == 0 {
			power.FailSync(r.IntN(12))
		}
		g := &grower{log: log}
		g.growAhead(r, 12)
		_ = log.Close()
		power = power.Failed(r)
		lost, acked = lost+power.Lost(), acked+len(g.acked)
		g.check(t, power, path)
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
	if lost == 0 || acked == 0 {
		t.Errorf("the power took %d changes, %d records were acknowledged", lost, acked)
	}
}

// Once there is no space, at any write. What comes later is taken again, and what
// was refused does not come back.
func TestLog_writesWhileSyncingWithoutSpace(t *testing.T) {
	for skip := range 40 {
		path := filepath.Join(t.TempDir(), "file")
		faults := new(recordtest.Faults)
		log, _ := open(t, faults, path)
		r := rand.New(rand.NewPCG(uint64(skip), 5))
		faults.Set(recordtest.Fault{Op: recordtest.WriteAt, Err: syscall.ENOSPC, Keep: r.IntN(360_000), Skip: skip, Once: true})
		g := &grower{log: log}
		g.growAhead(r, 20)
		faults.Set()
		mustAdd(t, log, "last")
		if err := log.Commit(); err != nil {
			t.Errorf("skip %d: the last Commit: %v", skip, err)
		}
		g.acked = append(g.acked, "last")
		_ = log.Close()
		log, f := open(t, record.OS{}, path)
		_ = log.Close()
		if !slices.Equal(f.Payloads, g.acked) {
			t.Errorf("skip %d: %d records, want the %d acknowledged ones", skip, len(f.Payloads), len(g.acked))
		}
	}
}

// growAhead adds batches of records while the ones before are committed.
func (g *grower) growAhead(r *rand.Rand, batches int) {
	type batch struct {
		pending *record.Pending
		records []string
	}
	next := make(chan batch)
	go func() {
		defer close(next)
		for n := range batches {
			var b batch
			for i := range 1 + r.IntN(15) {
				one := fmt.Sprintf("%d.%d %0*d", n, i, 1+r.IntN(80_000), 0)
				if _, err := g.log.Add([]byte(one)); err != nil {
					return
				}
				b.records = append(b.records, one)
			}
			b.pending = g.log.Take()
			next <- b
		}
	}()
	for b := range next {
		if g.stop = b.pending.Commit(); g.stop == nil {
			g.acked = append(g.acked, b.records...)
		}
	}
}
