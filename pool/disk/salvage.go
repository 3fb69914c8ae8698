package disk

import (
	"errors"
	"io/fs"
	"path/filepath"
	"strconv"
	"time"

	"github.com/restante/restante/pool"
	"github.com/restante/restante/pool/record"
)

// A salvage is what building the index anew took over from the old one, where
// segments and history have lost it.
type salvage struct {
	withdrawals int         // whose records were written again
	ids         int         // message-ids of what is gone
	blind       bool        // the old index could not be read, or not all of it
	skipped     pool.Number // numbers that each group left out for that
	lost        int         // places of articles that are in no segment any more
	list        string      // the file in the quarantine that says which
}

// salvageMarks takes over the high water marks that the doubted index knows,
// so that the numbers of articles that are lost from the segments stay taken.
func (s *Store) salvageMarks() error {
	if s.index == nil {
		s.index, _ = openFormer(s.files, filepath.Join(s.dir, indexDir), s.options.IndexMemory)
	}
	var marks map[uint32]mark
	if s.index != nil {
		marks, _ = s.index.marks() // as far as they can be read
	}
	for id, m := range marks {
		if g := s.byNumber[id]; g != nil {
			g.info.High = max(g.info.High, m.high)
		}
	}
	return s.saveGroups(s.allGroups())
}

// salvageGone takes over what the old index knows to be gone, once the new one
// has what segments and history say. A withdrawal whose record is lost must not
// let its article be seen again, and no message-id is forgotten before its time.
func (s *Store) salvageGone() error {
	s.salvaged = salvage{blind: true}
	old, err := openFormer(s.files, filepath.Join(s.dir, indexDir), s.options.IndexMemory)
	if err != nil {
		return nil //nolint:nilerr // nothing can be taken over
	}
	ids, withdrawn, err := s.goneIn(old)
	s.salvaged.blind = err != nil
	var lost map[pool.Group][]pool.Number
	if err == nil || len(s.segments) == 0 { // else it may be of another store
		lost, _ = s.lostIn(old) // as far as it can be read
	}
	if err := old.close(); err != nil && !errors.Is(err, errDoubt) {
		s.salvaged.blind = true
	}
	if err := s.listLost(lost); err != nil {
		return err
	}
	for _, h := range withdrawn {
		known, err := s.withdrawAgain(h)
		if err != nil {
			return err
		}
		if !known {
			ids = append(ids, h)
		}
	}
	return s.rememberAgain(ids)
}

// goneIn returns what an index knows to be gone: message-ids that the new index
// has not, and withdrawals. On error it returns what it found up to then.
func (s *Store) goneIn(old *index) (ids, withdrawals []hash, err error) {
	if err := s.owns(old); err != nil {
		return nil, nil, err
	}
	err = old.eachOf('w', func(key, _ []byte) (bool, error) {
		if len(key) != 1+4+len(hash{}) {
			return false, errDoubt
		}
		withdrawals = append(withdrawals, hash(key[5:]))
		return true, nil
	})
	if err != nil {
		return nil, withdrawals, err
	}
	err = old.eachOf('m', func(key, value []byte) (bool, error) {
		if len(key) != 1+len(hash{}) {
			return false, errDoubt
		}
		if len(value) > 0 { // in a version before: the place of a record
			return true, nil
		}
		f, err := s.find(hash(key[1:]))
		if f.standing == unknown {
			ids = append(ids, hash(key[1:]))
		}
		return true, err
	})
	return ids, withdrawals, err
}

// owns returns errDoubt unless an index is one of these segments.
func (s *Store) owns(old *index) error {
	checkpoints, err := old.checkpoints()
	if err != nil {
		return err
	}
	same := 0
	for n, c := range checkpoints {
		g := s.segments[n]
		switch {
		case g == nil || g.reader == nil:
		case g.epoch != c.epoch || g.salt() != c.salt:
			return errDoubt
		default:
			same++
		}
	}
	if same == 0 {
		return errDoubt
	}
	return nil
}

// withdrawAgain withdraws an article whose withdrawal's record is lost. It says
// whether the message-id is known at all.
func (s *Store) withdrawAgain(h hash) (known bool, err error) {
	f, err := s.find(h)
	if err != nil || f.standing != filed {
		return f.standing > unknown, err
	}
	a, err := s.read(f.place)
	if errors.Is(err, pool.ErrCorrupt) { // nobody can see it
		return true, nil
	}
	if err == nil {
		err = s.writeWithdrawal(a)
	}
	s.salvaged.withdrawals++
	return true, err
}

// rememberAgain writes message-ids of what is gone to a history file of their
// own, as if of a segment that was given up.
func (s *Store) rememberAgain(ids []hash) error {
	if len(ids) == 0 {
		return nil
	}
	s.lastSegment++
	head := historyHead{last: s.lastSegment, dropped: time.Now()}
	if err := s.writeHistory(head, ids); err != nil {
		return err
	}
	s.salvaged.ids = len(ids)
	return s.indexHistoryFile(head.name())
}

// lostFile says how many articles, at most, were among the octets that a repair
// takes out of the segments.
const lostFile = "articles-lost"

// skipNumbers leaves out as many numbers in each group as articles may be lost,
// unless the old index said which numbers were given.
func (s *Store) skipNumbers() error {
	path := filepath.Join(s.dir, lostFile)
	text, err := record.ReadFile(s.files, path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	} else if err != nil {
		return err
	}
	most, err := strconv.ParseUint(string(text), 10, 31)
	if err != nil {
		return errors.Join(pool.ErrCorrupt, err)
	}
	if s.salvaged.blind {
		s.salvaged.skipped = pool.Number(most)
		for _, g := range s.groups {
			g.info.High = min(g.info.High+s.salvaged.skipped, pool.MaxNumber)
			if g.info.Count == 0 {
				g.info.Low = g.info.High + 1
			}
		}
		if err := s.saveGroups(s.allGroups()); err != nil {
			return err
		}
	}
	return errors.Join(s.removeIfThere(path), s.files.SyncDir(s.dir))
}
