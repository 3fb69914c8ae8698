package disk

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"github.com/syndtr/goleveldb/leveldb"
	"github.com/syndtr/goleveldb/leveldb/filter"
	"github.com/syndtr/goleveldb/leveldb/opt"
	"github.com/syndtr/goleveldb/leveldb/storage"

	"github.com/restante/restante/pool/record"
)

// indexDamaged is what is said of an index that can't be read.
const indexDamaged = "The index is damaged: it is built anew at the next start."

// openIndex opens the index, if it can be relied upon, and says so if not.
func (c *checker) openIndex() error {
	if _, err := record.ReadFile(c.files, filepath.Join(c.dir, doubtFile)); err == nil {
		c.report.problem("The index is in doubt: it is built anew at the next start.")
		return nil
	}
	if _, err := c.files.ReadDir(filepath.Join(c.dir, indexDir)); errors.Is(err, os.ErrNotExist) {
		if len(c.segments) > 0 {
			c.report.problem("The index is missing: it is built anew at the next start.")
		}
		return nil
	}
	x, err := openIndexToRead(c.options.Files, filepath.Join(c.dir, indexDir))
	if err == nil {
		if err = c.begin(x); err != nil {
			err = errors.Join(err, x.close())
		}
	}
	if errors.Is(err, errVersion) {
		c.report.problem("The index is of another version of this program: it is built anew at the next start.")
		return nil
	} else if err != nil {
		c.report.problem(indexDamaged)
		return nil //nolint:nilerr // that is what is looked for
	}
	c.index = x
	return nil
}

// begin reads what a check needs of the index in memory.
func (c *checker) begin(x *index) error {
	var err, err2 error
	c.checkpoints, err = x.checkpoints()
	c.marks, err2 = x.marks()
	c.withdrawn = make(map[hash]place)
	err3 := x.eachWithdrawal([]byte{'w'}, []byte{'w' + 1}, func(h hash, p place) bool {
		c.withdrawn[h] = p
		return true
	})
	return errors.Join(err, err2, err3)
}

// openIndexToRead opens an index and changes nothing of it: a check may be of a disk that
// is only read, or that one would rather not write to. What opening writes stays in memory:
// what was in no table yet.
func openIndexToRead(files record.FS, dir string) (*index, error) {
	at, err := indexStorageToRead(files, dir)
	if err != nil {
		return nil, doubted(err)
	}
	over := &overlay{Storage: storage.NewMemStorage(), under: at, removed: make(map[storage.FileDesc]bool)}
	const never = 1 << 30 // no table is to be made of others
	db, err := leveldb.Open(over, &opt.Options{
		BlockCacheCapacity:     24 << 20,
		CompactionL0Trigger:    never,
		CompactionTotalSize:    never << 20,
		DisableSeeksCompaction: true,
		WriteL0PauseTrigger:    never,
		WriteL0SlowdownTrigger: never,
		Filter:                 filter.NewBloomFilter(10),
		Strict:                 opt.StrictAll,
	})
	if err != nil {
		return nil, errors.Join(doubted(err), over.Close())
	}
	x := newIndex(db, over)
	version, err := db.Get([]byte("f"), nil)
	switch {
	case errors.Is(err, leveldb.ErrNotFound): // nothing came to be in it
	case err != nil:
		return nil, errors.Join(doubted(err), x.close())
	case string(version) != indexVersion:
		return nil, errors.Join(errVersion, x.close())
	}
	return x, nil
}

func indexStorageToRead(files record.FS, dir string) (storage.Storage, error) {
	if s, ok := files.(IndexStorer); ok {
		return s.IndexStorage(dir)
	}
	return storage.OpenFile(dir, true)
}

// An overlay has files in memory over others that are only read. goleveldb has a mode for
// reading alone, but can't open what has two journals in it.
type overlay struct {
	storage.Storage // in memory
	under           storage.Storage
	begun           bool // the one in memory has a manifest

	mu      sync.Mutex
	removed map[storage.FileDesc]bool // of those under it
}

// SetMeta implements [storage.Storage].
func (o *overlay) SetMeta(fd storage.FileDesc) error {
	o.begun = true
	return o.Storage.SetMeta(fd)
}

// GetMeta implements [storage.Storage].
func (o *overlay) GetMeta() (storage.FileDesc, error) {
	if o.begun {
		return o.Storage.GetMeta()
	}
	return o.under.GetMeta()
}

// List implements [storage.Storage].
func (o *overlay) List(which storage.FileType) ([]storage.FileDesc, error) {
	over, err := o.Storage.List(which)
	if err != nil {
		return nil, err
	}
	under, err := o.under.List(which)
	if err != nil {
		return nil, err
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	hidden := func(fd storage.FileDesc) bool { return o.removed[fd] || slices.Contains(over, fd) }
	return append(over, slices.DeleteFunc(under, hidden)...), nil
}

// Open implements [storage.Storage].
func (o *overlay) Open(fd storage.FileDesc) (storage.Reader, error) {
	r, err := o.Storage.Open(fd)
	if errors.Is(err, os.ErrNotExist) {
		return o.under.Open(fd)
	}
	return r, err
}

// Remove implements [storage.Storage].
func (o *overlay) Remove(fd storage.FileDesc) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.removed[fd] = true
	if err := o.Storage.Remove(fd); !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}

// Close implements [storage.Storage].
func (o *overlay) Close() error { return errors.Join(o.Storage.Close(), o.under.Close()) }

// readAll reads all of the index, be it of interest or not.
func (x *index) readAll(goOn func() error) error {
	it := x.db.NewIterator(nil, &opt.ReadOptions{DontFillCache: true})
	defer it.Release()
	for it.Next() {
		if err := goOn(); err != nil {
			return err
		}
	}
	return doubted(it.Error())
}

// withoutIndex lets the check go on without an index that turns out to be
// damaged.
func (c *checker) withoutIndex(err error) error {
	if !errors.Is(err, errDoubt) {
		return err
	}
	_ = c.index.close() // nothing more can be learned from it
	c.index = nil
	c.report.problem(indexDamaged)
	return nil
}
