package disk

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rs/zerolog"

	"github.com/restante/restante/pool"
)

// listed returns what the lists of lost articles say.
func listed(t *testing.T, dir string) string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(dir, quarantineDir, lostPrefix+"*.txt"))
	if err != nil {
		t.Fatal(err)
	}
	var all strings.Builder
	for _, path := range found {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		all.Write(text)
	}
	return all.String()
}

// However articles are lost, building the index anew lists those that it does not find
// again, and tells of it: afterwards nothing else says that they were there.
func TestRebuild_listsWhatIsLost(t *testing.T) {
	for name, harm := range losses() {
		for _, doubted := range []bool{false, true} {
			t.Run(fmt.Sprint(name, " ", doubted), func(t *testing.T) {
				dir := checkedStore(t)
				before := numbersOf(t, dir)
				harm(t, segmentAt(t, dir, false))
				if doubted {
					write(t, dir, doubtFile, "")
				}
				var log bytes.Buffer
				o := small()
				o.Logger = zerolog.New(&log)
				s := mustOpen(t, dir, o)
				rebuilt, told := strings.Contains(log.String(), "building the index anew"), strings.Contains(log.String(), "articles are lost")
				if h := s.Health(); rebuilt != told || rebuilt != (h.Quarantined == 1) || doubted && !rebuilt {
					t.Errorf("rebuilt: %v, %+v, %s", rebuilt, h, log.String())
				}
				mustClose(t, s)
				if !rebuilt { // then the index still leads to them, and a check tells
					return
				}
				want := ""
				after := numbersOf(t, dir)
				for _, g := range []pool.Group{"a", "b"} {
					lost := slices.DeleteFunc(before[g], func(n pool.Number) bool { return slices.Contains(after[g], n) })
					want += fmt.Sprintf("Group %s has lost %d articles: %s.\n", g, len(lost), ranges(lost, len(lost)))
				}
				if diff := cmp.Diff(want, listed(t, dir)); diff != "" {
					t.Errorf("(-want +got):\n%s", diff)
				}
				if r := mustFsck(t, dir, FsckOptions{}); !strings.Contains(strings.Join(r.Notes, " "), "Articles were lost before this check") {
					t.Errorf("a check says %q", r.Notes)
				}
			})
		}
	}
}

// The only segment of a store, and with it everything.
func TestRebuild_listsWhatIsLostWithTheOnlySegment(t *testing.T) {
	dir := filled(t, "1", "2", "3")
	path, _ := onlySegment(t, dir)
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	mustClose(t, mustOpen(t, dir, small()))
	if got, want := listed(t, dir), "Group a has lost 3 articles: 1-3.\n"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

// What has expired, was withdrawn or is there is not lost.
func TestRebuild_listsNothingOfAWholeStore(t *testing.T) {
	dir := checkedStore(t)
	write(t, dir, doubtFile, "")
	s := mustOpen(t, dir, small())
	defer mustClose(t, s)
	if h := s.Health(); h.Quarantined != 0 || listed(t, dir) != "" {
		t.Errorf("%+v, %q", h, listed(t, dir))
	}
}
