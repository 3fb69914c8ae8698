package pooltest

import (
	"errors"
	"strconv"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/restante/restante/pool"
)

func cancelCases() []testCase {
	return []testCase{
		{"Cancel_removesFromAllGroups", testCancel},
		{"Cancel_staysSeen", testCancelSeen},
		{"Cancel_unknown", testCancelUnknown},
		{"Remember_isRefusedWhenItComes", testRemember},
		{"Cancel_marksGoOn", testCancelMarks},
		{"Cancel_twiceAndExpired", testCancelTwice},
		{"Cancel_manyAtOnce", testCancelMany},
		{"Begin_numbersInOrder", testBegin},
		{"Begin_letsGo", testLetsGo},
	}
}

func (r *room) cancel(names ...string) {
	r.t.Helper()
	for _, name := range names {
		if err := r.Cancel(r.t.Context(), ID(name)); err != nil {
			r.t.Fatalf("Cancel(%s): %v", name, err)
		}
	}
}

// withdrawn checks that nothing leads to an article any more, and that it can't
// come back.
func (r *room) withdrawn(name string, places ...pool.Location) {
	r.t.Helper()
	if _, err := r.ByID(r.t.Context(), ID(name)); !errors.Is(err, pool.ErrNotFound) {
		r.t.Errorf("ByID(%s): %v, want ErrNotFound", name, err)
	}
	for _, l := range places {
		if _, err := r.ByNumber(r.t.Context(), l.Group, l.Number); !errors.Is(err, pool.ErrNotFound) {
			r.t.Errorf("ByNumber(%s, %d): %v, want ErrNotFound", l.Group, l.Number, err)
		}
	}
	if seen, err := r.Seen(r.t.Context(), ID(name)); !seen || err != nil {
		r.t.Errorf("Seen(%s): %v, %v; want true, nil", name, seen, err)
	}
	if _, err := r.Append(r.t.Context(), Article(r.t, name, "a")); !errors.Is(err, pool.ErrDuplicate) {
		r.t.Errorf("Append(%s): %v, want ErrDuplicate", name, err)
	}
}

