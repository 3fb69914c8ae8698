package pooltest

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/restante/restante/pool"
)

func keepCases() []testCase {
	return []testCase{
		{"Expire_byAge", testExpireAge},
		{"Expire_byCount", testExpireCount},
		{"Expire_byOctets", testExpireOctets},
		{"Expire_youngKeepsWhatFollows", testExpireOrder},
		{"Expire_crossposts", testExpireCrosspost},
		{"Expire_marksGoOn", testExpireMarks},
		{"Expire_idsStaySeen", testExpireSeen},
		{"Expire_cancelledAndRemembered", testExpireCancelled},
		{"Expire_nothingToDo", testExpireNothing},
		{"Expire_epochs", testExpireEpochs},
	}
}

func (r *room) expire(g pool.Group, k pool.Keep) {
	r.t.Helper()
	if err := r.Expire(r.t.Context(), map[pool.Group]pool.Keep{g: k}); err != nil {
		r.t.Fatalf("Expire: %v", err)
	}
}

// hours files an article for each hour in a group, named by it.
func (r *room) hours(g pool.Group, names ...string) {
	r.t.Helper()
	for i, name := range names {
		r.add(arrived(Article(r.t, name, g), day().Add(time.Duration(i)*time.Hour)))
	}
}

// left checks which numbers a group has left.
func (r *room) left(g pool.Group, want ...pool.Number) {
	r.t.Helper()
	if diff := cmp.Diff(want, r.numbers(g, pool.All)); diff != "" {
		r.t.Errorf("%s has left (-want +got):\n%s", g, diff)
	}
}

func testExpireAge(t *testing.T, r *room) {
	r.group("a", "b")
	r.hours("a", "0", "1", "2", "3")
	r.fill("b", "other")
	r.expire("a", pool.Keep{Since: day().Add(2 * time.Hour)})
	r.left("a", 3, 4)
	r.left("b", 1)
	for _, name := range []string{"0", "1"} {
		r.withdrawn(name, pool.Location{Group: "a", Number: 1}, pool.Location{Group: "a", Number: 2})
	}
	if diff := cmp.Diff([]string{"other", "2", "3"}, r.since(day())); diff != "" {
		t.Errorf("Since (-want +got):\n%s", diff)
	}
}

func testExpireCount(t *testing.T, r *room) {
	r.group("a")
	r.fill("a", "1", "2", "3", "4", "5")
	r.cancel("4") // those that are gone don't count
	r.expire("a", pool.Keep{Articles: 3})
	r.left("a", 2, 3, 5)
	r.expire("a", pool.Keep{Articles: 1})
	r.left("a", 5)
}

func testExpireOctets(t *testing.T, r *room) {
	r.group("a")
	octets := int64(0)
	for _, name := range []string{"1", "2", "3"} {
		a := Article(t, name, "a")
		r.add(a)
		octets += int64(a.Overview.Bytes)
	}
	r.expire("a", pool.Keep{Octets: 2 * octets}) // room for the Xref lines, which count too
	r.left("a", 1, 2, 3)
	r.expire("a", pool.Keep{Octets: octets})
	r.left("a", 2, 3)
	r.expire("a", pool.Keep{Octets: 1})
	r.left("a")
}

func testExpireOrder(t *testing.T, r *room) {
	r.group("a")
	for i, hour := range []time.Duration{0, 5, 1, 2} {
		r.add(arrived(Article(t, string(rune('0'+i)), "a"), day().Add(hour*time.Hour)))
	}
	r.expire("a", pool.Keep{Since: day().Add(3 * time.Hour)})
	r.left("a", 2, 3, 4)
}

func testExpireCrosspost(t *testing.T, r *room) {
	r.group("a", "b")
	r.add(Article(t, "both", "a", "b"))
	r.fill("a", "alone")
	r.expire("a", pool.Keep{Articles: 1})
	want := []pool.Location{{Group: "b", Number: 1}}
	got, err := r.ByID(t.Context(), ID("both"))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got.Locations); diff != "" {
		t.Errorf("locations (-want +got):\n%s", diff)
	}
	if _, err := r.ByNumber(t.Context(), "a", 1); !errors.Is(err, pool.ErrNotFound) {
		t.Errorf("ByNumber: %v, want ErrNotFound", err)
	}
	if _, err := r.ByNumber(t.Context(), "b", 1); err != nil {
		t.Errorf("ByNumber in the other group: %v", err)
	}
	if diff := cmp.Diff([]string{"both", "alone"}, r.since(day())); diff != "" {
		t.Errorf("Since (-want +got):\n%s", diff)
	}
	r.fill("b", "more")
	r.expire("b", pool.Keep{Articles: 1})
	r.withdrawn("both", pool.Location{Group: "a", Number: 1}, pool.Location{Group: "b", Number: 1})
}

