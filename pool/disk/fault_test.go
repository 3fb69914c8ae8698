package disk

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/syndtr/goleveldb/leveldb"

	"github.com/restante/restante/pool"
	"github.com/restante/restante/pool/pooltest"
	"github.com/restante/restante/pool/record/recordtest"
)

// faulty opens a store with some articles and faults still to come.
func faulty(t *testing.T) (*Store, *recordtest.Faults, string) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "store")
	o := small()
	faults := new(recordtest.Faults)
	o.Files = faults
	s := mustOpen(t, dir, o)
	if err := s.SetGroup(t.Context(), pool.GroupInfo{Name: "a", Posting: pool.PostingAllowed}); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"1", "2"} {
		if _, err := s.Append(t.Context(), pooltest.Article(t, name, "a")); err != nil {
			t.Fatal(err)
		}
	}
	return s, faults, dir
}

func TestStore_faults(t *testing.T) {
	seg, newSeg := ".seg", "/9/"
	for _, c := range []struct {
		why    string
		epoch  uint64 // 9: needs a new segment
		faults []recordtest.Fault
		want   error
		kept   bool // the refused article may be there afterwards
	}{
		{"sync fails", 0, []recordtest.Fault{{Op: recordtest.Sync, Path: seg, Err: syscall.EIO, Once: true}}, pool.ErrReadOnly, true},
		{"write fails", 0, []recordtest.Fault{{Op: recordtest.WriteAt, Path: seg, Err: syscall.EIO, Once: true}}, pool.ErrReadOnly, false},
		{"short write", 0, []recordtest.Fault{{Op: recordtest.WriteAt, Path: seg, Keep: 100, Quiet: true, Once: true}}, pool.ErrReadOnly, false},
		{"no space", 0, []recordtest.Fault{{Op: recordtest.WriteAt, Path: seg, Err: syscall.ENOSPC, Keep: 100, Once: true}}, pool.ErrDiskFull, false},
		{"no space, no cut", 0, []recordtest.Fault{
			{Op: recordtest.WriteAt, Path: seg, Err: syscall.ENOSPC, Keep: 100, Once: true},
			{Op: recordtest.Truncate, Path: seg, Err: syscall.EIO},
		}, pool.ErrReadOnly, false},
		{"new segment: no space", 9, []recordtest.Fault{{Op: recordtest.WriteAt, Path: newSeg, Err: syscall.ENOSPC, Once: true}}, pool.ErrDiskFull, false},
		{"new segment: can't be opened", 9, []recordtest.Fault{{Op: recordtest.OpenFile, Path: newSeg, Err: syscall.EIO, Once: true}}, pool.ErrReadOnly, false},
		{"new segment: folder's sync fails", 9, []recordtest.Fault{{Op: recordtest.SyncDir, Err: syscall.EIO, Once: true}}, pool.ErrReadOnly, false},
	} {
		t.Run(c.why, func(t *testing.T) {
			s, faults, dir := faulty(t)
			before := pooltest.Take(t, s)
			faults.Set(c.faults...)
			a := pooltest.Article(t, "3", "a")
			a.Epoch = c.epoch
			if _, err := s.Append(t.Context(), a); !errors.Is(err, c.want) {
				t.Errorf("Append: %v, want %v", err, c.want)
			}
			if diff := cmp.Diff(before, pooltest.Take(t, s)); diff != "" {
				t.Errorf("what was there has changed (-before +after):\n%s", diff)
			}
			number := pool.Number(0)
			at, err := s.Append(t.Context(), a)
			switch {
			case errors.Is(c.want, pool.ErrDiskFull):
				if err != nil || at[0].Number != 3 {
					t.Fatalf("the next Append: %v, %v", at, err)
				}
				number = 3
			case !errors.Is(err, pool.ErrReadOnly):
				t.Errorf("the next Append: %v, want ErrReadOnly", err)
			}
			if got := s.Health().ReadOnly; got != errors.Is(c.want, pool.ErrReadOnly) {
				t.Errorf("Health says read-only %v", got)
			}
			mustClose(t, s)
			checkReopened(t, dir, before, number, c.kept)
		})
	}
}

// checkReopened checks that a store has what it had before, and the third
// article under its number, or not at all unless it may have been kept.
func checkReopened(t *testing.T, dir string, before pooltest.Snapshot, third pool.Number, kept bool) {
	t.Helper()
	s := mustOpen(t, dir, small())
	defer mustClose(t, s)
	after := pooltest.Take(t, s)
	for id, a := range before.ByID {
		if diff := cmp.Diff(a, after.ByID[id]); diff != "" {
			t.Errorf("(-before +after):\n%s", diff)
		}
	}
	a, there := after.ByID[pooltest.ID("3")]
	switch {
	case third > 0 && (!there || a.In("a") != third):
		t.Error("the third article is lost")
	case third == 0 && there && !kept:
		t.Error("the third article is there, though it was never written")
	}
	if _, err := s.Append(t.Context(), pooltest.Article(t, "4", "a")); err != nil {
		t.Errorf("Append after reopening: %v", err)
	}
}

