package record

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
	"os"
)

// A mark is what a log itself writes between records. Its payload begins with an offset: all
// of the file before that was on stable storage when the mark was written. One with a longer
// payload stands over what the power took, and only its first octets count; one with a
// shorter payload says nothing.

// markPayload is how many octets of a mark's payload count, if it has so many.
const markPayload = 8

// markSize is what a mark has that says how far the file was synced.
const markSize = Overhead + markPayload

// marks is the salt in the sums of marks, so that no damage makes a mark of a record.
func (s salt) marks() salt { return ^s }

// appendMark frames a mark to stand at offset. What follows the part of its payload that
// counts is left to the caller, if size is larger than that.
func (s salt) appendMark(dst []byte, offset, synced int64, size int) []byte {
	var payload [markPayload]byte
	binary.BigEndian.PutUint64(payload[:], uint64(synced))
	counts := payload[:min(size, markPayload)]
	head := s.marks().headSum(offset, size)
	dst = append(dst, markMagic...)
	dst = binary.BigEndian.AppendUint32(dst, uint32(size))
	dst = binary.BigEndian.AppendUint32(dst, head)
	dst = binary.BigEndian.AppendUint32(dst, crc32.Update(head, castagnoli(), counts))
	return append(dst, counts...)
}

// markAt reads the head of the mark at offset, and returns the size of its payload; ok says
// whether it is one.
func (s salt) markAt(offset int64, head []byte) (size int, ok bool) {
	n := binary.BigEndian.Uint32(head[4:])
	if string(head[:4]) != markMagic || n == 0 || n > MaxPayload {
		return 0, false
	}
	return int(n), binary.BigEndian.Uint32(head[8:]) == s.marks().headSum(offset, int(n))
}

// syncedOf returns what a mark says, its head checked by markAt, or false when it is damaged.
func syncedOf(mark []byte, offset int64) (synced int64, ok bool) {
	head, counts := mark[:Overhead], mark[Overhead:]
	sum := crc32.Update(binary.BigEndian.Uint32(head[8:]), castagnoli(), counts)
	if binary.BigEndian.Uint32(head[12:]) != sum {
		return 0, false
	}
	if len(counts) < markPayload {
		return 0, true
	}
	synced = int64(binary.BigEndian.Uint64(counts))
	return synced, synced >= 0 && synced <= offset
}

// cover puts marks in the place of what the power took, durably: what is behind it is
// going to be told of from now on, and a later mark to vouch for all before it. What was there
// stays but for the first octets. What is too short for a mark was no record.
func (r *Reader) cover(f File, taken []Gap) error {
	const least = Overhead + 1
	for _, gap := range taken {
		for at := gap.From; gap.To-at >= least; {
			size := min(gap.To-at, Overhead+MaxPayload)
			if left := gap.To - at - size; left > 0 && left < least {
				size -= least
			}
			if err := writeAll(f, r.salt.appendMark(nil, at, 0, int(size)-Overhead), at); err != nil {
				return err
			}
			at += size
		}
	}
	if len(taken) == 0 {
		return nil
	}
	return f.Sync()
}

// Recover does for a file that nothing is added to what [Open] does for others: before it calls
// visit, what stands in the file from an offset up to its size is brought to stable storage,
// since a crash or a failed sync may have left it in the system's cache alone, and what the
// power took is covered; then a torn tail is cut off. synced is called
// where that is in question, and says whether it is known from elsewhere that all of the file
// was synced: then both are damage, and left in place.
func Recover(fs Opener, path string, from, size int64, synced func() (bool, error), visit func(offset int64, payload []byte) error) (res Result, err error) {
	f, _, err := fs.OpenFile(path, os.O_RDWR)
	if err != nil {
		return res, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	r, err := NewReader(f)
	if err == nil {
		err = rewrite(f, from, size)
	}
	if err != nil {
		return res, err
	}
	learn := func(res *Result) error {
		if len(res.Unsynced) == 0 && !res.Torn {
			return nil
		}
		all, err := synced()
		if !all {
			return err
		}
		res.Learn(size)
		if res.Torn {
			res.Gaps = append(res.Gaps, Gap{res.End, size})
			res.Torn, res.End = false, size
		}
		return err
	}
	res, err = r.scan(size, from, visit, func(ahead *Result) error {
		if err := learn(ahead); err != nil {
			return err
		}
		return r.cover(f, ahead.Unsynced)
	})
	if err == nil {
		err = learn(&res)
	}
	if err == nil && res.Torn {
		err = errors.Join(f.Truncate(res.End), f.Sync())
	}
	return res, err
}
