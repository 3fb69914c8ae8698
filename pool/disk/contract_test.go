package disk

import (
	"errors"
	"fmt"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/restante/restante/pool"
	"github.com/restante/restante/pool/pooltest"
	"github.com/restante/restante/pool/record/recordtest"
)

// The sentences of [pool.Store] that need faults or damage, and those that only a disk
// can break.

// What peers ask for most, and mostly in vain, costs no look at the disk, neither at a
// segment nor at the index.
func TestSeen_unknownTouchesNoDisk(t *testing.T) {
	s, faults, _ := faulty(t)
	defer mustClose(t, s)
	if err := errors.Join(s.Cancel(t.Context(), pooltest.ID("2")), s.Remember(t.Context(), pooltest.ID("early"))); err != nil {
		t.Fatal(err)
	}
	keys := new(atomic.Int64)
	s.settle()
	s.index.count = keys
	looks := func() int64 {
		return keys.Load() + int64(faults.Count(recordtest.ReadAt)+faults.Count(recordtest.OpenFile))
	}
	before := looks()
	for n := range 1000 {
		if seen, err := s.Seen(t.Context(), pooltest.ID(fmt.Sprint("unknown-", n))); seen || err != nil {
			t.Fatalf("%v, %v", seen, err)
		}
	}
	if n := looks() - before; n != 0 {
		t.Errorf("%d looks at the disk", n)
	}
	before = looks()
	if seen, err := s.Seen(t.Context(), pooltest.ID("early")); !seen || err != nil || looks() == before {
		t.Errorf("%v, %v, and %d looks at the disk for one that is known", seen, err, looks()-before)
	}
}

// Wherever its record is damaged, be it so that nothing says any more whose it is, an
// article can't be withdrawn, and nothing changes.
func TestCancel_damaged(t *testing.T) {
	dir := filled(t, "1", "2", "3")
	s := mustOpen(t, dir, small())
	at := placeOf(t, s, "2")
	mustClose(t, s)
	for _, where := range []int64{at.offset + 1, at.offset + 60, at.end() - 1} {
		path := segmentPath(dir, 0, at.segment)
		flip(t, path, where)
		s = mustOpen(t, dir, small())
		before := mustGroup(t, s, "a")
		if err := s.Cancel(t.Context(), pooltest.ID("2")); !errors.Is(err, pool.ErrCorrupt) {
			t.Errorf("Cancel: %v, want ErrCorrupt", err)
		}
		if diff := cmp.Diff(before, mustGroup(t, s, "a")); diff != "" {
			t.Errorf("the group has changed (-before +after):\n%s", diff)
		}
		mustClose(t, s)
		flip(t, path, where)
		s = mustOpen(t, dir, small())
		if _, err := s.ByNumber(t.Context(), "a", 2); err != nil {
			t.Errorf("once it can be read again: %v", err)
		}
		mustClose(t, s)
	}
}

func mustGroup(t *testing.T, s *Store, name pool.Group) pool.GroupInfo {
	t.Helper()
	info, err := s.Group(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	return info
}

// What Remember and Expire return when a write fails, and what they leave: a message-id
// that is not remembered may still come, and of what was to expire no mark falls.
func TestWrites_faults(t *testing.T) {
	for why, fault := range map[string]recordtest.Fault{
		"sync fails":  {Op: recordtest.Sync, Err: syscall.EIO, Once: true},
		"write fails": {Op: recordtest.WriteAt, Err: syscall.EIO, Once: true},
		"no space":    {Op: recordtest.WriteAt, Err: syscall.ENOSPC, Once: true},
	} {
		want, full := pool.ErrReadOnly, errors.Is(fault.Err, syscall.ENOSPC)
		if full {
			want = pool.ErrDiskFull
		}
		for what, do := range map[string]func(*Store) error{
			"Remember": func(s *Store) error { return s.Remember(t.Context(), pooltest.ID("early")) },
			"Expire": func(s *Store) error {
				return s.Expire(t.Context(), map[pool.Group]pool.Keep{"a": {Articles: 1}})
			},
		} {
			t.Run(what+", "+why, func(t *testing.T) {
				s, faults, dir := faulty(t)
				faults.Set(fault)
				if err := do(s); !errors.Is(err, want) {
					t.Errorf("%v, want %v", err, want)
				}
				again := do(s)
				if full != (again == nil) || !full && !errors.Is(again, pool.ErrReadOnly) {
					t.Errorf("once more: %v", again)
				}
				mustClose(t, s)
				s = mustOpen(t, dir, small())
				defer mustClose(t, s)
				info, err := s.Group(t.Context(), "a")
				if err != nil || info.High != 2 || what == "Expire" && full && info.Low != 2 {
					t.Errorf("%+v, %v", info, err)
				}
				if seen, err := s.Seen(t.Context(), pooltest.ID("early")); err != nil || what == "Remember" && full && !seen {
					t.Errorf("Seen: %v, %v", seen, err)
				}
			})
		}
	}
}
