package disk

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/syndtr/goleveldb/leveldb"
	"github.com/syndtr/goleveldb/leveldb/iterator"
	"github.com/syndtr/goleveldb/leveldb/opt"
	"github.com/syndtr/goleveldb/leveldb/util"
)

// Of each article the index has a row in each group and an arrival, next to those of
// the articles before it. The database takes as long for a key as for some KiB, so
// that such neighbours share one: they are in a pack, whose key is that of the last of
// them. No other key of the index lies between those of one pack. So the pack that a
// key is in, or would be, is the first one whose own key is not before it.
//
// Such a search must not go on and on where packs were deleted, which the database
// passes one by one. So a pack is of one window: 256 numbers of a group, or 2^24 ns of
// arrivals, of which some hundreds come in that time at most.
//
// Nothing of this shows outside the file: the index is asked for keys one by one.

// How much is in a pack: so many keys at most, and not more than some block of the
// database's tables, unless it is one key. A look-up reads all of it.
const (
	packKeys   = 32
	packOctets = 4 << 10
)

// window returns what of a key all those in its window have in common, and nothing of
// one that is by itself in the database.
func window(key []byte) []byte {
	switch {
	case key[0] == 'n' && len(key) == 1+4+4:
		return key[:1+4+3]
	case key[0] == 't' && len(key) == arrivalKeySize:
		return key[:1+8+1]
	}
	return nil
}

// packed says whether a key is in a pack.
func packed(key []byte) bool { return window(key) != nil }

// line returns what of a key in a pack all those have in common that are mostly put in
// order.
func line(key []byte) []byte {
	if key[0] == 'n' {
		return key[:1+4]
	}
	return key[:1]
}

// A change is a key that gets a value, or that goes.
type change struct {
	key, value []byte
	gone       bool
}

// appendPacked appends a key and its value to a pack. Of the key it has what differs
// from another, that of the pack or the one before.
func appendPacked(dst, before []byte, c change) []byte {
	same := 0
	for same < len(before) && before[same] == c.key[same] {
		same++
	}
	dst = append(dst, byte(same))
	dst = append(dst, c.key[same:]...)
	dst = binary.AppendUvarint(dst, uint64(len(c.value)))
	return append(dst, c.value...)
}

// A pack is read from its start. Key and value are those that it is at.
type pack struct {
	key, value []byte
	begun      bool
	cursor     cursor
	room       [arrivalKeySize]byte // for key
	own        []byte               // the pack's key
}

// open begins to read a pack, which must not change meanwhile.
func (p *pack) open(key, value []byte) {
	p.own, p.cursor, p.begun = key, cursor{rest: value}, false
	p.key = append(p.room[:0], key...)
}

// next goes to the next key, and says whether there is one. There is none once
// the pack turns out to be damaged, which end tells.
func (p *pack) next() bool {
	c := &p.cursor
	if len(c.rest) == 0 {
		return false
	}
	same := int(c.rest[0])
	left := len(p.key) - same
	if left < 0 || left >= len(c.rest) {
		c.bad, c.rest = true, nil
		return false
	}
	rest := c.rest[1 : 1+left]
	// They ascend, up to the pack's own key, which the first one is compared with.
	if left == 0 && p.begun || left > 0 && (rest[0] > p.key[same]) != p.begun {
		c.bad, c.rest = true, nil
		return false
	}
	copy(p.key[same:], rest)
	c.rest = c.rest[1+left:]
	p.value, p.begun = c.bytes(), true
	return !c.bad
}

// end returns errDoubt unless all of the pack was read, and it is whole.
func (p *pack) end() error {
	if p.cursor.bad || !p.begun || !bytes.Equal(p.key, p.own) {
		return fmt.Errorf("%w: a pack of keys is damaged", errDoubt)
	}
	return nil
}

// eachInDatabase is each for what the database has.
func (x *index) eachInDatabase(from, to []byte, visit func(key, value []byte) (bool, error)) error {
	limit := to
	if len(to) > 1 && (to[0] == 'n' || to[0] == 't') { // it may be amid a pack
		limit = []byte{to[0] + 1}
	}
	it := x.db.NewIterator(&util.Range{Start: from, Limit: limit}, &opt.ReadOptions{DontFillCache: true})
	defer it.Release()
	var p pack
	for it.Next() {
		if !packed(it.Key()) {
			x.note(1)
			if bytes.Compare(it.Key(), to) >= 0 {
				return nil
			}
			if goOn, err := visit(it.Key(), it.Value()); err != nil || !goOn {
				return err
			}
			continue
		}
		p.open(it.Key(), it.Value())
		for p.next() {
			if bytes.Compare(p.key, from) < 0 {
				continue
			}
			if bytes.Compare(p.key, to) >= 0 {
				return nil
			}
			x.note(1)
			if goOn, err := visit(p.key, p.value); err != nil || !goOn {
				return err
			}
		}
		if err := p.end(); err != nil {
			return err
		}
	}
	return doubted(it.Error())
}

