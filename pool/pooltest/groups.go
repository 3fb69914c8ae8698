package pooltest

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/restante/restante/pool"
)

func groupCases() []testCase {
	return []testCase{
		{"SetGroup_new", testSetGroupNew},
		{"SetGroup_change", testSetGroupChange},
		{"SetGroup_badName", testSetGroupBadName},
		{"RemoveGroup_hides", testRemoveHides},
		{"RemoveGroup_keepsMarks", testRemoveKeepsMarks},
	}
}

func testSetGroupNew(t *testing.T, r *room) {
	info := pool.GroupInfo{
		Name: "a", Description: "Gr\u00fc\u00dfe,\twith a tab", Posting: pool.PostingModerated, Created: day(),
		Low: 5, High: 9, Count: 3, // never taken
	}
	if err := r.SetGroup(t.Context(), info); err != nil {
		t.Fatal(err)
	}
	info.Low, info.High, info.Count = 1, 0, 0
	if diff := cmp.Diff(info, r.info("a")); diff != "" {
		t.Errorf("group (-want +got):\n%s", diff)
	}
}

func testSetGroupChange(t *testing.T, r *room) {
	r.group("a")
	r.fill("a", "x")
	change := pool.GroupInfo{Name: "a", Description: "new", Posting: pool.PostingDenied, Created: day().Add(time.Hour)}
	if err := r.SetGroup(t.Context(), change); err != nil {
		t.Fatal(err)
	}
	want := pool.GroupInfo{Name: "a", Description: "new", Posting: pool.PostingDenied, Created: day(), Low: 1, High: 1, Count: 1}
	if diff := cmp.Diff(want, r.info("a")); diff != "" {
		t.Errorf("group (-want +got):\n%s", diff)
	}
}

func testSetGroupBadName(t *testing.T, r *room) {
	for _, name := range []pool.Group{"", "a..b", "a b", "../a"} {
		if err := r.SetGroup(t.Context(), pool.GroupInfo{Name: name}); !errors.Is(err, pool.ErrGroupName) {
			t.Errorf("SetGroup(%q): %v, want ErrGroupName", name, err)
		}
	}
}

func testRemoveHides(t *testing.T, r *room) {
	r.group("a", "b")
	r.add(Article(t, "x", "a", "b"))
	if err := r.RemoveGroup(t.Context(), "a"); err != nil {
		t.Fatal(err)
	}
	for what, err := range map[string]error{
		"Group":        second(r.Group(t.Context(), "a")),
		"ByNumber":     second(r.ByNumber(t.Context(), "a", 1)),
		"LendByNumber": second(pool.LendByNumber(t.Context(), r.Store, "a", 1)),
		"Append":       second(r.Append(t.Context(), Article(t, "y", "b", "a"))),
		"RemoveGroup":  r.RemoveGroup(t.Context(), "a"),
		"Scan":         r.Scan(t.Context(), "a", pool.All, func(pool.Number, []byte) bool { return true }),
	} {
		if !errors.Is(err, pool.ErrNoGroup) {
			t.Errorf("%s: %v, want ErrNoGroup", what, err)
		}
	}
	if groups, err := r.Groups(t.Context()); err != nil || len(groups) != 1 || groups[0].Name != "b" {
		t.Errorf("groups %v, %v; want b alone", groups, err)
	}
	want := []pool.Location{{Group: "b", Number: 1}}
	got, err := r.ByID(t.Context(), ID("x"))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got.Locations); diff != "" {
		t.Errorf("locations (-want +got):\n%s", diff)
	}
	err = r.Since(t.Context(), day(), func(_ pool.MessageID, at []pool.Location) bool {
		if diff := cmp.Diff(want, at); diff != "" {
			t.Errorf("Since's locations (-want +got):\n%s", diff)
		}
		return true
	})
	if err != nil {
		t.Fatal(err)
	}
}

func second[T any](_ T, err error) error { return err }

func testRemoveKeepsMarks(t *testing.T, r *room) {
	r.group("a")
	r.fill("a", "1", "2")
	if err := r.RemoveGroup(t.Context(), "a"); err != nil {
		t.Fatal(err)
	}
	r.group("a")
	if got, want := r.marks("a"), [3]int{1, 2, 2}; got != want {
		t.Errorf("marks %v, want %v", got, want)
	}
	r.fill("a", "3")
	if got, want := r.marks("a"), [3]int{1, 3, 3}; got != want {
		t.Errorf("marks %v, want %v", got, want)
	}
}

func expiryCases() []testCase {
	return []testCase{
		{"DropBefore_dropsOldEpochs", testDrop},
		{"DropBefore_marksGoOn", testDropMarks},
		{"DropBefore_duplicatesStay", testDropDuplicates},
		{"DropBefore_appendAfterwards", testDropThenAppend},
	}
}

// epochs files one article in each of the epochs 0 to 3, named by it.
func (r *room) epochs(g pool.Group) {
	for i, name := range []string{"e0", "e1", "e2", "e3"} {
		r.add(inEpoch(Article(r.t, name, g), uint64(i)))
	}
}

func (r *room) drop(epoch uint64) {
	r.t.Helper()
	if err := r.DropBefore(r.t.Context(), epoch); err != nil {
		r.t.Fatalf("DropBefore(%d): %v", epoch, err)
	}
}

