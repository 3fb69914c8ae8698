package disk

import (
	"bufio"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/syndtr/goleveldb/leveldb"
	"github.com/syndtr/goleveldb/leveldb/filter"
	"github.com/syndtr/goleveldb/leveldb/opt"
	"github.com/syndtr/goleveldb/leveldb/storage"

	"github.com/restante/restante/pool"
	"github.com/restante/restante/pool/record"
)

// errDoubt says that the index can't be relied upon.
var errDoubt = errors.New("index is in doubt")

// errVersion is an index of another version of this program.
var errVersion = fmt.Errorf("%w: it is of another version", errDoubt)

const (
	indexVersion   = "4"
	placesVersion  = "3" // with a key for the place of each message-id's record
	singlesVersion = "2" // the same keys, none of them in packs
)

// A hash stands for a message-id in index and history.
type hash [16]byte

func hashOf[T pool.MessageID | []byte](id T) hash {
	var room [128]byte // most fit: nothing is allocated
	sum := sha256.Sum256(append(room[:0], id...))
	return hash(sum[:])
}

// An index is the goleveldb database, and what is on its way there. It may be
// used from many goroutines.
type index struct {
	db      *leveldb.DB
	files   storage.Storage
	staging *staging
	count   *atomic.Int64 // for tests: keys read and written

	removals atomic.Uint64 // batches that took rows of numbers out

	tops     map[string][]byte // used by whoever has the turn; see top
	glimpses *glimpses
}

func (x *index) note(keys int) {
	if x.count != nil {
		x.count.Add(int64(keys))
	}
}

func newIndex(db *leveldb.DB, files storage.Storage) *index {
	return &index{db: db, files: files, staging: newStaging(), tops: make(map[string][]byte), glimpses: newGlimpses()}
}

// An IndexStorer is a file system that also has a place for an index.
type IndexStorer interface {
	// IndexStorage opens the index's files in a folder, which it makes if there is none.
	IndexStorage(dir string) (storage.Storage, error)
}

func indexStorage(files record.FS, dir string) (storage.Storage, error) {
	if s, ok := files.(IndexStorer); ok {
		return s.IndexStorage(dir)
	}
	return storage.OpenFile(dir, false)
}

// indexFiles syncs each journal when the next one begins. Otherwise the end of
// one may be lost with the power although the next is kept, with a checkpoint
// behind it, and the articles between would be lost to sight. And it writes tables,
// which nobody reads before they are synced, in more than one block at a time.
type indexFiles struct{ storage.Storage }

func (s indexFiles) Create(fd storage.FileDesc) (storage.Writer, error) {
	w, err := s.Storage.Create(fd)
	switch {
	case err != nil:
	case fd.Type == storage.TypeJournal:
		w = journalFile{w}
	case fd.Type == storage.TypeTable:
		w = tableFile{w, bufio.NewWriterSize(w, tableWrite)}
	}
	return w, err
}

type journalFile struct{ storage.Writer }

func (w journalFile) Close() error { return errors.Join(w.Sync(), w.Writer.Close()) }

// tableWrite is how many octets of a table are written at once.
const tableWrite = 128 << 10

type tableFile struct {
	storage.Writer
	buf *bufio.Writer
}

func (w tableFile) Write(p []byte) (int, error) { return w.buf.Write(p) }

func (w tableFile) Sync() error {
	if err := w.buf.Flush(); err != nil {
		return err
	}
	return w.Writer.Sync()
}

func (w tableFile) Close() error { return errors.Join(w.buf.Flush(), w.Writer.Close()) }

// openIndex opens the index or makes one. What is damaged, or of another version, is
// in doubt.
func openIndex(files record.FS, dir string, memory int) (*index, error) {
	x, version, err := openAnyIndex(files, dir, memory)
	if err == nil && version != indexVersion {
		return nil, errors.Join(errVersion, x.close())
	}
	return x, err
}

// openFormer opens an index that may be of a version before. For those it is no
// good but to walk over what is not in packs.
func openFormer(files record.FS, dir string, memory int) (*index, error) {
	x, version, err := openAnyIndex(files, dir, memory)
	if err == nil && version != indexVersion && version != placesVersion && version != singlesVersion {
		return nil, errors.Join(errVersion, x.close())
	}
	return x, err
}

