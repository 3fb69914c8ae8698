package disk

import "sync"

// underWay is the articles that have numbers and are not published yet, by
// message-id. A second one of the same message-id waits for the first one's
// outcome.
type underWay struct {
	mu     sync.Mutex
	byHash map[hash]*filing
}

func (u *underWay) none() bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	return len(u.byHash) == 0
}

func (u *underWay) get(h hash) *filing {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.byHash[h]
}

func (u *underWay) add(f *filing) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.byHash == nil {
		u.byHash = make(map[hash]*filing)
	}
	u.byHash[f.hash] = f
}

func (u *underWay) remove(filings []*filing) {
	u.mu.Lock()
	defer u.mu.Unlock()
	for _, f := range filings {
		delete(u.byHash, f.hash)
	}
}
