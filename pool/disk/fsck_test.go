package disk

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/syndtr/goleveldb/leveldb"

	"github.com/restante/restante/pool"
	"github.com/restante/restante/pool/pooltest"
	"github.com/restante/restante/pool/record"
	"github.com/restante/restante/pool/record/recordtest"
)

// checkedStore makes a store of many segments in which articles were withdrawn
// and have expired, and closes it.
func checkedStore(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	s := mustOpen(t, dir, small())
	mustSetGroup(t, s, "a", "b")
	for i := range 60 {
		a := pooltest.Article(t, fmt.Sprint(i), "a", "b")
		a.Epoch = uint64(i % 2)
		mustAppend(t, s, a)
	}
	if err := errors.Join(s.Cancel(t.Context(), pooltest.ID("40")), s.Remember(t.Context(), pooltest.ID("early"))); err != nil {
		t.Fatal(err)
	}
	mustExpire(t, s, map[pool.Group]pool.Keep{"a": {Articles: 20}, "b": {Articles: 30}})
	mustClose(t, s)
	return dir
}

func mustFsck(t *testing.T, dir string, o FsckOptions) *FsckReport {
	t.Helper()
	r, err := Fsck(t.Context(), dir, o)
	if err != nil {
		t.Fatalf("Fsck: %v", err)
	}
	if strings.Contains(strings.Join(append(r.Problems, r.Repairs...), " "), "@example.org") {
		t.Errorf("a message-id is named: %q", r.Problems)
	}
	return r
}

// someSegment returns the path of a segment that is not added to any more.
func someSegment(t *testing.T, dir string) string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(dir, segmentsDir, "1", "*.seg"))
	if err != nil || len(found) < 2 {
		t.Fatalf("segments %v, %v", found, err)
	}
	return found[0]
}

func TestFsck_cleanStore(t *testing.T) {
	dir := checkedStore(t)
	r := mustFsck(t, dir, FsckOptions{})
	if !r.Clean() || r.Articles == 0 || r.Segments == 0 {
		t.Errorf("%+v", r)
	}
	if _, err := os.Stat(filepath.Join(dir, fsckFile)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the state is left: %v", err)
	}
}

func TestFsck_findsAndRepairs(t *testing.T) {
	for name, harm := range map[string]func(*testing.T, string){
		"octets": func(t *testing.T, dir string) { flip(t, someSegment(t, dir), 300) },
		"header": func(t *testing.T, dir string) { flip(t, someSegment(t, dir), 1); flip(t, someSegment(t, dir), 33) },
		"index":  func(t *testing.T, dir string) { removeAll(t, dir, indexDir) },
		"both": func(t *testing.T, dir string) {
			flip(t, someSegment(t, dir), 300)
			removeAll(t, dir, indexDir)
		},
		"octets of the index": func(t *testing.T, dir string) {
			mustClose(t, mustOpen(t, dir, small())) // which makes tables of its journal
			eachFile(t, filepath.Join(dir, indexDir), func(path string, b []byte) {
				if strings.HasSuffix(path, ".ldb") {
					for i := range len(b) * 3 / 4 {
						b[i] ^= 0x55
					}
					write(t, path, "", string(b))
				}
			})
		},
		"segment gone": func(t *testing.T, dir string) {
			if err := os.Remove(someSegment(t, dir)); err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := checkedStore(t)
			harm(t, dir)
			if r := mustFsck(t, dir, FsckOptions{}); r.Clean() {
				t.Fatal("nothing was found")
			}
			r := mustFsck(t, dir, FsckOptions{Repair: true})
			if r.Clean() || len(r.Repairs) == 0 {
				t.Errorf("%+v", r)
			}
			if again := mustFsck(t, dir, FsckOptions{}); !again.Clean() {
				t.Errorf("after the repair: %q", again.Problems)
			}
			s := mustOpen(t, dir, small())
			defer mustClose(t, s)
			pooltest.Take(t, s) // every article that is listed can be read
			a := pooltest.Article(t, "new", "a")
			at, err := s.Append(t.Context(), a)
			if err != nil || at[0].Number <= 60 {
				t.Errorf("a number was given again: %v, %v", at, err)
			}
		})
	}
}

