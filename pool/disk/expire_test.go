package disk

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/restante/restante/pool"
	"github.com/restante/restante/pool/pooltest"
	"github.com/restante/restante/pool/record/recordtest"
)

func mustSetGroup(t testing.TB, s *Store, names ...pool.Group) {
	t.Helper()
	for _, name := range names {
		if err := s.SetGroup(t.Context(), pool.GroupInfo{Name: name, Posting: pool.PostingAllowed}); err != nil {
			t.Fatal(err)
		}
	}
}

func mustAppend(t testing.TB, s *Store, a *pool.Article) {
	t.Helper()
	if _, err := s.Append(t.Context(), a); err != nil {
		t.Fatal(err)
	}
}

func mustExpire(t testing.TB, s *Store, keep map[pool.Group]pool.Keep) {
	t.Helper()
	if err := s.Expire(t.Context(), keep); err != nil {
		t.Fatal(err)
	}
}

// files lists a folder of the store.
func files(t testing.TB, s *Store, names ...string) []string {
	t.Helper()
	entries, err := os.ReadDir(filepath.Join(append([]string{s.dir}, names...)...))
	if err != nil {
		t.Fatal(err)
	}
	out := make([]string, len(entries))
	for i, e := range entries {
		out[i] = e.Name()
	}
	return out
}

// Room comes back: what little is left of many segments ends up in few.
func TestExpire_givesRoomBack(t *testing.T) {
	s := mustOpen(t, t.TempDir(), small())
	defer mustClose(t, s)
	mustSetGroup(t, s, "a", "b")
	for i := range 200 {
		mustAppend(t, s, pooltest.Article(t, fmt.Sprint("a", i), "a"))
		if i%50 == 0 {
			mustAppend(t, s, pooltest.Article(t, fmt.Sprint("b", i), "b"))
		}
	}
	before := len(files(t, s, segmentsDir, "0"))
	mustExpire(t, s, map[pool.Group]pool.Keep{"a": {Articles: 5}})
	if after := len(files(t, s, segmentsDir, "0")); after > 3 || before < 20 {
		t.Errorf("%d segments are left of %d", after, before)
	}
	for i := range 4 {
		if _, err := s.ByID(t.Context(), pooltest.ID(fmt.Sprint("b", i*50))); err != nil {
			t.Errorf("b%d: %v", i*50, err)
		}
	}
}

// What is gone is forgotten once it was gone for long enough, in the index and
// on the disk, and not before.
func TestForget_afterItsTime(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		defer time.Sleep(time.Minute) // goleveldb's buffer pool drains for a moment after Close
		o := small()
		o.Remember = 11 * 24 * time.Hour
		s := mustOpen(t, dir, o)
		defer mustClose(t, s)
		mustSetGroup(t, s, "a")
		for i := range 40 {
			mustAppend(t, s, pooltest.Article(t, fmt.Sprint(i), "a"))
		}
		none := map[pool.Group]pool.Keep{"a": {Articles: 1}}
		mustExpire(t, s, none)
		remembered := len(files(t, s, historyDir))
		if remembered == 0 {
			t.Fatal("no history")
		}
		for _, c := range []struct {
			wait time.Duration
			seen bool
		}{{0, true}, {10 * 24 * time.Hour, true}, {24*time.Hour - time.Minute, true}, {2 * time.Minute, false}} {
			time.Sleep(c.wait)
			mustExpire(t, s, none)
			s.recent = recent{} // it knows what was known lately
			if seen, err := s.Seen(t.Context(), pooltest.ID("0")); seen != c.seen || err != nil {
				t.Errorf("after %v more: seen %v, %v", c.wait, seen, err)
			}
		}
		if left := len(files(t, s, historyDir)); left != 0 {
			t.Errorf("%d history files are left of %d", left, remembered)
		}
	})
}

