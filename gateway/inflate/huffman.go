package inflate

// Sizes of the codes (RFC 1951, Sections 3.2.5 to 3.2.7).
const (
	maxLiterals    = 286
	maxDistances   = 30
	fixedLiterals  = 288
	fixedDistances = 32
	maxBits        = 15
	endOfBlock     = 256
)

// A code is a Huffman code: how many symbols have codes of each length, and the
// symbols in the order of their codes (RFC 1951, Section 3.2.2).
type code struct {
	count  [maxBits + 1]uint16
	symbol [fixedLiterals]uint16
}

// tables are the codes of a block, and what is known of them while they come.
type tables struct {
	literal  code
	distance code

	lengths                    [maxLiterals + maxDistances]byte
	known                      int // lengths that came
	literals, distances, order int // lengths to come
}

// build makes the code whose symbols have these lengths. No code at all, and a
// single one of one bit, are allowed, for blocks without distances.
func (c *code) build(lengths []byte) error {
	clear(c.count[:])
	for _, n := range lengths {
		c.count[n]++
	}
	c.count[0] = 0
	free := 1
	var next [maxBits + 2]uint16
	for n := 1; n <= maxBits; n++ {
		if free = 2*free - int(c.count[n]); free < 0 {
			return ErrCorrupt
		}
		next[n+1] = next[n] + c.count[n]
	}
	if used := next[maxBits+1]; free > 0 && used > 0 && (used != 1 || c.count[1] != 1) {
		return ErrCorrupt
	}
	for symbol, n := range lengths {
		if n > 0 {
			c.symbol[next[n]] = uint16(symbol)
			next[n]++
		}
	}
	return nil
}

// decode finds the symbol whose code stands at bits further on, and where the
// code ends. It takes nothing.
func (c *code) decode(r *Reader, at uint) (symbol int, end uint, err error) {
	bits, first, index := 0, 0, 0
	for n := 1; n <= maxBits; n++ {
		if at >= r.held {
			if err := r.need(at + 1); err != nil {
				return 0, 0, err
			}
		}
		bits |= int(r.bits >> at & 1)
		at++
		count := int(c.count[n])
		if bits-first < count {
			return int(c.symbol[index+bits-first]), at, nil
		}
		index += count
		first = (first + count) << 1
		bits <<= 1
	}
	return 0, 0, ErrCorrupt
}

// fixed makes the codes that need not be sent (RFC 1951, Section 3.2.6).
func (t *tables) fixed() error {
	var lengths [fixedLiterals]byte
	for symbol := range lengths {
		switch {
		case symbol < 144:
			lengths[symbol] = 8
		case symbol < 256:
			lengths[symbol] = 9
		case symbol < 280:
			lengths[symbol] = 7
		default:
			lengths[symbol] = 8
		}
	}
	if err := t.literal.build(lengths[:]); err != nil {
		return err
	}
	for symbol := range fixedDistances {
		lengths[symbol] = 5
	}
	return t.distance.build(lengths[:fixedDistances])
}

// An extended symbol stands for a number that extra bits are added to. The base
// of one that stands for nothing is 0.
type extended struct {
	base  int
	extra uint
}

// lengthCode is the code for a length, counted from 0 (RFC 1951, Section 3.2.5).
func lengthCode(n int) extended {
	switch {
	case n < 8:
		return extended{base: 3 + n}
	case n < 28:
		extra := uint(n-4) / 4
		return extended{base: 3 + (4+n%4)<<extra, extra: extra}
	case n == 28:
		return extended{base: longest}
	}
	return extended{}
}

// distanceCode is the code for a distance.
func distanceCode(n int) extended {
	switch {
	case n < 4:
		return extended{base: 1 + n}
	case n < maxDistances:
		extra := uint(n-2) / 2
		return extended{base: 1 + (2+n%2)<<extra, extra: extra}
	}
	return extended{}
}
