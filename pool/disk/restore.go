package disk

import (
	"context"
	"encoding/binary"
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"github.com/syndtr/goleveldb/leveldb"

	"github.com/restante/restante/pool"
	"github.com/restante/restante/pool/record"
)

// restore brings the store to where it was: groups, segments, index.
func (s *Store) restore() error {
	segments, err := s.findSegments()
	if err != nil {
		return err
	}
	if err := s.loadGroups(s.lastSegment == 0); err != nil {
		return err
	}
	err = s.openOldIndex()
	if err == nil {
		err = s.load(segments)
	}
	if errors.Is(err, errDoubt) {
		err = s.rebuild(segments)
	}
	if err == nil {
		err = s.skipNumbers()
	}
	return err
}

// findSegments lists the segments that are still needed, and deletes what a
// crash left of dropped ones.
func (s *Store) findSegments() ([]*segment, error) {
	segments, err := listSegments(s.files, s.dir)
	if err != nil {
		return nil, err
	}
	if s.dead, err = s.graves(); err != nil {
		return nil, err
	}
	for _, h := range s.dead {
		s.lastSegment = max(s.lastSegment, h.last)
	}
	var kept []*segment
	for _, g := range segments {
		s.lastSegment = max(s.lastSegment, g.number)
		if s.dead.has(g.epoch, g.number) {
			// Durably: once its history is forgotten nothing says any more that
			// the segment is gone.
			if err := errors.Join(g.remove(s.files), s.files.SyncDir(filepath.Dir(g.path))); err != nil {
				return nil, err
			}
			continue
		}
		kept = append(kept, g)
	}
	return kept, nil
}

// openOldIndex opens the index that is there, unless it is in doubt.
func (s *Store) openOldIndex() error {
	if _, err := record.ReadFile(s.files, filepath.Join(s.dir, doubtFile)); err == nil {
		return errDoubt
	} else if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	x, err := openIndex(s.files, filepath.Join(s.dir, indexDir), s.options.IndexMemory)
	s.index = x
	return err
}

// load opens the segments, brings the index up to them, and fills the memory
// from it. It returns errDoubt when the index does not fit the segments.
func (s *Store) load(segments []*segment) error {
	marks, err := s.index.marks()
	if err != nil {
		return err
	}
	for id := range marks {
		if s.byNumber[id] == nil { // an older groups file was put back
			return errDoubt
		}
	}
	for _, g := range s.byNumber {
		m := marks[g.id]
		g.info.High, g.info.Count, g.octets = max(g.info.High, m.high), m.count, m.octets
	}
	checkpoints, err := s.index.checkpoints()
	if err != nil {
		return err
	}
	if err := s.buryDead(segments, checkpoints); err != nil {
		return err
	}
	if err := s.loadSeen(); err != nil {
		return err
	}
	if err := s.openSegments(segments, checkpoints); err != nil {
		return err
	}
	if err := s.indexHistory(); err != nil {
		return err
	}
	for _, g := range s.byNumber {
		s.unswept[g.id] = true
		g.info.Low = 0
	}
	if err := s.sweepAll(context.Background()); err != nil {
		return err
	}
	for _, g := range s.byNumber {
		if err := s.setLow(g); err != nil {
			return err
		}
	}
	return nil
}

// buryDead takes what leads to segments that were given up out of the index,
// where a crash came before that, and their checkpoints.
func (s *Store) buryDead(segments []*segment, checkpoints map[uint32]checkpoint) error {
	present := make(map[uint32]bool)
	for _, g := range segments {
		present[g.number] = true
	}
	tallies, err := s.index.tallies()
	if err != nil {
		return err
	}
	for n, c := range checkpoints {
		if present[n] || !s.dead.has(c.epoch, n) {
			continue
		}
		g := &segment{epoch: c.epoch, number: n, tally: tallies[n]}
		s.segments[n] = g
		err := s.clear(g, make(map[uint32]bool))
		delete(s.segments, n)
		if err != nil {
			return err
		}
		batch := new(leveldb.Batch)
		batch.Delete(segmentKey(n))
		batch.Delete(tallyKey(n))
		if err := s.index.write(batch, false); err != nil {
			return err
		}
		delete(checkpoints, n)
	}
	return nil
}

