// Package disk is the embedded store: append-only segments, which are the
// truth, and a disposable index. It owns one folder and every octet in it, and
// keeps the promises of [pool.Store]. It knows nothing of sessions, peers or
// keys, and names no article in a log line.
//
// # The folder
//
//	lock                            held by the one process that owns the folder
//	groups                          the groups, their water marks and floors
//	segments/<epoch>/<n>.seg        articles, in files of package record
//	history/<epoch>.<n>.rec         message-ids of what expired, the same
//	index/                          goleveldb, never relied upon
//	index-doubted                   there while the index must be built anew
//	quarantine/                     octets that a repair took out of the files above, and
//	                                lists of articles that are lost
//	articles-lost                   how many these may have been, until the index is built
//	fsck-state                      how far a check came that was interrupted
//
// Segment numbers are given once over all epochs and never again.
//
// # Durability
//
// An article counts once its record is synced in its segment. From then on it is
// found, but its keys are merely staged for the index, in memory: its database
// takes them a moment later, without a sync, some hundred articles at a time and
// always with a checkpoint, which says how far into which segment it goes. What
// walks over the index's keys puts those first that are staged among them. Some
// 2,000 articles, or 1 MiB of values, are staged before appends wait, while as
// much may be on its way. Where the database takes no more, nothing more is filed, and
// what is staged is read from memory until the store is opened again. Opening reads
// what lies behind the checkpoints.
// Each checkpoint carries its file's random number, so that an index of other
// files is found out. An index that is missing, damaged, or ahead of the
// segments is built anew from segments and history, beside the old one. From
// the old one, as far as it can be read and is of these segments, come high
// marks, withdrawals and message-ids of what is gone that nothing else knows any
// more; these are written again. Articles that it knows and that are in no segment any
// more are listed in the quarantine.
//
// What is no record though others follow is damage if it was synced: a mark of its file
// says so, or the index, or, in a segment that is not the last one of its epoch and while the index is
// built anew, a mark of a later segment. Otherwise the power took it, and nobody heard of it.
//
// A number that was given is never given again. Water marks are in the index
// and follow from the records; the groups file has them from before the first
// record is deleted.
//
// # An article's record
//
//	version   1 octet, 1
//	flags     1 octet, 0; 2 for one copied from a segment that was given up
//	epoch     8 octets
//	arrival   8 octets of seconds since 1970, 4 of nanoseconds
//	places    uvarint count, then for each: group's name, uvarint number
//	id        message-id
//	overview  line from the subject on
//	headsize  uvarint
//	wire      the rest: the article in wire form, terminated
//
// A name, id or line is a uvarint length and that many octets. Fixed-size
// numbers are big-endian.
//
// # A withdrawal's record
//
//	version   1 octet, 1
//	flags     1 octet, 1
//	epoch, arrival, places, id   as in the article's record
//
// It says that from here on the article with that message-id is withdrawn. It
// stands behind the article's record in a segment of the same epoch, so that
// both are dropped together; in epoch 0 it is copied when its segment is given
// up, as long as there are older ones. One of a message-id that is merely remembered has
// no places, and stands in epoch 0. The article's octets stay in their segment
// until that is dropped, but nothing leads there any more, not even in an index
// that is built anew.
//
// # Reading
//
// A record has one check sum, over all of it, so that all of it is read for
// whatever part is wanted: two sums would cost every small article more than
// they save for the head of a large one. Articles are lent in memory that is used
// again, and large ones, 64 at a time, as a file of their own, which expiry does not wait for:
// what is deleted under its name can still be read by whoever has it open.
//
// Overview lines are kept in memory as they are sent, in stretches of 256 numbers
// of a group, once all of these were given. When rows are removed from the index,
// every stretch made before is out of date.
//
// # Expiry
//
// Each group has a floor in the groups file. What is filed there under a lower
// number has expired, whatever else still leads to it, and an article whose
// numbers are all below their groups' floors is gone. The rows of the index
// follow in steps, and so does the room on disk: once no more than a quarter of
// the places that a segment of epoch 0 gave are left, what is left is copied to
// the segment that is added to, durably, and then the segment is given up.
// Of two records of one message-id the later one counts.
//
// # A history file
//
// One file for each dropped epoch, or part of one, and for each segment of
// epoch 0 that was given up. Its first record is version
// (1 octet, 1), epoch (8), last segment dropped (4) and the time of dropping
// (8, in seconds); each further one is 16-octet hashes, the first half of
// SHA-256, of message-ids. The file's appearance under its name is the moment
// at which its segments are gone, in epoch 0 the one that it names and else all
// of the epoch up to it: opening deletes what a crash left of them. A history
// file is deleted once it is older than Options.Remember.
//
// # Stalls
//
// Expiry runs beside everything else. What it does while nothing is filed is
// bounded: 256 rows or message-ids are taken out of the index at a time, 64 records
// are copied with one sync, and the groups file is written once for 256 groups,
// or for what is given up in one go. Between two such steps it waits for as long as
// one took. History is written meanwhile. After each segment that is deleted it
// rests, a second for each GiB: a file system that hands the room of many at once
// back to the device keeps others' syncs waiting.
//
// # The index
//
//	f                               version of this form
//	g group(4)                      uvarints: high mark, count, octets
//	h name                          a history file that is in the index
//	l segment(4)                    uvarints: places given, places left; varints:
//	                                seconds of the first and last arrival
//	m hash(16)                      nothing: a message-id whose record is gone
//	n group(4) number(4)            place, overview line
//	s segment(4)                    checkpoint: epoch, salt, offset, gaps
//	t seconds(8) nanos(4) seg(4) offset(8)   message-id, (group, number) pairs
//	w segment(4) hash(16)           place of a withdrawal's record in that segment
//
// A place is uvarints: segment, offset, payload size.
//
// In the database neighbouring keys of a window share one, that of the last of them: keys
// with n that differ in the last octet alone, or with t from the last three octets of the
// nanoseconds on. Its value is for each of them in turn how many of the key's octets are
// those of the one before (1 octet; the first follows the shared key), the others, and the
// value behind its size, a uvarint. Such packs never overlap, so that one short search
// finds any key. What comes late, goes, or is replaced has its pack written anew. An index
// in which all keys stand by themselves, or that has the place of each message-id's
// record, is of a version before, and built anew.
//
// # Message-ids
//
// The index has no key for the message-id of an article: it would be one of the database's
// for each, scattered over all of it, and cost more than all else there. What leads from
// a message-id to its record is in memory: a table of 8 octets for each id ever seen, filled
// at opening from arrivals, withdrawals and what is gone. It has 37 bits made of the hash,
// others in each process, so that nobody can choose ids that have them in common, and of
// the place 12 bits of the segment and 23 of the offset, in units of 64 octets. What
// begins there says itself of which message-id it is. So a lead that is wrong, or that
// several places have in common, as in stores of more than a TiB, costs a look at the start
// of a record, and no more. Of what is gone the table has 37 bits, and the index the hash.
//
// A lead is there before its record is durable. Each segment has a mark up to which its
// records show; it is moved when their rows are staged. Where a lead ends in octets that
// are no record, and nothing else explains it, a record is damaged: its message-id is
// known, and its article can't be read.
package disk
