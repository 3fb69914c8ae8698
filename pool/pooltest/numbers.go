package pooltest

import (
	"errors"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/restante/restante/pool"
)

// numberCases is the sentences about articles that bring their numbers.
func numberCases() []testCase {
	return []testCase{
		{"Append_keepsNumbers", testKeepsNumbers},
		{"Append_numberGivenBefore", testNumberGivenBefore},
		{"Append_numberTooLarge", testNumberTooLarge},
		{"Append_keptNumbersAtOnce", testKeptNumbersAtOnce},
		{"SetHigh_goesOnBehind", testSetHigh},
	}
}

// numbered is an article that brings its numbers, one for each of its groups.
func numbered(a *pool.Article, numbers ...pool.Number) *pool.Article {
	a.Numbers = numbers
	return a
}

func testKeepsNumbers(t *testing.T, r *room) {
	r.group("a", "b")
	at := r.add(numbered(Article(t, "x", "a", "b"), 7, 40))
	if diff := cmp.Diff([]pool.Location{{Group: "a", Number: 7}, {Group: "b", Number: 40}}, at); diff != "" {
		t.Errorf("locations (-want +got):\n%s", diff)
	}
	r.add(numbered(Article(t, "y", "a"), 9))
	r.fill("a", "z") // brings none
	if got, want := r.numbers("a", pool.All), []pool.Number{7, 9, 10}; !slices.Equal(got, want) {
		t.Errorf("numbers %v, want %v", got, want)
	}
	if got, want := r.marks("a"), [3]int{7, 10, 3}; got != want {
		t.Errorf("marks %v, want %v", got, want)
	}
	got, err := r.ByNumber(t.Context(), "b", 40)
	if err != nil || string(got.Wire) != wire(Article(t, "x", "a", "b"), Server+" a:7 b:40") {
		t.Errorf("b:40 is not there as it was: %v", err)
	}
}

func testNumberGivenBefore(t *testing.T, r *room) {
	r.group("a", "b")
	r.add(numbered(Article(t, "w", "a"), 5))
	for _, n := range []pool.Number{0, 4, 5} { // 4 is in a gap
		x := numbered(Article(t, "x", "b", "a"), 3, n)
		if _, err := r.Append(t.Context(), x); !errors.Is(err, pool.ErrNumber) {
			t.Errorf("Append under %d: %v, want ErrNumber", n, err)
		}
	}
	r.unchanged("b", "x", [3]int{1, 0, 0})
	r.unchanged("a", "x", [3]int{5, 5, 1})
	if err := r.Cancel(t.Context(), ID("w")); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Append(t.Context(), numbered(Article(t, "x", "a"), 5)); !errors.Is(err, pool.ErrNumber) {
		t.Errorf("Append under a withdrawn article's number: %v, want ErrNumber", err)
	}
}

func testNumberTooLarge(t *testing.T, r *room) {
	r.group("a")
	if _, err := r.Append(t.Context(), numbered(Article(t, "x", "a"), pool.MaxNumber+1)); !errors.Is(err, pool.ErrGroupFull) {
		t.Errorf("Append: %v, want ErrGroupFull", err)
	}
	r.unchanged("a", "x", [3]int{1, 0, 0})
	r.add(numbered(Article(t, "x", "a"), pool.MaxNumber))
}

// testKeptNumbersAtOnce has articles that share a sync.
func testKeptNumbersAtOnce(t *testing.T, r *room) {
	r.group("a")
	want := map[string]error{"x": nil, "y": pool.ErrNumber, "z": nil}
	outcome := make(map[string]chan error)
	for _, c := range []struct {
		name string
		n    pool.Number
	}{{"x", 4}, {"y", 4}, {"z", 6}} {
		done := make(chan error, 1)
		begun := pool.Begin(t.Context(), r.Store, numbered(Article(t, c.name, "a"), c.n))
		go func() {
			_, err := begun.Wait()
			done <- err
		}()
		outcome[c.name] = done
	}
	for name, done := range outcome {
		if err := <-done; !errors.Is(err, want[name]) {
			t.Errorf("%s: %v, want %v", name, err, want[name])
		}
	}
	if got, want := r.numbers("a", pool.All), []pool.Number{4, 6}; !slices.Equal(got, want) {
		t.Errorf("numbers %v, want %v", got, want)
	}
}

// higher returns the store as one whose water marks can be raised.
func (r *room) higher() pool.SetHigher {
	r.t.Helper()
	s, ok := r.Store.(pool.SetHigher)
	if !ok {
		r.t.Fatal("the store can't raise a high water mark")
	}
	return s
}

func testSetHigh(t *testing.T, r *room) {
	s := r.higher()
	r.group("a")
	for _, high := range []pool.Number{50, 20} { // never lowered
		if err := s.SetHigh(t.Context(), "a", high); err != nil {
			t.Fatal(err)
		}
		if got, want := r.marks("a"), [3]int{51, 50, 0}; got != want {
			t.Errorf("marks %v, want %v", got, want)
		}
	}
	r.fill("a", "x")
	if got, want := r.marks("a"), [3]int{51, 51, 1}; got != want {
		t.Errorf("marks %v, want %v", got, want)
	}
	if err := s.SetHigh(t.Context(), "nowhere", 1); !errors.Is(err, pool.ErrNoGroup) {
		t.Errorf("SetHigh: %v, want ErrNoGroup", err)
	}
	if err := s.SetHigh(t.Context(), "a", pool.MaxNumber+1); !errors.Is(err, pool.ErrGroupFull) {
		t.Errorf("SetHigh: %v, want ErrGroupFull", err)
	}
}

func testReopenNumbers(t *testing.T, r *room, reopen func()) {
	r.group("a", "b")
	r.add(numbered(Article(t, "x", "a", "b"), 7, 40))
	if err := r.higher().SetHigh(t.Context(), "b", 99); err != nil {
		t.Fatal(err)
	}
	before := Take(t, r.Store)
	reopen()
	if diff := cmp.Diff(before, Take(t, r.Store)); diff != "" {
		t.Errorf("after opening again (-before +after):\n%s", diff)
	}
	if _, err := r.Append(t.Context(), numbered(Article(t, "y", "a"), 7)); !errors.Is(err, pool.ErrNumber) {
		t.Errorf("Append: %v, want ErrNumber", err)
	}
}
