package disk

import (
	"bytes"
	"encoding/binary"
	"runtime"
	"slices"
	"sync"

	"github.com/syndtr/goleveldb/leveldb"

	"github.com/restante/restante/pool"
)

// How much may be staged, in keys and in octets, before whoever stages more puts
// it into the database first: some 2,000 articles.
const (
	stagedKeys   = 4096
	stagedOctets = 1 << 20
)

// A staging is what was filed on its way into the index's database. It is found
// like all else from the moment it is staged, but an article need not wait
// for the database, which takes longer than a sync. Whoever walks over keys puts
// what is staged among them there first. What is staged when the process ends is
// found in the segments, behind the checkpoints.
type staging struct {
	turn    sync.Mutex    // held while anything is written to the database
	wake    chan struct{} // something was staged; for whoever puts it there
	packing packing       // used by who has the turn

	mu    sync.RWMutex // guards what follows
	young *staged      // added to
	old   *staged      // being written; nil when nothing is
	spare *staged      // empty, to be used again
	lost  error        // why some is not in the database and never will be
}

// A staged is what goes into the database in one go. Its keys are made on the way.
type staged struct {
	octets   []byte // all values, one behind the other
	articles []stagedArticle
	rows     []stagedRow
	singles  []stagedSingle
	ends     []stagedEnd // each time some had been staged

	byRow map[rowID]int32        // which of the rows
	least map[uint32]pool.Number // the lowest number staged in each group
}

// A stagedArticle is what the index has of an article, but for its rows.
type stagedArticle struct {
	seconds int64 // of the arrival, since 1970
	nanos   uint32
	segment uint32
	offset  int64

	// In the octets, one behind the other: the row, which is the place and the overview
	// line, and the value of the arrival.
	row, arrival, end uint32
}

type stagedRow struct {
	rowID
	article int32
}

// A rowID is the group and the number of a row.
type rowID struct {
	group  uint32
	number pool.Number
}

// A stagedSingle is a key of a letter and a number, with a value.
type stagedSingle struct {
	key      [1 + 4]byte
	from, to uint32
}

// A stagedEnd is how much there was of each.
type stagedEnd struct{ articles, rows, singles int }

func (e stagedEnd) keys() int { return e.articles + e.rows + e.singles }

func newStaging() *staging {
	return &staging{wake: make(chan struct{}, 1), young: newStaged()}
}

func newStaged() *staged {
	return &staged{byRow: make(map[rowID]int32), least: make(map[uint32]pool.Number)}
}

// article adds an article, whose rows are to follow.
func (y *staged) article(a *pool.Stored, p place) {
	c := stagedArticle{
		seconds: a.Arrived.Unix(), nanos: uint32(a.Arrived.Nanosecond()), segment: p.segment, offset: p.offset,
		row: uint32(len(y.octets)),
	}
	y.octets = appendPlace(y.octets, p)
	y.octets = append(y.octets, a.Overview...)
	c.arrival = uint32(len(y.octets))
	y.octets = appendString(y.octets, string(a.ID))
	c.end = uint32(len(y.octets))
	y.articles = append(y.articles, c)
}

// location adds one of the places of the article added last, and a row unless the
// number has expired.
func (y *staged) location(group uint32, n pool.Number, expired bool) {
	last := len(y.articles) - 1
	y.octets = binary.AppendUvarint(binary.AppendUvarint(y.octets, uint64(group)), uint64(n))
	y.articles[last].end = uint32(len(y.octets))
	if expired {
		return
	}
	row := rowID{group, n}
	y.byRow[row] = int32(last)
	y.rows = append(y.rows, stagedRow{row, int32(last)})
	if least, ok := y.least[group]; !ok || n < least {
		y.least[group] = n
	}
}

// single adds a key of a letter and a number.
func (y *staged) single(letter byte, number uint32, value func(dst []byte) []byte) {
	c := stagedSingle{key: [1 + 4]byte{letter}, from: uint32(len(y.octets))}
	binary.BigEndian.PutUint32(c.key[1:], number)
	y.octets = value(y.octets)
	c.to = uint32(len(y.octets))
	y.singles = append(y.singles, c)
}

// size returns how much is staged.
func (y *staged) size() stagedEnd {
	return stagedEnd{len(y.articles), len(y.rows), len(y.singles)}
}

// get returns a copy of the value of a key, unless it is that of an arrival, which
// nobody looks up.
func (y *staged) get(key []byte) ([]byte, bool) {
	switch {
	case key[0] == 'n' && len(key) == 1+4+4:
		if i, ok := y.byRow[rowID{groupOf(key), numberOf(key)}]; ok {
			c := &y.articles[i]
			return bytes.Clone(y.octets[c.row:c.arrival]), true
		}
	case len(key) == len(stagedSingle{}.key):
		for _, c := range slices.Backward(y.singles) {
			if bytes.Equal(c.key[:], key) {
				return bytes.Clone(y.octets[c.from:c.to]), true
			}
		}
	}
	return nil, false
}

