package collect

import (
	"bytes"
	"slices"

	"github.com/restante/restante/cmd/restante/mailbox"
	"github.com/restante/restante/crypto/note"
)

// A history follows a gateway's chain of manifests (docs/protocol.md, section 7) as
// one server shows it. Each manifest names the one before it, whatever batches a
// gateway let pass while it was off: so where two do not meet, the server lacks
// what stands between, even if it dropped the manifests along with the entries.
type history struct {
	mailbox.History
	fresh   bool // nothing was known of it before this run
	changed bool
	forked  bool // the gateway has signed what can't be one chain
}

func newHistory(h mailbox.History) *history {
	h.Stretches = slices.Clone(h.Stretches)
	return &history{History: h, fresh: len(h.Stretches) == 0}
}

// add takes a manifest that the gateway signed, and its text's sum.
func (h *history) add(m *note.Manifest, sum [32]byte) {
	at, _ := slices.BinarySearchFunc(h.Stretches, m.Batch, func(s mailbox.Stretch, batch uint64) int {
		if s.First <= batch {
			return -1
		}
		return 1
	})
	if at > 0 && m.Batch <= h.Stretches[at-1].Last { // known, as far as anybody remembers
		s := &h.Stretches[at-1]
		h.forked = h.forked || m.Batch == s.Last && !bytes.Equal(s.Sum, sum[:])
		return
	}
	h.changed = true
	one := mailbox.Stretch{First: m.Batch, Before: m.Previous[:], Last: m.Batch, Sum: sum[:]}
	from, to := at, at
	if at > 0 && bytes.Equal(h.Stretches[at-1].Sum, one.Before) {
		from, one.First, one.Before = at-1, h.Stretches[at-1].First, h.Stretches[at-1].Before
	}
	if at < len(h.Stretches) && bytes.Equal(h.Stretches[at].Before, one.Sum) {
		to, one.Last, one.Sum = at+1, h.Stretches[at].Last, h.Stretches[at].Sum
	}
	h.Stretches = slices.Replace(h.Stretches, from, to, one)
}

// forget leaves out stretches before the oldest batch that a server need keep, and
// before nothing that is younger and lacking.
func (h *history) forget(oldest uint64) {
	for len(h.Stretches) > 1 && h.Stretches[1].First <= oldest {
		h.Stretches, h.changed = h.Stretches[1:], true
	}
}

// holes returns how many batches from the oldest on may have been released that the
// server does not show: fewer, if the gateway was off. Only what stands before a
// batch that is due counts; the rest may be on its way.
func (h *history) holes(oldest uint64, due func(batch uint64) bool) uint64 {
	lacking := uint64(0)
	for i := 1; i < len(h.Stretches); i++ {
		before, next := &h.Stretches[i-1], &h.Stretches[i]
		if next.First == before.Last+1 || bytes.Equal(next.Before, make([]byte, 32)) { // nothing can stand between
			h.forked = true
			continue
		}
		if from := max(before.Last+1, oldest); next.First > from && due(next.First) {
			lacking += next.First - from
		}
	}
	return lacking
}

// begins is the first batch of what the server has, where it lacks older ones that
// it should still have and this is the first that is seen of it; otherwise 0.
func (h *history) begins(oldest uint64) uint64 {
	if !h.fresh || len(h.Stretches) == 0 {
		return 0
	}
	if s := h.Stretches[0]; s.First > oldest && !bytes.Equal(s.Before, make([]byte, 32)) {
		return s.First
	}
	return 0
}

// newest is the newest batch whose manifest was seen; 0 for none.
func (h *history) newest() uint64 {
	if len(h.Stretches) == 0 {
		return 0
	}
	return h.Stretches[len(h.Stretches)-1].Last
}
