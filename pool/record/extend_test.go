package record_test

import (
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"testing"

	"github.com/restante/restante/pool"
	"github.com/restante/restante/pool/record"
	"github.com/restante/restante/pool/record/recordtest"
)

// A grower adds records to a log in small commits while room is made ahead.
type grower struct {
	log   *record.Log
	acked []string
	stop  error // what ended the adding
}

func (g *grower) grow(r *rand.Rand, commits int, seal bool) {
	var wg sync.WaitGroup
	end := make(chan struct{})
	wg.Go(func() {
		for {
			select {
			case <-end:
				return
			default: // an error means nothing for the records
				_, _ = g.log.Extend(1 << 20)
			}
		}
	})
	for range commits {
		var some []string
		for range 1 + r.IntN(3) {
			one := fmt.Sprintf("%d %0*d", len(g.acked)+len(some), 1+r.IntN(2000), 0)
			if _, g.stop = g.log.Add([]byte(one)); g.stop != nil {
				break
			}
			some = append(some, one)
		}
		if g.stop == nil {
			g.stop = g.log.Commit()
		}
		if errors.Is(g.stop, pool.ErrDiskFull) {
			continue
		}
		if g.stop != nil {
			break
		}
		g.acked = append(g.acked, some...)
	}
	if seal { // while room is still being made
		_ = g.log.Seal()
	}
	close(end)
	wg.Wait()
}

// Room is made while records are added, while syncs and writes fail and until
// the log is sealed: what was acknowledged is there, in its order.
func TestLog_extendWhileAdding(t *testing.T) {
	for why, fault := range map[string]recordtest.Fault{
		"nothing fails":      {},
		"a sync fails":       {Op: recordtest.Sync, Err: syscall.EIO, Skip: 30, Once: true},
		"a write fails":      {Op: recordtest.WriteAt, Err: syscall.EIO, Skip: 30, Once: true, Keep: 100},
		"no space, once":     {Op: recordtest.WriteAt, Err: syscall.ENOSPC, Skip: 30, Once: true, Keep: 100},
		"no space any more":  {Op: recordtest.WriteAt, Err: syscall.ENOSPC, Skip: 30, Keep: 100},
		"a truncation fails": {Op: recordtest.Truncate, Err: syscall.EIO},
		"no second handle":   {Op: recordtest.OpenFile, Err: syscall.EMFILE},
	} {
		for _, seal := range []bool{true, false} {
			t.Run(fmt.Sprint(why, seal), func(t *testing.T) {
				faults := new(recordtest.Faults)
				path := filepath.Join(t.TempDir(), "file")
				log, _ := open(t, faults, path)
				faults.Set(fault)
				g := &grower{log: log}
				g.grow(rand.New(rand.NewPCG(1, 2)), 60, seal)
				faults.Set()
				if err := log.Close(); err != nil {
					t.Errorf("Close: %v", err)
				}
				if info, err := os.Stat(path); err != nil || fault.Op == "" && info.Size() != log.End() {
					t.Errorf("the file has %d octets and records up to %d, %v", info.Size(), log.End(), err)
				}
				g.check(t, record.OS{}, path)
			})
		}
	}
}

func (g *grower) check(t *testing.T, fs record.Opener, path string) {
	t.Helper()
	log, f := open(t, fs, path)
	_ = log.Close()
	next := 0
	for _, one := range f.Payloads {
		if next < len(g.acked) && one == g.acked[next] {
			next++
		}
	}
	if next < len(g.acked) {
		t.Errorf("%d of %d acknowledged records are there, in order; gaps %v", next, len(g.acked), f.Gaps)
	}
}