func testExpireMarks(t *testing.T, r *room) {
	r.group("a")
	r.fill("a", "1", "2", "3")
	for _, c := range []struct {
		keep int
		want [3]int
	}{{2, [3]int{2, 3, 2}}, {5, [3]int{2, 3, 2}}, {1, [3]int{3, 3, 1}}} {
		r.expire("a", pool.Keep{Articles: c.keep})
		if got := r.marks("a"); got != c.want {
			t.Errorf("keeping %d: marks %v, want %v", c.keep, got, c.want)
		}
	}
	r.expire("a", pool.Keep{Since: day().Add(time.Hour)})
	if got, want := r.marks("a"), [3]int{4, 3, 0}; got != want {
		t.Errorf("empty: marks %v, want %v", got, want)
	}
	r.fill("a", "4")
	if got, want := r.marks("a"), [3]int{4, 4, 1}; got != want {
		t.Errorf("after: marks %v, want %v", got, want)
	}
}

func testExpireSeen(t *testing.T, r *room) {
	r.group("a")
	r.hours("a", "0", "1")
	r.expire("a", pool.Keep{Since: day().Add(9 * time.Hour)})
	r.withdrawn("0")
	r.withdrawn("1")
	if err := r.Remember(t.Context(), ID("0")); !errors.Is(err, pool.ErrDuplicate) {
		t.Errorf("Remember: %v, want ErrDuplicate", err)
	}
}

func testExpireCancelled(t *testing.T, r *room) {
	r.group("a")
	r.fill("a", "1", "2", "3")
	r.remember("early")
	r.cancel("1")
	r.expire("a", pool.Keep{Articles: 1})
	r.cancel("1", "2") // one was withdrawn, the other one has expired
	r.left("a", 3)
	for _, name := range []string{"1", "2", "early"} {
		r.withdrawn(name)
	}
}

func testExpireNothing(t *testing.T, r *room) {
	r.group("a", "hidden")
	r.fill("a", "1")
	r.fill("hidden", "2")
	if err := r.RemoveGroup(t.Context(), "hidden"); err != nil {
		t.Fatal(err)
	}
	err := r.Expire(t.Context(), map[pool.Group]pool.Keep{
		"a": {}, "nowhere": {Articles: 1}, "hidden": {Since: day().Add(time.Hour)},
	})
	if err != nil {
		t.Fatalf("Expire: %v", err)
	}
	r.left("a", 1)
	r.group("hidden")
	r.left("hidden", 1)
}

func testExpireEpochs(t *testing.T, r *room) {
	r.group("a")
	r.epochs("a")
	r.expire("a", pool.Keep{Articles: 2})
	r.left("a", 3, 4)
	r.drop(3)
	r.left("a", 4)
	for _, name := range []string{"e0", "e1", "e2"} {
		r.withdrawn(name)
	}
}

func testReopenExpire(t *testing.T, r *room, reopen func()) {
	r.group("a", "b")
	r.hours("a", "0", "1", "2", "3")
	r.add(Article(t, "both", "a", "b"))
	r.fill("a", "last")
	r.cancel("2")
	r.expire("a", pool.Keep{Articles: 1})
	r.same(t, reopen)
	r.withdrawn("0", pool.Location{Group: "a", Number: 1})
	r.withdrawn("2", pool.Location{Group: "a", Number: 3})
	r.expire("b", pool.Keep{Since: day().Add(time.Hour)})
	r.expire("a", pool.Keep{Since: day().Add(time.Hour)})
	reopen()
	if got, want := r.marks("a"), [3]int{7, 6, 0}; got != want {
		t.Errorf("marks %v, want %v", got, want)
	}
	r.withdrawn("both")
	r.fill("a", "new")
	r.left("a", 7)
}
