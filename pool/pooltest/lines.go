package pooltest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/restante/restante/pool"
)

func linesCases() []testCase {
	return []testCase{
		{"ScanLines_sameAsScan", testLinesSame},
		{"ScanLines_afterRemovals", testLinesAfterRemovals},
		{"ScanLines_errors", testLinesErrors},
		{"ScanLines_stopsEarly", testLinesStop},
		{"ScanLines_oneLineEach", testLinesUnfit},
	}
}

// lines returns what ScanLines yields.
func (r *room) lines(g pool.Group, rng pool.Range) string {
	r.t.Helper()
	var out strings.Builder
	err := pool.ScanLines(r.t.Context(), r.Store, g, rng, func(lines []byte) bool {
		out.Write(lines)
		return true
	})
	if err != nil {
		r.t.Fatalf("ScanLines(%s): %v", g, err)
	}
	return out.String()
}

// sameLines holds ScanLines against Scan, again and again: a store may keep what
// it has read.
func (r *room) sameLines(why string, g pool.Group, ranges ...pool.Range) {
	r.t.Helper()
	for _, rng := range slices.Repeat(append(ranges, pool.All), 3) {
		var want strings.Builder
		err := r.Scan(r.t.Context(), g, rng, func(n pool.Number, overview []byte) bool {
			fmt.Fprintf(&want, "%d\t%s\r\n", n, overview)
			return true
		})
		if err != nil {
			r.t.Fatal(err)
		}
		if diff := cmp.Diff(want.String(), r.lines(g, rng)); diff != "" {
			r.t.Errorf("%s, %d to %d (-want +got):\n%s", why, rng.From, rng.To, diff)
		}
	}
}

// numbered files articles under numbers that they bring.
func (r *room) numbered(g pool.Group, numbers ...pool.Number) {
	r.t.Helper()
	for _, n := range numbers {
		a := Article(r.t, fmt.Sprintf("%s-%d", g, n), g)
		a.Numbers = []pool.Number{n}
		r.add(inEpoch(a, uint64(n%3)))
	}
}

func testLinesSame(t *testing.T, r *room) {
	r.group("a", "b")
	r.sameLines("nothing", "a", pool.Range{From: 5, To: 1})
	r.numbered("b", 1, 256, 257)
	r.numbered("a", 1, 2, 254, 255, 256, 257, 300, 511, 512, 513, 1024, 70_000, 1<<30)
	ranges := []pool.Range{{From: 0, To: 1}, {From: 2, To: 255}, {From: 256, To: 511}, {From: 255, To: 512}, {From: 300, To: 300}, {From: 400, To: 60_000}, {From: 513, To: 1<<32 - 1}, {From: 1 << 30, To: 1 << 30}, {From: 7, To: 3}}
	r.sameLines("with gaps", "a", ranges...)
	r.sameLines("another group", "b", ranges...)
	r.numbered("a", 1<<30+1, 1<<30+255, pool.MaxNumber)
	r.sameLines("more of them", "a", append(ranges, pool.Range{From: 1 << 30, To: pool.MaxNumber})...)
}

func testLinesAfterRemovals(t *testing.T, r *room) {
	r.group("a")
	for n := pool.Number(1); n <= 520; n += 13 {
		r.numbered("a", n)
	}
	for _, c := range []struct {
		why  string
		take func(context.Context) error
	}{
		{"as filed", func(context.Context) error { return nil }},
		{"one withdrawn", func(ctx context.Context) error { return r.Cancel(ctx, ID("a-261")) }},
		{"an epoch dropped", func(ctx context.Context) error { return r.DropBefore(ctx, 2) }},
		{"some expired", func(ctx context.Context) error {
			return r.Expire(ctx, map[pool.Group]pool.Keep{"a": {Articles: 9}})
		}},
		{"all expired", func(ctx context.Context) error {
			return r.Expire(ctx, map[pool.Group]pool.Keep{"a": {Octets: 1}})
		}},
	} {
		if err := c.take(t.Context()); err != nil {
			t.Fatalf("%s: %v", c.why, err)
		}
		r.sameLines(c.why, "a", pool.Range{From: 1, To: 255}, pool.Range{From: 256, To: 511}, pool.Range{From: 250, To: 300})
	}
}

func testLinesErrors(t *testing.T, r *room) {
	r.group("a")
	r.fill("a", "x")
	all := func([]byte) bool { return true }
	if err := pool.ScanLines(t.Context(), r.Store, "b", pool.All, all); !errors.Is(err, pool.ErrNoGroup) {
		t.Errorf("unknown group: %v, want ErrNoGroup", err)
	}
	r.lines("a", pool.All)
	if err := r.RemoveGroup(t.Context(), "a"); err != nil {
		t.Fatal(err)
	}
	if err := pool.ScanLines(t.Context(), r.Store, "a", pool.All, all); !errors.Is(err, pool.ErrNoGroup) {
		t.Errorf("removed group: %v, want ErrNoGroup", err)
	}
}

func testLinesStop(t *testing.T, r *room) {
	r.group("a")
	r.numbered("a", 1, 300, 600)
	calls := 0
	err := pool.ScanLines(t.Context(), r.Store, "a", pool.All, func([]byte) bool {
		calls++
		return false
	})
	if err != nil || calls != 1 {
		t.Errorf("%d calls, %v; want 1, nil", calls, err)
	}
}

// What a store was given may have in it what would end a line.
func testLinesUnfit(t *testing.T, r *room) {
	r.group("a")
	a := Article(t, "x", "a")
	a.Overview.Subject = "one\r\n.\r\n205 two\x00three\rfour\nfive"
	r.add(a)
	got := r.lines("a", pool.All)
	if !strings.HasPrefix(got, "1\tone  .  205 two three four five\t") || strings.Count(got, "\r\n") != 1 || !strings.HasSuffix(got, "\r\n") {
		t.Errorf("got %q, want one line", got)
	}
}
