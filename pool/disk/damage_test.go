package disk

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/restante/restante/pool"
	"github.com/restante/restante/pool/pooltest"
	"github.com/restante/restante/pool/record"
)

// lastMark is how many octets the mark has that a segment ends with once it is closed.
const lastMark = 24

func removeAll(t testing.TB, parts ...string) {
	t.Helper()
	if err := os.RemoveAll(filepath.Join(parts...)); err != nil {
		t.Fatal(err)
	}
}

func copyTree(t testing.TB, from string) string {
	t.Helper()
	to := filepath.Join(t.TempDir(), "store")
	if err := os.CopyFS(to, os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
	return to
}

// filled makes a closed store with some articles in one segment.
func filled(t testing.TB, names ...string) string {
	t.Helper()
	return filledIn(t, 1<<20, names...)
}

// filledIn makes a closed store with some articles in segments of a size.
func filledIn(t testing.TB, size int64, names ...string) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "store")
	o := small()
	o.SegmentSize = size
	s := mustOpen(t, dir, o)
	if err := s.SetGroup(t.Context(), pool.GroupInfo{Name: "a", Posting: pool.PostingAllowed}); err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		if _, err := s.Append(t.Context(), pooltest.Article(t, name, "a")); err != nil {
			t.Fatal(err)
		}
	}
	mustClose(t, s)
	return dir
}

func onlySegment(t testing.TB, dir string) (path string, octets []byte) {
	t.Helper()
	path = segmentPath(dir, 0, 1)
	octets, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return path, octets
}

// A write may reach the disk up to any octet, with the index not knowing of it.
func TestStore_tornAnywhere(t *testing.T) {
	dir := filled(t, "1", "2")
	path, before := onlySegment(t, dir)
	s := mustOpen(t, dir, small())
	if _, err := s.Append(t.Context(), pooltest.Article(t, "3", "a")); err != nil {
		t.Fatal(err)
	}
	mustClose(t, s)
	_, after := onlySegment(t, dir)
	for size := len(before); size < len(after)-lastMark; size += 5 { // package record's test takes every one
		if err := os.WriteFile(path, after[:size], 0o600); err != nil {
			t.Fatal(err)
		}
		removeAll(t, dir, indexDir)
		s := mustOpen(t, dir, small())
		if got := len(pooltest.Take(t, s).ByID); got != 2 {
			t.Fatalf("torn at %d: %d articles", size, got)
		}
		if h := s.Health(); h.Gaps != 0 {
			t.Fatalf("torn at %d: %d gaps", size, h.Gaps)
		}
		// The groups file was saved at Close and knows the third one's number.
		at, err := s.Append(t.Context(), pooltest.Article(t, "again", "a"))
		if err != nil || at[0].Number != 4 {
			t.Fatalf("torn at %d: %v, %v", size, at, err)
		}
		mustClose(t, s)
		got, err := os.ReadFile(path)
		if err != nil || !bytes.HasPrefix(got, before) || bytes.Contains(got[len(before):], []byte(", 3")) {
			t.Fatalf("torn at %d: the tail was not cut off: %v", size, err)
		}
		copyGroups(t, dir)
	}
}

// A batch may go to several segments, of which the first is not written yet when the
// process is killed: a torn tail need not be in the last one. Where the index does not
// know of it, it was never acknowledged, and is no damage.
func TestStore_tornBeforeTheLastSegment(t *testing.T) {
	dir := filledIn(t, 1, "1", "2", "3") // each is in a segment of its own
	path := segmentPath(dir, 0, 1)
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, append(bytes.Clone(before), before[len(before)/2:len(before)-3]...), 0o600); err != nil {
		t.Fatal(err)
	}
	damaged := copyTree(t, dir)

	if r := mustFsck(t, dir, FsckOptions{}); !r.Clean() {
		t.Errorf("before the next start: %+v", r)
	}
	s := mustOpen(t, dir, small())
	if h := s.Health(); h.Gaps != 0 {
		t.Errorf("%d gaps", h.Gaps)
	}
	mustClose(t, s)
	if after, err := os.ReadFile(path); err != nil || !bytes.Equal(after, before) {
		t.Errorf("the tail was not cut off: %d octets, want %d: %v", len(after), len(before), err)
	}
	if r := mustFsck(t, dir, FsckOptions{}); !r.Clean() || len(r.Notes) > 0 {
		t.Errorf("after the next start: %+v", r)
	}

	removeAll(t, damaged, indexDir) // nothing says any more that it was not acknowledged
	if r := mustFsck(t, damaged, FsckOptions{}); !strings.Contains(strings.Join(r.Problems, " "), "Segment 1 of epoch 0 is damaged") {
		t.Errorf("without an index: %+v", r)
	}
	s = mustOpen(t, damaged, small())
	defer mustClose(t, s)
	if h := s.Health(); h.Gaps != 1 {
		t.Errorf("without an index: %d gaps, want 1", h.Gaps)
	}
}

