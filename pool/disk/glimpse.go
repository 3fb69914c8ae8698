package disk

import (
	"bytes"
	"hash/maphash"
	"sync/atomic"
)

// A glimpse is what a look at the database told of some keys: they are in that pack,
// or not there. Whoever asks for one row mostly asks for its neighbours next, be it a
// reader, a check, or expiry, and a search in the database takes longer than most else.
type glimpse struct {
	from, to []byte // the first and last key that it tells of; to is the pack's own
	pack     []byte // nil when no pack has such keys; then to is a window
	at       ages
}

// ages count the batches that changed packs, or keys between them, and those that put
// keys behind all others. A pack is as it was until the first of them; that there is
// none, until either.
type ages struct{ amended, extended uint64 }

// glimpses are those of late. They may be used from many goroutines.
type glimpses struct {
	seed     maphash.Seed
	held     [256]atomic.Pointer[glimpse] // by window
	amended  [2]atomic.Uint64             // see ages; of rows, and of arrivals
	extended [2]atomic.Uint64
}

func newGlimpses() *glimpses { return &glimpses{seed: maphash.MakeSeed()} }

// kindOf tells rows from arrivals.
func kindOf(key []byte) int {
	if key[0] == 'n' {
		return 0
	}
	return 1
}

// now returns the ages of keys of that kind.
func (h *glimpses) now(key []byte) ages {
	kind := kindOf(key)
	return ages{h.amended[kind].Load(), h.extended[kind].Load()}
}

// age counts what a packing did.
func (h *glimpses) age(p *packing) {
	for kind := range p.amends {
		if p.amends[kind] {
			h.amended[kind].Add(1)
		}
		if p.extends[kind] {
			h.extended[kind].Add(1)
		}
	}
}

// tells says whether a glimpse tells of a key, as things are now.
func (g *glimpse) tells(key []byte, now ages) bool {
	switch {
	case g == nil || g.at.amended != now.amended || bytes.Compare(key, g.from) < 0:
		return false
	case g.pack == nil:
		return g.at == now && bytes.Equal(window(key), g.to)
	}
	return bytes.Compare(key, g.to) <= 0
}

// find returns a copy of the value of a key that the glimpse tells of.
func (g *glimpse) find(key []byte) ([]byte, bool, error) {
	if g.pack == nil {
		return nil, false, nil
	}
	var p pack
	p.open(g.to, g.pack)
	for p.next() {
		switch bytes.Compare(p.key, key) {
		case 0:
			return bytes.Clone(p.value), true, nil
		case 1:
			return nil, false, nil
		}
	}
	return nil, false, p.end()
}

// getPacked returns a copy of the value of a key that is in a pack.
func (x *index) getPacked(key []byte) ([]byte, bool, error) {
	h := x.glimpses
	slot := &h.held[maphash.Bytes(h.seed, window(key))%uint64(len(h.held))]
	if g := slot.Load(); g.tells(key, h.now(key)) {
		return g.find(key)
	}
	g, err := x.look(key)
	if err != nil {
		return nil, false, err
	}
	slot.Store(g)
	return g.find(key)
}

// look looks for a key in the database.
func (x *index) look(key []byte) (*glimpse, error) {
	g := &glimpse{from: bytes.Clone(key), at: x.glimpses.now(key)} // before the look
	in := packs{db: x.db}
	defer in.release()
	it := in.of(key)
	if !it.Seek(key) {
		g.to = window(g.from)
		return g, doubted(it.Error())
	}
	g.to, g.pack = bytes.Clone(it.Key()), bytes.Clone(it.Value())
	var p pack
	if p.open(g.to, g.pack); p.next() && bytes.Compare(p.key, key) < 0 {
		g.from = bytes.Clone(p.key)
	}
	return g, nil
}
