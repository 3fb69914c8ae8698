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

	// maxFlight bounds the articles offered in that time. What is offered
	// beyond is wanted too, but may come twice: the store takes it once.
	maxFlight = 1 << 16
)

// flight is the articles expected from a feed, or just being filed. Times in it
// only grow from the front of the line to its end.
type flight struct {
	mu    sync.Mutex
	under map[pool.MessageID]*passage
	feeds map[*Feed]map[pool.MessageID]bool // what each feed is to bring
	line  []arrival                         // in the order of their times
}

// A passage is one article on its way.
type passage struct {
	feed   *Feed
	until  time.Time // when it is no longer expected
	taking int       // calls that are filing it now; then it is expected without end
}

type arrival struct {
	id    pool.MessageID
	until time.Time
}

func newFlight() *flight {
	return &flight{under: make(map[pool.MessageID]*passage), feeds: make(map[*Feed]map[pool.MessageID]bool)}
}

// expect notes that a feed is to bring an article. It returns false when
// another one is.
func (t *flight) expect(id pool.MessageID, f *Feed, now time.Time) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.expire(now)
	if p := t.under[id]; p != nil {
		return p.feed == f
	}
	if len(t.line) < maxFlight {
		until := now.Add(patience)
		t.note(id, f).until = until
		t.line = append(t.line, arrival{id, until})
	}
	return true
}

// begin notes that an article is being filed. Whoever else offered it does not
// hinder that.
func (t *flight) begin(id pool.MessageID, f *Feed) {
	t.mu.Lock()
	defer t.mu.Unlock()
	p := t.under[id]
	if p == nil {
		p = t.note(id, f)
	}
	p.taking++
}

// end notes that the article is filed, or will not be.
func (t *flight) end(id pool.MessageID) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if p := t.under[id]; p != nil {
		if p.taking--; p.taking <= 0 {
			t.drop(id, p)
		}
	}
}

// abandon notes that the feed won't bring the article.
func (t *flight) abandon(id pool.MessageID, f *Feed) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if p := t.under[id]; p != nil && p.feed == f && p.taking == 0 {
		t.drop(id, p)
	}
}

// forget lets go of all that a feed was to bring.
func (t *flight) forget(f *Feed) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for id := range t.feeds[f] {
		if p := t.under[id]; p.taking == 0 {
			t.drop(id, p)
		}
	}
}

func (t *flight) note(id pool.MessageID, f *Feed) *passage {
	p := &passage{feed: f}
	t.under[id] = p
	if t.feeds[f] == nil {
		t.feeds[f] = make(map[pool.MessageID]bool)
	}
	t.feeds[f][id] = true
	return p
}

func (t *flight) drop(id pool.MessageID, p *passage) {
	delete(t.under, id)
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
		if p := t.under[a.id]; p != nil && p.taking == 0 && !p.until.After(now) {
			t.drop(a.id, p)
		}
	}
	t.line = t.line[n:]
}