// A packing is a batch on its way to the database. It keeps what it is given until it
// is cleared.
type packing struct {
	alone    leveldb.Batch // keys that no pack has
	rows     []change      // those of numbers
	arrivals []change
	singles  []change // on their way to alone
	made     []byte   // memory for keys
	removes  bool     // some rows go

	amends, extends [2]bool // what it does to rows, and to arrivals; see ages

	own   []byte   // memory for a pack
	found []change // the same, for what is in one
	keys  []byte   // the same, for the keys of these
}

// Put implements [leveldb.BatchReplay].
func (p *packing) Put(key, value []byte) {
	if !packed(key) {
		p.alone.Put(key, value)
		return
	}
	p.add(change{key: key, value: value})
}

// Delete implements [leveldb.BatchReplay].
func (p *packing) Delete(key []byte) {
	if !packed(key) {
		p.alone.Delete(key)
		return
	}
	p.add(change{key: key, gone: true})
	p.removes = p.removes || key[0] == 'n'
}

func (p *packing) add(c change) {
	if c.key[0] == 'n' {
		p.rows = append(p.rows, c)
	} else {
		p.arrivals = append(p.arrivals, c)
	}
}

// len returns how many keys were given.
func (p *packing) len() int { return p.alone.Len() + len(p.rows) + len(p.arrivals) }

func (p *packing) clear() {
	p.alone.Reset()
	p.rows, p.arrivals, p.singles = p.rows[:0], p.arrivals[:0], p.singles[:0]
	p.made, p.removes = p.made[:0], false
	p.amends, p.extends = [2]bool{}, [2]bool{}
}

// put writes a packing to the database, all or nothing, and empties it. It is for
// who has the turn.
func (x *index) put(p *packing, sync bool) error {
	defer p.clear()
	x.note(p.len())
	there := packs{db: x.db}
	defer there.release()
	for _, some := range [][]change{p.rows, p.arrivals} {
		if err := x.pack(p, inOrder(some), &there); err != nil {
			return err
		}
	}
	defer x.glimpses.age(p) // whatever of it was written
	return doubted(x.db.Write(&p.alone, &opt.WriteOptions{Sync: sync}))
}

// pack brings sorted changes of keys that are in packs among those of other keys.
func (x *index) pack(p *packing, changes []change, there *packs) error {
	for len(changes) > 0 {
		key := changes[0].key
		top, err := x.top(line(key))
		if err != nil {
			return err
		}
		if bytes.Compare(key, top) > 0 { // no need to look
			n := leading(changes, func(c change) bool { return bytes.Equal(line(c.key), line(key)) })
			x.raise(changes[n-1].key)
			p.putAll(changes[:n])
			p.extends[kindOf(key)] = true
			changes = changes[n:]
			continue
		}
		n, err := x.amend(p, changes, there.of(key))
		if err != nil {
			return err
		}
		changes = changes[n:]
	}
	return nil
}

// amend makes the first of some changes, those that belong into one pack or behind the
// last one of a window, and returns how many these are. it is over the window.
func (x *index) amend(p *packing, changes []change, it iterator.Iterator) (n int, err error) {
	key := changes[0].key
	p.amends[kindOf(key)] = true
	if it.Seek(key) {
		return p.change(it.Key(), it.Value(), changes)
	}
	if err := it.Error(); err != nil {
		return 0, doubted(err)
	}
	n = leading(changes, func(c change) bool { return bytes.Equal(window(c.key), window(key)) })
	x.raise(changes[n-1].key)
	p.putAll(changes[:n])
	return n, nil
}

// packs looks for packs in the database, window by window.
type packs struct {
	db     *leveldb.DB
	window []byte
	it     iterator.Iterator // over this window; nil before the first one
}

func (t *packs) release() {
	if t.it != nil {
		t.it.Release()
	}
}

