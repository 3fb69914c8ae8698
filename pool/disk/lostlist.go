package disk

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"

	"github.com/restante/restante/pool"
	"github.com/restante/restante/pool/record"
)

// lostIn finds out which articles an old index knows that are in no segment any more, nor
// remembered as gone. On error it returns what it found up to then.
func (s *Store) lostIn(old *index) (lost map[pool.Group][]pool.Number, err error) {
	version, _, err := old.get([]byte("f"))
	if err != nil || string(version) != indexVersion { // one of a version before has no arrivals to walk over
		return nil, err
	}
	lost = make(map[pool.Group][]pool.Number)
	err = old.eachOf('t', func(key, value []byte) (bool, error) {
		c := cursor{rest: value}
		h := hashOf(c.bytes())
		if c.bad {
			return false, errDoubt
		}
		if known, err := s.stillKnown(h, arrivalPlace(key)); known || err != nil {
			return true, err
		}
		at, _ := s.locations(&c)
		for _, l := range at {
			lost[l.Group] = append(lost[l.Group], l.Number)
		}
		return true, nil
	})
	for _, numbers := range lost {
		slices.Sort(numbers)
	}
	return lost, err
}

// stillKnown says whether an article is known of which an old index said where it stands.
// Fingerprints are enough for that where the segment is whole. Where it is not, one article
// among a hundred thousand that are lost would be taken for another one that is there.
func (s *Store) stillKnown(h hash, p place) (bool, error) {
	if !s.seen.maybe(h) {
		return false, nil
	}
	g := s.segments[p.segment]
	if g != nil && g.reader != nil && g.gaps == 0 && p.offset < g.size {
		return true, nil
	}
	f, err := s.find(h)
	return f.standing > illegible, err
}

// listLost puts a list of lost articles into the quarantine, where an operator is told to
// look: once the old index is gone nothing else says that they were there. It has the same
// name when a crash comes before that.
func (s *Store) listLost(lost map[pool.Group][]pool.Number) error {
	if len(lost) == 0 {
		return nil
	}
	var text bytes.Buffer
	for _, name := range slices.Sorted(maps.Keys(lost)) {
		s.salvaged.lost += len(lost[name])
		fmt.Fprintf(&text, "Group %s has lost %d articles: %s.\n", name, len(lost[name]), ranges(lost[name], len(lost[name])))
	}
	sum := sha256.Sum256(text.Bytes())
	s.salvaged.list = fmt.Sprintf("%s%x.txt", lostPrefix, sum[:4])
	folder := filepath.Join(s.dir, quarantineDir)
	err := errors.Join(s.files.MkdirAll(folder), s.files.SyncDir(s.dir))
	if err == nil {
		err = record.Replace(s.files, filepath.Join(folder, s.salvaged.list), text.Bytes())
	}
	if err == nil {
		s.options.Logger.Error().Int("places", s.salvaged.lost).Msg("articles are lost: a list in the quarantine says which")
	}
	return err
}

// lostPrefix is what the names of such lists begin with.
const lostPrefix = "lost-"
