package disk

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/gofrs/flock"

	"github.com/restante/restante/pool"
	"github.com/restante/restante/pool/article"
	"github.com/restante/restante/pool/record"
)

// FsckOptions are what [Fsck] is told.
type FsckOptions struct {
	Repair   bool                    // mend what can be mended
	Progress func(done, total int64) // gets octets that are checked, or read for the index; nil for nobody
	Files    record.FS               // as in [Options]
}

// A FsckReport is what [Fsck] found. Its sentences name no article.
type FsckReport struct {
	Segments, Articles, Withdrawals int
	Octets                          int64
	Resumed                         int      // segments whose result is that of an interrupted run
	Notes                           []string // what is no problem
	Problems                        []string
	Repairs                         []string // what was done about it
	Repairing, Repaired             bool     // whether a repair was begun, and whether it came to its end
}

// Clean says whether no problem was found.
func (r *FsckReport) Clean() bool { return len(r.Problems) == 0 }

func (r *FsckReport) problem(format string, args ...any) {
	r.Problems = append(r.Problems, fmt.Sprintf(format, args...))
}

// Fsck verifies a store that nobody has open: every record of every segment,
// and that groups, index and history agree with them. When ctx ends it returns
// ctx's error, and the next call goes on with the segment that it was at, unless
// the store was used meanwhile. It returns [ErrInUse] when a process has the
// store open, and an error for a folder without a store.
func Fsck(ctx context.Context, dir string, o FsckOptions) (*FsckReport, error) {
	if o.Files == nil {
		o.Files = record.OS{}
	}
	if _, err := o.Files.ReadDir(filepath.Join(dir, segmentsDir)); err != nil {
		return nil, fmt.Errorf("there is no store in the folder: %w", err)
	}
	lock := flock.New(filepath.Join(dir, lockFile), flock.SetPermissions(0o600))
	if ok, err := lock.TryLock(); err != nil {
		return nil, err
	} else if !ok {
		return nil, ErrInUse
	}
	c := &checker{dir: dir, options: o, files: patientFiles{o.Files, new(int64)}, report: new(FsckReport)}
	err := c.check(ctx)
	if err = errors.Join(err, lock.Close()); err != nil {
		return c.report, err
	}
	if o.Repair && !c.report.Clean() {
		err = c.repair(ctx) // opens the store, which takes the lock itself
		c.report.Repaired = err == nil
	}
	c.endState()
	return c.report, err
}

// A checker checks one store.
type checker struct {
	dir     string
	options FsckOptions
	files   patientFiles
	report  *FsckReport

	state          *fsckState
	stateless      bool // it can't be noted
	moved          bool // octets were taken out of segments
	damagedHistory []string

	groups      []*group
	byName      map[pool.Group]*group
	groupsLost  bool   // the groups file can't be read
	index       *index // nil when it can't be relied upon
	checkpoints map[uint32]checkpoint
	withdrawn   map[hash]place // as the index has it
	marks       map[uint32]mark
	results     map[uint32]*segmentResult
	segments    []*segment
	dead        graves                   // segments that a crash may have left, or index entries of them
	lost        map[uint32][]pool.Number // by group: numbers whose records are damaged
	done, total int64
}

// A segmentResult is what was found in one segment. It is kept while a check is
// interrupted.
type segmentResult struct {
	Articles, Withdrawals      int
	Octets                     int64
	Bad                        []record.Gap // octets that are no record, or none of a known form
	Unreadable                 bool         // the header is damaged: nothing of it can be told
	Unfinished                 bool         // a torn tail, which opening cuts off
	End                        int64        // behind it there is no record
	Cut                        int64        // octets that the file is too short by
	Missed                     int64        // octets that the disk did not give
	Rows, Arrivals             int          // what the index has of it, as it should
	Missing                    int          // what the index lacks of it, or has otherwise
	UnknownGroups, AboveMarks  int          // places in groups that are not in the groups file, or above their marks
	Misfiled                   int          // records of another epoch
	WithdrawalsInIndex, Behind int          // Behind: records that the index is yet to learn of
	Astray                     []hash       // what it does not know any more, or not yet where it was copied to
	Copied                     []hash       // what Behind has copies of
}

func (c *checker) check(ctx context.Context) error {
	if err := c.open(); err != nil {
		return err
	}
	c.state = c.loadState()
	c.tellBefore()
	for _, g := range c.segments {
		res, ok := c.state.Results[g.number]
		if ok {
			c.report.Resumed++
			*c.files.missed += res.Missed
			c.advance(g.size)
		} else {
			var err error
			before := *c.files.missed
			if res, err = c.segment(ctx, g); err != nil {
				return errors.Join(err, c.closeIndex())
			}
			res.Missed = *c.files.missed - before
			c.state.Results[g.number] = res
			c.keepState()
		}
		c.results[g.number] = res
	}
	c.findAstray()
	for _, g := range c.segments {
		c.tell(g, c.results[g.number])
	}
	err := errors.Join(c.history(), c.withoutIndex(c.compare(ctx)), c.closeIndex())
	if n := *c.files.missed; n > 0 {
		c.report.problem("The disk fails: %d octets can't be read from it, though they may be later.", n)
	}
	return err
}