// Dropping an epoch looks at what is dropped, and not at what stays.
func TestDropBefore_countsWhatIsDropped(t *testing.T) {
	s := mustOpen(t, t.TempDir(), small())
	defer mustClose(t, s)
	mustSetGroup(t, s, "a")
	at := time.Unix(1e9, 0)
	for i := range 400 {
		a := pooltest.Article(t, fmt.Sprint(i), "a")
		a.Epoch, a.Arrived = uint64(1+i/40), at.Add(time.Duration(i)*time.Hour)
		mustAppend(t, s, a)
	}
	looked := 0
	for _, g := range s.retire(2)[1] {
		err := s.index.each(timeKey(time.Unix(g.tally.from, 0)), timeKey(time.Unix(g.tally.to+1, 0)), func(_, _ []byte) (bool, error) {
			looked++
			return true, nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if looked != 40 {
		t.Errorf("%d arrivals of 400 are looked at to drop 40", looked)
	}
}

// A history file that a crash left in the midst of being forgotten says that
// its articles are gone. One of them may have come again by then.
func TestForget_whatCameAgainStays(t *testing.T) {
	dir := t.TempDir()
	s := mustOpen(t, dir, small())
	mustSetGroup(t, s, "a")
	for i := range 40 {
		mustAppend(t, s, pooltest.Article(t, fmt.Sprint(i), "a"))
	}
	mustExpire(t, s, map[pool.Group]pool.Keep{"a": {Articles: 1}})
	saved := make(map[string][]byte)
	for _, name := range files(t, s, historyDir) {
		path := filepath.Join(dir, historyDir, name)
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		saved[path] = text
		if err := s.forgetFile(name); err != nil {
			t.Fatal(err)
		}
	}
	s.recent = recent{}
	mustAppend(t, s, pooltest.Article(t, "0", "a"))
	abandon(t, s)
	for path, text := range saved { // as if it had never been deleted
		write(t, path, "", string(text))
	}
	for range 2 {
		s = mustOpen(t, dir, small())
		if _, err := s.ByID(t.Context(), pooltest.ID("0")); err != nil {
			t.Errorf("an article that came again: %v", err)
		}
		abandon(t, s)
		removeAll(t, dir, indexDir)
	}
}

// A reader has looked up where an article is when it is copied and its old
// segment deleted.
func TestReclaim_readersFollow(t *testing.T) {
	s := mustOpen(t, t.TempDir(), small())
	defer mustClose(t, s)
	mustSetGroup(t, s, "a", "b")
	mustAppend(t, s, pooltest.Article(t, "stays", "b"))
	for i := range 60 {
		mustAppend(t, s, pooltest.Article(t, fmt.Sprint(i), "a"))
	}
	looked := 0
	var a *pool.Stored
	err := s.follow(s.ofID(pooltest.ID("stays")), func(p place) (err error) {
		if looked++; looked == 1 {
			mustExpire(t, s, map[pool.Group]pool.Keep{"a": {Articles: 1}})
		}
		a, err = s.read(p)
		return err
	})
	if err != nil || a.ID != pooltest.ID("stays") {
		t.Errorf("follow: %v", err)
	}
	if looked != 2 {
		t.Errorf("it looked %d times: the article was not copied", looked)
	}
}

// What the disk can't read is damage, and no failed write.
func TestExpire_unreadableArticle(t *testing.T) {
	s, faults, _ := faulty(t)
	defer mustClose(t, s)
	faults.Set(recordtest.Fault{Op: recordtest.ReadAt, Path: ".seg", Err: syscall.EIO})
	mustExpire(t, s, map[pool.Group]pool.Keep{"a": {Since: time.Now().Add(time.Hour)}})
	if _, err := s.ByID(t.Context(), pooltest.ID("1")); !errors.Is(err, pool.ErrCorrupt) {
		t.Errorf("ByID: %v, want ErrCorrupt", err)
	}
	faults.Set()
	mustAppend(t, s, pooltest.Article(t, "3", "a"))
	if h := s.Health(); h.ReadOnly || h.CorruptReads == 0 {
		t.Errorf("%+v", h)
	}
}