// A segment whose header could not be synced was given up for the next one, and the power
// took it. Nothing was ever in it.
func TestStore_headerTakenBeforeTheLastSegment(t *testing.T) {
	dir := filledIn(t, 1, "1", "2", "3") // each is in a segment of its own
	if err := os.WriteFile(segmentPath(dir, 0, 4), bytes.Repeat([]byte{'?'}, record.HeaderSize), 0o600); err != nil {
		t.Fatal(err)
	}
	next, _, err := record.Open(record.OS{}, segmentPath(dir, 0, 5), 0, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := next.Close(); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if r := mustFsck(t, dir, FsckOptions{}); !r.Clean() {
			t.Errorf("a check says: %+v", r)
		}
		s := mustOpen(t, dir, small())
		if h := s.Health(); h.Gaps != 0 {
			t.Errorf("%d gaps", h.Gaps)
		}
		if _, err := s.ByID(t.Context(), pooltest.ID("3")); err != nil {
			t.Error(err)
		}
		mustClose(t, s)
	}
}

// The power takes the first article of a batch and leaves the second, in a segment that is not the last
// one. That is no damage, unless something says that the batch was synced: the index, or
// the next segment, once a batch has gone to it and another one come.
func TestStore_unsyncedBeforeTheLastSegment(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "store")
	o := small()
	o.SegmentSize = 700 // two articles
	s := mustOpen(t, dir, o)
	if err := s.SetGroup(t.Context(), pool.GroupInfo{Name: "a", Posting: pool.PostingAllowed}); err != nil {
		t.Fatal(err)
	}
	for _, batch := range [][]*filing{{filingOf(t, "1"), filingOf(t, "2")}, {filingOf(t, "3")}} {
		b := s.filed(batch...)
		b.Sync()
		b.Publish()
	}
	unknown := copyTree(t, dir)
	if _, err := s.Append(t.Context(), pooltest.Article(t, "4", "a")); err != nil {
		t.Fatal(err)
	}
	nextOne := copyTree(t, dir)
	mustClose(t, s)
	removeAll(t, unknown, indexDir)
	removeAll(t, nextOne, indexDir)
	for why, c := range map[string]struct {
		dir     string
		damaged int
		ids     []string
	}{
		"nothing says so":       {unknown, 0, []string{"2", "3"}},
		"the next segment does": {nextOne, 1, []string{"2", "3", "4"}},
		"the index does":        {dir, 1, []string{"2", "3", "4"}},
	} {
		t.Run(why, func(t *testing.T) {
			path := segmentPath(c.dir, 0, 1)
			octets, err := os.ReadFile(path)
			if err != nil || bytes.Count(octets, []byte("\xf5Rr\x01")) != 2 {
				t.Fatalf("%d octets, %v", len(octets), err)
			}
			octets[200] ^= 1
			if err := os.WriteFile(path, octets, 0o600); err != nil {
				t.Fatal(err)
			}
			called := func() int {
				return strings.Count(strings.Join(mustFsck(t, c.dir, FsckOptions{}).Problems, "\n"), "Segment 1 of epoch 0 is damaged in 1 places")
			}
			if n := called(); n != c.damaged {
				t.Errorf("before the next start it is called damaged %d times, want %d", n, c.damaged)
			}
			s := mustOpen(t, c.dir, o)
			if h := s.Health(); why != "the index does" && h.Gaps != c.damaged { // or that was not looked at
				t.Errorf("%d gaps, want %d", h.Gaps, c.damaged)
			}
			for _, id := range c.ids {
				if _, err := s.ByID(t.Context(), pooltest.ID(id)); err != nil {
					t.Errorf("%s: %v", id, err)
				}
			}
			at, err := s.Append(t.Context(), pooltest.Article(t, "new", "a"))
			if want := pool.Number(len(c.ids) + 2); err != nil || at[0].Number != want {
				t.Errorf("Append: %v, %v; want number %d", at, err, want)
			}
			mustClose(t, s)
			if n := called(); n != c.damaged {
				t.Errorf("later it is called damaged %d times, want %d", n, c.damaged)
			}
		})
	}
}