// openAnyIndex opens an index of any version or makes one. memory is about how many
// octets of memory it may use: an eighth for what is written, as much for that on its
// way to a table, and the rest for what is read of tables. The parts of these that lead
// to a key, filters and lists of blocks, take a few octets an article: where there is
// no memory for them they are read and summed again for every key.
//
// Almost all keys are later than those before them in their line, so that tables of
// older ones seldom need to be merged with new ones, if only the levels are small: what is
// merged with each table that is written is all of the first level (ten times
// CompactionTotalSize), and what lies between the lines that one table holds the ends of
// (CompactionGPOverlapsFactor tables).
func openAnyIndex(files record.FS, dir string, memory int) (x *index, version string, err error) {
	at, err := indexStorage(files, dir)
	if err != nil {
		return nil, "", doubted(err)
	}
	db, err := leveldb.Open(indexFiles{at}, &opt.Options{
		WriteBuffer:                memory / 8,
		BlockCacheCapacity:         memory / 4 * 3,
		CompactionTableSize:        max(min(memory/8, 16<<20), 1<<20),
		CompactionTotalSize:        memory / 32,
		CompactionGPOverlapsFactor: 1,
		Filter:                     filter.NewBloomFilter(10),
		Compression:                opt.NoCompression,
		DisableSeeksCompaction:     true,
		// A transaction that can't begin, as after a failed write, keeps the lock that
		// Close waits for.
		DisableLargeBatchTransaction: true,
		OpenFilesCacheCapacity:       64,
		// All checks: what is skipped silently would hide articles.
		Strict: opt.StrictAll,
	})
	if err != nil {
		return nil, "", errors.Join(doubted(err), at.Close())
	}
	x = newIndex(db, at)
	found, err := db.Get([]byte("f"), nil)
	if errors.Is(err, leveldb.ErrNotFound) {
		found = []byte(indexVersion)
		err = db.Put([]byte("f"), found, nil)
	}
	if err != nil {
		return nil, "", errors.Join(doubted(err), x.close())
	}
	return x, string(found), nil
}

func (x *index) close() error { return errors.Join(x.db.Close(), x.files.Close()) }

// sync brings all that was written and staged to stable storage.
func (x *index) sync() error {
	if err := x.settle(); err != nil {
		return err
	}
	return x.db.Put([]byte("f"), []byte(indexVersion), &opt.WriteOptions{Sync: true})
}

// get returns a value, and false when there is none.
func (x *index) get(key []byte) ([]byte, bool, error) {
	x.note(1)
	if value, ok := x.staging.get(key); ok {
		return value, true, nil
	}
	if packed(key) {
		return x.getPacked(key)
	}
	value, err := x.db.Get(key, nil)
	if errors.Is(err, leveldb.ErrNotFound) {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, doubted(err)
	}
	return value, true, nil
}

// doubted is an error of the database, or nil.
func doubted(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%w: %w", errDoubt, err)
}

// write writes a batch behind what is staged, all or nothing, and empties it.
func (x *index) write(b *leveldb.Batch, sync bool) error {
	return x.writeWith(nil, b, sync)
}

// writeWith is write with articles besides, or nil.
func (x *index) writeWith(filed *staged, b *leveldb.Batch, sync bool) error {
	defer b.Reset()
	p := new(packing)
	if filed != nil {
		defer filed.clear()
		p.addStaged(filed, stagedEnd{}, filed.size())
	}
	if err := b.Replay(p); err != nil {
		return doubted(err)
	}
	if p.removes {
		defer x.removals.Add(1)
	}
	x.staging.turn.Lock()
	defer x.staging.turn.Unlock()
	if err := x.settleStaged(); err != nil {
		return err
	}
	return x.put(p, sync)
}

// each calls visit for each key from one up to but without another, in order,
// until it returns an error or false.
func (x *index) each(from, to []byte, visit func(key, value []byte) (bool, error)) error {
	var lost []entry
	if x.staging.among(from, to) && x.settle() != nil {
		var err error
		if lost, err = x.staging.within(from, to); err != nil {
			return doubted(err)
		}
	}
	visit, rest := amid(lost, visit)
	stopped := false
	err := x.eachInDatabase(from, to, func(key, value []byte) (bool, error) {
		goOn, err := visit(key, value)
		stopped = !goOn
		return goOn, err
	})
	if err != nil || stopped {
		return err
	}
	return rest()
}

