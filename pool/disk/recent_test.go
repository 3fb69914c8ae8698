package disk

import (
	"strconv"
	"testing"

	"github.com/restante/restante/pool"
)

func TestRecent_forgetsTheOldest(t *testing.T) {
	id := func(n int) hash { return hashOf(pool.MessageID(strconv.Itoa(n))) }
	var r recent
	if r.has(id(1)) {
		t.Error("an empty set holds something")
	}
	const all, few = 4 * recentCells * recentWays, recentCells / 2
	gone := 0
	for n := range all {
		r.add(id(n))
		if !r.has(id(n)) || !r.has(id(0)) {
			t.Fatalf("what was just added, or is asked for again and again, is gone after %d others", n)
		}
		if n >= few && !r.has(id(n-few)) {
			gone++
		}
	}
	if gone > all/20 { // chance puts some into the same cell
		t.Errorf("%d of %d were gone although only %d came since", gone, all, few)
	}
	held := 0
	for n := range all {
		if r.has(id(n)) {
			held++
		}
	}
	if most := recentCells * recentWays; held > most || held < most/2 {
		t.Errorf("it holds %d of %d", held, most)
	}
}