// flip changes one octet of a file.
func flip(t *testing.T, path string, at int64) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	b := make([]byte, 1)
	_, err = f.ReadAt(b, at)
	b[0] ^= 0x55
	_, err2 := f.WriteAt(b, at)
	if err := errors.Join(err, err2, f.Close()); err != nil {
		t.Fatal(err)
	}
}

// losses are ways in which articles of a segment are lost.
func losses() map[string]func(t *testing.T, path string) {
	end := func(t *testing.T, path string) int64 {
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		return info.Size()
	}
	return map[string]func(*testing.T, string){
		"octets": func(t *testing.T, path string) { flip(t, path, end(t, path)*3/4) },
		"cut off": func(t *testing.T, path string) {
			if err := os.Truncate(path, end(t, path)/2); err != nil {
				t.Fatal(err)
			}
		},
		"only the header left": func(t *testing.T, path string) {
			if err := os.Truncate(path, record.HeaderSize); err != nil {
				t.Fatal(err)
			}
		},
		"zeros": func(t *testing.T, path string) {
			size := end(t, path)
			if err := errors.Join(os.Truncate(path, size/2), os.Truncate(path, size)); err != nil {
				t.Fatal(err)
			}
		},
		"gone": func(t *testing.T, path string) {
			if err := os.Remove(path); err != nil {
				t.Fatal(err)
			}
		},
	}
}

// However articles are lost, the numbers that are told are those that nobody can
// read any more.
func TestFsck_saysWhichNumbersAreLost(t *testing.T) {
	for name, harm := range losses() {
		for _, which := range []string{"last", "one before"} {
			t.Run(name+", "+which, func(t *testing.T) {
				dir := checkedStore(t)
				before := numbersOf(t, dir)
				harm(t, segmentAt(t, dir, which == "last"))
				report := mustFsck(t, dir, FsckOptions{Repair: true})
				after := numbersOf(t, dir)
				for _, g := range []pool.Group{"a", "b"} {
					lost := slices.DeleteFunc(before[g], func(n pool.Number) bool { return slices.Contains(after[g], n) })
					if len(lost) == 0 {
						t.Fatal("nothing was lost")
					}
					want := fmt.Sprintf("Group %s has lost %d articles: %s.", g, len(lost), ranges(lost, 20))
					if !slices.Contains(report.Problems, want) {
						t.Errorf("%q is not in %q", want, report.Problems)
					}
				}
				if gone := strings.Contains(strings.Join(report.Problems, " "), "is missing"); gone != (name == "gone") {
					t.Errorf("%q", report.Problems)
				}
			})
		}
	}
}

// segmentAt returns the path of the last segment of an epoch, or of the one
// before it.
func segmentAt(t *testing.T, dir string, last bool) string {
	t.Helper()
	found, err := listSegments(record.OS{}, dir)
	if err != nil {
		t.Fatal(err)
	}
	found = slices.DeleteFunc(found, func(g *segment) bool { return g.epoch != 1 })
	at := len(found) - 2
	if last {
		at++
	}
	return found[at].path
}

