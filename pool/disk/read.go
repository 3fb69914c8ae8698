package disk

import (
	"context"
	"encoding/binary"
	"errors"
	"slices"
	"time"

	"github.com/restante/restante/pool"
)

// Groups implements [pool.Reader].
func (s *Store) Groups(ctx context.Context) ([]pool.GroupInfo, error) {
	if err := s.enter(ctx); err != nil {
		return nil, err
	}
	defer s.leave()
	s.mu.RLock()
	defer s.mu.RUnlock()
	out := make([]pool.GroupInfo, 0, len(s.groups))
	for _, name := range s.names {
		if g := s.groups[name]; !g.hidden {
			out = append(out, g.info)
		}
	}
	return out, nil
}

// Group implements [pool.Reader].
func (s *Store) Group(ctx context.Context, name pool.Group) (pool.GroupInfo, error) {
	if err := s.enter(ctx); err != nil {
		return pool.GroupInfo{}, err
	}
	defer s.leave()
	g, err := s.group(name)
	return g.info, err
}

// group returns a group as it is now.
func (s *Store) group(name pool.Group) (group, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	g, ok := s.groups[name]
	if !ok || g.hidden {
		return group{}, pool.ErrNoGroup
	}
	return *g, nil
}

// Scan implements [pool.Reader].
func (s *Store) Scan(ctx context.Context, name pool.Group, r pool.Range, yield func(pool.Number, []byte) bool) error {
	if err := s.enter(ctx); err != nil {
		return err
	}
	defer s.leave()
	g, err := s.group(name)
	if err != nil {
		return err
	}
	id := g.id
	r.From = max(r.From, g.floor)
	to := min(r.To, pool.MaxNumber)
	if r.From > to {
		return nil
	}
	err = s.index.each(numberKey(id, r.From), numberKey(id, to+1), func(key, value []byte) (bool, error) {
		if err := ctx.Err(); err != nil {
			return false, err
		}
		c := cursor{rest: value}
		c.place()
		if c.bad || len(key) != 9 {
			return false, errDoubt
		}
		return yield(pool.Number(binary.BigEndian.Uint32(key[5:])), c.rest), nil
	})
	return s.fromIndex(err)
}

// fromIndex notes an index in doubt, and says so in the store's words.
func (s *Store) fromIndex(err error) error {
	if !errors.Is(err, errDoubt) {
		return err
	}
	s.doubt(err)
	return errors.Join(pool.ErrCorrupt, err)
}

// keyOf returns the key in the index of a number that has not expired.
func (s *Store) keyOf(name pool.Group, n pool.Number) ([]byte, error) {
	g, err := s.group(name)
	if err != nil {
		return nil, err
	}
	if n < g.floor {
		return nil, pool.ErrNotFound
	}
	return numberKey(g.id, n), nil
}

// ByNumber implements [pool.Reader]. It returns ErrCorrupt for an article that
// is damaged on disk.
func (s *Store) ByNumber(ctx context.Context, name pool.Group, n pool.Number) (*pool.Stored, error) {
	if err := s.enter(ctx); err != nil {
		return nil, err
	}
	defer s.leave()
	key, err := s.keyOf(name, n)
	if err != nil {
		return nil, err
	}
	a, err := s.article(s.ofRow(key))
	if err != nil {
		return nil, err
	}
	if a.In(name) != n { // the index led astray
		return nil, s.fromIndex(errDoubt)
	}
	return s.visible(a), nil
}

// ByID implements [pool.Reader]. It returns ErrCorrupt for an article that is
// damaged on disk.
func (s *Store) ByID(ctx context.Context, id pool.MessageID) (*pool.Stored, error) {
	if err := s.enter(ctx); err != nil {
		return nil, err
	}
	defer s.leave()
	a, err := s.article(s.ofID(id))
	if err != nil {
		return nil, err
	}
	if a.ID != id {
		return nil, s.fromIndex(errDoubt)
	}
	if s.expired(a.Locations) {
		return nil, pool.ErrNotFound
	}
	return s.visible(a), nil
}

// article reads the article that stands somewhere.
func (s *Store) article(where where) (a *pool.Stored, err error) {
	err = s.follow(where, func(p place) error {
		a, err = s.read(p)
		return err
	})
	return a, err
}

// A where finds the place of a record. It returns pool.ErrNotFound when there is none.
type where func() (place, error)

// ofRow is where the article of a row in the index is.
func (s *Store) ofRow(key []byte) where {
	return func() (place, error) {
		row, ok, err := s.index.get(key)
		if err == nil && !ok {
			return place{}, pool.ErrNotFound
		}
		c := cursor{rest: row}
		p := c.place()
		if err == nil && c.bad {
			err = errDoubt
		}
		return p, s.fromIndex(err)
	}
}

