package disk

import (
	"context"
	"errors"
	"path/filepath"
	"time"

	"github.com/syndtr/goleveldb/leveldb"

	"github.com/restante/restante/pool"
)

// forgetOld forgets the message-ids of history files that are older than the
// store is to remember. The set of fingerprints in memory still has them, which
// costs a look at the index, until the store is opened again.
func (s *Store) forgetOld(ctx context.Context) error {
	if s.options.Remember <= 0 {
		return nil
	}
	names, err := s.historyNames()
	if err != nil {
		return err
	}
	for _, name := range names {
		if err := ctx.Err(); err != nil {
			return err
		}
		head, err := s.historyHead(name)
		if err != nil || time.Since(head.dropped) < s.options.Remember {
			continue // a damaged one is kept for what can still be read of it
		}
		if err := s.forgetFile(name); err != nil {
			return err
		}
	}
	return nil
}

// errStop ends a reading that has read enough.
var errStop = errors.New("enough was read")

// historyHead reads the head of a history file.
func (s *Store) historyHead(name string) (historyHead, error) {
	head, err := s.readHistory(name, func(hash) error { return errStop })
	if errors.Is(err, errStop) {
		err = nil
	}
	return head, err
}

// forgetFile forgets what a history file remembers: the index first, so that
// what a crash leaves is forgotten the next time.
func (s *Store) forgetFile(name string) error {
	batch := new(leveldb.Batch)
	_, err := s.readHistory(name, func(h hash) error {
		batch.Delete(idKey(h))
		return s.flush(batch)
	})
	if err != nil && !errors.Is(err, pool.ErrCorrupt) { // what can't be read stays remembered
		return err
	}
	batch.Delete(historyKey(name))
	if err := s.index.write(batch, true); err != nil {
		return err
	}
	folder := filepath.Join(s.dir, historyDir)
	return errors.Join(s.removeIfThere(filepath.Join(folder, name)), s.files.SyncDir(folder))
}
