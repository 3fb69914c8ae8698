package disk

import (
	"bytes"
	"errors"
	"math"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/rs/zerolog"

	"github.com/restante/restante/pool"
	"github.com/restante/restante/pool/pooltest"
	"github.com/restante/restante/pool/record/recordtest"
)

// watched opens a store that logs to memory, with a reserve, faults to come and
// a disk as free as it is said to be.
func watched(t *testing.T) (s *Store, free *atomic.Uint64, faults *recordtest.Faults, log *bytes.Buffer) {
	t.Helper()
	free, faults, log = new(atomic.Uint64), new(recordtest.Faults), new(bytes.Buffer)
	free.Store(math.MaxUint64)
	o := small()
	o.Reserve, o.Files, o.Logger = 1000, faults, zerolog.New(log)
	o.Free = func(string) (uint64, error) { return free.Load(), nil }
	s = mustOpen(t, t.TempDir(), o)
	t.Cleanup(func() { mustClose(t, s) })
	mustSetGroup(t, s, "a")
	mustAppend(t, s, pooltest.Article(t, "first", "a"))
	return s, free, faults, log
}

// said checks how often each sentence is in the log, and that no article is.
func said(t *testing.T, log *bytes.Buffer, counts map[string]int) {
	t.Helper()
	for sentence, want := range counts {
		if got := strings.Count(log.String(), sentence); got != want {
			t.Errorf("%q is said %d times, want %d", sentence, got, want)
		}
	}
	if strings.Contains(log.String(), "@example.org") || strings.Contains(log.String(), "first") {
		t.Errorf("an article is named: %s", log)
	}
}

const (
	saysFull  = "the disk is nearly full: nothing is taken until there is space"
	saysSpace = "there is space on the disk again"
)

// Below the reserve nothing is taken, reading goes on, and writing goes on by
// itself once there is space. Each change is said once.
func TestHealth_reserve(t *testing.T) {
	s, free, _, log := watched(t)
	for round := range 3 {
		free.Store(999)
		for range 3 {
			if _, err := s.Append(t.Context(), pooltest.Article(t, "refused", "a")); !errors.Is(err, pool.ErrDiskFull) {
				t.Fatalf("Append: %v, want ErrDiskFull", err)
			}
			if err := s.Cancel(t.Context(), pooltest.ID("first")); !errors.Is(err, pool.ErrDiskFull) {
				t.Fatalf("Cancel: %v, want ErrDiskFull", err)
			}
		}
		if _, err := s.ByID(t.Context(), pooltest.ID("first")); err != nil {
			t.Errorf("ByID: %v", err)
		}
		if h := s.Health(); !h.DiskFull || h.ReadOnly || h.Free != 0 {
			t.Errorf("%+v", h)
		}
		free.Store(1500)
		if h := s.Health(); h.DiskFull || h.Free != 500 {
			t.Errorf("%+v", h)
		}
		mustAppend(t, s, pooltest.Article(t, string(rune('A'+round)), "a"))
	}
	said(t, log, map[string]int{saysFull: 3, saysSpace: 3})
}

// A quota, say, refuses writes although octets are free. It is over once a write
// gets through, and not before.
func TestHealth_noSpaceForAWrite(t *testing.T) {
	s, _, faults, log := watched(t)
	faults.Set(recordtest.Fault{Op: recordtest.WriteAt, Path: ".seg", Err: syscall.EDQUOT, Keep: 30})
	for range 3 {
		if _, err := s.Append(t.Context(), pooltest.Article(t, "2", "a")); !errors.Is(err, pool.ErrDiskFull) {
			t.Fatalf("Append: %v, want ErrDiskFull", err)
		}
		if h := s.Health(); !h.DiskFull || h.ReadOnly {
			t.Errorf("%+v", h)
		}
	}
	faults.Set()
	at, err := s.Append(t.Context(), pooltest.Article(t, "2", "a"))
	if err != nil || at[0].Number != 2 {
		t.Fatalf("Append with space again: %v, %v", at, err)
	}
	if h := s.Health(); h.DiskFull {
		t.Errorf("%+v", h)
	}
	said(t, log, map[string]int{saysFull: 1, saysSpace: 1})
}

func TestHealth_readOnlyAndDamage(t *testing.T) {
	s, _, faults, log := watched(t)
	faults.Set(recordtest.Fault{Op: recordtest.ReadAt, Path: ".seg", Err: syscall.EIO})
	for range 3 {
		if _, err := s.ByID(t.Context(), pooltest.ID("first")); !errors.Is(err, pool.ErrCorrupt) {
			t.Errorf("ByID: %v, want ErrCorrupt", err)
		}
	}
	faults.Set(recordtest.Fault{Op: recordtest.Sync, Path: ".seg", Err: syscall.EIO, Once: true})
	for range 3 {
		if _, err := s.Append(t.Context(), pooltest.Article(t, "2", "a")); !errors.Is(err, pool.ErrReadOnly) {
			t.Errorf("Append: %v, want ErrReadOnly", err)
		}
	}
	if h := s.Health(); !h.ReadOnly || h.DiskFull || h.CorruptReads != 3 {
		t.Errorf("%+v", h)
	}
	said(t, log, map[string]int{"the store is read-only": 1, "run restanted fsck": 1, saysFull: 0})
}

// A damaged history file is told at every opening until it is repaired, and so
// is what lies in the quarantine.
func TestHealth_historyAndQuarantine(t *testing.T) {
	dir := checkedStore(t)
	found, err := filepath.Glob(filepath.Join(dir, historyDir, "*.rec"))
	if err != nil || len(found) == 0 {
		t.Fatalf("history %v, %v", found, err)
	}
	flip(t, found[0], 120)
	removeAll(t, dir, indexDir)
	for range 2 {
		s := mustOpen(t, dir, small())
		if h := s.Health(); h.HistoryDamaged != 1 || h.Quarantined != 0 {
			t.Errorf("%+v", h)
		}
		mustClose(t, s)
	}
	flip(t, someSegment(t, dir), 300)
	mustFsck(t, dir, FsckOptions{Repair: true})
	s := mustOpen(t, dir, small())
	defer mustClose(t, s)
	if h := s.Health(); h.Quarantined == 0 || h.Quarantine == 0 || h.Gaps != 0 {
		t.Errorf("%+v", h)
	}
}
