// Package memory is the reference store: the plainest code that keeps every
// promise of [pool.Store] but the one about stable storage. Tests and the demo
// use it. It knows no file.
package memory

import (
	"context"
	"slices"
	"sort"
	"strings"
	"sync"
	"time"

	"github.com/restante/restante/pool"
	"github.com/restante/restante/pool/article"
)

// A Store keeps articles in memory.
type Store struct {
	server string
	calls  sync.WaitGroup // calls under way

	mu      sync.RWMutex // guards what follows
	closed  bool
	groups  map[pool.Group]*group
	byID    map[pool.MessageID]*pool.Stored
	seen    map[pool.MessageID]bool
	arrived []*pool.Stored // by arrival, and where that is equal in the order of Append
}

// A group is one newsgroup, hidden ones included.
type group struct {
	info     pool.GroupInfo // Low and Count are computed
	hidden   bool
	articles []filed // ascending
}

type filed struct {
	number  pool.Number
	article *pool.Stored
}

// New returns an empty store. server is the server's name in Xref.
func New(server string) *Store {
	return &Store{
		server: server,
		groups: make(map[pool.Group]*group),
		byID:   make(map[pool.MessageID]*pool.Stored),
		seen:   make(map[pool.MessageID]bool),
	}
}

var (
	_ pool.Store    = (*Store)(nil)
	_ pool.Beginner = (*Store)(nil)

	_ pool.SetHigher = (*Store)(nil)
	_ pool.Lender    = (*Store)(nil)
)

// enter counts a call in; its end is s.calls.Done.
func (s *Store) enter(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.closed {
		return pool.ErrClosed
	}
	s.calls.Add(1)
	return nil
}

// Close implements [pool.Store].
func (s *Store) Close() error {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.calls.Wait()
	return nil
}

// Groups implements [pool.Reader].
func (s *Store) Groups(ctx context.Context) ([]pool.GroupInfo, error) {
	if err := s.enter(ctx); err != nil {
		return nil, err
	}
	defer s.calls.Done()
	s.mu.RLock()
	defer s.mu.RUnlock()
	out := make([]pool.GroupInfo, 0, len(s.groups))
	for _, g := range s.groups {
		if !g.hidden {
			out = append(out, g.current())
		}
	}
	slices.SortFunc(out, func(a, b pool.GroupInfo) int { return strings.Compare(string(a.Name), string(b.Name)) })
	return out, nil
}

// Group implements [pool.Reader].
func (s *Store) Group(ctx context.Context, name pool.Group) (pool.GroupInfo, error) {
	if err := s.enter(ctx); err != nil {
		return pool.GroupInfo{}, err
	}
	defer s.calls.Done()
	s.mu.RLock()
	defer s.mu.RUnlock()
	g, err := s.group(name)
	if err != nil {
		return pool.GroupInfo{}, err
	}
	return g.current(), nil
}

// Scan implements [pool.Reader].
func (s *Store) Scan(ctx context.Context, name pool.Group, r pool.Range, yield func(pool.Number, []byte) bool) error {
	if err := s.enter(ctx); err != nil {
		return err
	}
	defer s.calls.Done()
	for next := r.From; ; {
		if err := ctx.Err(); err != nil {
			return err
		}
		f, ok, err := s.from(name, next)
		if err != nil {
			return err
		}
		if !ok || !r.Contains(f.number) || !yield(f.number, f.article.Overview) {
			return nil
		}
		next = f.number + 1
	}
}

// from returns the first article of the group with number n or a higher one.
func (s *Store) from(name pool.Group, n pool.Number) (filed, bool, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	g, err := s.group(name)
	if err != nil {
		return filed{}, false, err
	}
	i, _ := g.find(n)
	if i == len(g.articles) {
		return filed{}, false, nil
	}
	return g.articles[i], true, nil
}

// ByNumber implements [pool.Reader].
func (s *Store) ByNumber(ctx context.Context, name pool.Group, n pool.Number) (*pool.Stored, error) {
	if err := s.enter(ctx); err != nil {
		return nil, err
	}
	defer s.calls.Done()
	s.mu.RLock()
	defer s.mu.RUnlock()
	g, err := s.group(name)
	if err != nil {
		return nil, err
	}
	i, ok := g.find(n)
	if !ok {
		return nil, pool.ErrNotFound
	}
	return s.visible(g.articles[i].article), nil
}

// ByID implements [pool.Reader].
func (s *Store) ByID(ctx context.Context, id pool.MessageID) (*pool.Stored, error) {
	if err := s.enter(ctx); err != nil {
		return nil, err
	}
	defer s.calls.Done()
	s.mu.RLock()
	defer s.mu.RUnlock()
	a, ok := s.byID[id]
	if !ok {
		return nil, pool.ErrNotFound
	}
	return s.visible(a), nil
}

