package recordtest

import (
	"maps"
	"math/rand/v2"
	"slices"
)

// sector is how many octets a disk writes whole or not at all.
const sector = 512

// The styles in which a failing of the power takes what is not synced.
const (
	takesAll   = iota // nothing unsynced is kept
	takesNone         // everything is, as after a mere kill
	takesTail         // of each file and folder the last changes, one of them torn
	takesSome         // changes here and there, the later without the earlier
	takesParts        // sectors here and there
	styles
)

// A failure is one failing of the power.
type failure struct {
	*rand.Rand
	style int
	done  map[*node]*node
	lost  int
}

// left returns what the failure leaves of a node and all below it.
func (f *failure) left(n *node) *node {
	if out := f.done[n]; out != nil {
		return out
	}
	out := new(node)
	f.done[n] = out
	if !n.folder {
		out.disk = f.file(n)
		out.data = slices.Clone(out.disk)
		return out
	}
	*out = *newFolder()
	names := maps.Clone(n.durable)
	keep := f.chooser(len(n.renames))
	for i, c := range n.renames {
		if !keep(i) {
			f.lost++
			continue
		}
		delete(names, c.from)
		if c.to != "" {
			names[c.to] = c.node
		}
	}
	for _, name := range slices.Sorted(maps.Keys(names)) { // in order, for the chances to be the same again
		out.names[name] = f.left(names[name])
	}
	out.syncNames()
	return out
}

// chooser says which of n changes are kept.
func (f *failure) chooser(n int) func(int) bool {
	kept := f.IntN(n + 1)
	return func(i int) bool {
		switch f.style {
		case takesAll:
			return false
		case takesNone:
			return true
		case takesTail:
			return i < kept
		}
		return f.IntN(2) == 0
	}
}

// file returns what is left of a file.
func (f *failure) file(n *node) []byte {
	octets := slices.Clone(n.disk)
	keep := f.chooser(len(n.writes))
	torn := f.style == takesTail
	for i, w := range n.writes {
		switch {
		case f.style == takesParts && !w.cut:
			octets = f.sectors(octets, w)
		case keep(i):
			octets = w.to(octets)
		case torn && !w.cut: // the first one behind the kept ones
			torn = false
			octets = f.sectors(octets, w)
		default:
			f.lost++
		}
	}
	return octets
}

// sectors makes some sectors of a write. The size it gives the file may be kept
// without them.
func (f *failure) sectors(octets []byte, w write) []byte {
	f.lost++
	if f.IntN(2) == 0 {
		octets = write{at: w.at + int64(len(w.data)), data: nil}.to(octets)
	}
	for at := int64(0); at < int64(len(w.data)); {
		end := min((w.at+at)/sector*sector+sector-w.at, int64(len(w.data)))
		if f.IntN(2) == 0 {
			octets = write{at: w.at + at, data: w.data[at:end]}.to(octets)
		}
		at = end
	}
	return octets
}
