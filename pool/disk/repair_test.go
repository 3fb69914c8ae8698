package disk

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/restante/restante/pool"
	"github.com/restante/restante/pool/pooltest"
	"github.com/restante/restante/pool/record"
	"github.com/restante/restante/pool/record/recordtest"
)

// A wreck is a closed store that was damaged: an article's record, that of the
// withdrawal of "withdrawn", a whole segment's header, and a history file.
type wreck struct {
	dir   string
	files record.FS
	good  map[pool.MessageID]bool // may not get lost
	gone  []string                // names of articles that expired
}

// wreckStore makes a wreck.
func wreckStore(t *testing.T, dir string, files record.FS) *wreck {
	t.Helper()
	w := &wreck{dir: dir, files: files, good: make(map[pool.MessageID]bool)}
	o := small()
	o.Files, o.SegmentSize = files, 2<<10
	s := mustOpen(t, dir, o)
	mustSetGroup(t, s, "a", "b")
	for i := range 12 {
		mustAppend(t, s, pooltest.Article(t, fmt.Sprint("old", i), "b"))
		w.gone = append(w.gone, fmt.Sprint("old", i))
	}
	mustExpire(t, s, map[pool.Group]pool.Keep{"b": {Articles: 1}})
	for i := range 12 {
		mustAppend(t, s, pooltest.Article(t, fmt.Sprint(i), "a"))
	}
	mustAppend(t, s, pooltest.Article(t, "withdrawn", "a"))
	if err := s.Cancel(t.Context(), pooltest.ID("withdrawn")); err != nil {
		t.Fatal(err)
	}
	mustAppend(t, s, pooltest.Article(t, "last", "a"))
	places := make(map[string]place)
	for _, name := range []string{"2", "7", "withdrawn"} {
		places[name] = placeOf(t, s, name)
	}
	before := pooltest.Take(t, s)
	lost := places["7"].segment
	for id := range before.ByID {
		f, err := s.find(hashOf(id))
		if err != nil {
			t.Fatal(err)
		}
		w.good[id] = f.segment != lost && id != pooltest.ID("2")
	}
	path := func(n uint32) string { return s.segments[n].path }
	two, seven, gone := path(places["2"].segment), path(lost), path(places["withdrawn"].segment)
	names, err := s.historyNames()
	if err != nil || len(names) == 0 {
		t.Fatalf("history %v, %v", names, err)
	}
	mustClose(t, s)
	w.flip(t, two, places["2"].offset+60)
	w.flip(t, gone, places["withdrawn"].offset+20)
	w.flip(t, seven, 1)
	w.flip(t, seven, 33)
	w.flip(t, filepath.Join(dir, historyDir, names[0]), 130)
	return w
}

// flip changes one octet of a file, durably.
func (w *wreck) flip(t *testing.T, path string, at int64) {
	t.Helper()
	f, _, err := w.files.OpenFile(path, os.O_RDWR)
	if err != nil {
		t.Fatal(err)
	}
	b := make([]byte, 1)
	_, err = f.ReadAt(b, at)
	b[0] ^= 0x55
	_, err2 := f.WriteAt(b, at)
	if err := errors.Join(err, err2, f.Sync(), f.Close()); err != nil {
		t.Fatal(err)
	}
}

// check opens the store, as a gateway would that is started after a repair that
// failed: nothing is lost that was there before, what is gone stays gone, and no
// number is given again.
func (w *wreck) check(t *testing.T, files record.FS, why string) {
	t.Helper()
	o := small()
	o.Files = files
	s, err := Open(w.dir, o)
	if err != nil {
		t.Fatalf("%s: Open: %v", why, err)
	}
	defer func() { _ = s.Close() }()
	for id, good := range w.good {
		if a, err := s.ByID(t.Context(), id); good && (err != nil || a.ID != id) {
			t.Errorf("%s: a good article: %v", why, err)
		}
	}
	if _, err := s.ByID(t.Context(), pooltest.ID("withdrawn")); !errors.Is(err, pool.ErrNotFound) {
		t.Errorf("%s: the withdrawn article: %v", why, err)
	}
	for _, name := range append(slices.Clone(w.gone), "withdrawn") {
		if seen, err := s.Seen(t.Context(), pooltest.ID(name)); !seen || err != nil {
			t.Errorf("%s: %s is forgotten: %v", why, name, err)
		}
	}
	if info, err := s.Group(t.Context(), "a"); err != nil || info.High < 14 {
		t.Errorf("%s: numbers are given again: %+v, %v", why, info, err)
	}
}

// finish repairs the store to its end.
func (w *wreck) finish(t *testing.T, files record.FS, why string) {
	t.Helper()
	if _, err := Fsck(t.Context(), w.dir, FsckOptions{Repair: true, Files: files}); err != nil {
		t.Fatalf("%s: the next repair: %v", why, err)
	}
	r := mustFsck(t, w.dir, FsckOptions{Files: files})
	if !r.Clean() {
		t.Errorf("%s: problems are left: %q", why, r.Problems)
	}
	w.check(t, files, why+", repaired")
}

