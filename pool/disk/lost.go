package disk

import (
	"bytes"
	"slices"

	"github.com/syndtr/goleveldb/leveldb"
)

// An entry is a key with its value.
type entry struct{ key, value []byte }

// entries gathers what is in a batch.
type entries []entry

func (e *entries) Put(key, value []byte) {
	*e = append(*e, entry{bytes.Clone(key), bytes.Clone(value)})
}

func (e *entries) Delete([]byte) { panic("a key was to be deleted that was staged") }

// within returns what is staged from a key up to but without another, in order: once
// the database can't take it, it is read from here until the store is opened again.
func (g *staging) within(from, to []byte) ([]entry, error) {
	var all entries
	if err := g.replay(&all); err != nil {
		return nil, err
	}
	all = slices.DeleteFunc(all, func(e entry) bool {
		return bytes.Compare(e.key, from) < 0 || bytes.Compare(e.key, to) >= 0
	})
	slices.Reverse(all) // of one key's values the last one counts
	slices.SortStableFunc(all, func(a, b entry) int { return bytes.Compare(a.key, b.key) })
	return slices.CompactFunc(all, func(a, b entry) bool { return bytes.Equal(a.key, b.key) }), nil
}

// replay gives what is staged, the older first.
func (g *staging) replay(to leveldb.BatchReplay) error {
	g.mu.RLock()
	defer g.mu.RUnlock()
	if g.old != nil {
		if err := g.old.replay(to); err != nil {
			return err
		}
	}
	return g.young.replay(to)
}

// amid makes of a visit to the database's keys one to some entries as well, each in
// its place and instead of the database's own. rest visits those behind all of these.
func amid(some []entry, visit func(key, value []byte) (bool, error)) (both func(key, value []byte) (bool, error), rest func() error) {
	if len(some) == 0 {
		return visit, func() error { return nil }
	}
	both = func(key, value []byte) (bool, error) {
		for len(some) > 0 && bytes.Compare(some[0].key, key) <= 0 {
			next := some[0]
			some = some[1:]
			if bytes.Equal(next.key, key) {
				value = next.value
				break
			}
			if goOn, err := visit(next.key, next.value); err != nil || !goOn {
				return goOn, err
			}
		}
		return visit(key, value)
	}
	rest = func() error {
		for _, e := range some {
			if goOn, err := visit(e.key, e.value); err != nil || !goOn {
				return err
			}
		}
		return nil
	}
	return both, rest
}
