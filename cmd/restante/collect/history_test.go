package collect

import (
	"crypto/sha256"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/restante/restante/cmd/restante/mailbox"
	"github.com/restante/restante/crypto/note"
)

// A link is a manifest, and its text's sum.
type link struct {
	manifest *note.Manifest
	sum      [sha256.Size]byte
}

// chainOf makes the manifests of batches, each naming the one before.
func chainOf(batches ...uint64) []link {
	var out []link
	var previous [sha256.Size]byte
	for _, b := range batches {
		m := &note.Manifest{Domain: domain, Batch: b, Previous: previous}
		previous = note.Hash(m.Text())
		out = append(out, link{m, previous})
	}
	return out
}

func always(uint64) bool { return true }

func TestHistory_findsHoles(t *testing.T) {
	all := chainOf(10, 11, 12, 20, 21, 22, 23) // the gateway was off from 13 to 19
	for _, c := range []struct {
		why    string
		shown  []int
		oldest uint64
		want   uint64
	}{
		{"all of them", []int{0, 1, 2, 3, 4, 5, 6}, 0, 0},
		{"in another order", []int{6, 0, 3, 1, 5, 2, 4}, 0, 0},
		{"twice", []int{0, 0, 1, 2, 1, 3, 4, 4, 5, 6}, 0, 0},
		{"one dropped", []int{0, 2, 3, 4, 5, 6}, 0, 1},
		{"one dropped beside the pause", []int{0, 1, 3, 4, 5, 6}, 0, 8},
		{"two holes", []int{0, 2, 3, 5, 6}, 0, 2},
		{"the hole is older than what is kept", []int{0, 2, 3, 4, 5, 6}, 12, 0},
		{"part of it is", []int{0, 4}, 18, 3},
		{"the oldest alone is lacking, which says nothing", []int{1, 2, 3}, 0, 0},
		{"the newest alone", []int{0, 1, 2}, 0, 0},
	} {
		h := newHistory(mailbox.History{})
		for _, i := range c.shown {
			h.add(all[i].manifest, all[i].sum)
		}
		if got := h.holes(c.oldest, always); got != c.want || h.forked {
			t.Errorf("%s: %d batches lacking, want %d; forked %v", c.why, got, c.want, h.forked)
		}
	}
}

func TestHistory_whatIsNotDueMayBeOnItsWay(t *testing.T) {
	all := chainOf(10, 11, 12)
	h := newHistory(mailbox.History{})
	h.add(all[0].manifest, all[0].sum)
	h.add(all[2].manifest, all[2].sum)
	if got := h.holes(0, func(b uint64) bool { return b < 12 }); got != 0 {
		t.Errorf("%d", got)
	}
	h.add(all[1].manifest, all[1].sum)
	if got := h.holes(0, always); got != 0 || len(h.Stretches) != 1 {
		t.Errorf("%d, %d stretches", got, len(h.Stretches))
	}
}

func TestHistory_namesAGatewayThatContradictsItself(t *testing.T) {
	one, other := chainOf(10, 11, 12, 13), chainOf(9, 12, 13)
	h := newHistory(mailbox.History{})
	h.add(one[0].manifest, one[0].sum)
	h.add(one[1].manifest, one[1].sum)
	h.add(other[1].manifest, other[1].sum)
	if h.holes(0, always); !h.forked {
		t.Error("a batch that follows at once and names another one")
	}
	h = newHistory(mailbox.History{})
	h.add(one[3].manifest, one[3].sum)
	h.add(other[2].manifest, other[2].sum)
	if !h.forked {
		t.Error("two lists of one batch")
	}
	again := chainOf(14, 15)
	h = newHistory(mailbox.History{})
	h.add(one[3].manifest, one[3].sum)
	h.add(again[0].manifest, again[0].sum)
	if h.holes(0, always); !h.forked {
		t.Error("a second beginning")
	}
}

// In whatever order manifests come, and over however many runs, exactly what was
// never shown between two of them is lacking.
func TestHistory_holesAreWhatWasNotShown(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(2, 60).Draw(t, "batches")
		numbers := make([]uint64, n)
		for i := range numbers {
			numbers[i] = uint64(100 + i)
		}
		all := chainOf(numbers...)
		r := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "order"), 1))
		var shown []int
		for i := range all {
			if r.IntN(3) > 0 {
				shown = append(shown, i)
			}
		}
		kept := mailbox.History{}
		order := slices.Clone(shown)
		r.Shuffle(len(order), func(i, j int) { order[i], order[j] = order[j], order[i] })
		h := newHistory(kept)
		oldest := uint64(0)
		for _, i := range order {
			if r.IntN(8) == 0 { // time passes
				oldest = max(oldest, uint64(90+r.IntN(40)))
				h.forget(oldest)
			}
			if r.IntN(8) == 0 { // another run
				h = newHistory(h.History)
			}
			h.add(all[i].manifest, all[i].sum)
		}
		want := uint64(0) // what lies between two that were shown, and is not too old
		for i, n := range numbers {
			if len(shown) > 0 && i > shown[0] && i < shown[len(shown)-1] && n >= oldest && !slices.Contains(shown, i) {
				want++
			}
		}
		if got := h.holes(oldest, always); got != want || h.forked {
			t.Fatal(fmt.Sprintf("%d lacking, want %d, forked %v", got, want, h.forked))
		}
	})
}
