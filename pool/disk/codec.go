package disk

import (
	"encoding/binary"
	"iter"
	"time"

	"github.com/restante/restante/pool"
	"github.com/restante/restante/pool/record"
)

const (
	payloadVersion = 1
	fixedPart      = 1 + 1 + 8 + 8 + 4
)

// The flags of a record.
const (
	flagsArticle   = 0
	flagsWithdrawn = 1
	flagsMoved     = 2 // an article copied from a segment that was given up
)

// appendMeta appends all of an article's record but the wire form to dst.
func appendMeta(dst []byte, a *pool.Stored) []byte {
	dst = appendHead(dst, flagsArticle, a)
	dst = appendString(dst, a.Overview)
	return binary.AppendUvarint(dst, uint64(a.HeadSize))
}

// appendHead appends what the records of an article and of its withdrawal have
// in common to dst.
func appendHead(dst []byte, flags byte, a *pool.Stored) []byte {
	dst = append(dst, payloadVersion, flags)
	dst = binary.BigEndian.AppendUint64(dst, a.Epoch)
	dst = binary.BigEndian.AppendUint64(dst, uint64(a.Arrived.Unix()))
	dst = binary.BigEndian.AppendUint32(dst, uint32(a.Arrived.Nanosecond()))
	dst = binary.AppendUvarint(dst, uint64(len(a.Locations)))
	for _, l := range a.Locations {
		dst = appendString(dst, l.Group)
		dst = binary.AppendUvarint(dst, uint64(l.Number))
	}
	return appendString(dst, a.ID)
}

// parseRecord reads an article's record. Overview and Wire share memory with
// it. It returns [pool.ErrCorrupt] for a record of another form.
func parseRecord(payload []byte) (*pool.Stored, error) {
	a, withdrawn, err := parseAny(payload)
	if err == nil && withdrawn {
		err = pool.ErrCorrupt
	}
	return a, err
}

// parseAny reads the record of an article or of a withdrawal, which has neither
// Overview nor Wire.
func parseAny(payload []byte) (a *pool.Stored, withdrawn bool, err error) {
	v, err := parseView(payload, len(payload))
	if err != nil {
		return nil, v.withdrawn, err
	}
	a = &pool.Stored{
		ID: pool.MessageID(v.id), Epoch: v.epoch, Arrived: v.arrived,
		Overview: v.overview, Wire: v.wire, HeadSize: v.headSize,
	}
	a.Locations = v.at()
	return a, v.withdrawn, nil
}

// A view is a record taken apart. It shares memory with its payload.
type view struct {
	withdrawn bool
	epoch     uint64
	arrived   time.Time
	places    []byte // as they are in the record
	id        []byte
	overview  []byte
	headSize  int
	wire      []byte // as much of it as there is
	wireSize  int
}

// parseView reads the first octets of a payload that has size octets in all. It
// returns [pool.ErrCorrupt] for another form, and where more is missing than a
// part of the wire form.
func parseView(payload []byte, size int) (v view, err error) {
	v, c, err := parseHead(payload)
	if err != nil {
		return v, err
	}
	if v.withdrawn {
		if len(c.rest) > 0 {
			return v, pool.ErrCorrupt
		}
		return v, nil
	}
	v.overview = c.bytes()
	v.headSize = int(c.uvarint())
	v.wire, v.wireSize = c.rest, size-(len(payload)-len(c.rest))
	// The empty line and the terminator are the least behind the header.
	if c.bad || len(v.places) == 0 || v.headSize < 0 || v.headSize > v.wireSize-len("\r\n.\r\n") {
		return v, pool.ErrCorrupt
	}
	return v, nil
}

// parseHead reads what appendHead makes, and returns where the rest begins.
func parseHead(payload []byte) (v view, c cursor, err error) {
	if len(payload) < fixedPart || payload[0] != payloadVersion || payload[1] > flagsMoved {
		return v, c, pool.ErrCorrupt
	}
	v.withdrawn = payload[1] == flagsWithdrawn
	v.epoch = binary.BigEndian.Uint64(payload[2:])
	v.arrived = time.Unix(int64(binary.BigEndian.Uint64(payload[10:])), int64(binary.BigEndian.Uint32(payload[18:]))).UTC()
	c.rest = payload[fixedPart:]
	n := c.count()
	v.places = c.rest
	for range n {
		c.bytes()
		c.number()
	}
	v.places = v.places[:len(v.places)-len(c.rest)]
	v.id = c.bytes()
	if c.bad {
		return v, c, pool.ErrCorrupt
	}
	return v, c, nil
}

// parseArticle is parseView for an article's record.
func parseArticle(payload []byte, size int) (view, error) {
	v, err := parseView(payload, size)
	if err == nil && v.withdrawn {
		err = pool.ErrCorrupt
	}
	return v, err
}

// locations yields the groups and numbers that an article was filed under.
func (v view) locations() iter.Seq2[[]byte, pool.Number] {
	return func(yield func([]byte, pool.Number) bool) {
		for c := (cursor{rest: v.places}); len(c.rest) > 0; {
			if !yield(c.bytes(), c.number()) {
				return
			}
		}
	}
}

// at is locations, gathered.
func (v view) at() (at []pool.Location) {
	for name, n := range v.locations() {
		at = append(at, pool.Location{Group: pool.Group(name), Number: n})
	}
	return at
}

func appendString[S ~string | ~[]byte](dst []byte, s S) []byte {
	return append(binary.AppendUvarint(dst, uint64(len(s))), s...)
}

// A cursor takes values off the front of octets. Once something did not fit it
// is bad, and gives zeros.
type cursor struct {
	rest []byte
	bad  bool
}

func (c *cursor) uvarint() uint64 {
	v, n := binary.Uvarint(c.rest)
	if n <= 0 {
		c.bad, c.rest = true, nil
		return 0
	}
	c.rest = c.rest[n:]
	return v
}

func (c *cursor) varint() int64 {
	v, n := binary.Varint(c.rest)
	if n <= 0 {
		c.bad, c.rest = true, nil
		return 0
	}
	c.rest = c.rest[n:]
	return v
}

func (c *cursor) number() pool.Number {
	v := c.uvarint()
	if v > uint64(pool.MaxNumber) {
		c.bad = true
		return 0
	}
	return pool.Number(v)
}

// count takes how many values follow, each of which has an octet at least.
func (c *cursor) count() int {
	v := c.uvarint()
	if v > uint64(len(c.rest)) {
		c.bad = true
		return 0
	}
	return int(v)
}

func (c *cursor) bytes() []byte {
	n := c.count()
	out := c.rest[:n:n]
	c.rest = c.rest[n:]
	return out
}

// A place is where a record stands.
type place struct {
	segment uint32
	offset  int64
	size    int // of the payload
}

// end returns where the record ends.
func (p place) end() int64 { return p.offset + record.Overhead + int64(p.size) }

func appendPlace(dst []byte, p place) []byte {
	dst = binary.AppendUvarint(dst, uint64(p.segment))
	dst = binary.AppendUvarint(dst, uint64(p.offset))
	return binary.AppendUvarint(dst, uint64(p.size))
}

// parsePlace reads a value that is a place.
func parsePlace(value []byte) (place, error) {
	c := cursor{rest: value}
	p := c.place()
	if c.bad || len(c.rest) > 0 {
		return p, errDoubt
	}
	return p, nil
}

func (c *cursor) place() place {
	return place{segment: uint32(c.uvarint()), offset: int64(c.uvarint()), size: int(c.uvarint())}
}