// openSegments opens all segments, the last one of each epoch for appending.
func (s *Store) openSegments(segments []*segment, checkpoints map[uint32]checkpoint) error {
	last := make(map[uint64]*segment)
	present := make(map[uint32]bool)
	for _, g := range segments {
		last[g.epoch], present[g.number] = g, true
	}
	tallies, err := s.index.tallies()
	if err != nil {
		return err
	}
	for n := range checkpoints {
		if _, ok := tallies[n]; !ok || !present[n] { // a segment that the index knows is gone
			return errDoubt
		}
	}
	for _, g := range segments {
		g.tally = tallies[g.number]
		s.segments[g.number], s.newest = g, max(s.newest, g.number)
		if err := s.openSegment(g, segments, last[g.epoch] == g, checkpoints); err != nil {
			return err
		}
	}
	return nil
}

// openSegment opens one segment and puts into the index what lies behind the
// checkpoint.
func (s *Store) openSegment(g *segment, all []*segment, last bool, checkpoints map[uint32]checkpoint) error {
	c := checkpoints[g.number]
	r := &replay{
		s: s, g: g, all: all, indexed: len(checkpoints) > 0,
		filed: newStaged(), batch: new(leveldb.Batch), changed: make(map[*group]*group),
	}
	res, err := r.open(last, c.offset)
	if errors.Is(err, pool.ErrCorrupt) && last {
		// The file's header is damaged, or the file is shorter than the index
		// knows it. Articles go to a new one.
		last = false
		if err := g.close(); err != nil {
			return err
		}
		res, err = r.open(false, c.offset)
	}
	if err != nil {
		return err
	}
	if c.offset > 0 && (g.salt() != c.salt || g.epoch != c.epoch) && g.reader != nil {
		return errDoubt
	}
	g.gaps = c.gaps + len(res.Gaps) + r.bad
	if last {
		s.active[g.epoch] = g
	}
	if g.gaps > c.gaps {
		s.options.Logger.Warn().Int("gaps", g.gaps-c.gaps).Msg("a segment is damaged: some articles in it can't be read")
	}
	g.shown.Store(g.size)
	if err := r.finish(res.End); err != nil || s.options.read == nil {
		return err
	}
	return s.options.read(g.size)
}

// A replay puts what a segment has behind the checkpoint into the index.
type replay struct {
	s       *Store
	g       *segment
	all     []*segment
	indexed bool           // the index is not built anew
	filed   *staged        // articles
	batch   *leveldb.Batch // all else
	changed map[*group]*group
	count   int
	bad     int     // records of another form
	salt    *uint32 // the file's random number, nil when it can't be read
}

func (r *replay) open(last bool, from int64) (record.Result, error) {
	if err := r.peek(); err != nil {
		return record.Result{}, err
	}
	if last {
		return r.g.openToAppend(r.s.files, from, r.visit)
	}
	synced := func(file *record.Reader) (bool, error) { return wasSynced(r.s.files, r.g, file, r.all, r.indexed) }
	return r.g.openToRead(r.s.files, from, synced, r.visit)
}

// peek reads the file's random number, since there are checkpoints to be made
// before the file is open for good.
func (r *replay) peek() error {
	f, _, err := r.s.files.OpenFile(r.g.path, os.O_RDONLY)
	if err != nil {
		return err
	}
	reader, err := record.NewReader(f)
	if err == nil {
		salt := reader.Salt()
		r.salt = &salt
	} else if errors.Is(err, pool.ErrCorrupt) {
		r.salt, err = nil, nil // found again, and told, once it is opened
	}
	return errors.Join(err, f.Close())
}

func (r *replay) visit(offset int64, payload []byte) error {
	if isVoid(payload) {
		return nil
	}
	a, withdrawn, err := parseAny(payload)
	if errors.Is(err, pool.ErrCorrupt) {
		r.bad++
		return nil
	}
	if err := r.s.knowGroups(a.Locations); err != nil {
		return err
	}
	switch {
	case withdrawn:
		return r.withdraw(a, offset, len(payload))
	case payload[1] == flagsMoved:
		return r.moved(a, offset, len(payload))
	}
	r.count++
	h, p := hashOf(a.ID), place{segment: r.g.number, offset: offset, size: len(payload)}
	r.s.seen.add(h, leadTo(p))
	r.s.enterIndex(r.filed, r.g, a, p, r.changed)
	if r.filed.size().keys() < stagedKeys {
		return nil
	}
	return r.write(p.end())
}

