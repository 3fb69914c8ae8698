package peer

import (
	"errors"
	"sync"
	"time"

	"github.com/restante/restante/pool"
)

// ErrInFlight is an article that another feed is just bringing.
var ErrInFlight = errors.New("another peer is sending the article")

const (
	// patience is how long an article is expected from the feed that offered
	// it first. Peers that hang would hold it up otherwise; innd waits five
	// seconds, which is short for an article behind many others.
	patience = 10 * time.Second

	// maxFlight bounds the articles offered in that time, and maxClaims those of
	// one peer. What is offered beyond is wanted too, but may come twice: the
	// store takes it once.
	maxFlight = 1 << 16
	maxClaims = 1 << 13

	// grudge is how long a peer that did not bring what was expected from it is
	// expected to bring that no more: it may send it, and holds up nobody else.
	// maxFailed bounds what is remembered so. A peer with that much is expected to
	// bring nothing at all until some of it is forgotten.
	grudge    = 10 * time.Minute
	maxFailed = 1 << 14
)

// flight is the articles expected from a feed, or just being filed. Times in it
// only grow from the front of the line to its end.
type flight struct {
	mu     sync.Mutex
	under  map[pool.MessageID]passage
	feeds  map[*Feed]map[pool.MessageID]bool // what each feed was expected to bring, and did not yet
	line   []arrival                         // in the order of their times
	record map[string]*record                // of peers, by name
}

// A record is how a peer kept to its offers, over whatever connections.
type record struct {
	claims int // articles expected from it
	failed map[pool.MessageID]bool
	line   []arrival // failed, by when it is forgotten
}

// A passage is one article on its way.
type passage struct {
	feed     *Feed
	expected bool      // before it came
	until    time.Time // when it is no longer expected
	taking   int       // calls that are filing it now; then it is expected without end
}

type arrival struct {
	id    pool.MessageID
	until time.Time
}

func newFlight() *flight {
	return &flight{under: make(map[pool.MessageID]passage), feeds: make(map[*Feed]map[pool.MessageID]bool), record: make(map[string]*record)}
}

func (t *flight) of(f *Feed) *record {
	r := t.record[f.peer.Name]
	if r == nil {
		r = &record{failed: make(map[pool.MessageID]bool)}
		t.record[f.peer.Name] = r
	}
	return r
}

// trusted says whether an article is to be expected from the peer.
func (r *record) trusted(id pool.MessageID, now time.Time) bool {
	n := 0
	for ; n < len(r.line) && !r.line[n].until.After(now); n++ {
		delete(r.failed, r.line[n].id)
	}
	r.line = r.line[n:]
	return !r.failed[id] && len(r.failed) < maxFailed && r.claims < maxClaims
}

// fail notes that the peer did not bring an article.
func (r *record) fail(id pool.MessageID, now time.Time) {
	if !r.failed[id] && len(r.failed) < maxFailed {
		r.failed[id] = true
		r.line = append(r.line, arrival{id, now.Add(grudge)})
	}
}

// expect notes that a feed is to bring an article. It returns false when
// another one is.
func (t *flight) expect(id pool.MessageID, f *Feed, now time.Time) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.expire(now)
	if p, ok := t.under[id]; ok {
		return p.feed == f
	}
	if r := t.of(f); len(t.line) < maxFlight && r.trusted(id, now) {
		until := now.Add(patience)
		t.under[id] = passage{feed: f, expected: true, until: until}
		t.line = append(t.line, arrival{id, until})
		r.claims++
		if t.feeds[f] == nil {
			t.feeds[f] = make(map[pool.MessageID]bool)
		}
		t.feeds[f][id] = true
	}
	return true
}

// begin notes that an article is being filed. Whoever else offered it does not
// hinder that.
func (t *flight) begin(id pool.MessageID, f *Feed) {
	t.mu.Lock()
	defer t.mu.Unlock()
	p, ok := t.under[id]
	if !ok {
		p.feed = f
	}
	p.taking++
	t.under[id] = p
}

// end notes that the article is here, or that what the feed brought is not it.
func (t *flight) end(id pool.MessageID, f *Feed, here bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !here {
		t.of(f).fail(id, time.Now())
	}
	if p, ok := t.under[id]; ok {
		if p.taking--; p.taking <= 0 {
			t.drop(id, p)
		} else {
			t.under[id] = p
		}
	}
}

// abandon notes that the feed won't bring the article, and whether the peer is to
// blame.
func (t *flight) abandon(id pool.MessageID, f *Feed, blame bool, now time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if blame {
		t.of(f).fail(id, now)
	}
	if p, ok := t.under[id]; ok && p.feed == f && p.taking == 0 {
		t.drop(id, p)
	}
}

// forget lets go of all that a feed was to bring.
func (t *flight) forget(f *Feed, now time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for id := range t.feeds[f] {
		if p := t.under[id]; p.taking == 0 {
			t.of(f).fail(id, now)
			t.drop(id, p)
		}
	}
}

func (t *flight) drop(id pool.MessageID, p passage) {
	delete(t.under, id)
	if !p.expected {
		return
	}
	t.of(p.feed).claims--
	if delete(t.feeds[p.feed], id); len(t.feeds[p.feed]) == 0 {
		delete(t.feeds, p.feed)
	}
}

// expire drops what is overdue. Of what was offered anew meanwhile, or is being
// filed, only the old place in the line goes.
func (t *flight) expire(now time.Time) {
	n := 0
	for ; n < len(t.line) && !t.line[n].until.After(now); n++ {
		a := t.line[n]
		if p, ok := t.under[a.id]; ok && p.taking == 0 && !p.until.After(now) {
			t.of(p.feed).fail(a.id, now)
			t.drop(a.id, p)
		}
	}
	t.line = t.line[n:]
}
