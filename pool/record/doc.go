// Package record keeps records in append-only files: the store's segments and
// the queue of deposits are such files. It frames, checks and finds records,
// and answers for their durability; it knows nothing of what is in them.
//
// # The file
//
// A file starts with [HeaderSize] octets: two equal copies of
//
//	magic   8 octets  f5 "RstLog" 02; 01 in a file of an earlier version, without marks
//	salt    4 octets  random, one for each file
//	crc     4 octets  CRC-32C of magic and salt
//	zeros  16 octets
//
// either of which will do. Records follow without a gap:
//
//	magic    4 octets  f5 "Rr" 01
//	length   4 octets  of the payload
//	headcrc  4 octets  CRC-32C of salt, offset (8 octets) and length
//	crc      4 octets  the same, with the payload behind
//	payload
//
// All numbers are big-endian. The last octet of a magic is the form's version.
// f5 is in no UTF-8 text. The salt and the offset in the sum have two reasons:
// octets left over from another file or another place are no record, and
// nobody can put octets into an article that are taken for a record when the
// one around it is damaged. The head has a sum of its own so that a search
// through octets made up to look like many large records stays quick.
//
// # Marks
//
// Each commit but a file's first begins with a mark:
//
//	magic    4 octets  f5 "Rm" 01
//	length   4 octets  of the payload, 8
//	headcrc  4 octets  as that of a record, but with the complement of the salt
//	crc      4 octets  the same, with the first 8 octets of the payload behind
//	payload  8 octets  all of the file before this offset was on stable storage by then
//
// Nobody but this package sees marks. Where a payload is longer, the mark stands over
// octets that the power took, and the rest of it is these; where it is shorter, the mark
// says nothing.
//
// # What is damage
//
// A run of zeros up to the end of the file is room made ahead, and a clean end.
// Other octets behind the last valid record are a torn tail: a write that was
// never acknowledged, which [Open] cuts off. What is no record but has a valid
// one, or a mark, behind it is a gap. The kernel writes what is not synced in any order, so
// that when the power fails, later records may be there without earlier ones, of the same
// commit or of the one that was being synced: nobody was told of either. A gap that
// begins before an offset that a mark vouches for is damage: it is left in place, counted and
// skipped. One behind all of these is what the power took. The records behind it are whole, and
// count: were they cut off, and the gap damage to what was acknowledged last, they would be lost as
// well. Before anybody is told of them, [Open] covers the gap with marks, durably, since later
// marks are going to vouch for all before them.
//
// What was committed last is vouched for by no mark before the next commit is written:
// [Log.Finish] adds one, and [Log.Vouch] does in a file that counts only once it is whole.
package record