// write writes articles and batch with a checkpoint.
func (r *replay) write(offset int64) error {
	if r.salt != nil {
		r.g.checkpoint(r.filed, *r.salt, offset)
	}
	putMarks(r.filed, r.changed)
	if err := r.s.index.writeWith(r.filed, r.batch, false); err != nil {
		return err
	}
	for old, now := range r.changed {
		*old = *now
	}
	clear(r.changed)
	return nil
}

func (r *replay) finish(end int64) error {
	if r.count == 0 && r.g.gaps == 0 {
		return nil
	}
	return r.write(end)
}

// knowGroups makes hidden groups of those that a record names and the groups
// file does not, as when an old one was put back: their numbers stay taken.
func (s *Store) knowGroups(at []pool.Location) error {
	added := false
	for _, l := range at {
		if _, ok := s.groups[l.Group]; ok {
			continue
		}
		s.addGroup(&group{id: s.lastGroup + 1, hidden: true, info: pool.GroupInfo{Name: l.Group, Posting: pool.PostingDenied}})
		added = true
	}
	if !added {
		return nil
	}
	return s.saveGroups(s.allGroups())
}

// setLow finds a group's low water mark, which is not below the one that it has.
func (s *Store) setLow(g *group) error {
	from := max(g.info.Low, g.floor)
	g.info.Low = g.info.High + 1
	return s.index.each(numberKey(g.id, from), numberKey(g.id, pool.MaxNumber+1), func(key, _ []byte) (bool, error) {
		if len(key) != 9 {
			return false, errDoubt
		}
		g.info.Low = pool.Number(binary.BigEndian.Uint32(key[5:]))
		return false, nil
	})
}

// A mark is what the index keeps of a group.
type mark struct {
	high   pool.Number
	count  int
	octets int64
}

func (x *index) marks() (map[uint32]mark, error) {
	out := make(map[uint32]mark)
	err := x.eachOf('g', func(key, value []byte) (bool, error) {
		c := cursor{rest: value}
		m := mark{high: c.number(), count: int(c.uvarint()), octets: int64(c.uvarint())}
		if c.bad || len(key) != 5 {
			return false, errDoubt
		}
		out[binary.BigEndian.Uint32(key[1:])] = m
		return true, nil
	})
	return out, err
}

// rebuild makes a new index beside the old one from segments and history, and
// puts it in its place.
func (s *Store) rebuild(segments []*segment) error {
	s.options.Logger.Warn().Int("segments", len(segments)).Msg("building the index anew")
	if err := s.salvageMarks(); err != nil {
		return err
	}
	if err := s.forget(); err != nil {
		return err
	}
	fresh := filepath.Join(s.dir, indexNewDir)
	if err := s.files.RemoveAll(fresh); err != nil {
		return err
	}
	x, err := openIndex(s.files, fresh, s.options.IndexMemory)
	if err != nil {
		return err
	}
	s.index = x
	if err := s.load(segments); err != nil {
		return err
	}
	if err := s.salvageGone(); err != nil {
		return err
	}
	if n := s.salvaged.withdrawals; n > 0 {
		s.options.Logger.Warn().Int("withdrawals", n).Msg("records of withdrawals are lost, and were written again")
	}
	if err := s.index.close(); err != nil {
		return err
	}
	s.index = nil
	old := filepath.Join(s.dir, indexDir)
	if err := errors.Join(s.files.RemoveAll(old), s.files.Rename(fresh, old), s.files.SyncDir(s.dir)); err != nil {
		return err
	}
	if err := s.removeIfThere(filepath.Join(s.dir, doubtFile)); err != nil {
		return err
	}
	s.index, err = openIndex(s.files, old, s.options.IndexMemory)
	return err
}

// forget undoes what loading has done so far, and closes index and segments.
func (s *Store) forget() error {
	var err error
	if s.index != nil {
		err = s.index.close()
	}
	s.index = nil
	for _, g := range slices.Collect(maps.Values(s.segments)) {
		err = errors.Join(err, g.close())
		g.gaps, g.tally = 0, tally{}
	}
	clear(s.segments)
	clear(s.active)
	s.seen.free()
	s.seen = newFingerprints()
	s.badHistory.Store(0)
	return err
}

func (s *Store) removeIfThere(path string) error {
	if err := s.files.Remove(path); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