// The power fails at any step of adding, making room and sealing. Some syncs
// fail before, be it those of the records or those of the room.
func TestLog_extendAndThePowerFails(t *testing.T) {
	lost := 0
	for seed := range uint64(400) {
		r := rand.New(rand.NewPCG(seed, 3))
		power := recordtest.NewPower("/d")
		path := "/d/file"
		log, _, err := record.Open(power, path, 0, nil)
		if err != nil {
			t.Fatal(err)
		}
		power.FailAfter(r.IntN(200))
		if r.IntN(3) == 0 {
			power.FailSync(r.IntN(60))
		}
		g := &grower{log: log}
		g.grow(r, 40, r.IntN(2) == 0)
		_ = log.Close()
		power = power.Failed(r)
		lost += power.Lost()
		if _, _, err := power.OpenFile(path, os.O_RDONLY); errors.Is(err, fs.ErrNotExist) {
			t.Fatalf("seed %d: the file is gone", seed)
		}
		g.check(t, power, path)
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
	if lost == 0 {
		t.Error("the power took nothing")
	}
}

// A panic in a stage must not look like success to those who wait for the batch,
// nor may a record be acknowledged behind the hole that it leaves.
func TestWriter_panic(t *testing.T) {
	for _, op := range []recordtest.Op{recordtest.WriteAt, recordtest.Sync} {
		t.Run(string(op), func(t *testing.T) {
			faults := new(recordtest.Faults)
			path := filepath.Join(t.TempDir(), "file")
			w, _, err := record.OpenWriter(faults, path, nil)
			if err != nil {
				t.Fatal(err)
			}
			faults.Set(recordtest.Fault{Op: op, Err: errors.New("unreached"), Skip: 20, Once: true, Do: func() { panic("bad disk") }})
			var mu sync.Mutex
			var acked []string
			panics := 0
			var wg sync.WaitGroup
			for i := range 8 {
				wg.Go(func() {
					defer func() {
						if recover() != nil {
							mu.Lock()
							defer mu.Unlock()
							panics++
						}
					}()
					for j := range 40 {
						one := fmt.Sprint(i, "-", j)
						_, err := w.Append(t.Context(), []byte(one))
						if err != nil && !errors.Is(err, pool.ErrReadOnly) {
							t.Errorf("Append: %v", err)
						}
						if err == nil {
							mu.Lock()
							acked = append(acked, one)
							mu.Unlock()
						}
					}
				})
			}
			wg.Wait()
			if panics != 1 {
				t.Errorf("%d panics, want 1", panics)
			}
			if err := w.Close(); err != nil {
				t.Error(err)
			}
			log, f := open(t, record.OS{}, path)
			_ = log.Close()
			for _, one := range acked {
				if !slices.Contains(f.Payloads, one) {
					t.Errorf("%s was acknowledged and is lost", one)
				}
			}
		})
	}
}

// What Open shows is on the disk before it is shown: its caller builds upon it.
func TestOpen_showsNothingThatMayStillBeLost(t *testing.T) {
	power := recordtest.NewPower("/d")
	log, _, err := record.Open(power, "/d/file", 0, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := log.Add([]byte("one")); err != nil {
		t.Fatal(err)
	}
	power.FailSync(0)
	if err := log.Commit(); !errors.Is(err, pool.ErrReadOnly) {
		t.Fatalf("Commit: %v, want ErrReadOnly", err)
	}
	power = power.Killed()
	power.FailSync(0)
	shown := 0
	visit := func(int64, []byte) error { shown++; return nil }
	if _, _, err := record.Open(power, "/d/file", 0, visit); !errors.Is(err, syscall.EIO) || shown > 0 {
		t.Errorf("Open: %v; %d records shown, want none", err, shown)
	}
	power = power.Killed()
	if _, _, err := record.Open(power, "/d/file", 0, visit); err != nil || shown != 1 {
		t.Errorf("Open: %v; %d records shown, want 1", err, shown)
	}
	for seed := range uint64(20) {
		_, f := open(t, power.Failed(rand.New(rand.NewPCG(seed, 0))), "/d/file")
		if len(f.Payloads) != 1 {
			t.Errorf("seed %d: what was shown is lost", seed)
		}
	}
}