// of returns an iterator over the packs of a key's window.
func (t *packs) of(key []byte) iterator.Iterator {
	if w := window(key); t.it == nil || !bytes.Equal(w, t.window) {
		t.release()
		t.window = w
		t.it = t.db.NewIterator(&util.Range{Limit: util.BytesPrefix(w).Limit}, nil)
	}
	return t.it
}

// inOrder sorts changes, and keeps the last one to each key.
func inOrder(changes []change) []change {
	byKey := func(a, b change) int { return bytes.Compare(a.key, b.key) }
	if !slices.IsSortedFunc(changes, byKey) {
		slices.SortStableFunc(changes, byKey)
	}
	kept := changes[:0]
	for i, c := range changes {
		if i+1 == len(changes) || !bytes.Equal(c.key, changes[i+1].key) {
			kept = append(kept, c)
		}
	}
	return kept
}

// leading returns how many of the first changes are such.
func leading(changes []change, such func(change) bool) int {
	if n := slices.IndexFunc(changes, func(c change) bool { return !such(c) }); n >= 0 {
		return n
	}
	return len(changes)
}

// top returns a key of a line behind which there is none in the database.
func (x *index) top(line []byte) ([]byte, error) {
	if top, ok := x.tops[string(line)]; ok {
		return top, nil
	}
	it := x.db.NewIterator(util.BytesPrefix(line), nil)
	defer it.Release()
	var top []byte
	if it.Last() {
		top = bytes.Clone(it.Key())
	}
	if err := it.Error(); err != nil {
		return nil, doubted(err)
	}
	x.tops[string(line)] = top
	return top, nil
}

// raise sees to it that the top of a key's line, which is known, is not before it.
func (x *index) raise(key []byte) {
	if top := x.tops[string(line(key))]; bytes.Compare(key, top) > 0 {
		x.tops[string(line(key))] = append(top[:0], key...)
	}
}

// change makes the first of some changes, those that belong into one pack, and returns
// how many these are.
func (p *packing) change(key, value []byte, changes []change) (int, error) {
	n := leading(changes, func(c change) bool { return bytes.Compare(c.key, key) <= 0 })
	if err := p.find(key, value); err != nil {
		return 0, err
	}
	are, changed := merge(p.found, changes[:n])
	if !changed {
		return n, nil
	}
	if len(are) == 0 || !bytes.Equal(are[len(are)-1].key, key) {
		p.alone.Delete(key)
	}
	p.putAll(are)
	return n, nil
}

// find gathers what is in a pack.
func (p *packing) find(key, value []byte) error {
	p.found, p.keys = p.found[:0], p.keys[:0]
	var in pack
	in.open(key, value)
	for in.next() {
		p.keys = append(p.keys, in.key...) // where it grows, those before stay where they are
		p.found = append(p.found, change{key: p.keys[len(p.keys)-len(in.key):], value: in.value})
	}
	return in.end()
}

// merge makes changes to some keys, which are sorted like these, and says whether
// that changed anything.
func merge(were, changes []change) (are []change, changed bool) {
	are = make([]change, 0, len(were)+len(changes))
	for _, c := range changes {
		n := leading(were, func(w change) bool { return bytes.Compare(w.key, c.key) < 0 })
		are, were = append(are, were[:n]...), were[n:]
		known := len(were) > 0 && bytes.Equal(were[0].key, c.key)
		switch {
		case c.gone:
			changed = changed || known
		case known:
			changed = changed || !bytes.Equal(were[0].value, c.value)
			are = append(are, c)
		default:
			changed, are = true, append(are, c)
		}
		if known {
			were = were[1:]
		}
	}
	return append(are, were...), changed
}

// putAll makes packs of sorted keys of one line, but for those that go.
func (p *packing) putAll(some []change) {
	some = slices.DeleteFunc(some, func(c change) bool { return c.gone })
	for len(some) > 0 {
		octets := 0
		n := max(1, leading(some[:min(packKeys, len(some))], func(c change) bool {
			octets += len(c.key) + len(c.value)
			return octets <= packOctets && bytes.Equal(window(c.key), window(some[0].key))
		}))
		own := some[n-1].key
		p.own = p.own[:0]
		for i, before := 0, own; i < n; i++ {
			p.own = appendPacked(p.own, before, some[i])
			before = some[i].key
		}
		p.alone.Put(own, p.own)
		some = some[n:]
	}
}