// among says whether there may be keys from one up to but without another.
func (y *staged) among(from, to []byte) bool {
	const row = 1 + 4 + 4
	if y.size().keys() == 0 {
		return false
	}
	if from[0] != 'n' || len(from) != row || len(to) != row || groupOf(from) != groupOf(to) {
		return true
	}
	least, ok := y.least[groupOf(from)]
	return ok && least < pool.Number(binary.BigEndian.Uint32(to[5:]))
}

func (y *staged) clear() {
	y.octets, y.articles, y.rows = y.octets[:0], y.articles[:0], y.rows[:0]
	y.singles, y.ends = y.singles[:0], y.ends[:0]
	clear(y.byRow)
	clear(y.least)
}

// each calls visit for what is on its way, the younger first, until it returns
// true, and says whether it did.
func (g *staging) each(visit func(*staged) bool) bool {
	g.mu.RLock()
	defer g.mu.RUnlock()
	return visit(g.young) || g.old != nil && visit(g.old)
}

// get returns a copy of the value of a key that is on its way.
func (g *staging) get(key []byte) (value []byte, ok bool) {
	g.each(func(y *staged) bool {
		value, ok = y.get(key)
		return ok
	})
	return value, ok
}

// among says whether keys from one up to but without another may be on their way.
func (g *staging) among(from, to []byte) bool {
	return g.each(func(y *staged) bool { return y.among(from, to) })
}

// full says whether what is staged should go to the database before there is more.
func (g *staging) full() bool {
	g.mu.RLock()
	defer g.mu.RUnlock()
	return g.young.size().keys() >= stagedKeys || len(g.young.octets) >= stagedOctets
}

// stage lets add add what is new. All of it is found at once. It is refused once
// some was lost: a later checkpoint would hide that.
func (x *index) stage(add func(*staged)) error {
	if x.staging.full() {
		if err := x.settle(); err != nil {
			return err
		}
	}
	g := x.staging
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.lost != nil {
		return g.lost
	}
	select {
	case g.wake <- struct{}{}:
	default:
	}
	add(g.young)
	g.young.ends = append(g.young.ends, g.young.size())
	return nil
}

// settle puts into the database what was staged before the call.
func (x *index) settle() error {
	x.staging.turn.Lock()
	defer x.staging.turn.Unlock()
	return x.settleStaged()
}

// settleStaged is settle for who has the turn.
func (x *index) settleStaged() error {
	g := x.staging
	y, err := g.take()
	if err != nil || y == nil {
		return err
	}
	err = x.putStaged(y)
	g.mu.Lock()
	defer g.mu.Unlock()
	if err != nil { // it can still be looked up, but there will be nothing behind it
		g.lost = err
		return err
	}
	g.old.clear()
	g.old, g.spare = nil, g.old
	return nil
}

// take returns what is staged, or nil when nothing is.
func (g *staging) take() (*staged, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.lost != nil || g.young.size().keys() == 0 {
		return nil, g.lost
	}
	g.old, g.young, g.spare = g.young, g.spare, nil
	if g.young == nil {
		g.young = newStaged()
	}
	return g.old, nil
}

// portionKeys is about how many keys are written to the database at once: a tenth of a
// millisecond's work.
const portionKeys = 64

// putStaged writes what was staged to the database in portions that end where
// something staged at once does, with its checkpoint. Between them it gives way:
// whoever comes back from a sync would otherwise wait for all of it where there are
// few processors, and with it all that the next sync is for.
func (x *index) putStaged(y *staged) error {
	p := &x.staging.packing
	var from stagedEnd
	for i, to := range y.ends {
		if i+1 < len(y.ends) && to.keys()-from.keys() < portionKeys {
			continue
		}
		p.addStaged(y, from, to)
		if err := x.put(p, false); err != nil {
			return err
		}
		from = to
		runtime.Gosched()
	}
	return nil
}

// addStaged adds a part of what was staged. It keeps the values where they are.
func (p *packing) addStaged(y *staged, from, to stagedEnd) {
	for i := range y.articles[from.articles:to.articles] {
		c := &y.articles[from.articles+i]
		start := len(p.made)
		p.made = appendRecordPlace(appendTimeKey(p.made, c.seconds, c.nanos), c.segment, c.offset)
		p.arrivals = append(p.arrivals, change{key: p.made[start:], value: y.octets[c.arrival:c.end]})
	}
	for _, r := range y.rows[from.rows:to.rows] {
		start := len(p.made) // where it grows, the keys before stay where they are
		p.made = appendNumberKey(p.made, r.group, r.number)
		c := &y.articles[r.article]
		p.rows = append(p.rows, change{key: p.made[start:], value: y.octets[c.row:c.arrival]})
	}
	singles := y.singles[from.singles:to.singles]
	for i := range singles {
		c := &singles[i]
		p.singles = append(p.singles, change{key: c.key[:], value: y.octets[c.from:c.to]})
	}
	for _, c := range inOrder(p.singles) { // many were staged several times
		p.alone.Put(c.key, c.value)
	}
}

// replay gives all keys and values.
func (y *staged) replay(to leveldb.BatchReplay) error {
	var p packing
	p.addStaged(y, stagedEnd{}, y.size())
	for _, c := range slices.Concat(p.rows, p.arrivals) {
		to.Put(c.key, c.value)
	}
	return p.alone.Replay(to)
}
