package pooltest

import (
	"bytes"
	"errors"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/restante/restante/pool"
	"github.com/restante/restante/pool/article"
)

func readingCases() []testCase {
	return []testCase{
		{"Groups_sortedByName", testGroupsSorted},
		{"Group_unknown", testGroupUnknown},
		{"ByID_exactOctets", testExactOctets},
		{"ByID_emptyBody", testEmptyBody},
		{"ByID_unknown", testByIDUnknown},
		{"ByNumber_errors", testByNumberErrors},
		{"Overview_line", testOverviewLine},
		{"Overview_bytesAsSent", testOverviewBytes},
		{"Scan_ascendingInRange", testScanRange},
		{"Scan_stopsEarly", testScanStops},
		{"Scan_callsBack", testScanCallsBack},
		{"Since_orderOfArrival", testSince},
		{"Since_locations", testSinceLocations},
	}
}

func testGroupsSorted(t *testing.T, r *room) {
	r.group("b.two", "a.one", "c", "a.one-more")
	groups, err := r.Groups(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var got []pool.Group
	for _, g := range groups {
		got = append(got, g.Name)
	}
	if diff := cmp.Diff([]pool.Group{"a.one", "a.one-more", "b.two", "c"}, got); diff != "" {
		t.Errorf("groups (-want +got):\n%s", diff)
	}
}

func testGroupUnknown(t *testing.T, r *room) {
	if _, err := r.Group(t.Context(), "nowhere"); !errors.Is(err, pool.ErrNoGroup) {
		t.Errorf("Group: %v, want ErrNoGroup", err)
	}
	err := r.Scan(t.Context(), "nowhere", pool.All, func(pool.Number, []byte) bool { return true })
	if !errors.Is(err, pool.ErrNoGroup) {
		t.Errorf("Scan: %v, want ErrNoGroup", err)
	}
}

func testExactOctets(t *testing.T, r *room) {
	r.group("a", "b.c")
	r.fill("b.c", "before")
	a := Article(t, "x", "a", "b.c")
	at := r.add(a)
	want := []pool.Location{{Group: "a", Number: 1}, {Group: "b.c", Number: 2}}
	if diff := cmp.Diff(want, at); diff != "" {
		t.Errorf("locations (-want +got):\n%s", diff)
	}
	for _, by := range []string{"id", "number"} {
		got, err := r.ByID(t.Context(), a.ID)
		if by == "number" {
			got, err = r.ByNumber(t.Context(), "b.c", 2)
		}
		if err != nil {
			t.Fatalf("by %s: %v", by, err)
		}
		if diff := cmp.Diff(wire(a, Server+" a:1 b.c:2"), string(got.Wire)); diff != "" {
			t.Errorf("wire by %s (-want +got):\n%s", by, diff)
		}
		if got.ID != a.ID || got.Epoch != a.Epoch || !got.Arrived.Equal(a.Arrived) || !slices.Equal(got.Locations, want) {
			t.Errorf("by %s: %v %d %v %v", by, got.ID, got.Epoch, got.Arrived, got.Locations)
		}
		if !bytes.Equal(got.Body(), a.Body) || !bytes.HasPrefix(got.Head(), a.Head) {
			t.Errorf("by %s: head or body are not the article's", by)
		}
		if xref, _ := article.HeaderField(got.Head(), "xref"); xref != Server+" a:1 b.c:2" {
			t.Errorf("by %s: Xref %q", by, xref)
		}
	}
}

func testByIDUnknown(t *testing.T, r *room) {
	if _, err := r.ByID(t.Context(), ID("x")); !errors.Is(err, pool.ErrNotFound) {
		t.Errorf("ByID: %v, want ErrNotFound", err)
	}
}

func testByNumberErrors(t *testing.T, r *room) {
	r.group("a")
	r.fill("a", "x")
	for _, n := range []pool.Number{0, 2, pool.MaxNumber, 1<<32 - 1} {
		if _, err := r.ByNumber(t.Context(), "a", n); !errors.Is(err, pool.ErrNotFound) {
			t.Errorf("ByNumber(%d): %v, want ErrNotFound", n, err)
		}
	}
	if _, err := r.ByNumber(t.Context(), "b", 1); !errors.Is(err, pool.ErrNoGroup) {
		t.Errorf("ByNumber: %v, want ErrNoGroup", err)
	}
}

func testOverviewLine(t *testing.T, r *room) {
	r.group("a", "b")
	a := Article(t, "x", "a", "b")
	r.add(a)
	got, err := r.ByID(t.Context(), a.ID)
	if err != nil {
		t.Fatal(err)
	}
	err = r.Scan(t.Context(), "b", pool.All, func(_ pool.Number, line []byte) bool {
		if !bytes.Equal(line, got.Overview) {
			t.Errorf("Scan's line %q is not ByID's %q", line, got.Overview)
		}
		return true
	})
	if err != nil {
		t.Fatal(err)
	}
	fields := strings.Split(string(got.Overview), "\t")
	want := []string{
		"caf\u00e9 and so on, x", "\"J\xf6rg\" <j@example.org>", "Thu, 29 Feb 2024 12:00:00 +0000",
		"<x@example.org>", "<a@example.org> <b@example.org>", "", "5", "Xref: " + Server + " a:1 b:1",
	}
	if len(fields) > 5 {
		fields[5] = ""
	}
	if diff := cmp.Diff(want, fields); diff != "" {
		t.Errorf("overview (-want +got):\n%s", diff)
	}
}

func testOverviewBytes(t *testing.T, r *room) {
	r.group("a")
	a := Article(t, "x", "a")
	r.add(a)
	got, err := r.ByID(t.Context(), a.ID)
	if err != nil {
		t.Fatal(err)
	}
	sent := len(article.Unstuff(got.Wire[:len(got.Wire)-len(".\r\n")]))
	if field := strings.Split(string(got.Overview), "\t")[5]; field != strconv.Itoa(sent) {
		t.Errorf(":bytes is %s, sent are %d", field, sent)
	}
}

func testScanRange(t *testing.T, r *room) {
	r.group("a", "b")
	r.fill("a", "1", "2", "3")
	r.fill("b", "other")
	r.fill("a", "4", "5")
	for _, c := range []struct {
		why  string
		rng  pool.Range
		want []pool.Number
	}{
		{"everything", pool.All, []pool.Number{1, 2, 3, 4, 5}},
		{"from zero to the largest number there is", pool.Range{From: 0, To: 1<<32 - 1}, []pool.Number{1, 2, 3, 4, 5}},
		{"the middle", pool.Range{From: 2, To: 4}, []pool.Number{2, 3, 4}},
		{"a single one", pool.Range{From: 5, To: 5}, []pool.Number{5}},
		{"behind the last", pool.Range{From: 6, To: pool.MaxNumber}, nil},
		{"reversed", pool.Range{From: 4, To: 2}, nil},
	} {
		if diff := cmp.Diff(c.want, r.numbers("a", c.rng)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.why, diff)
		}
	}
}

