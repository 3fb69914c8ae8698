package memory

import (
	"bytes"
	"context"
	"slices"
	"strconv"

	"github.com/restante/restante/pool"
)

// Expire implements [pool.Store].
func (s *Store) Expire(ctx context.Context, keep map[pool.Group]pool.Keep) error {
	if err := s.enter(ctx); err != nil {
		return err
	}
	defer s.calls.Done()
	s.mu.Lock()
	defer s.mu.Unlock()
	for name, k := range keep {
		if g, err := s.group(name); err == nil {
			g.articles = slices.Delete(g.articles, 0, g.excess(k))
		}
	}
	dead := func(a *pool.Stored) bool {
		return !slices.ContainsFunc(a.Locations, func(l pool.Location) bool {
			_, there := s.groups[l.Group].find(l.Number)
			return there
		})
	}
	for _, a := range s.arrived {
		if dead(a) {
			delete(s.byID, a.ID)
		}
	}
	s.arrived = slices.DeleteFunc(s.arrived, dead)
	return nil
}

// excess returns how many articles go, so that what is left is within k.
func (g *group) excess(k pool.Keep) int {
	octets := int64(0)
	for _, f := range g.articles {
		octets += size(f.article)
	}
	for i, f := range g.articles {
		over := k.Articles > 0 && len(g.articles)-i > k.Articles || k.Octets > 0 && octets > k.Octets
		if !over && !f.article.Arrived.Before(k.Since) {
			return i
		}
		octets -= size(f.article)
	}
	return len(g.articles)
}

// size is an article's octets as its overview line has them.
func size(a *pool.Stored) int64 {
	n, _ := strconv.ParseInt(string(bytes.Split(a.Overview, []byte("\t"))[5]), 10, 64)
	return n
}