// numbersOf returns the numbers of each group's articles.
func numbersOf(t *testing.T, dir string) map[pool.Group][]pool.Number {
	t.Helper()
	s := mustOpen(t, dir, small())
	defer mustClose(t, s)
	out := make(map[pool.Group][]pool.Number)
	for _, g := range []pool.Group{"a", "b"} {
		err := s.Scan(t.Context(), g, pool.All, func(n pool.Number, _ []byte) bool {
			out[g] = append(out[g], n)
			return true
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return out
}

// Whatever cuts a repair short, the next check tells again what was lost, until a repair
// comes to its end: by then nothing else may say it.
func TestFsck_tellsWhatARepairHadFoundThatWasCutShort(t *testing.T) {
	dir := checkedStore(t)
	flip(t, segmentAt(t, dir, true), 300)
	found := mustFsck(t, dir, FsckOptions{}).Problems
	if !strings.Contains(strings.Join(found, " "), "has lost 1 articles") {
		t.Fatalf("%q", found)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	first := int64(0)
	report, err := Fsck(ctx, dir, FsckOptions{Repair: true, Progress: func(_, total int64) {
		if first == 0 {
			first = total
		}
		if total > first { // the index is being built
			cancel()
		}
	}})
	if !errors.Is(err, context.Canceled) || !report.Repairing || report.Repaired || !slices.Equal(report.Problems, found) {
		t.Fatalf("%v, %+v", err, report)
	}
	for _, o := range []FsckOptions{{}, {}, {Repair: true}} {
		report := mustFsck(t, dir, o)
		for _, problem := range found {
			if !slices.Contains(report.Notes, "A repair that was cut short had found: "+problem) {
				t.Errorf("%q is not in %q", problem, report.Notes)
			}
		}
		if report.Repairing != o.Repair || report.Repaired != o.Repair {
			t.Errorf("%+v", report)
		}
	}
	if r := mustFsck(t, dir, FsckOptions{}); !r.Clean() || strings.Contains(strings.Join(r.Notes, " "), "cut short") {
		t.Errorf("%+v", r)
	}
}

// Without --repair nothing of the store changes, not even its index.
func TestFsck_changesNothing(t *testing.T) {
	dir := checkedStore(t)
	before := everyFile(t, dir)
	mustFsck(t, dir, FsckOptions{})
	if diff := cmp.Diff(before, everyFile(t, dir)); diff != "" {
		t.Errorf("(-before +after):\n%s", diff)
	}
}

// A crash may leave an index with two journals, and with the beginning of a table whose
// number is given again. It is whole.
func TestFsck_indexAsACrashLeavesIt(t *testing.T) {
	dir := checkedStore(t)
	last := 0
	for path := range everyFile(t, filepath.Join(dir, indexDir)) {
		var n int
		if _, err := fmt.Sscanf(filepath.Base(path), "%d.log", &n); err == nil {
			last = max(last, n)
		}
	}
	write(t, filepath.Join(dir, indexDir), fmt.Sprintf("%06d.log", last+1), "")
	write(t, filepath.Join(dir, indexDir), fmt.Sprintf("%06d.ldb", last+2), "the beginning")
	before := everyFile(t, dir)
	if r := mustFsck(t, dir, FsckOptions{}); last == 0 || !r.Clean() {
		t.Errorf("%q", r.Problems)
	}
	if diff := cmp.Diff(before, everyFile(t, dir)); diff != "" {
		t.Errorf("(-before +after):\n%s", diff)
	}
}

// Opening that takes over a copy, and ends after it took the original out of the index,
// leaves a store that is whole; without the copy it is not.
func TestFsck_betweenAnArticleAndItsCopy(t *testing.T) {
	for _, copied := range []bool{true, false} {
		t.Run(fmt.Sprint(copied), func(t *testing.T) {
			dir := t.TempDir()
			s := mustOpen(t, dir, small())
			mustSetGroup(t, s, "a")
			for i := range 20 {
				mustAppend(t, s, pooltest.Article(t, fmt.Sprint(i), "a"))
			}
			p := placeOf(t, s, "1")
			payload, err := s.segments[p.segment].read(p)
			if err != nil {
				t.Fatal(err)
			}
			a, _, err := parseAny(payload)
			if err != nil {
				t.Fatal(err)
			}
			s.settle()
			if copied {
				to := s.active[0]
				_, err := to.log.Add([]byte{payloadVersion, flagsMoved}, payload[2:])
				if err := errors.Join(err, to.log.Commit()); err != nil {
					t.Fatal(err)
				}
			}
			batch := new(leveldb.Batch)
			if _, err := s.unfile(batch, a, p); err != nil {
				t.Fatal(err)
			}
			if err := s.index.write(batch, false); err != nil {
				t.Fatal(err)
			}
			abandon(t, s)
			if r := mustFsck(t, dir, FsckOptions{}); r.Clean() != copied {
				t.Errorf("%+v", r)
			}
			s = mustOpen(t, dir, small())
			defer mustClose(t, s)
			if _, err := s.ByNumber(t.Context(), "a", 2); (err == nil) != copied {
				t.Errorf("ByNumber: %v", err)
			}
		})
	}
}

// Without any file of the index that has something in it, a check finds that it is not whole.
func TestFsck_fileOfTheIndexGone(t *testing.T) {
	dir := checkedStore(t)
	mustClose(t, mustOpen(t, dir, small())) // which makes tables of its journal
	for path := range everyFile(t, filepath.Join(dir, indexDir)) {
		switch name := filepath.Base(path); {
		case name == "LOG", name == "LOCK", filepath.Ext(name) == ".bak", filepath.Ext(name) == ".log": // a log that is empty
			continue
		}
		copied := copyTree(t, dir)
		if err := os.Remove(filepath.Join(copied, indexDir, filepath.Base(path))); err != nil {
			t.Fatal(err)
		}
		if r := mustFsck(t, copied, FsckOptions{}); r.Clean() {
			t.Errorf("%s is gone and nothing was found", filepath.Base(path))
		}
	}
}

// everyFile returns what is in each file below a folder.
func everyFile(t *testing.T, dir string) map[string]string {
	t.Helper()
	out := make(map[string]string)
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		out[path] = string(text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// A disk that takes no writes, being full or only read, is checked like any other.
func TestFsck_whereNothingCanBeWritten(t *testing.T) {
	for _, errno := range []syscall.Errno{syscall.EROFS, syscall.ENOSPC} {
		t.Run(errno.Error(), func(t *testing.T) {
			dir := checkedStore(t)
			faults := new(recordtest.Faults)
			faults.Set(recordtest.Fault{Op: recordtest.WriteAt, Err: errno}, recordtest.Fault{Op: recordtest.Remove, Err: errno})
			want := mustFsck(t, dir, FsckOptions{})
			got := mustFsck(t, dir, FsckOptions{Files: faults})
			if len(got.Notes) != 1 || !strings.HasPrefix(got.Notes[0], "How far the check was could not be noted") {
				t.Errorf("%q", got.Notes)
			}
			if got.Notes = want.Notes; !cmp.Equal(want, got) {
				t.Errorf("(-want +got):\n%s", cmp.Diff(want, got))
			}
		})
	}
}

func TestFsck_withoutGroupsNothingElseIsSaid(t *testing.T) {
	dir := checkedStore(t)
	removeAll(t, dir, groupsFile)
	if r := mustFsck(t, dir, FsckOptions{}); len(r.Problems) != 1 || !strings.Contains(r.Problems[0], "groups file is missing") {
		t.Errorf("%q", r.Problems)
	}
}

func TestFsck_refusesWhileOwned(t *testing.T) {
	dir := t.TempDir()
	s := mustOpen(t, dir, small())
	defer mustClose(t, s)
	if _, err := Fsck(t.Context(), dir, FsckOptions{}); !errors.Is(err, ErrInUse) {
		t.Errorf("got %v, want ErrInUse", err)
	}
	if _, err := Fsck(t.Context(), t.TempDir(), FsckOptions{}); err == nil {
		t.Error("a folder without a store is checked")
	}
}

func TestFsck_interruptedAndResumed(t *testing.T) {
	dir := checkedStore(t)
	interrupt := func() {
		ctx, cancel := context.WithCancel(t.Context())
		_, err := Fsck(ctx, dir, FsckOptions{Progress: func(done, total int64) {
			if done > total/2 {
				cancel()
			}
		}})
		if !errors.Is(err, context.Canceled) {
			t.Fatalf("got %v, want context.Canceled", err)
		}
	}
	interrupt()
	if r := mustFsck(t, dir, FsckOptions{}); r.Resumed == 0 || !r.Clean() {
		t.Errorf("%+v", r)
	}
	interrupt()
	s := mustOpen(t, dir, small())
	mustAppend(t, s, pooltest.Article(t, "new", "a"))
	mustClose(t, s)
	if r := mustFsck(t, dir, FsckOptions{}); r.Resumed != 0 || !r.Clean() {
		t.Errorf("the store was used meanwhile: %+v", r)
	}
}
