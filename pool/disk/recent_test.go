package disk

import (
	"encoding/binary"
	"testing"
)

func numbered(n int) (h hash) {
	binary.BigEndian.PutUint64(h[:], uint64(n))
	return h
}

func TestRecent_forgetsTheOldestOnly(t *testing.T) {
	var r recent
	if r.has(numbered(1)) {
		t.Error("an empty set holds something")
	}
	const all = 4 * generation
	for n := range all {
		r.add(numbered(n))
		if !r.has(numbered(0)) {
			t.Fatalf("what is asked for again and again is gone after %d others", n)
		}
		if n >= generation && !r.has(numbered(n-generation/4)) {
			t.Fatalf("what was added %d before is gone", generation/4)
		}
	}
	if r.has(numbered(generation)) {
		t.Error("nothing is forgotten")
	}
	if held := len(r.young) + len(r.old); held > 2*generation {
		t.Errorf("it holds %d, more than two generations", held)
	}
}