// copyGroups lowers the mark that the round before left.
func copyGroups(t *testing.T, dir string) {
	t.Helper()
	text := formatGroups([]*group{{id: 1, info: pool.GroupInfo{Name: "a", Posting: pool.PostingAllowed, Low: 1, High: 3}}})
	if err := os.WriteFile(filepath.Join(dir, groupsFile), text, 0o600); err != nil {
		t.Fatal(err)
	}
}

// What was acknowledged and indexed may be lost with the end of a file all the
// same. Its numbers are not given again.
func TestStore_lostTail(t *testing.T) {
	dir := filled(t, "1", "2", "3")
	path, octets := onlySegment(t, dir)
	if err := os.Truncate(path, int64(len(octets)-lastMark-1)); err != nil {
		t.Fatal(err)
	}
	removeAll(t, dir, groupsFile)
	copyGroups(t, dir)
	s := mustOpen(t, dir, small())
	defer mustClose(t, s)
	if _, err := s.ByID(t.Context(), pooltest.ID("3")); !errors.Is(err, pool.ErrNotFound) {
		t.Errorf("ByID: %v, want ErrNotFound", err)
	}
	at, err := s.Append(t.Context(), pooltest.Article(t, "4", "a"))
	if err != nil || at[0].Number != 4 {
		t.Errorf("Append: %v, %v; want number 4", at, err)
	}
}

func TestStore_indexDamaged(t *testing.T) {
	dir := filled(t, "1", "2", "3", "4", "5")
	s := mustOpen(t, dir, small())
	want := pooltest.Take(t, s)
	mustClose(t, s)
	for why, damage := range map[string]func(t *testing.T, dir string){
		"deleted":     func(t *testing.T, dir string) { removeAll(t, dir, indexDir) },
		"a file":      func(t *testing.T, dir string) { removeAll(t, dir, indexDir); write(t, dir, indexDir, "x") },
		"no manifest": func(t *testing.T, dir string) { removeAll(t, dir, indexDir, "CURRENT") },
		"doubted":     func(t *testing.T, dir string) { write(t, dir, doubtFile, "") },
		"octets": func(t *testing.T, dir string) {
			eachFile(t, filepath.Join(dir, indexDir), func(path string, b []byte) {
				for i := range b {
					b[i] ^= 0x55
				}
				write(t, path, "", string(b))
			})
		},
		"cut": func(t *testing.T, dir string) {
			eachFile(t, filepath.Join(dir, indexDir), func(path string, b []byte) {
				write(t, path, "", string(b[:len(b)/2]))
			})
		},
		"of another store": func(t *testing.T, dir string) {
			other := filled(t, "6", "7")
			removeAll(t, dir, indexDir)
			if err := os.CopyFS(filepath.Join(dir, indexDir), os.DirFS(filepath.Join(other, indexDir))); err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(why, func(t *testing.T) {
			dir := copyTree(t, dir)
			damage(t, dir)
			for range 2 {
				s := mustOpen(t, dir, small())
				if diff := cmp.Diff(want, pooltest.Take(t, s)); diff != "" {
					t.Errorf("(-want +got):\n%s", diff)
				}
				mustClose(t, s)
			}
			if _, err := os.Stat(filepath.Join(dir, doubtFile)); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("the index is still in doubt: %v", err)
			}
		})
	}
}

func write(t testing.TB, dir, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func eachFile(t testing.TB, dir string, visit func(path string, b []byte)) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		path := filepath.Join(dir, e.Name())
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		visit(path, b)
	}
}