func (c *checker) closeIndex() error {
	if c.index == nil {
		return nil
	}
	return c.index.close()
}

// open reads groups and index, and lists the segments.
func (c *checker) open() error {
	c.byName, c.results = make(map[pool.Group]*group), make(map[uint32]*segmentResult)
	c.lost = make(map[uint32][]pool.Number)
	segments, err := listSegments(c.files, c.dir)
	if err == nil {
		c.dead, err = (&Store{dir: c.dir, files: c.files}).graves()
	}
	if err != nil {
		return err
	}
	segments = slices.DeleteFunc(segments, func(g *segment) bool { return c.dead.has(g.epoch, g.number) })
	last := make(map[uint64]*segment)
	for _, g := range segments {
		f, size, err := c.files.OpenFile(g.path, os.O_RDONLY)
		if err == nil {
			err = f.Close()
		}
		if err != nil {
			return err
		}
		g.size = size
		c.total += g.size
		last[g.epoch] = g
	}
	for _, g := range last {
		g.kept = true // here: a torn tail is no damage, whatever the index knows
	}
	c.segments = segments
	text, err := record.ReadFile(c.files, filepath.Join(c.dir, groupsFile))
	if err == nil {
		c.groups, err = parseGroups(text)
	}
	if err != nil && (len(segments) > 0 || !errors.Is(err, os.ErrNotExist)) {
		c.groupsLost = true
		c.report.problem("The groups file is missing or damaged. Without it article numbers could be given twice: put it back from a backup, however old.")
	}
	for _, g := range c.groups {
		c.byName[g.info.Name] = g
	}
	return c.openIndex()
}

func (c *checker) advance(octets int64) {
	c.done += octets
	if c.options.Progress != nil {
		c.options.Progress(c.done, c.total)
	}
}

// segment verifies one segment.
func (c *checker) segment(ctx context.Context, g *segment) (*segmentResult, error) {
	res := new(segmentResult)
	f, _, err := c.files.OpenFile(g.path, os.O_RDONLY)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	r, err := record.NewReader(f)
	if errors.Is(err, pool.ErrCorrupt) {
		if record.Unbegun(err, g.size) {
			res.Unfinished = true
		} else {
			res.Unreadable = true
			res.Bad = []record.Gap{{From: 0, To: g.size}}
		}
		c.advance(g.size)
		return res, nil
	} else if err != nil {
		return nil, err
	}
	at := int64(0)
	scan, err := r.Scan(g.size, 0, func(offset int64, payload []byte) error {
		if err := ctx.Err(); err != nil {
			return err
		}
		p := place{segment: g.number, offset: offset, size: len(payload)}
		c.advance(p.end() - at)
		at = p.end()
		return c.record(g, res, p, payload)
	})
	if err != nil {
		return nil, err
	}
	c.advance(g.size - at)
	known := c.acknowledged(g, r.Salt())
	all, err := c.synced(g, r, &scan)
	if err != nil {
		return nil, err
	}
	if all {
		known = g.size
	}
	scan.Learn(known)
	res.Bad = append(res.Bad, scan.Gaps...)
	res.Octets, res.End, res.Cut = g.size, scan.End, max(known-g.size, 0)
	switch {
	case !g.kept && scan.Torn && known > scan.End:
		res.Bad = append(res.Bad, record.Gap{From: scan.End, To: g.size})
	case g.kept && min(known, g.size) > scan.End: // opening would cut off what was acknowledged once
		res.Bad = append(res.Bad, record.Gap{From: scan.End, To: min(known, g.size)})
	case scan.Torn, len(scan.Unsynced) > 0:
		res.Unfinished = true
	}
	slices.SortFunc(res.Bad, func(a, b record.Gap) int { return int(a.From - b.From) })
	return res, nil
}

// synced says whether all of a segment was synced, where that is in question, as opening does.
func (c *checker) synced(g *segment, r *record.Reader, scan *record.Result) (bool, error) {
	if g.kept || !scan.Torn && len(scan.Unsynced) == 0 {
		return false, nil
	}
	return wasSynced(c.files, g, r, c.segments, len(c.checkpoints) > 0)
}

// acknowledged returns how far the index knows a segment.
func (c *checker) acknowledged(g *segment, salt uint32) int64 {
	if at, ok := c.checkpoints[g.number]; ok && at.epoch == g.epoch && at.salt == salt && c.index != nil {
		return at.offset
	}
	return 0
}

// record checks one record, and what the index has of it.
func (c *checker) record(g *segment, res *segmentResult, p place, payload []byte) error {
	if isVoid(payload) {
		return nil
	}
	a, withdrawn, err := parseAny(payload)
	if err != nil || !withdrawn && !wellFormed(a) {
		res.Bad = append(res.Bad, record.Gap{From: p.offset, To: p.end()})
		return nil //nolint:nilerr // the same
	}
	if a.Epoch != g.epoch {
		res.Misfiled++
	}
	if withdrawn {
		res.Withdrawals++
	} else {
		res.Articles++
	}
	for _, l := range a.Locations {
		if c.byName[l.Group] == nil {
			res.UnknownGroups++
		}
	}
	if c.index != nil && c.behind(p) {
		res.Behind++
		if payload[1] == flagsMoved {
			res.Copied = append(res.Copied, hashOf(a.ID))
		}
		return nil
	}
	return c.withoutIndex(c.indexed(res, p, a, withdrawn))
}