// Append implements [pool.Store].
func (s *Store) Append(ctx context.Context, a *pool.Article) ([]pool.Location, error) {
	if err := s.enter(ctx); err != nil {
		return nil, err
	}
	defer s.calls.Done()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.seen[a.ID] {
		return nil, pool.ErrDuplicate
	}
	at, err := s.number(a)
	if err != nil {
		return nil, err
	}
	stored := article.Render(a, s.server, at)
	for _, l := range at {
		g := s.groups[l.Group]
		g.info.High = l.Number
		g.articles = append(g.articles, filed{l.Number, stored})
	}
	s.seen[a.ID], s.byID[a.ID] = true, stored
	i := sort.Search(len(s.arrived), func(i int) bool { return s.arrived[i].Arrived.After(a.Arrived) })
	s.arrived = slices.Insert(s.arrived, i, stored)
	return slices.Clone(at), nil
}

// Begin implements [pool.Beginner]. Without a sync there is nothing to wait for.
func (s *Store) Begin(ctx context.Context, a *pool.Article) pool.Begun {
	at, err := s.Append(ctx, a)
	return pool.Outcome{At: at, Err: err}
}

// Cancel implements [pool.Store].
func (s *Store) Cancel(ctx context.Context, id pool.MessageID) error {
	if err := s.enter(ctx); err != nil {
		return err
	}
	defer s.calls.Done()
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.seen[id] {
		return pool.ErrNotFound
	}
	gone, ok := s.byID[id]
	if !ok {
		return nil
	}
	delete(s.byID, id)
	for _, l := range gone.Locations {
		g := s.groups[l.Group]
		g.articles = slices.DeleteFunc(g.articles, func(f filed) bool { return f.article == gone })
	}
	s.arrived = slices.DeleteFunc(s.arrived, func(a *pool.Stored) bool { return a == gone })
	return nil
}

// Remember implements [pool.Store].
func (s *Store) Remember(ctx context.Context, id pool.MessageID) error {
	if err := s.enter(ctx); err != nil {
		return err
	}
	defer s.calls.Done()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.seen[id] {
		return pool.ErrDuplicate
	}
	s.seen[id] = true
	return nil
}

// number finds the article's next number in each group.
func (s *Store) number(a *pool.Article) ([]pool.Location, error) {
	var at []pool.Location
	for i, name := range a.Groups {
		g, err := s.group(name)
		if err != nil {
			return nil, err
		}
		n, err := a.NumberAt(i, g.info.High+1)
		if err != nil {
			return nil, err
		}
		if !slices.Contains(a.Groups[:i], name) {
			at = append(at, pool.Location{Group: name, Number: n})
		}
	}
	if len(at) == 0 {
		return nil, pool.ErrNoGroup
	}
	return at, nil
}

// Seen implements [pool.Store].
func (s *Store) Seen(ctx context.Context, id pool.MessageID) (bool, error) {
	if err := s.enter(ctx); err != nil {
		return false, err
	}
	defer s.calls.Done()
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.seen[id], nil
}

// LendByNumber implements [pool.Lender]. What is in memory is never taken away.
func (s *Store) LendByNumber(ctx context.Context, name pool.Group, n pool.Number) (pool.Loan, error) {
	return s.lend(s.ByNumber(ctx, name, n))
}

// LendByID implements [pool.Lender].
func (s *Store) LendByID(ctx context.Context, id pool.MessageID) (pool.Loan, error) {
	return s.lend(s.ByID(ctx, id))
}

func (s *Store) lend(a *pool.Stored, err error) (pool.Loan, error) {
	held, err := pool.Hold(a, err)
	if err != nil {
		return nil, err
	}
	return loan{held, s, a}, nil
}

// A loan is an article in memory that lies where it lies now.
type loan struct {
	pool.Loan
	store   *Store
	article *pool.Stored
}

// Summary implements [pool.Loan].
func (l loan) Summary() pool.Summary {
	l.store.mu.RLock()
	defer l.store.mu.RUnlock()
	return l.store.visible(l.article).Summary()
}

// Since implements [pool.Store].
func (s *Store) Since(ctx context.Context, t time.Time, yield func(pool.MessageID, []pool.Location) bool) error {
	if err := s.enter(ctx); err != nil {
		return err
	}
	defer s.calls.Done()
	s.mu.RLock()
	i := sort.Search(len(s.arrived), func(i int) bool { return !s.arrived[i].Arrived.Before(t) })
	rest := slices.Clone(s.arrived[i:])
	s.mu.RUnlock()
	for _, a := range rest {
		if err := ctx.Err(); err != nil {
			return err
		}
		s.mu.RLock()
		_, held := s.byID[a.ID]
		at := s.visible(a).Locations
		s.mu.RUnlock()
		if held && !yield(a.ID, at) {
			return nil
		}
	}
	return nil
}