// Of two goroutines with one message-id, the loser must not hear "duplicate"
// for an article whose sync then fails.
func TestStore_duplicateOfAFailedOne(t *testing.T) {
	s, faults, _ := faulty(t)
	faults.Set(recordtest.Fault{Op: recordtest.Sync, Path: ".seg", Err: syscall.EIO})
	var wg sync.WaitGroup
	for range 16 {
		a := pooltest.Article(t, "3", "a")
		wg.Go(func() {
			if _, err := s.Append(t.Context(), a); !errors.Is(err, pool.ErrReadOnly) {
				t.Errorf("Append: %v, want ErrReadOnly", err)
			}
		})
	}
	wg.Wait()
	mustClose(t, s)
}

func TestStore_groupsFaults(t *testing.T) {
	for why, fault := range map[string]recordtest.Fault{
		"write":   {Op: recordtest.WriteAt, Path: groupsFile, Err: syscall.EIO},
		"sync":    {Op: recordtest.Sync, Path: groupsFile, Err: syscall.EIO},
		"syncdir": {Op: recordtest.SyncDir, Err: syscall.EIO},
		"space":   {Op: recordtest.WriteAt, Path: groupsFile, Err: syscall.ENOSPC, Keep: 5, Once: true},
	} {
		t.Run(why, func(t *testing.T) {
			s, faults, dir := faulty(t)
			before := pooltest.Take(t, s)
			faults.Set(fault)
			want := pool.ErrReadOnly
			if fault.Once {
				want = pool.ErrDiskFull
			}
			if err := s.SetGroup(t.Context(), pool.GroupInfo{Name: "b"}); !errors.Is(err, want) {
				t.Errorf("SetGroup: %v, want %v", err, want)
			}
			if diff := cmp.Diff(before, pooltest.Take(t, s)); diff != "" {
				t.Errorf("(-before +after):\n%s", diff)
			}
			faults.Set()
			mustClose(t, s)
			checkReopened(t, dir, before, 0, false)
		})
	}
}

// Whichever step of dropping an epoch fails, opening again finds all of it or
// nothing, numbers go on, and what expired does not come back.
func TestStore_dropFaults(t *testing.T) {
	ops := []recordtest.Op{recordtest.OpenFile, recordtest.WriteAt, recordtest.Sync, recordtest.SyncDir}
	for _, op := range ops {
		for skip := range 8 {
			t.Run(fmt.Sprint(op, skip), func(t *testing.T) {
				s, faults, dir := faulty(t)
				for _, name := range []string{"3", "4"} {
					a := pooltest.Article(t, name, "a")
					a.Epoch = 1
					if _, err := s.Append(t.Context(), a); err != nil {
						t.Fatal(err)
					}
				}
				faults.Set(recordtest.Fault{Op: op, Err: syscall.EIO, Skip: skip})
				dropErr := s.DropBefore(t.Context(), 2)
				faults.Set()
				abandon(t, s)
				checkDropped(t, dir, dropErr)
			})
		}
	}
}

func checkDropped(t *testing.T, dir string, dropErr error) {
	t.Helper()
	s := mustOpen(t, dir, small())
	defer mustClose(t, s)
	after := pooltest.Take(t, s)
	switch n := len(after.ByID); {
	case n != 2 && n != 4:
		t.Errorf("%d articles, want all or those of the other epoch", n)
	case n == 4 && dropErr == nil:
		t.Error("dropped articles are back")
	}
	if _, err := s.Append(t.Context(), pooltest.Article(t, "4", "a")); !errors.Is(err, pool.ErrDuplicate) {
		t.Errorf("Append: %v, want ErrDuplicate", err)
	}
	at, err := s.Append(t.Context(), pooltest.Article(t, "5", "a"))
	if err != nil || at[0].Number != 5 {
		t.Errorf("Append: %v, %v; want number 5", at, err)
	}
}

