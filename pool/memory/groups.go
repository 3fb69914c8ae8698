package memory

import (
	"context"
	"slices"
	"sort"

	"github.com/restante/restante/pool"
)

// SetGroup implements [pool.Store].
func (s *Store) SetGroup(ctx context.Context, info pool.GroupInfo) error {
	if _, err := pool.ParseGroup(string(info.Name)); err != nil {
		return err
	}
	if err := s.enter(ctx); err != nil {
		return err
	}
	defer s.calls.Done()
	s.mu.Lock()
	defer s.mu.Unlock()
	g, ok := s.groups[info.Name]
	if !ok {
		g = &group{info: pool.GroupInfo{Name: info.Name, Created: info.Created}}
		s.groups[info.Name] = g
	}
	g.hidden = false
	g.info.Description, g.info.Posting = info.Description, info.Posting
	return nil
}

// RemoveGroup implements [pool.Store].
func (s *Store) RemoveGroup(ctx context.Context, name pool.Group) error {
	if err := s.enter(ctx); err != nil {
		return err
	}
	defer s.calls.Done()
	s.mu.Lock()
	defer s.mu.Unlock()
	g, err := s.group(name)
	if err != nil {
		return err
	}
	g.hidden = true
	return nil
}

// DropBefore implements [pool.Store].
func (s *Store) DropBefore(ctx context.Context, epoch uint64) error {
	if err := s.enter(ctx); err != nil {
		return err
	}
	defer s.calls.Done()
	s.mu.Lock()
	defer s.mu.Unlock()
	old := func(a *pool.Stored) bool { return a.Epoch != 0 && a.Epoch < epoch }
	for _, g := range s.groups {
		g.articles = slices.DeleteFunc(g.articles, func(f filed) bool { return old(f.article) })
	}
	for _, a := range s.arrived {
		if old(a) {
			delete(s.byID, a.ID)
		}
	}
	s.arrived = slices.DeleteFunc(s.arrived, old)
	return nil
}

// group returns a group that is not hidden. The caller holds the lock.
func (s *Store) group(name pool.Group) (*group, error) {
	g, ok := s.groups[name]
	if !ok || g.hidden {
		return nil, pool.ErrNoGroup
	}
	return g, nil
}

// visible returns the article without its places in hidden groups. The caller
// holds the lock.
func (s *Store) visible(a *pool.Stored) *pool.Stored {
	seen := *a
	seen.Locations = slices.DeleteFunc(slices.Clone(a.Locations), func(l pool.Location) bool {
		g := s.groups[l.Group]
		_, there := g.find(l.Number)
		return g.hidden || !there
	})
	return &seen
}

// current returns the group's data with its water marks.
func (g *group) current() pool.GroupInfo {
	info := g.info
	info.Count = len(g.articles)
	info.Low = info.High + 1
	if info.Count > 0 {
		info.Low = g.articles[0].number
	}
	return info
}

// find returns where in articles number n is or would be.
func (g *group) find(n pool.Number) (int, bool) {
	i := sort.Search(len(g.articles), func(i int) bool { return g.articles[i].number >= n })
	return i, i < len(g.articles) && g.articles[i].number == n
}

// SetHigh implements [pool.SetHigher].
func (s *Store) SetHigh(ctx context.Context, name pool.Group, high pool.Number) error {
	if err := s.enter(ctx); err != nil {
		return err
	}
	defer s.calls.Done()
	s.mu.Lock()
	defer s.mu.Unlock()
	g, err := s.group(name)
	if err != nil {
		return err
	}
	if high > pool.MaxNumber {
		return pool.ErrGroupFull
	}
	g.info.High = max(g.info.High, high)
	return nil
}
