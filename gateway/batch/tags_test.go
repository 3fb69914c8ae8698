package batch

import (
	"math/rand/v2"
	"testing"

	"github.com/restante/restante/crypto/blind"
)

// A set has what was taken and not given back, however many tags that are, and
// nothing else.
func TestTagSet_hasWhatWasTaken(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	p := &pending{places: map[blind.Tag]*place{}, tags: newTagSet(1)}
	var gone []blind.Tag
	for range 3000 {
		tag := blind.RandomTag()
		if r.IntN(2) == 0 {
			clear(tag[8:]) // as somebody might want them
		}
		p.take(tag, &place{})
		for tag := range p.places {
			if r.IntN(3) == 0 {
				p.free(tag)
				gone = append(gone, tag)
			}
			break
		}
	}
	for tag := range p.places {
		if !p.tags.has(tag) {
			t.Fatal("a tag that is taken is not in the set")
		}
	}
	for _, tag := range gone {
		if p.tags.has(tag) || p.tags.has(blind.RandomTag()) {
			t.Fatal("a tag that was given back, or never taken, is in the set")
		}
	}
	if len(gone) < 100 || len(p.places) < 100 {
		t.Errorf("%d tags were given back, and %d not: too few", len(gone), len(p.places))
	}
}