func testScanStops(t *testing.T, r *room) {
	r.group("a")
	r.fill("a", "1", "2", "3")
	calls := 0
	err := r.Scan(t.Context(), "a", pool.All, func(n pool.Number, _ []byte) bool {
		calls++
		return n < 2
	})
	if err != nil || calls != 2 {
		t.Errorf("%d calls, %v; want 2, nil", calls, err)
	}
}

// A newsreader's session may well call the store from within Scan.
func testScanCallsBack(t *testing.T, r *room) {
	r.group("a")
	r.fill("a", "1", "2")
	err := r.Scan(t.Context(), "a", pool.Range{From: 1, To: 2}, func(n pool.Number, _ []byte) bool {
		if _, err := r.ByNumber(t.Context(), "a", n); err != nil {
			t.Errorf("ByNumber inside Scan: %v", err)
		}
		r.fill("a", "inside-"+strconv.Itoa(int(n)))
		return true
	})
	if err != nil {
		t.Fatal(err)
	}
	if got, want := r.marks("a"), [3]int{1, 4, 4}; got != want {
		t.Errorf("marks %v, want %v", got, want)
	}
}

func testSince(t *testing.T, r *room) {
	r.group("a")
	for _, c := range []struct {
		name  string
		after time.Duration
	}{{"c", 3}, {"a", 1}, {"b1", 2}, {"b2", 2}, {"d", 4}} {
		r.add(arrived(Article(t, c.name, "a"), day().Add(c.after)))
	}
	for _, c := range []struct {
		why  string
		from time.Duration
		want []string
	}{
		{"all, in order of arrival, equal ones in order of filing", 0, []string{"a", "b1", "b2", "c", "d"}},
		{"the moment itself is included", 2, []string{"b1", "b2", "c", "d"}},
		{"nothing so late", 5, nil},
	} {
		if diff := cmp.Diff(c.want, r.since(day().Add(c.from))); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.why, diff)
		}
	}
	calls := 0
	err := r.Since(t.Context(), time.Time{}, func(pool.MessageID, []pool.Location) bool {
		calls++
		return calls < 2
	})
	if err != nil || calls != 2 {
		t.Errorf("%d calls, %v; want 2, nil", calls, err)
	}
}

func testSinceLocations(t *testing.T, r *room) {
	r.group("a", "b")
	want := r.add(Article(t, "x", "b", "a"))
	err := r.Since(t.Context(), day(), func(_ pool.MessageID, at []pool.Location) bool {
		if diff := cmp.Diff(want, at); diff != "" {
			t.Errorf("locations (-want +got):\n%s", diff)
		}
		return true
	})
	if err != nil {
		t.Fatal(err)
	}
}

// emptyBody is an article that ends with the empty line behind its header.
func emptyBody(t testing.TB, name string, groups ...pool.Group) *pool.Article {
	t.Helper()
	parsed, err := article.Parse([]byte(string(Article(t, name, groups...).Head) + "\r\n"))
	if err != nil {
		t.Fatalf("Parse: %v", err)
	}
	filed, err := parsed.File(groups, day(), 0)
	if err != nil {
		t.Fatalf("File: %v", err)
	}
	return filed
}

func testEmptyBody(t *testing.T, r *room) {
	r.group("a")
	r.fill("a", "before")
	a := emptyBody(t, "x", "a")
	at := r.add(a)
	r.fill("a", "after")
	r.emptyBody(t, a, at[0])
}

// emptyBody checks that an article without a body comes back without one.
func (r *room) emptyBody(t *testing.T, a *pool.Article, at pool.Location) {
	t.Helper()
	want := wire(a, Server+" "+string(at.Group)+":"+strconv.Itoa(int(at.Number)))
	for name, get := range map[string]func() (*pool.Stored, error){
		"ByID":     func() (*pool.Stored, error) { return r.ByID(t.Context(), a.ID) },
		"ByNumber": func() (*pool.Stored, error) { return r.ByNumber(t.Context(), at.Group, at.Number) },
	} {
		got, err := get()
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if string(got.Wire) != want || string(got.Wire[got.HeadSize:]) != "\r\n.\r\n" {
			t.Errorf("%s: %q with a header of %d octets, want %q", name, got.Wire, got.HeadSize, want)
		}
	}
}