// Whichever octet of a segment is wrong, no wrong octets are served, the other
// articles are, and numbers are not given again.
func TestStore_flippedOctet(t *testing.T) {
	dir := filled(t, "1", "2", "3")
	path, octets := onlySegment(t, dir)
	s := mustOpen(t, dir, small())
	want := pooltest.Take(t, s)
	flip := func(i int) {
		bad := bytes.Clone(octets)
		bad[i] ^= 1 << (i % 8)
		write(t, path, "", string(bad))
	}
	for i := range octets { // under the running store
		flip(i)
		checkDamaged(t, s, want, fmt.Sprintf("running, octet %d", i))
	}
	mustClose(t, s)
	for i := 0; i < len(octets); i += 17 {
		for _, rebuild := range []bool{false, true} {
			flip(i)
			if rebuild {
				removeAll(t, dir, indexDir)
			}
			s := mustOpen(t, dir, small())
			checkDamaged(t, s, want, fmt.Sprintf("opened, octet %d, rebuild %v", i, rebuild))
			abandon(t, s)
		}
		removeAll(t, dir, indexDir) // which has the damage in it
	}
}

// checkDamaged checks that of all articles at most one is lost, and the others
// are as they were.
func checkDamaged(t *testing.T, s *Store, want pooltest.Snapshot, why string) {
	t.Helper()
	lost := 0
	for id, a := range want.ByID {
		got, err := s.ByID(t.Context(), id)
		switch {
		case errors.Is(err, pool.ErrCorrupt), errors.Is(err, pool.ErrNotFound):
			lost++
		case err != nil:
			t.Fatalf("%s: %v", why, err)
		case !bytes.Equal(got.Wire, a.Wire) || !bytes.Equal(got.Overview, a.Overview):
			t.Fatalf("%s: wrong octets", why)
		}
	}
	if lost > 1 {
		t.Errorf("%s: %d articles lost", why, lost)
	}
	err := s.Scan(t.Context(), "a", pool.All, func(n pool.Number, line []byte) bool {
		if string(line) != want.Overview["a"][n] {
			t.Errorf("%s: overview of %d is wrong", why, n)
		}
		return true
	})
	if err != nil {
		t.Errorf("%s: Scan: %v", why, err)
	}
	if info, err := s.Group(t.Context(), "a"); err != nil || info.High != 3 {
		t.Errorf("%s: %+v, %v", why, info, err)
	}
}

func TestOpen_groupsDamaged(t *testing.T) {
	dir := filled(t, "1")
	text, err := os.ReadFile(filepath.Join(dir, groupsFile))
	if err != nil {
		t.Fatal(err)
	}
	for i := range text {
		bad := bytes.Clone(text)
		bad[i] ^= 4
		write(t, dir, groupsFile, string(bad))
		if s, err := Open(dir, small()); !errors.Is(err, pool.ErrCorrupt) {
			t.Errorf("octet %d: %v, %v; want ErrCorrupt", i, s, err)
		}
	}
	removeAll(t, dir, groupsFile)
	if s, err := Open(dir, small()); !errors.Is(err, pool.ErrCorrupt) {
		t.Errorf("missing: %v, %v; want ErrCorrupt", s, err)
	}
}

// A groups file from before a group was made: its numbers stay taken, and no
// other group gets its articles.
func TestOpen_olderGroups(t *testing.T) {
	dir := filled(t, "1", "2")
	s := mustOpen(t, dir, small())
	old, err := os.ReadFile(filepath.Join(dir, groupsFile))
	if err != nil {
		t.Fatal(err)
	}
	for _, g := range []pool.Group{"b", "c"} {
		if err := s.SetGroup(t.Context(), pool.GroupInfo{Name: g}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.Append(t.Context(), pooltest.Article(t, "3", "b")); err != nil {
		t.Fatal(err)
	}
	abandon(t, s)
	write(t, dir, groupsFile, string(old))
	s = mustOpen(t, dir, small())
	defer mustClose(t, s)
	for g, want := range map[pool.Group]pool.Number{"c": 1, "b": 2} {
		if err := s.SetGroup(t.Context(), pool.GroupInfo{Name: g}); err != nil {
			t.Fatal(err)
		}
		at, err := s.Append(t.Context(), pooltest.Article(t, "in-"+string(g), g))
		if err != nil || at[0].Number != want {
			t.Errorf("%s: %v, %v; want number %d", g, at, err, want)
		}
	}
}
