package pooltest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/restante/restante/pool"
)

func appendCases() []testCase {
	return []testCase{
		{"Append_numbersFromOne", testNumbers},
		{"Append_duplicate", testDuplicate},
		{"Append_unknownGroup", testAppendNoGroup},
		{"Append_groupFull", testGroupFull},
		{"Append_sameGroupTwice", testSameGroupTwice},
		{"Append_manyAtOnce", testManyAtOnce},
		{"Append_sameIDAtOnce", testSameIDAtOnce},
		{"Append_largeArticle", testLargeArticle},
		{"Seen_unknown", testSeenUnknown},
	}
}

func testNumbers(t *testing.T, r *room) {
	r.group("a", "b")
	if got, want := r.marks("a"), [3]int{1, 0, 0}; got != want {
		t.Errorf("empty group: marks %v, want %v", got, want)
	}
	r.fill("a", "1")
	r.add(Article(t, "2", "a", "b"))
	r.fill("b", "3")
	if got, want := r.marks("a"), [3]int{1, 2, 2}; got != want {
		t.Errorf("a: marks %v, want %v", got, want)
	}
	if got, want := r.marks("b"), [3]int{1, 2, 2}; got != want {
		t.Errorf("b: marks %v, want %v", got, want)
	}
}

func testDuplicate(t *testing.T, r *room) {
	r.group("a", "b")
	r.fill("a", "x")
	for range 2 {
		if _, err := r.Append(t.Context(), Article(t, "x", "b")); !errors.Is(err, pool.ErrDuplicate) {
			t.Errorf("Append: %v, want ErrDuplicate", err)
		}
	}
	if got, want := r.marks("b"), [3]int{1, 0, 0}; got != want {
		t.Errorf("marks %v, want %v", got, want)
	}
	got, err := r.ByID(t.Context(), ID("x"))
	if err != nil || got.In("a") != 1 || got.In("b") != 0 {
		t.Errorf("the first one is not there as it was: %v, %v", got, err)
	}
}

func testAppendNoGroup(t *testing.T, r *room) {
	r.group("a")
	if _, err := r.Append(t.Context(), Article(t, "x", "a", "nowhere")); !errors.Is(err, pool.ErrNoGroup) {
		t.Errorf("Append: %v, want ErrNoGroup", err)
	}
	r.unchanged("a", "x", [3]int{1, 0, 0})
	none := Article(t, "x", "a")
	none.Groups = nil
	if _, err := r.Append(t.Context(), none); !errors.Is(err, pool.ErrNoGroup) {
		t.Errorf("Append without a group: %v, want ErrNoGroup", err)
	}
	r.fill("a", "x")
}

// unchanged checks that a refused article left nothing behind.
func (r *room) unchanged(g pool.Group, name string, marks [3]int) {
	r.t.Helper()
	if got := r.marks(g); got != marks {
		r.t.Errorf("marks %v, want %v", got, marks)
	}
	if seen, err := r.Seen(r.t.Context(), ID(name)); seen || err != nil {
		r.t.Errorf("Seen: %v, %v; want false, nil", seen, err)
	}
	if _, err := r.ByID(r.t.Context(), ID(name)); !errors.Is(err, pool.ErrNotFound) {
		r.t.Errorf("ByID: %v, want ErrNotFound", err)
	}
}

func testGroupFull(t *testing.T, r *room) {
	r.group("full", "b")
	if err := r.higher().SetHigh(t.Context(), "full", pool.MaxNumber-1); err != nil {
		t.Fatal(err)
	}
	r.fill("full", "last")
	if _, err := r.Append(t.Context(), Article(t, "x", "b", "full")); !errors.Is(err, pool.ErrGroupFull) {
		t.Errorf("Append: %v, want ErrGroupFull", err)
	}
	r.unchanged("b", "x", [3]int{1, 0, 0})
	r.unchanged("full", "x", [3]int{int(pool.MaxNumber), int(pool.MaxNumber), 1})
	if got := r.numbers("full", pool.All); !slices.Equal(got, []pool.Number{pool.MaxNumber}) {
		t.Errorf("numbers %v", got)
	}
}

