package attack

import (
	"math/rand/v2"
	"testing"
)

// TestLinking_entriesOfOneMailboxLookLikeOthers lets the same classifier tell
// from two entries whether they are of one mailbox. That a correspondent sends
// much at a time is no flaw of the entries, so each pair is set against one from
// the same two batches.
func TestLinking_entriesOfOneMailboxLookLikeOthers(t *testing.T) {
	h := recorded(t, watched)
	pairs := h.pairs()
	draw := func(change func(a, b *observed)) []sample {
		var out []sample
		for _, p := range pairs {
			same := [2]observed{h.entries[p[0]], h.entries[p[1]]}
			if change != nil {
				same[1].tag = append([]byte(nil), same[1].tag...)
				same[1].payload = append([]byte(nil), same[1].payload...)
				change(&same[0], &same[1])
			}
			out = append(out, sample{pairFeatures(&same[0], &same[1]), true},
				sample{pairFeatures(&h.entries[p[0]], &h.entries[p[2]]), false})
		}
		return out
	}
	v := judge(draw(nil))
	for range 2 {
		if !v.tells() {
			break
		}
		h = recorded(t, watched)
		pairs = h.pairs()
		v = judge(draw(nil))
	}
	t.Logf("%d pairs of one mailbox, as many of two; AUC %.4f, interval %.4f to %.4f; widest |z| %.2f (number %d)",
		len(pairs), v.auc, v.low, v.high, v.widest, v.feature)
	if v.tells() {
		t.Error("entries of one mailbox can be told from others, three times in a row")
	}
	for flaw, change := range map[string]func(a, b *observed){
		"tags of one mailbox share twelve bits more often than not": func(a, b *observed) {
			if rand.IntN(4) > 0 {
				b.tag[0], b.tag[1] = a.tag[0], a.tag[1]&15|b.tag[1]&240
			}
		},
		"an ephemeral key is used twice now and then": func(a, b *observed) {
			if rand.IntN(3) == 0 {
				copy(b.payload[:32], a.payload)
			}
		},
		"a mailbox's entries tend to stand together": func(a, b *observed) {
			if rand.IntN(4) > 0 {
				b.place = min(a.place+1, batchSize-1)
			}
		},
	} {
		c := judge(draw(change))
		t.Logf("control, %s: AUC %.3f, interval %.3f to %.3f, widest |z| %.1f", flaw, c.auc, c.low, c.high, c.widest)
		if !c.tells() {
			t.Errorf("the classifier does not see that %s", flaw)
		}
	}
}

// pairs draws triples of entries: the first two are of one mailbox, the third is
// of another, in the second's batch. No entry is in two of them, since then the
// samples would not be independent.
func (h history) pairs() [][3]int {
	var mail [][]int // by batch
	for i, o := range h.entries {
		for len(mail) <= o.batch {
			mail = append(mail, nil)
		}
		if _, ok := h.owner[o.id]; ok {
			mail[o.batch] = append(mail[o.batch], i)
		}
	}
	used := map[int]bool{}
	var out [][3]int
	order := rand.Perm(len(h.entries))
	for _, a := range order {
		who, ok := h.owner[h.entries[a].id]
		if !ok || used[a] {
			continue
		}
		for back := range 40 {
			batch := h.entries[a].batch + back
			if batch >= len(mail) {
				break
			}
			same, other := -1, -1
			for _, k := range rand.Perm(len(mail[batch])) {
				i := mail[batch][k]
				switch {
				case i == a || used[i]:
				case h.owner[h.entries[i].id] == who:
					same = i
				default:
					other = i
				}
			}
			if same >= 0 && other >= 0 {
				out = append(out, [3]int{a, same, other})
				used[a], used[same], used[other] = true, true, true
				break
			}
		}
	}
	return out
}