func testDrop(t *testing.T, r *room) {
	r.group("a")
	r.epochs("a")
	r.drop(3)
	r.drop(3)
	if diff := cmp.Diff([]pool.Number{1, 4}, r.numbers("a", pool.All)); diff != "" {
		t.Errorf("numbers (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"e0", "e3"}, r.since(day())); diff != "" {
		t.Errorf("Since (-want +got):\n%s", diff)
	}
	for _, name := range []string{"e1", "e2"} {
		if _, err := r.ByID(t.Context(), ID(name)); !errors.Is(err, pool.ErrNotFound) {
			t.Errorf("ByID(%s): %v, want ErrNotFound", name, err)
		}
	}
	if _, err := r.ByNumber(t.Context(), "a", 2); !errors.Is(err, pool.ErrNotFound) {
		t.Errorf("ByNumber: %v, want ErrNotFound", err)
	}
	if got, want := r.marks("a"), [3]int{1, 4, 2}; got != want {
		t.Errorf("marks %v, want %v", got, want)
	}
}

func testDropMarks(t *testing.T, r *room) {
	r.group("a")
	for _, name := range []string{"1", "2"} {
		r.add(inEpoch(Article(t, name, "a"), 1))
	}
	r.add(inEpoch(Article(t, "3", "a"), 2))
	r.drop(2)
	if got, want := r.marks("a"), [3]int{3, 3, 1}; got != want {
		t.Errorf("marks %v, want %v", got, want)
	}
	r.drop(9)
	if got, want := r.marks("a"), [3]int{4, 3, 0}; got != want {
		t.Errorf("empty: marks %v, want %v", got, want)
	}
	r.add(inEpoch(Article(t, "4", "a"), 9))
	if got, want := r.marks("a"), [3]int{4, 4, 1}; got != want {
		t.Errorf("after: marks %v, want %v", got, want)
	}
}

func testDropDuplicates(t *testing.T, r *room) {
	r.group("a")
	r.epochs("a")
	r.drop(9)
	for _, name := range []string{"e0", "e1"} {
		if seen, err := r.Seen(t.Context(), ID(name)); !seen || err != nil {
			t.Errorf("Seen(%s): %v, %v; want true, nil", name, seen, err)
		}
		if _, err := r.Append(t.Context(), Article(t, name, "a")); !errors.Is(err, pool.ErrDuplicate) {
			t.Errorf("Append(%s): %v, want ErrDuplicate", name, err)
		}
	}
}

// An epoch is not closed by having been dropped once.
func testDropThenAppend(t *testing.T, r *room) {
	r.group("a")
	r.epochs("a")
	r.drop(3)
	r.add(inEpoch(Article(t, "late", "a"), 1))
	if diff := cmp.Diff([]pool.Number{1, 4, 5}, r.numbers("a", pool.All)); diff != "" {
		t.Errorf("numbers (-want +got):\n%s", diff)
	}
	r.drop(3)
	if diff := cmp.Diff([]pool.Number{1, 4}, r.numbers("a", pool.All)); diff != "" {
		t.Errorf("numbers (-want +got):\n%s", diff)
	}
}

func lifeCases() []testCase {
	return []testCase{
		{"Close_thenErrClosed", testClosed},
		{"Context_ended", testContextEnded},
	}
}

// everything calls each method once.
func (r *room) everything(ctx context.Context) map[string]error {
	return map[string]error{
		"Groups":       second(r.Groups(ctx)),
		"Group":        second(r.Group(ctx, "a")),
		"Scan":         r.Scan(ctx, "a", pool.All, func(pool.Number, []byte) bool { return true }),
		"ByNumber":     second(r.ByNumber(ctx, "a", 1)),
		"ByID":         second(r.ByID(ctx, ID("x"))),
		"LendByNumber": second(pool.LendByNumber(ctx, r.Store, "a", 1)),
		"LendByID":     second(pool.LendByID(ctx, r.Store, ID("x"))),
		"ScanLines":    pool.ScanLines(ctx, r.Store, "a", pool.All, func([]byte) bool { return true }),
		"Append":       second(r.Append(ctx, Article(r.t, "y", "a"))),
		"Seen":         second(r.Seen(ctx, ID("x"))),
		"Since":        r.Since(ctx, day(), func(pool.MessageID, []pool.Location) bool { return true }),
		"SetGroup":     r.SetGroup(ctx, pool.GroupInfo{Name: "b"}),
		"DropBefore":   r.DropBefore(ctx, 1),
		"Expire":       r.Expire(ctx, map[pool.Group]pool.Keep{"a": {Articles: 1}}),
		"Cancel":       r.Cancel(ctx, ID("x")),
		"Remember":     r.Remember(ctx, ID("y")),
		"RemoveGroup":  r.RemoveGroup(ctx, "a"),
	}
}

func testClosed(t *testing.T, r *room) {
	r.group("a")
	r.fill("a", "x")
	for range 2 {
		if err := r.Close(); err != nil {
			t.Fatalf("Close: %v", err)
		}
	}
	for what, err := range r.everything(t.Context()) {
		if !errors.Is(err, pool.ErrClosed) {
			t.Errorf("%s: %v, want ErrClosed", what, err)
		}
	}
}

func testContextEnded(t *testing.T, r *room) {
	r.group("a")
	r.fill("a", "x")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for what, err := range r.everything(ctx) {
		if !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v, want context.Canceled", what, err)
		}
	}
	r.unchanged("a", "y", [3]int{1, 1, 1})

	ctx, cancel = context.WithCancel(t.Context())
	defer cancel()
	r.fill("a", "z")
	err := r.Scan(ctx, "a", pool.All, func(pool.Number, []byte) bool {
		cancel()
		return true
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("Scan, ended meanwhile: %v, want context.Canceled", err)
	}
}