// wellFormed says whether an article's parts fit together.
func wellFormed(a *pool.Stored) bool {
	id, found := article.HeaderField(a.Head(), "message-id")
	return bytes.HasSuffix(a.Wire, []byte(".\r\n")) && bytes.HasPrefix(a.Wire[a.HeadSize:], []byte("\r\n")) &&
		bytes.HasSuffix(a.Head(), []byte("\r\n")) && found && id == string(a.ID)
}

// behind says whether the index is yet to learn of a record.
func (c *checker) behind(p place) bool {
	at, ok := c.checkpoints[p.segment]
	return !ok || p.end() > at.offset
}

// indexed checks what the index has of a record.
func (c *checker) indexed(res *segmentResult, p place, a *pool.Stored, withdrawn bool) error {
	if c.index == nil {
		return nil
	}
	at, gone := c.withdrawn[hashOf(a.ID)]
	switch {
	case gone && withdrawn && at == p:
		res.WithdrawalsInIndex++
		return nil
	case gone && (!withdrawn || at.segment > p.segment): // withdrawn since, or a copy counts
		return nil
	}
	_, there, err := c.index.get(arrivalKey(a.Arrived, p))
	if err != nil {
		return err
	}
	if !there || withdrawn {
		return c.absent(res, p, a)
	}
	res.Arrivals++
	return c.rows(res, p, a)
}

// absent checks that the index has reason not to lead to a record: what it is of is
// gone, or a copy counts.
func (c *checker) absent(res *segmentResult, p place, a *pool.Stored) error {
	_, known, err := c.index.get(idKey(hashOf(a.ID)))
	if known || err != nil {
		return err
	}
	at, err := c.index.arrivalOf(a)
	switch {
	case at == (place{}):
		res.Astray = append(res.Astray, hashOf(a.ID))
	case at.segment <= p.segment:
		res.Missing++
	}
	return err
}

// findAstray looks for what the index lacks among the copies that it is yet to learn of:
// opening takes an article out of the index before it enters its copy, and may end between.
func (c *checker) findAstray() {
	if c.index == nil {
		return
	}
	copied := make(map[hash]bool)
	for _, res := range c.results {
		for _, h := range res.Copied {
			copied[h] = true
		}
	}
	for _, res := range c.results {
		for _, h := range res.Astray {
			if !copied[h] {
				res.Missing++
			}
		}
	}
}

// rows checks the rows of an article in the index.
func (c *checker) rows(res *segmentResult, p place, a *pool.Stored) error {
	for _, l := range a.Locations {
		g := c.byName[l.Group]
		if g == nil || l.Number < g.floor {
			continue
		}
		if l.Number > c.marks[g.id].high {
			res.AboveMarks++
		}
		row, ok, err := c.index.get(numberKey(g.id, l.Number))
		if err != nil {
			return err
		}
		in := cursor{rest: row}
		if ok && in.place() == p && bytes.Equal(in.rest, a.Overview) {
			res.Rows++
		} else {
			res.Missing++
		}
	}
	return nil
}

// tell puts what was found in a segment into the report.
func (c *checker) tell(g *segment, res *segmentResult) {
	r := c.report
	r.Segments++
	r.Articles += res.Articles
	r.Withdrawals += res.Withdrawals
	r.Octets += res.Octets
	name := fmt.Sprintf("Segment %d of epoch %d", g.number, g.epoch)
	switch {
	case res.Unreadable:
		r.problem("%s can't be read at all: its header is damaged (%d octets).", name, g.size)
	case len(res.Bad) > 0:
		octets := int64(0)
		for _, gap := range res.Bad {
			octets += gap.To - gap.From
		}
		r.problem("%s is damaged in %d places (%d octets).", name, len(res.Bad), octets)
	}
	if res.Cut > 0 {
		r.problem("%s is %d octets shorter than the index knows it.", name, res.Cut)
	}
	if res.Missing > 0 {
		r.problem("%s is not as the index has it, %d times.", name, res.Missing)
	}
	if res.Misfiled > 0 {
		r.problem("%s holds %d records of another epoch.", name, res.Misfiled)
	}
	if res.UnknownGroups > 0 && !c.groupsLost {
		r.problem("%s has %d articles in groups that the groups file does not know: an old one was put back, or a group's is damaged.", name, res.UnknownGroups)
	}
	if res.AboveMarks > 0 {
		r.problem("%s has %d articles with numbers above their groups' high marks.", name, res.AboveMarks)
	}
	if res.Unfinished {
		r.Notes = append(r.Notes, name+" ends in a write that was never acknowledged: the next start sees to it.")
	}
	if res.Behind > 0 {
		r.Notes = append(r.Notes, fmt.Sprintf("The index is yet to learn of %d records of segment %d, as after a crash: the next start sees to it.", res.Behind, g.number))
	}
}