// ofID is where the article with a message-id is.
func (s *Store) ofID(id pool.MessageID) where {
	return func() (place, error) {
		f, err := s.find(hashOf(id))
		switch {
		case err != nil:
			return place{}, s.fromIndex(err)
		case f.standing == illegible:
			s.noteDamage()
			return place{}, pool.ErrCorrupt
		case f.standing != filed:
			return place{}, pool.ErrNotFound
		}
		return f.place, nil
	}
}

// read reads the article that stands at a place.
func (s *Store) read(p place) (a *pool.Stored, err error) {
	err = s.at(p, func(seg *segment) error {
		payload, err := seg.read(p)
		if err != nil {
			return err
		}
		a, err = parseRecord(payload)
		return err
	})
	return a, err
}

// follow calls visit for the place of an article, and returns its error. An article
// may be copied and its old segment deleted between a look at the one and at the
// other: then visit returns pool.ErrNotFound, there is another place, and it looks again.
func (s *Store) follow(where where, visit func(place) error) error {
	for tried := (place{}); ; {
		p, err := where()
		if err != nil {
			return err
		}
		if p == tried {
			return pool.ErrNotFound
		}
		if err = visit(p); !errors.Is(err, pool.ErrNotFound) {
			return err
		}
		tried = p
	}
}

// at calls visit for the segment of a place.
func (s *Store) at(p place, visit func(*segment) error) error {
	s.mu.RLock()
	seg := s.segments[p.segment]
	s.mu.RUnlock()
	if seg == nil {
		return pool.ErrNotFound
	}
	err := visit(seg)
	if errors.Is(err, pool.ErrCorrupt) {
		s.noteDamage()
	}
	return err
}

// noteDamage counts a read that found damage, and says so the first time.
func (s *Store) noteDamage() {
	if s.corrupt.Add(1) == 1 {
		s.options.Logger.Error().Msg("an article is damaged on the disk and can't be read: run restanted fsck")
	}
}

// visible takes an article's places that have expired, and those in hidden
// groups, away.
func (s *Store) visible(a *pool.Stored) *pool.Stored {
	a.Locations = s.shown(a.Locations)
	return a
}

func (s *Store) shown(at []pool.Location) []pool.Location {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return slices.DeleteFunc(at, func(l pool.Location) bool {
		g, ok := s.groups[l.Group]
		return !ok || g.hidden || l.Number < g.floor
	})
}

// expired says whether an article has left all its groups.
func (s *Store) expired(at []pool.Location) bool {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return !slices.ContainsFunc(at, func(l pool.Location) bool {
		g, ok := s.groups[l.Group]
		return !ok || l.Number >= g.floor
	})
}

// Seen implements [pool.Store].
func (s *Store) Seen(ctx context.Context, id pool.MessageID) (bool, error) {
	if err := s.enter(ctx); err != nil {
		return false, err
	}
	defer s.leave()
	known, err := s.known(hashOf(id))
	return known, s.fromIndex(err)
}

// known says whether a message-id is known. One whose record is damaged is.
func (s *Store) known(h hash) (bool, error) {
	if !s.seen.maybe(h) {
		return false, nil
	}
	if s.recent.has(h) {
		return true, nil
	}
	f, err := s.find(h)
	if f.standing > illegible {
		s.recent.add(h)
	}
	return f.standing > unknown, err
}

// Since implements [pool.Store].
func (s *Store) Since(ctx context.Context, t time.Time, yield func(pool.MessageID, []pool.Location) bool) error {
	if err := s.enter(ctx); err != nil {
		return err
	}
	defer s.leave()
	err := s.index.each(timeKey(t), []byte{'t' + 1}, func(_, value []byte) (bool, error) {
		if err := ctx.Err(); err != nil {
			return false, err
		}
		c := cursor{rest: value}
		id := pool.MessageID(c.bytes())
		at, live := s.locations(&c)
		if c.bad {
			return false, errDoubt
		}
		return !live || yield(id, at), nil
	})
	return s.fromIndex(err)
}

// locations reads the (group, number) pairs of an arrival, without hidden
// groups, and says whether the article is still in a group at all.
func (s *Store) locations(c *cursor) (at []pool.Location, live bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	for len(c.rest) > 0 {
		id, n := c.uvarint(), c.number()
		g, ok := s.byNumber[uint32(id)]
		if !ok || n < g.floor {
			continue
		}
		live = true
		if !g.hidden {
			at = append(at, pool.Location{Group: g.info.Name, Number: n})
		}
	}
	return at, live
}
