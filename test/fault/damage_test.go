package fault

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/restante/restante/pool"
	"github.com/restante/restante/pool/disk"
	"github.com/restante/restante/pool/pooltest"
)

// calm are options with all articles of an epoch in one segment.
func calm() disk.Options {
	return disk.Options{ServerName: pooltest.Server, SegmentSize: 1 << 20, IndexMemory: 1 << 20}
}

// shelf makes a closed store with articles, one of them in an epoch that is
// dropped, and returns its folder, its one segment, and what a reader sees.
func shelf(t *testing.T) (dir, segment string, seen pooltest.Snapshot) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), "store")
	s := open(t, dir)
	if err := s.SetGroup(t.Context(), pool.GroupInfo{Name: "a", Posting: pool.PostingAllowed}); err != nil {
		t.Fatal(err)
	}
	for i, name := range []string{"old", "1", "2", "3"} {
		a := pooltest.Article(t, name, "a")
		if i == 0 {
			a.Epoch = 1
		}
		if _, err := s.Append(t.Context(), a); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.DropBefore(t.Context(), 2); err != nil {
		t.Fatal(err)
	}
	seen = pooltest.Take(t, s)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	segments, err := filepath.Glob(filepath.Join(dir, "segments", "0", "*.seg"))
	if err != nil || len(segments) != 1 {
		t.Fatalf("segments %v, %v", segments, err)
	}
	return dir, segments[0], seen
}

