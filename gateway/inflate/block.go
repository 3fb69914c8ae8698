package inflate

import "io"

// The steps below are the parts of a stream (RFC 1951, Section 3.2.3). Each
// takes its bits whole or, when they have not all come, takes none and returns
// errStarved.

// header starts a block.
func (r *Reader) header() error {
	if r.final {
		return io.EOF
	}
	if err := r.need(3); err != nil {
		return err
	}
	r.final = r.use(1) == 1
	switch r.use(2) {
	case 0:
		r.step = (*Reader).storedLength
	case 1:
		if err := r.table.fixed(); err != nil {
			return err
		}
		r.step = (*Reader).symbol
	case 2:
		r.step = (*Reader).counts
	default:
		return ErrCorrupt
	}
	return nil
}

// storedLength starts a block that is not compressed, at the next whole octet
// (RFC 1951, Section 3.2.4).
func (r *Reader) storedLength() error {
	skip := r.held % 8
	if err := r.need(skip + 32); err != nil {
		return err
	}
	r.use(skip)
	length, check := r.use(16), r.use(16)
	if length != check^0xffff {
		return ErrCorrupt
	}
	r.left = length
	r.step = (*Reader).stored
	return nil
}

func (r *Reader) stored() error {
	if r.left == 0 {
		r.step = (*Reader).header
		return nil
	}
	if err := r.need(8); err != nil {
		return err
	}
	r.put(byte(r.use(8)))
	r.left--
	return nil
}

// counts starts a block with codes of its own (RFC 1951, Section 3.2.7).
func (r *Reader) counts() error {
	if err := r.need(14); err != nil {
		return err
	}
	t := &r.table
	t.literals, t.distances, t.order = r.use(5)+257, r.use(5)+1, r.use(4)+4
	if t.literals > maxLiterals || t.distances > maxDistances {
		return ErrCorrupt
	}
	t.known = 0
	clear(t.lengths[:])
	r.step = (*Reader).codeLength
	return nil
}

// codeLength takes a length of the code that the lengths are written in.
func (r *Reader) codeLength() error {
	t := &r.table
	if t.known < t.order {
		if err := r.need(3); err != nil {
			return err
		}
		const order = "\x10\x11\x12\x00\x08\x07\x09\x06\x0a\x05\x0b\x04\x0c\x03\x0d\x02\x0e\x01\x0f"
		t.lengths[order[t.known]] = byte(r.use(3))
		t.known++
		return nil
	}
	if err := t.literal.build(t.lengths[:19]); err != nil {
		return err
	}
	t.known = 0
	clear(t.lengths[:])
	r.step = (*Reader).length
	return nil
}

// length takes one length of the block's codes, or some that repeat.
func (r *Reader) length() error {
	t := &r.table
	if t.known == t.literals+t.distances {
		return r.lengthsDone()
	}
	symbol, used, err := t.literal.decode(r, 0)
	if err != nil {
		return err
	}
	if symbol < 16 {
		r.use(used)
		t.lengths[t.known] = byte(symbol)
		t.known++
		return nil
	}
	extra, least := repeats(symbol)
	if err := r.need(used + extra); err != nil {
		return err
	}
	r.use(used)
	times, value := least+r.use(extra), byte(0)
	if symbol == 16 {
		if t.known == 0 {
			return ErrCorrupt
		}
		value = t.lengths[t.known-1]
	}
	if t.known+times > t.literals+t.distances {
		return ErrCorrupt
	}
	for range times {
		t.lengths[t.known] = value
		t.known++
	}
	return nil
}

// repeats is the extra bits of a symbol that stands for several lengths, and
// how many they are at least.
func repeats(symbol int) (extra uint, least int) {
	switch symbol {
	case 16:
		return 2, 3
	case 17:
		return 3, 3
	}
	return 7, 11
}

func (r *Reader) lengthsDone() error {
	t := &r.table
	if t.lengths[endOfBlock] == 0 {
		return ErrCorrupt
	}
	if err := t.literal.build(t.lengths[:t.literals]); err != nil {
		return err
	}
	if err := t.distance.build(t.lengths[t.literals:t.known]); err != nil {
		return err
	}
	r.step = (*Reader).symbol
	return nil
}

// symbol takes a literal, the end of the block, or a length with its distance:
// 48 bits at most.
func (r *Reader) symbol() error {
	symbol, used, err := r.table.literal.decode(r, 0)
	switch {
	case err != nil:
		return err
	case symbol < endOfBlock:
		r.use(used)
		r.put(byte(symbol))
		return nil
	case symbol == endOfBlock:
		r.use(used)
		r.step = (*Reader).header
		return nil
	}
	length, used, err := r.number(lengthCode(symbol-endOfBlock-1), used)
	if err != nil {
		return err
	}
	symbol, used, err = r.table.distance.decode(r, used)
	if err != nil {
		return err
	}
	distance, used, err := r.number(distanceCode(symbol), used)
	if err != nil {
		return err
	}
	r.use(used)
	return r.again(length, distance)
}

// number reads the extra bits of a code, at bits further on, and returns where
// they end.
func (r *Reader) number(c extended, at uint) (value int, end uint, err error) {
	if c.base == 0 {
		return 0, 0, ErrCorrupt
	}
	if err := r.need(at + c.extra); err != nil {
		return 0, 0, err
	}
	return c.base + int(r.bits>>at&(1<<c.extra-1)), at + c.extra, nil
}
