package attack

import (
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"testing"
)

// How it is found out whether the time of an answer depends on what it must not
// depend on. It follows dudect (Reparaz, Balasch and Verbauwhede, "Dude, is my
// code constant time?", 2017): the cases are tried in random order in one run, so
// that whatever else the machine does meets all of them alike, and their times are
// compared by Welch's t.
//
// What slows a try down is noise that only ever adds: an interrupt, a cache that a
// neighbour has emptied, a collection of garbage. So the cases are compared several
// times, each time without what was slower than a share of all tries. The limit is
// one for both cases, found without looking at which a try belongs to, so that it
// can't make a difference where there is none.
//
// |t| above 4.5 comes by chance in 7 of a million comparisons, and in less than
// one of ten thousand for a pair of cases in all its croppings. On that alone a
// suite that runs often would fail now and then. So a pair under suspicion is
// measured anew, and counts only if the same case is slower again: by chance, less
// than once in a hundred million runs. A dependence that is there shows in both.

// beyondChance is the |t| at which a dependence is suspected.
const beyondChance = 4.5

// crops is the shares of the tries that the comparisons keep.
var crops = [...]float64{0.1, 0.25, 0.5, 0.75, 0.9, 0.99, 1}

// tries is how many tries of each case are made: few in each run of the suite,
// and more with RESTANTE_TIMING, which is a number or "full".
func tries(t *testing.T, few, full int) int {
	t.Helper()
	switch v := os.Getenv("RESTANTE_TIMING"); v {
	case "":
		return few
	case "full":
		return full
	default:
		n, err := strconv.Atoi(v)
		if err != nil || n < 100 {
			t.Fatalf("RESTANTE_TIMING is %q: leave it empty, say full, or how many tries of each case, 100 or more", v)
		}
		return n
	}
}

// times is how long each try of each case took, in nanoseconds.
type times map[string][]float64

// A contrast is two cases whose times were compared.
type contrast struct {
	slower, faster string
	t              float64 // the largest of all croppings, at least 0
	keep           float64 // the share kept in that one
	shift          float64 // by which their medians differ, in nanoseconds; perhaps below 0
	least          float64 // how large a shift would show in the faster half, were there one
	median         float64 // of the faster case, in nanoseconds
}

func (c contrast) String() string {
	return fmt.Sprintf("%s against %s: |t| %.2f (of the fastest %.0f %%), medians differ by %.0f ns of %.0f; %.0f would show",
		c.slower, c.faster, c.t, 100*c.keep, c.shift, c.median, c.least)
}

// compare compares two cases in every cropping.
func (all times) compare(a, b string) contrast {
	sorted := slices.Sorted(slices.Values(slices.Concat(all[a], all[b])))
	medians := [2]float64{quantile(all[a], 0.5), quantile(all[b], 0.5)}
	widest := contrast{slower: a, faster: b, shift: medians[0] - medians[1], median: min(medians[0], medians[1])}
	for _, keep := range crops {
		limit := sorted[int(keep*float64(len(sorted)-1))]
		x, y := below(all[a], limit), below(all[b], limit)
		if min(x.n, y.n) < 10 { // so different that one case is hardly there: it shows where more is kept
			continue
		}
		t := welch(x, y)
		if math.Abs(t) > math.Abs(widest.t) {
			widest.t, widest.keep = t, keep
		}
		if keep == 0.5 && min(x.n, y.n) > 1 {
			widest.least = beyondChance * math.Sqrt(x.variance()/x.n+y.variance()/y.n)
		}
	}
	if widest.t < 0 {
		widest.slower, widest.faster = b, a
		widest.t, widest.shift = -widest.t, -widest.shift
	}
	return widest
}

func below(xs []float64, limit float64) (m moments) {
	for _, x := range xs {
		if x <= limit {
			m.add(x)
		}
	}
	return m
}

func quantile(xs []float64, q float64) float64 {
	sorted := slices.Sorted(slices.Values(xs))
	return sorted[int(q*float64(len(sorted)-1))]
}

// pairs is every two of cases.
func pairs(cases ...string) (out [][2]string) {
	for i, a := range cases {
		for _, b := range cases[i+1:] {
			out = append(out, [2]string{a, b})
		}
	}
	return out
}

// mustBeAlike is mustNotDiffer for cases whose times nothing may tell apart.
func mustBeAlike(t *testing.T, measure func() times, alike [][2]string, controls ...[2]string) {
	t.Helper()
	mustNotDiffer(t, measure, func(c contrast) bool { return c.t > beyondChance }, alike, controls...)
}

// mustNotDiffer fails the test if the times of some cases differ, as tells says of
// their contrast, in a measurement and in another one. Controls are two cases each,
// the first of which is slower: that must be seen in one of the two.
func mustNotDiffer(t *testing.T, measure func() times, tells func(contrast) bool, alike [][2]string, controls ...[2]string) {
	t.Helper()
	flaws := func() map[string]bool {
		all, out := measure(), map[string]bool{}
		for _, pair := range controls {
			c := all.compare(pair[0], pair[1])
			t.Logf("control, %v", c)
			if !tells(c) || c.slower != pair[0] {
				out[fmt.Sprintf("the measurement does not see that %s takes longer than %s", pair[0], pair[1])] = true
			}
		}
		for _, pair := range alike {
			c := all.compare(pair[0], pair[1])
			t.Logf("%d tries of each: %v", min(len(all[pair[0]]), len(all[pair[1]])), c)
			if tells(c) {
				out[fmt.Sprintf("the time tells: %s takes longer than %s", c.slower, c.faster)] = true
			}
		}
		return out
	}
	suspected := flaws()
	if len(suspected) == 0 {
		return
	}
	for flaw := range flaws() {
		if suspected[flaw] {
			t.Errorf("%s, twice in a row", flaw)
		}
	}
}

// shuffled is each case so many times, in random order.
func shuffled(n int, cases ...string) []string {
	order := slices.Repeat(cases, n)
	rand.Shuffle(len(order), func(i, j int) { order[i], order[j] = order[j], order[i] })
	return order
}

// The comparison must find what is there, and nothing where there is nothing.
func TestCompare_findsWhatIsThere(t *testing.T) {
	// What is to be seen lies ten standard deviations off, and more than three
	// alarms come by chance once in a hundred million times.
	draw := func(shift float64) times {
		all := times{}
		for range 5000 {
			for name, more := range map[string]float64{"a": 0, "b": shift} {
				x := 1000 + more + 20*rand.NormFloat64()
				if rand.IntN(10) == 0 {
					x += 5000 * rand.ExpFloat64() // what the machine did besides
				}
				all[name] = append(all[name], x)
			}
		}
		return all
	}
	if c := draw(7).compare("a", "b"); c.t < beyondChance || c.slower != "b" || math.Abs(c.shift-7) > 6 || c.least > 6 {
		t.Errorf("a difference of 7: %v", c)
	}
	alarms := 0
	for range 200 {
		if draw(0).compare("a", "b").t > beyondChance {
			alarms++
		}
	}
	if alarms > 3 {
		t.Errorf("%d alarms in 200 comparisons of what is alike", alarms)
	}
}
