// Package record keeps records in append-only files: the store's segments and
// the queue of deposits are such files. It frames, checks and finds records,
// and answers for their durability; it knows nothing of what is in them.
//
// # The file
//
// A file starts with [HeaderSize] octets: two equal copies of
//
//	magic   8 octets  f5 "RstLog" 01
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
// A run of zeros up to the end of the file is room made ahead, and a clean end.
// Other octets behind the last valid record are a torn tail: a write that was
// never acknowledged, which [Open] cuts off. What is no record but has a valid
// one behind it is a gap: damage, which is left in place, counted and skipped.
package record
