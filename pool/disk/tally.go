package disk

import (
	"bytes"
	"encoding/binary"
	"strconv"

	"github.com/restante/restante/pool"
)

// A tally is how much of a segment is still needed, and when its articles
// arrived: by that what leads to it is found in the index without a look at
// all of it.
type tally struct {
	filed    int   // places that its articles were given, those withdrawn or expired since included
	live     int   // places in the index that lead to it
	from, to int64 // first and last arrival in seconds since 1970; no article when filed is 0
}

// enter counts an article's places as filed.
func (t *tally) enter(a *pool.Stored) {
	at := a.Arrived.Unix()
	if t.filed == 0 {
		t.from, t.to = at, at
	}
	t.from, t.to = min(t.from, at), max(t.to, at)
	t.filed += len(a.Locations)
}

// append appends what the index keeps of it to dst.
func (t tally) append(dst []byte) []byte {
	dst = binary.AppendUvarint(dst, uint64(t.filed))
	dst = binary.AppendUvarint(dst, uint64(t.live))
	dst = binary.AppendVarint(dst, t.from)
	return binary.AppendVarint(dst, t.to)
}

func parseTally(value []byte) (tally, error) {
	c := cursor{rest: value}
	t := tally{filed: int(c.uvarint()), live: int(c.uvarint()), from: c.varint(), to: c.varint()}
	if c.bad || len(c.rest) > 0 || t.live > t.filed {
		return t, errDoubt
	}
	return t, nil
}

// tallies returns those of all segments.
func (x *index) tallies() (map[uint32]tally, error) {
	out := make(map[uint32]tally)
	err := x.eachOf('l', func(key, value []byte) (bool, error) {
		if len(key) != 5 {
			return false, errDoubt
		}
		t, err := parseTally(value)
		out[binary.BigEndian.Uint32(key[1:])] = t
		return true, err
	})
	return out, err
}

// octetsOf returns an article's size as its overview line has it.
func octetsOf(overview []byte) int64 {
	for range 5 { // subject, from, date, id, references
		overview = overview[bytes.IndexByte(overview, '\t')+1:]
	}
	field, _, _ := bytes.Cut(overview, []byte("\t"))
	n, err := strconv.ParseInt(string(field), 10, 64)
	if err != nil || n < 0 {
		return 0
	}
	return n
}

// leave counts the article out whose row in the index is given.
func (g *group) leave(row []byte) {
	c := cursor{rest: row}
	c.place()
	g.info.Count--
	g.octets -= octetsOf(c.rest)
}