func TestStore_reserve(t *testing.T) {
	o := small()
	o.Reserve = 1 << 62
	s := mustOpen(t, t.TempDir(), o)
	defer mustClose(t, s)
	if err := s.SetGroup(t.Context(), pool.GroupInfo{Name: "a"}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Append(t.Context(), pooltest.Article(t, "1", "a")); !errors.Is(err, pool.ErrDiskFull) {
		t.Errorf("Append: %v, want ErrDiskFull", err)
	}
	if h := s.Health(); h.ReadOnly || h.Free != 0 {
		t.Errorf("%+v", h)
	}
	s.options.Reserve = 1
	if _, err := s.Append(t.Context(), pooltest.Article(t, "1", "a")); err != nil {
		t.Errorf("Append with space again: %v", err)
	}
}

func TestOpen_inUse(t *testing.T) {
	dir := t.TempDir()
	s := mustOpen(t, dir, small())
	o := small()
	o.LockWait = 50 * time.Millisecond
	if other, err := Open(dir, o); !errors.Is(err, ErrInUse) {
		t.Errorf("Open: %v, %v; want ErrInUse", other, err)
	}
	mustClose(t, s)
	mustClose(t, mustOpen(t, dir, o))
}

// The index is gone from under a running store. What is filed is on the disk, is
// found by its message-id and is there again later; what the index alone knows is
// an error, and the next article is refused.
func TestStore_indexFails(t *testing.T) {
	s, _, dir := faulty(t)
	before := pooltest.Take(t, s)
	if err := s.index.close(); err != nil {
		t.Fatal(err)
	}
	if at, err := s.Append(t.Context(), pooltest.Article(t, "3", "a")); err != nil || at[0].Number != 3 {
		t.Errorf("Append: %v, %v; want number 3", at, err)
	}
	s.settle()
	for name, want := range map[string]error{"1": nil, "3": nil, "unknown": pool.ErrNotFound} {
		if _, err := s.ByID(t.Context(), pooltest.ID(name)); !errors.Is(err, want) {
			t.Errorf("ByID: %v, want %v", err, want)
		}
	}
	if _, err := s.ByNumber(t.Context(), "a", 3); err != nil {
		t.Errorf("ByNumber: %v", err)
	}
	err := s.Scan(t.Context(), "a", pool.All, func(pool.Number, []byte) bool { return true })
	if !errors.Is(err, pool.ErrCorrupt) {
		t.Errorf("Scan: %v, want ErrCorrupt", err)
	}
	if _, err := s.Append(t.Context(), pooltest.Article(t, "4", "a")); !errors.Is(err, pool.ErrReadOnly) {
		t.Errorf("Append: %v, want ErrReadOnly", err)
	}
	if h := s.Health(); !h.ReadOnly || !h.IndexDoubted {
		t.Errorf("%+v", h)
	}
	if err := s.Close(); err != nil && !strings.Contains(err.Error(), "closed") { // the index is closed already
		t.Fatal(err)
	}
	checkReopened(t, dir, before, 3, true)
}

// The index takes no more, as on a full disk. All that was acknowledged can be read
// as before, in every way, and is there again later.
func TestStore_indexTakesNoMore(t *testing.T) {
	s, _, dir := faulty(t)
	if err := s.index.db.SetReadOnly(); err != nil {
		t.Fatal(err)
	}
	a := pooltest.Article(t, "3", "a")
	at, err := s.Append(t.Context(), a)
	if err != nil {
		t.Fatal(err)
	}
	if err := find(t.Context(), s, a, at); err != nil {
		t.Error(err)
	}
	s.settle()
	if _, err := s.Append(t.Context(), pooltest.Article(t, "4", "a")); !errors.Is(err, pool.ErrReadOnly) {
		t.Errorf("Append: %v, want ErrReadOnly", err)
	}
	before := pooltest.Take(t, s)
	if len(before.ByID) != 3 {
		t.Errorf("%d articles, want 3", len(before.ByID))
	}
	abandon(t, s)
	s = mustOpen(t, dir, small())
	defer mustClose(t, s)
	if diff := cmp.Diff(before, pooltest.Take(t, s)); diff != "" {
		t.Errorf("(-before +after):\n%s", diff)
	}
}

// After a write that failed, be it a large one, the index can still be closed.
func TestIndex_closesAfterAFailedWrite(t *testing.T) {
	power := recordtest.NewPower("/d")
	x, err := openIndex(power, "/d/index", 32<<10)
	if err != nil {
		t.Fatal(err)
	}
	batch := new(leveldb.Batch)
	for i := range 1000 {
		batch.Put(numberKey(1, pool.Number(i)), make([]byte, 100))
	}
	power.FailAfter(0)
	if err := x.write(batch, false); !errors.Is(err, errDoubt) {
		t.Errorf("write: %v, want errDoubt", err)
	}
	closed := make(chan struct{})
	go func() {
		defer close(closed)
		_ = x.close()
	}()
	select {
	case <-closed:
	case <-time.After(2 * time.Minute):
		t.Fatal("closing hangs")
	}
}
