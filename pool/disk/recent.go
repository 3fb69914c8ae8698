package disk

import "sync"

// generation is how many message-ids one generation of a recent set holds.
const generation = 1 << 15

// A recent is a set of message-ids that are known: those last filed or asked
// for. Several peers offer the same article within a short time, and all but
// the first then need no look at the index. It holds two generations of whole
// hashes, about 2 MiB, and forgets the older one when the younger is full. What
// is known stays so: nothing is ever taken out. Its zero value is ready for
// use, from many goroutines.
type recent struct {
	mu         sync.Mutex
	young, old map[hash]struct{}
}

func (r *recent) add(h hash) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.put(h)
}

func (r *recent) put(h hash) {
	if r.young == nil || len(r.young) >= generation {
		r.young, r.old = make(map[hash]struct{}), r.young
	}
	r.young[h] = struct{}{}
}

// has says whether an id is in the set, and makes it a young one.
func (r *recent) has(h hash) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, ok := r.young[h]; ok {
		return true
	}
	_, ok := r.old[h]
	if ok {
		r.put(h)
	}
	return ok
}
