package disk

import (
	"encoding/binary"
	"sync"
)

// A recent set has so many cells of that many message-ids each.
const (
	recentCells = 1 << 14
	recentWays  = 4
)

// A recent is a set of message-ids that are known: those last filed or asked
// for. Several peers offer the same article within a short time, and all but
// the first then need no look at the index. It holds whole hashes, 1 MiB of them;
// where a cell is full, the one that was of use last the longest ago is forgotten.
// What is known stays so: nothing else is ever taken out. Its zero value is ready
// for use, from many goroutines.
type recent struct {
	mu    sync.Mutex
	cells *[recentCells][recentWays]hash // the youngest of each first; zeros are free
}

// cell returns where a hash belongs. Any part of a hash will do, but those that
// the fingerprints go by.
func (r *recent) cell(h hash) *[recentWays]hash {
	return &r.cells[binary.BigEndian.Uint16(h[len(h)-2:])%recentCells]
}

func (r *recent) add(h hash) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.cells == nil {
		r.cells = new([recentCells][recentWays]hash)
	}
	c := r.cell(h)
	copy(c[1:], c[:])
	c[0] = h
}

// has says whether an id is in the set, and makes it a young one.
func (r *recent) has(h hash) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.cells == nil {
		return false
	}
	c := r.cell(h)
	for i := range c {
		if c[i] == h {
			copy(c[1:i+1], c[:i])
			c[0] = h
			return true
		}
	}
	return false
}
