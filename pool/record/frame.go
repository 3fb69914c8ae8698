package record

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"

	"github.com/restante/restante/pool"
)

// Sizes in octets.
const (
	// HeaderSize is what comes before the first record of a file.
	HeaderSize = 2 * headerCopy
	// Overhead is what a record has besides its payload.
	Overhead = 16
	// MaxPayload is the largest payload. A larger length is damage.
	MaxPayload = 64 << 20

	headerCopy = 32
	headerUsed = 16
)

const (
	fileMagic    = "\xf5RstLog" // the form follows
	recordMagic  = "\xf5Rr\x01"
	markMagic    = "\xf5Rm\x01"
	commonMagic  = "\xf5R" // of records and marks
	withoutMarks = 1       // the form of a file before there were marks
	withMarks    = 2
)

// A salt is a file's random number, which goes into every sum.
type salt uint32

func appendHeader(dst []byte, s salt) []byte {
	for range HeaderSize / headerCopy {
		var c [headerCopy]byte
		copy(c[:], fileMagic)
		c[7] = withMarks
		binary.BigEndian.PutUint32(c[8:], uint32(s))
		binary.BigEndian.PutUint32(c[12:], crc32.Checksum(c[:12], castagnoli()))
		dst = append(dst, c[:]...)
	}
	return dst
}

// parseHeader returns the salt of the first header copy that is whole, and whether there are
// marks in the file.
func parseHeader(header []byte) (s salt, marked bool, err error) {
	for ; len(header) >= headerCopy; header = header[headerCopy:] {
		form := header[7]
		whole := string(header[:7]) == fileMagic && (form == withoutMarks || form == withMarks) &&
			binary.BigEndian.Uint32(header[12:]) == crc32.Checksum(header[:12], castagnoli())
		if whole {
			return salt(binary.BigEndian.Uint32(header[8:])), form == withMarks, nil
		}
	}
	return 0, false, fmt.Errorf("record file's header: %w", pool.ErrCorrupt)
}

// castagnoli returns the table of CRC-32C, of which the standard library keeps
// one.
func castagnoli() *crc32.Table { return crc32.MakeTable(crc32.Castagnoli) }

// headSum is the check sum of where a record stands and how long it is. The sum of
// all of it goes on from there.
func (s salt) headSum(offset int64, size int) uint32 {
	var b [headSummed]byte
	s.putSummed(b[:], offset, size)
	// What hash/crc32 does, which would have b be allocated.
	table, sum := castagnoli(), ^uint32(0)
	for _, v := range b {
		sum = table[byte(sum)^v] ^ sum>>8
	}
	return ^sum
}

// headSummed is how many octets a head's sum is over.
const headSummed = 4 + 8 + 4

// putSummed puts what a head's sum is over into b.
func (s salt) putSummed(b []byte, offset int64, size int) {
	binary.BigEndian.PutUint32(b, uint32(s))
	binary.BigEndian.PutUint64(b[4:], uint64(offset))
	binary.BigEndian.PutUint32(b[12:], uint32(size))
}

// appendRecord frames one record, its payload given in parts, to stand at
// offset.
func (s salt) appendRecord(dst []byte, offset int64, parts ...[]byte) []byte {
	start := len(dst)
	dst = append(dst, make([]byte, Overhead)...)
	for _, p := range parts {
		dst = append(dst, p...)
	}
	head, payload := dst[start:start+Overhead], dst[start+Overhead:]
	s.putSummed(head, offset, len(payload)) // there is no better place for a moment
	headSum := crc32.Checksum(head[:headSummed], castagnoli())
	copy(head, recordMagic)
	binary.BigEndian.PutUint32(head[4:], uint32(len(payload)))
	binary.BigEndian.PutUint32(head[8:], headSum)
	binary.BigEndian.PutUint32(head[12:], crc32.Update(headSum, castagnoli(), payload))
	return dst
}

// payloadSize reads the length out of the head of the record at offset; ok says
// whether it is one.
func (s salt) payloadSize(offset int64, head []byte) (size int, ok bool) {
	n := binary.BigEndian.Uint32(head[4:])
	if string(head[:4]) != recordMagic || n == 0 || n > MaxPayload {
		return 0, false
	}
	return int(n), binary.BigEndian.Uint32(head[8:]) == s.headSum(offset, int(n))
}

// payloadOf returns the payload of a whole record, or false when it is damaged.
// payloadSize has checked its head.
func payloadOf(whole []byte) ([]byte, bool) {
	head, octets := whole[:Overhead], whole[Overhead:]
	sum := crc32.Update(binary.BigEndian.Uint32(head[8:]), castagnoli(), octets)
	return octets, binary.BigEndian.Uint32(head[12:]) == sum
}