func TestFsck_repairsAWreck(t *testing.T) {
	w := wreckStore(t, t.TempDir(), record.OS{})
	r := mustFsck(t, w.dir, FsckOptions{Repair: true})
	told := strings.Join(append(r.Problems, r.Repairs...), "\n")
	for _, want := range []string{
		"can't be read at all", "is damaged in 1 places", "History file", "Group a has lost",
		"records of 1 withdrawals were lost", "were forgotten",
	} {
		if !strings.Contains(told, want) {
			t.Errorf("%q is not in the report:\n%s", want, told)
		}
	}
	w.finish(t, record.OS{}, "at once")
}

// Whichever step of a repair fails, and however, the store is no worse than it
// was, and the next repair ends the work.
func TestFsck_repairFails(t *testing.T) {
	ops := []recordtest.Op{
		recordtest.OpenFile, recordtest.ReadAt, recordtest.WriteAt, recordtest.Truncate,
		recordtest.Sync, recordtest.SyncDir, recordtest.Rename, recordtest.Remove,
	}
	whole := wreckStore(t, t.TempDir(), record.OS{})
	for i, op := range ops {
		t.Run(string(op), func(t *testing.T) {
			t.Parallel()
			failing := 0
			for skip := 0; ; skip += skip + 1 {
				w := *whole
				w.dir = copyTree(t, whole.dir)
				errno := []syscall.Errno{syscall.EIO, syscall.ENOSPC}[(i+failing)%2]
				if op == recordtest.ReadAt {
					errno = syscall.EIO
				}
				faults := new(recordtest.Faults)
				faults.Set(recordtest.Fault{Op: op, Err: errno, Skip: skip, Keep: 7})
				_, err := Fsck(t.Context(), w.dir, FsckOptions{Repair: true, Files: faults})
				if faults.Count(op) <= skip {
					break
				}
				failing++
				why := fmt.Sprintf("step %d: %v (%v)", skip, errno, err)
				w.check(t, record.OS{}, why)
				w.finish(t, record.OS{}, why)
			}
			t.Logf("%d failing steps", failing)
			if failing == 0 {
				t.Error("none of these steps is taken")
			}
		})
	}
}

// The power fails at any step of a repair, of the start after it, or of both.
func TestFsck_powerFails(t *testing.T) {
	dir := t.TempDir()
	rapid.Check(t, func(rt *rapid.T) {
		power := recordtest.NewPower(filepath.Dir(dir))
		w := wreckStore(t, dir, power)
		power = power.Killed()
		for range rapid.IntRange(1, 3).Draw(rt, "outages") {
			power.FailAfter(rapid.IntRange(0, 220).Draw(rt, "steps"))
			_, err := Fsck(t.Context(), dir, FsckOptions{Repair: true, Files: power})
			if err != nil && !power.Off() {
				rt.Fatal(err)
			}
			power = power.Failed(rand.New(rand.NewPCG(rapid.Uint64().Draw(rt, "seed"), 0)))
			w.check(t, power, "after an outage")
			power = power.Killed()
		}
		w.finish(t, power, "after all outages")
		if t.Failed() {
			rt.FailNow()
		}
	})
}

// A check gets past a sector that the disk does not give. A repair would write
// over what may be read again tomorrow.
func TestFsck_badSector(t *testing.T) {
	dir := checkedStore(t)
	faults := new(recordtest.Faults)
	bad := filepath.Base(someSegment(t, dir))
	faults.Set(recordtest.Fault{Op: recordtest.ReadAt, Path: bad, Err: syscall.EIO, Skip: 1})
	r, err := Fsck(t.Context(), dir, FsckOptions{Files: faults})
	if err != nil || r.Clean() {
		t.Errorf("%v, %+v", err, r)
	}
	before := copyTree(t, dir)
	if _, err = Fsck(t.Context(), dir, FsckOptions{Repair: true, Files: faults}); !errors.Is(err, errDisk) {
		t.Errorf("a repair on a disk that fails: %v", err)
	}
	if text, err := os.ReadFile(filepath.Join(before, segmentsDir, "1", bad)); err != nil {
		t.Error(err)
	} else if now, err := os.ReadFile(someSegment(t, dir)); err != nil || !bytes.Equal(text, now) {
		t.Errorf("it was written to: %v", err)
	}
}

// Building an index anew makes nothing up: it takes over only what is lost.
func TestRebuild_takesOverNothingFromAWholeStore(t *testing.T) {
	dir := checkedStore(t)
	s := mustOpen(t, dir, small())
	before, history := pooltest.Take(t, s), files(t, s, historyDir)
	mustClose(t, s)
	write(t, dir, doubtFile, "")
	s = mustOpen(t, dir, small())
	defer mustClose(t, s)
	if diff := cmp.Diff(salvage{}, s.salvaged, cmp.AllowUnexported(salvage{})); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(before, pooltest.Take(t, s)); diff != "" {
		t.Errorf("(-before +after):\n%s", diff)
	}
	if diff := cmp.Diff(history, files(t, s, historyDir)); diff != "" {
		t.Errorf("history (-before +after):\n%s", diff)
	}
}