func open(t *testing.T, dir string) *disk.Store {
	t.Helper()
	s, err := disk.Open(dir, calm())
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	return s
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func write(t *testing.T, path string, b []byte) {
	t.Helper()
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

// copied returns a copy of a folder.
func copied(t *testing.T, dir string) string {
	t.Helper()
	to := filepath.Join(t.TempDir(), "copy")
	if err := os.CopyFS(to, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	return to
}

// used returns the octets of a file without the zeros at its end, which are room
// made ahead.
func used(b []byte) int { return len(bytes.TrimRight(b, "\x00")) }

// markSize is how many octets a mark has, which says how far the file was synced before it.
const markSize = 24

// marks returns where the marks of a segment stand. The last one ends it.
func marks(octets []byte) (at []int) {
	for i := 0; ; {
		next := bytes.Index(octets[i:], []byte("\xf5Rm\x01"))
		if next < 0 {
			return at
		}
		at = append(at, i+next)
		i += next + 1
	}
}

// calledDamaged says whether a check calls the one segment of a store damaged.
func calledDamaged(t *testing.T, dir string) bool {
	t.Helper()
	r, err := disk.Fsck(t.Context(), dir, disk.FsckOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return strings.Contains(strings.Join(r.Problems, "\n"), " of epoch 0 is damaged in 1 places")
}

// TestDamage_everyOctetOfASegment flips one bit of each octet in turn, with and
// without an index to go by. Wrong octets are never served, at most one article
// is lost, no number is given again, and a check finds the damage.
func TestDamage_everyOctetOfASegment(t *testing.T) {
	dir, segment, want := shelf(t)
	octets := read(t, segment)
	marks := marks(octets)
	inMark := func(i int) bool {
		return slices.ContainsFunc(marks, func(at int) bool { return i >= at && i < at+markSize })
	}
	step, detected, harmless, called, tried := stride(t, 11), 0, 0, 0, 0
	for i := 0; i < used(octets); i += step {
		for _, rebuild := range []bool{false, true} {
			fresh := copied(t, dir)
			path := filepath.Join(fresh, mustRel(t, dir, segment))
			bad := bytes.Clone(octets)
			bad[i] ^= 1 << (i % 8)
			write(t, path, bad)
			if rebuild {
				_ = os.RemoveAll(filepath.Join(fresh, "index"))
			}
			tried++
			if calledDamaged(t, fresh) {
				called++
			} else if i >= 64 && i < marks[len(marks)-1] {
				t.Errorf("octet %d, rebuild %v: not called damage", i, rebuild)
			}
			switch lost := lostOf(t, fresh, want, i); {
			case lost > 1:
				t.Errorf("octet %d: %d articles lost", i, lost)
			case lost == 1:
				detected++
			default:
				harmless++ // it is in a copy of the header, of which there are two, or in a mark
				if i >= 64 && !inMark(i) {
					t.Errorf("octet %d, rebuild %v: not detected", i, rebuild)
				}
			}
			_ = os.RemoveAll(filepath.Dir(fresh))
		}
	}
	t.Logf("%d octets flipped: %d detected, %d in one of the two headers or a mark and harmless, %d called damage, wrong octets served 0", tried, detected, harmless, called)
}

func mustRel(t *testing.T, base, path string) string {
	t.Helper()
	rel, err := filepath.Rel(base, path)
	if err != nil {
		t.Fatal(err)
	}
	return rel
}

// lostOf returns how many articles can't be read, and fails for wrong octets.
func lostOf(t *testing.T, dir string, want pooltest.Snapshot, at int) int {
	t.Helper()
	s := open(t, dir)
	defer func() { _ = s.Close() }()
	lost := 0
	for id, a := range want.ByID {
		got, err := s.ByID(t.Context(), id)
		switch {
		case errors.Is(err, pool.ErrCorrupt), errors.Is(err, pool.ErrNotFound):
			lost++
		case err != nil:
			t.Errorf("octet %d: %v", at, err)
		case !cmp.Equal(a, got):
			t.Errorf("octet %d: wrong octets", at)
		}
	}
	err := s.Scan(t.Context(), "a", pool.All, func(n pool.Number, line []byte) bool {
		if string(line) != want.Overview["a"][n] {
			t.Errorf("octet %d: a wrong line of %d", at, n)
		}
		return true
	})
	if err != nil {
		t.Errorf("octet %d: Scan: %v", at, err)
	}
	if got, err := s.Append(t.Context(), pooltest.Article(t, "new", "a")); err != nil || got[0].Number != 5 {
		t.Errorf("octet %d: the next number is %v, %v", at, got, err)
	}
	return lost
}

// TestDamage_tornAnywhere cuts the segment within its last record.
func TestDamage_tornAnywhere(t *testing.T) {
	dir, segment, want := shelf(t)
	octets := read(t, segment)
	last := bytes.LastIndex(octets[:used(octets)], []byte("\xf5Rr\x01"))
	step, tried := stride(t, 7), 0
	marks := marks(octets)
	for size := last; size < marks[len(marks)-1]; size += step {
		fresh := copied(t, dir)
		write(t, filepath.Join(fresh, mustRel(t, dir, segment)), octets[:size])
		if lost := lostOf(t, fresh, want, size); lost != 1 {
			t.Errorf("torn at %d: %d articles lost, want the last one", size, lost)
		}
		tried++
		_ = os.RemoveAll(filepath.Dir(fresh))
	}
	t.Logf("torn at %d places", tried)
}

// TestDamage_everyIndexFile damages and deletes each file of the index. It is
// built anew, and a reader sees the same as before.
func TestDamage_everyIndexFile(t *testing.T) {
	dir, _, want := shelf(t)
	files, err := os.ReadDir(filepath.Join(dir, "index"))
	if err != nil {
		t.Fatal(err)
	}
	damages := map[string]func(t *testing.T, path string){
		"deleted": func(t *testing.T, path string) { _ = os.Remove(path) },
		"empty":   func(t *testing.T, path string) { write(t, path, nil) },
		"half":    func(t *testing.T, path string) { b := read(t, path); write(t, path, b[:len(b)/2]) },
		"flipped": func(t *testing.T, path string) {
			b := read(t, path)
			for i := range b {
				b[i] ^= 0x55
			}
			write(t, path, b)
		},
		"one bit": func(t *testing.T, path string) {
			if b := read(t, path); len(b) > 0 {
				b[len(b)/2] ^= 1
				write(t, path, b)
			}
		},
	}
	for _, f := range files {
		for why, damage := range damages {
			t.Run(fmt.Sprint(f.Name(), " ", why), func(t *testing.T) {
				fresh := copied(t, dir)
				damage(t, filepath.Join(fresh, "index", f.Name()))
				for range 2 {
					s := open(t, fresh)
					if diff := cmp.Diff(want, pooltest.Take(t, s)); diff != "" {
						t.Errorf("(-before +after):\n%s", diff)
					}
					if seen, err := s.Seen(t.Context(), pooltest.ID("old")); !seen || err != nil {
						t.Errorf("what was dropped is not seen: %v", err)
					}
					if err := s.Close(); err != nil {
						t.Error(err)
					}
				}
			})
		}
	}
	t.Logf("%d files of the index, each damaged in %d ways", len(files), len(damages))
}

// TestDamage_historyAndGroups flips each octet of the history file, without an
// index that would know better, and of the groups file. A damaged history never
// hides or changes an article that is there; a damaged groups file is refused,
// since numbers could be given twice.
func TestDamage_historyAndGroups(t *testing.T) {
	dir, _, want := shelf(t)
	histories, err := filepath.Glob(filepath.Join(dir, "history", "*.rec"))
	if err != nil || len(histories) != 1 {
		t.Fatalf("history %v, %v", histories, err)
	}
	step, tried := stride(t, 5), 0
	for _, path := range []string{histories[0], filepath.Join(dir, "groups")} {
		octets := read(t, path)
		for i := 0; i < used(octets); i += step {
			tried++
			fresh := copied(t, dir)
			bad := bytes.Clone(octets)
			bad[i] ^= 1 << (i % 8)
			write(t, filepath.Join(fresh, mustRel(t, dir, path)), bad)
			_ = os.RemoveAll(filepath.Join(fresh, "index"))
			if path == histories[0] {
				if lost := lostOf(t, fresh, want, i); lost > 0 {
					t.Errorf("history, octet %d: %d articles lost", i, lost)
				}
			} else if s, err := disk.Open(fresh, calm()); !errors.Is(err, pool.ErrCorrupt) {
				t.Errorf("groups, octet %d: %v, %v; want ErrCorrupt", i, s, err)
			}
			_ = os.RemoveAll(filepath.Dir(fresh))
		}
	}
	t.Logf("%d octets of history and groups flipped", tried)
}