func testCancel(t *testing.T, r *room) {
	r.group("a", "b")
	r.fill("a", "1")
	at := r.add(Article(t, "2", "a", "b"))
	r.fill("b", "3")
	r.cancel("2")
	r.withdrawn("2", at...)
	if diff := cmp.Diff([]pool.Number{1}, r.numbers("a", pool.All)); diff != "" {
		t.Errorf("a (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]pool.Number{2}, r.numbers("b", pool.All)); diff != "" {
		t.Errorf("b (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"1", "3"}, r.since(day())); diff != "" {
		t.Errorf("Since (-want +got):\n%s", diff)
	}
}

func testCancelSeen(t *testing.T, r *room) {
	r.group("a")
	r.add(inEpoch(Article(t, "x", "a"), 1))
	r.cancel("x")
	r.withdrawn("x")
	r.drop(2)
	r.withdrawn("x")
}

func testCancelUnknown(t *testing.T, r *room) {
	r.group("a")
	if err := r.Cancel(t.Context(), ID("x")); !errors.Is(err, pool.ErrNotFound) {
		t.Errorf("Cancel: %v, want ErrNotFound", err)
	}
	r.unchanged("a", "x", [3]int{1, 0, 0})
}

func (r *room) remember(name string) {
	r.t.Helper()
	if err := r.Remember(r.t.Context(), ID(name)); err != nil {
		r.t.Fatalf("Remember(%s): %v", name, err)
	}
}

func testRemember(t *testing.T, r *room) {
	r.group("a")
	r.fill("a", "here")
	r.remember("early")
	r.withdrawn("early")
	r.cancel("early")
	for _, name := range []string{"early", "here"} {
		if err := r.Remember(t.Context(), ID(name)); !errors.Is(err, pool.ErrDuplicate) {
			t.Errorf("Remember(%s): %v, want ErrDuplicate", name, err)
		}
	}
	if got, want := r.marks("a"), [3]int{1, 1, 1}; got != want {
		t.Errorf("marks %v, want %v", got, want)
	}
	if diff := cmp.Diff([]string{"here"}, r.since(day())); diff != "" {
		t.Errorf("Since (-want +got):\n%s", diff)
	}
}

func testCancelMarks(t *testing.T, r *room) {
	r.group("a")
	r.fill("a", "1", "2", "3")
	for _, c := range []struct {
		name string
		want [3]int
	}{{"2", [3]int{1, 3, 2}}, {"1", [3]int{3, 3, 1}}, {"3", [3]int{4, 3, 0}}} {
		r.cancel(c.name)
		if got := r.marks("a"); got != c.want {
			t.Errorf("without %s: marks %v, want %v", c.name, got, c.want)
		}
	}
	r.fill("a", "4")
	if got, want := r.marks("a"), [3]int{4, 4, 1}; got != want {
		t.Errorf("after: marks %v, want %v", got, want)
	}
}

func testCancelTwice(t *testing.T, r *room) {
	r.group("a")
	r.epochs("a")
	r.cancel("e1", "e1")
	r.drop(2)
	r.cancel("e1")
	r.drop(3)
	r.cancel("e2")
	r.withdrawn("e1", pool.Location{Group: "a", Number: 2})
	r.withdrawn("e2", pool.Location{Group: "a", Number: 3})
	if got, want := r.marks("a"), [3]int{1, 4, 2}; got != want {
		t.Errorf("marks %v, want %v", got, want)
	}
}

func testCancelMany(t *testing.T, r *room) {
	const n = 24
	r.group("a", "b")
	var wg sync.WaitGroup
	for i := range n {
		name := strconv.Itoa(i)
		wg.Go(func() {
			if _, err := r.Append(t.Context(), inEpoch(Article(t, name, "a", "b"), uint64(i%3))); err != nil {
				t.Errorf("Append: %v", err)
			}
			if i%2 == 0 {
				if err := r.Cancel(t.Context(), ID(name)); err != nil {
					t.Errorf("Cancel: %v", err)
				}
			}
		})
	}
	wg.Go(func() {
		if err := r.DropBefore(t.Context(), 2); err != nil {
			t.Errorf("DropBefore: %v", err)
		}
	})
	wg.Wait()
	r.drop(2)
	for _, g := range []pool.Group{"a", "b"} {
		info := r.info(g)
		if got := len(r.numbers(g, pool.All)); got != n/3 || info.Count != got || info.High != n {
			t.Errorf("%s: %+v with %d numbers, want %d of %d", g, info, got, n/3, n)
		}
	}
}

func testBegin(t *testing.T, r *room) {
	r.group("a")
	var articles []*pool.Article
	for i := range 50 {
		articles = append(articles, Article(t, strconv.Itoa(i), "a"))
	}
	articles = append(articles, Article(t, "0", "a"))
	begun := make([]pool.Begun, len(articles))
	for i, a := range articles {
		begun[i] = pool.Begin(t.Context(), r.Store, a)
	}
	for i, filed := range begun[:50] {
		if at, err := filed.Wait(); err != nil || at[0].Number != pool.Number(i+1) {
			t.Errorf("article %d: %v, %v", i, at, err)
		}
		if !filed.Known() {
			t.Errorf("article %d was waited for and is not known", i)
		}
	}
	if _, err := begun[50].Wait(); !errors.Is(err, pool.ErrDuplicate) {
		t.Errorf("the first one again: %v, want ErrDuplicate", err)
	}
}

func testLetsGo(t *testing.T, r *room) {
	r.group("a", "b")
	a := Article(t, "1", "a", "b")
	id, want := a.ID, wire(a, Server+" a:1 b:1")
	if _, err := pool.Begin(t.Context(), r.Store, a).Wait(); err != nil {
		t.Fatal(err)
	}
	clear(a.Head)
	clear(a.Body)
	clear(a.Groups)
	*a = *Article(t, "2", "a")
	r.add(a)
	got, err := r.ByID(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, string(got.Wire)); diff != "" {
		t.Errorf("the article became another one (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]pool.Location{{Group: "a", Number: 1}, {Group: "b", Number: 1}}, got.Locations); diff != "" {
		t.Errorf("locations (-want +got):\n%s", diff)
	}
}

func testReopenCancel(t *testing.T, r *room, reopen func()) {
	r.group("a", "b")
	r.fill("a", "1", "2", "3")
	at := r.add(Article(t, "4", "a", "b"))
	r.add(inEpoch(Article(t, "5", "a"), 1))
	r.cancel("1", "4", "5")
	r.remember("early")
	for range 3 {
		r.same(t, reopen)
		r.withdrawn("1", pool.Location{Group: "a", Number: 1})
		r.withdrawn("4", at...)
		r.withdrawn("5")
		r.withdrawn("early")
	}
	if got, want := r.marks("a"), [3]int{2, 5, 2}; got != want {
		t.Errorf("marks %v, want %v", got, want)
	}
	r.cancel("2")
	r.fill("a", "6")
	r.same(t, reopen)
}

func testReopenCancelDrop(t *testing.T, r *room, reopen func()) {
	r.group("a")
	r.epochs("a")
	r.cancel("e1", "e2")
	r.drop(2)
	r.same(t, reopen)
	r.drop(3)
	r.same(t, reopen)
	r.withdrawn("e1")
	r.withdrawn("e2")
}