// eachOf is each for all keys that start with a letter.
func (x *index) eachOf(letter byte, visit func(key, value []byte) (bool, error)) error {
	return x.each([]byte{letter}, []byte{letter + 1}, visit)
}

func groupKey(group uint32) []byte     { return binary.BigEndian.AppendUint32([]byte{'g'}, group) }
func segmentKey(segment uint32) []byte { return binary.BigEndian.AppendUint32([]byte{'s'}, segment) }

func idKey(h hash) []byte { return append(append(make([]byte, 0, 1+len(h)), 'm'), h[:]...) }

func tallyKey(segment uint32) []byte { return binary.BigEndian.AppendUint32([]byte{'l'}, segment) }
func historyKey(name string) []byte  { return append([]byte{'h'}, name...) }

// withdrawalKey is that of a withdrawal's record, by the segment that it is in.
func withdrawalKey(segment uint32, h hash) []byte {
	return append(binary.BigEndian.AppendUint32([]byte{'w'}, segment), h[:]...)
}

func numberKey(group uint32, n pool.Number) []byte {
	return appendNumberKey(make([]byte, 0, 1+4+4), group, n)
}

func appendNumberKey(dst []byte, group uint32, n pool.Number) []byte {
	dst = binary.BigEndian.AppendUint32(append(dst, 'n'), group)
	return binary.BigEndian.AppendUint32(dst, uint32(n))
}

// arrivalKeySize is the size of an arrival key in octets.
const arrivalKeySize = 1 + 8 + 4 + 4 + 8

// timeKey is the start of an arrival key: its order is that of time.
func timeKey(t time.Time) []byte {
	return appendTimeKey(make([]byte, 0, arrivalKeySize), t.Unix(), uint32(t.Nanosecond()))
}

func appendTimeKey(dst []byte, seconds int64, nanos uint32) []byte {
	dst = binary.BigEndian.AppendUint64(append(dst, 't'), uint64(seconds)^1<<63)
	return binary.BigEndian.AppendUint32(dst, nanos)
}

func arrivalKey(t time.Time, p place) []byte {
	return appendRecordPlace(timeKey(t), p.segment, p.offset)
}

// appendRecordPlace appends the end of an arrival key, which is where the record stands.
func appendRecordPlace(dst []byte, segment uint32, offset int64) []byte {
	return binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint32(dst, segment), uint64(offset))
}

// arrivalSegment returns the segment in an arrival key.
func arrivalSegment(key []byte) uint32 {
	if len(key) != arrivalKeySize {
		return 0
	}
	return binary.BigEndian.Uint32(key[1+8+4:])
}

// arrivalPlace returns where an arrival key's record stands, without its size.
func arrivalPlace(key []byte) place {
	return place{segment: arrivalSegment(key), offset: int64(binary.BigEndian.Uint64(key[1+8+4+4:]))}
}

// A checkpoint says how far the index knows a segment.
type checkpoint struct {
	epoch  uint64
	salt   uint32
	offset int64
	gaps   int // bad stretches before offset
}

func (c checkpoint) append(dst []byte) []byte {
	dst = binary.AppendUvarint(dst, c.epoch)
	dst = binary.AppendUvarint(dst, uint64(c.salt))
	dst = binary.AppendUvarint(dst, uint64(c.offset))
	return binary.AppendUvarint(dst, uint64(c.gaps))
}

func parseCheckpoint(value []byte) (checkpoint, error) {
	c := cursor{rest: value}
	p := checkpoint{epoch: c.uvarint(), salt: uint32(c.uvarint()), offset: int64(c.uvarint()), gaps: int(c.uvarint())}
	if c.bad {
		return p, errDoubt
	}
	return p, nil
}

// checkpoints returns those of all segments.
func (x *index) checkpoints() (map[uint32]checkpoint, error) {
	out := make(map[uint32]checkpoint)
	err := x.eachOf('s', func(key, value []byte) (bool, error) {
		if len(key) != 5 {
			return false, errDoubt
		}
		p, err := parseCheckpoint(value)
		out[binary.BigEndian.Uint32(key[1:])] = p
		return true, err
	})
	return out, err
}

// groupOf returns the group in a number key.
func groupOf(key []byte) uint32 { return binary.BigEndian.Uint32(key[1:]) }
