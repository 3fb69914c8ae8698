package pooltest

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/restante/restante/pool"
)

type durableCase struct {
	name string
	test func(t *testing.T, r *room, reopen func())
}

func durableCases() []durableCase {
	return []durableCase{
		{"Reopen_sameArticles", testReopenArticles},
		{"Reopen_emptyBody", testReopenEmptyBody},
		{"Reopen_sameGroups", testReopenGroups},
		{"Reopen_keptNumbers", testReopenNumbers},
		{"Reopen_afterDrop", testReopenDrop},
		{"Reopen_everythingExpired", testReopenExpired},
		{"Reopen_afterCancel", testReopenCancel},
		{"Reopen_cancelledThenDropped", testReopenCancelDrop},
		{"Reopen_afterExpire", testReopenExpire},
	}
}

// A Snapshot is all that a reader can see of a store.
type Snapshot struct {
	Groups   []pool.GroupInfo
	Overview map[pool.Group]map[pool.Number]string
	Articles map[pool.Group]map[pool.Number]*pool.Stored
	ByID     map[pool.MessageID]*pool.Stored
	Since    []pool.MessageID
}

// Take takes a snapshot of a store.
func Take(t testing.TB, s pool.Store) Snapshot {
	t.Helper()
	snap := Snapshot{
		Overview: make(map[pool.Group]map[pool.Number]string),
		Articles: make(map[pool.Group]map[pool.Number]*pool.Stored),
		ByID:     make(map[pool.MessageID]*pool.Stored),
	}
	groups, err := s.Groups(t.Context())
	if err != nil {
		t.Fatalf("Groups: %v", err)
	}
	snap.Groups = groups
	for _, g := range groups {
		snap.Overview[g.Name], snap.Articles[g.Name] = takeGroup(t, s, g.Name)
	}
	err = s.Since(t.Context(), day().AddDate(-100, 0, 0), func(id pool.MessageID, _ []pool.Location) bool {
		snap.Since = append(snap.Since, id)
		return true
	})
	if err != nil {
		t.Fatalf("Since: %v", err)
	}
	for _, id := range snap.Since {
		a, err := s.ByID(t.Context(), id)
		if err != nil {
			t.Fatalf("ByID: %v", err)
		}
		snap.ByID[id] = a
	}
	return snap
}

func takeGroup(t testing.TB, s pool.Store, g pool.Group) (map[pool.Number]string, map[pool.Number]*pool.Stored) {
	t.Helper()
	lines, articles := make(map[pool.Number]string), make(map[pool.Number]*pool.Stored)
	err := s.Scan(t.Context(), g, pool.All, func(n pool.Number, line []byte) bool {
		lines[n] = string(line)
		return true
	})
	if err != nil {
		t.Fatalf("Scan: %v", err)
	}
	for n := range lines {
		a, err := s.ByNumber(t.Context(), g, n)
		if err != nil {
			t.Fatalf("ByNumber(%d): %v", n, err)
		}
		articles[n] = a
	}
	return lines, articles
}

// same checks that a reader sees the same before and after reopening.
func (r *room) same(t *testing.T, reopen func()) {
	t.Helper()
	before := Take(t, r.Store)
	reopen()
	if diff := cmp.Diff(before, Take(t, r.Store)); diff != "" {
		t.Errorf("after reopening (-before +after):\n%s", diff)
	}
}

func testReopenArticles(t *testing.T, r *room, reopen func()) {
	r.group("a", "b")
	r.fill("a", "1", "2")
	r.add(Article(t, "3", "b", "a"))
	r.epochs("b")
	for range 3 {
		r.same(t, reopen)
	}
	if _, err := r.Append(t.Context(), Article(t, "3", "a")); !errors.Is(err, pool.ErrDuplicate) {
		t.Errorf("Append: %v, want ErrDuplicate", err)
	}
	r.fill("a", "4")
	if got, want := r.marks("a"), [3]int{1, 4, 4}; got != want {
		t.Errorf("marks %v, want %v", got, want)
	}
	r.same(t, reopen)
}

func testReopenGroups(t *testing.T, r *room, reopen func()) {
	r.group("a", "b", "c")
	r.fill("b", "1", "2")
	info := pool.GroupInfo{Name: "c", Description: "tab\t, \u00fc, \"quotes\"", Posting: pool.PostingModerated}
	if err := r.SetGroup(t.Context(), info); err != nil {
		t.Fatal(err)
	}
	if err := r.RemoveGroup(t.Context(), "b"); err != nil {
		t.Fatal(err)
	}
	r.same(t, reopen)
	r.group("b")
	r.fill("b", "3")
	if got, want := r.marks("b"), [3]int{1, 3, 3}; got != want {
		t.Errorf("marks %v, want %v", got, want)
	}
	r.same(t, reopen)
}

func testReopenDrop(t *testing.T, r *room, reopen func()) {
	r.group("a", "b")
	r.epochs("a")
	r.fill("b", "1")
	r.drop(2)
	r.same(t, reopen)
	if seen, err := r.Seen(t.Context(), ID("e1")); !seen || err != nil {
		t.Errorf("Seen: %v, %v; want true, nil", seen, err)
	}
	r.add(inEpoch(Article(t, "late", "a"), 1))
	r.same(t, reopen)
}

func testReopenExpired(t *testing.T, r *room, reopen func()) {
	r.group("a")
	for _, name := range []string{"1", "2", "3"} {
		r.add(inEpoch(Article(t, name, "a"), 1))
	}
	r.drop(2)
	for range 2 {
		r.same(t, reopen)
		if got, want := r.marks("a"), [3]int{4, 3, 0}; got != want {
			t.Errorf("marks %v, want %v", got, want)
		}
	}
	r.fill("a", "4")
	if got, want := r.marks("a"), [3]int{4, 4, 1}; got != want {
		t.Errorf("marks %v, want %v", got, want)
	}
	if _, err := r.Append(t.Context(), Article(t, "1", "a")); !errors.Is(err, pool.ErrDuplicate) {
		t.Errorf("Append: %v, want ErrDuplicate", err)
	}
}

func testReopenEmptyBody(t *testing.T, r *room, reopen func()) {
	r.group("a")
	a := emptyBody(t, "x", "a")
	at := r.add(a)
	r.fill("a", "after")
	for range 2 {
		r.same(t, reopen)
		r.emptyBody(t, a, at[0])
	}
}