func testSameGroupTwice(t *testing.T, r *room) {
	r.group("a")
	a := Article(t, "x", "a")
	a.Groups = []pool.Group{"a", "a"}
	if diff := cmp.Diff([]pool.Location{{Group: "a", Number: 1}}, r.add(a)); diff != "" {
		t.Errorf("locations (-want +got):\n%s", diff)
	}
}

func testManyAtOnce(t *testing.T, r *room) {
	const writers, each = 8, 12
	r.group("a", "b")
	articles := make([][]*pool.Article, writers)
	for w := range articles {
		for i := range each {
			a := Article(t, fmt.Sprintf("%d-%d", w, i), "a", "b")
			articles[w] = append(articles[w], inEpoch(a, uint64(i%3)))
		}
	}
	var wg sync.WaitGroup
	for _, mine := range articles {
		wg.Go(func() {
			for _, a := range mine {
				r.appendAndRead(t.Context(), a)
			}
		})
	}
	wg.Wait()
	for _, g := range []pool.Group{"a", "b"} {
		if got, want := r.marks(g), [3]int{1, writers * each, writers * each}; got != want {
			t.Errorf("%s: marks %v, want %v", g, got, want)
		}
		if got := r.numbers(g, pool.All); len(got) != writers*each || !slices.IsSorted(got) {
			t.Errorf("%s: numbers %v", g, got)
		}
	}
}

// appendAndRead files an article and reads it at once, as its poster may.
func (r *room) appendAndRead(ctx context.Context, a *pool.Article) {
	at, err := r.Append(ctx, a)
	if err != nil {
		r.t.Errorf("Append: %v", err)
		return
	}
	for _, l := range at {
		got, err := r.ByNumber(ctx, l.Group, l.Number)
		if err != nil || got.ID != a.ID {
			r.t.Errorf("ByNumber(%v): %v", l, err)
		}
		if info, err := r.Group(ctx, l.Group); err != nil || info.High < l.Number {
			r.t.Errorf("High of %s is %d after %d was given: %v", l.Group, info.High, l.Number, err)
		}
	}
	if seen, err := r.Seen(ctx, a.ID); !seen || err != nil {
		r.t.Errorf("Seen: %v, %v; want true, nil", seen, err)
	}
}

func testSameIDAtOnce(t *testing.T, r *room) {
	const writers = 16
	r.group("a")
	articles := make([]*pool.Article, writers)
	for i := range articles {
		articles[i] = Article(t, "x", "a")
	}
	errs := make([]error, writers)
	var wg sync.WaitGroup
	for i, a := range articles {
		wg.Go(func() {
			_, errs[i] = r.Append(t.Context(), a)
			if errors.Is(errs[i], pool.ErrDuplicate) {
				if _, err := r.ByID(t.Context(), a.ID); err != nil {
					t.Errorf("ByID after ErrDuplicate: %v", err)
				}
			}
		})
	}
	wg.Wait()
	won := 0
	for _, err := range errs {
		switch {
		case err == nil:
			won++
		case !errors.Is(err, pool.ErrDuplicate):
			t.Errorf("Append: %v", err)
		}
	}
	if won != 1 {
		t.Errorf("%d of %d were filed, want 1", won, writers)
	}
	if got, want := r.marks("a"), [3]int{1, 1, 1}; got != want {
		t.Errorf("marks %v, want %v", got, want)
	}
}

func testLargeArticle(t *testing.T, r *room) {
	r.group("a")
	a := Article(t, "x", "a")
	a.Body = append(slices.Repeat([]byte("0123456789abcdef"), 150_000), "\r\n"...)
	r.add(a)
	got, err := r.ByID(t.Context(), a.ID)
	if err != nil || string(got.Wire) != wire(a, Server+" a:1") {
		t.Errorf("a large article is not there as it was: %v", err)
	}
}

func testSeenUnknown(t *testing.T, r *room) {
	if seen, err := r.Seen(t.Context(), ID("x")); seen || err != nil {
		t.Errorf("Seen: %v, %v; want false, nil", seen, err)
	}
}
