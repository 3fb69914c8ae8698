package disk

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/syndtr/goleveldb/leveldb"

	"github.com/restante/restante/pool"
	"github.com/restante/restante/pool/record"
)

const (
	historyVersion  = 1
	historyHeadSize = 1 + 8 + 4 + 8
	historyChunk    = 4096 // hashes in one record
)

// A historyHead is a history file's first record: which segments are gone.
type historyHead struct {
	epoch   uint64
	last    uint32    // the last segment of the epoch that is gone
	dropped time.Time // whole seconds
}

func (h historyHead) append(dst []byte) []byte {
	dst = append(dst, historyVersion)
	dst = binary.BigEndian.AppendUint64(dst, h.epoch)
	dst = binary.BigEndian.AppendUint32(dst, h.last)
	return binary.BigEndian.AppendUint64(dst, uint64(h.dropped.Unix()))
}

func parseHistoryHead(b []byte) (historyHead, error) {
	if len(b) != historyHeadSize || b[0] != historyVersion {
		return historyHead{}, pool.ErrCorrupt
	}
	return historyHead{
		epoch:   binary.BigEndian.Uint64(b[1:]),
		last:    binary.BigEndian.Uint32(b[9:]),
		dropped: time.Unix(int64(binary.BigEndian.Uint64(b[13:])), 0).UTC(),
	}, nil
}

func (h historyHead) name() string { return fmt.Sprintf("%d.%d.rec", h.epoch, h.last) }

// writeHistory writes a history file, durable under its name when it returns.
func (s *Store) writeHistory(head historyHead, ids []hash) error {
	path := filepath.Join(s.dir, historyDir, head.name())
	temp := path + ".new"
	if err := s.files.RemoveAll(temp); err != nil {
		return err
	}
	log, _, err := record.Open(s.files, temp, 0, func(int64, []byte) error { return pool.ErrCorrupt })
	if err != nil {
		return err
	}
	_, err = log.Add(head.append(nil))
	for len(ids) > 0 && err == nil {
		n := min(len(ids), historyChunk)
		chunk := make([]byte, 0, n*len(hash{}))
		for _, h := range ids[:n] {
			chunk = append(chunk, h[:]...)
		}
		_, err = log.Add(chunk)
		ids = ids[n:]
	}
	log.Vouch()
	if err == nil {
		err = log.Commit()
	}
	err = errors.Join(err, log.Close())
	if err == nil {
		err = s.files.Rename(temp, path)
	}
	if err != nil {
		return record.Full(errors.Join(err, s.files.Remove(temp)))
	}
	return s.files.SyncDir(filepath.Dir(path))
}

// readHistory reads a history file. visit gets each hash. What is damaged is
// passed over, and pool.ErrCorrupt returned in the end.
func (s *Store) readHistory(name string, visit func(hash) error) (head historyHead, err error) {
	f, size, err := s.files.OpenFile(filepath.Join(s.dir, historyDir, name), os.O_RDONLY)
	if err != nil {
		return head, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	r, err := record.NewReader(f)
	if err != nil {
		return head, damage(err)
	}
	headless := true
	var stop error // of visit
	scan, err := r.Scan(size, 0, func(_ int64, payload []byte) error {
		if len(payload) == historyHeadSize {
			if h, err := parseHistoryHead(payload); err == nil {
				head, headless = h, false
			}
			return nil
		}
		for ; len(payload) >= len(hash{}) && stop == nil; payload = payload[len(hash{}):] {
			stop = visit(hash(payload[:len(hash{})]))
		}
		return stop
	})
	switch {
	case stop != nil:
		return head, stop
	case err != nil:
		return head, damage(err)
	case headless || scan.Torn || len(scan.Gaps)+len(scan.Unsynced) > 0:
		return head, pool.ErrCorrupt
	}
	return head, nil
}

// historyNames lists the history files.
func (s *Store) historyNames() ([]string, error) {
	entries, err := s.files.ReadDir(filepath.Join(s.dir, historyDir))
	if err != nil {
		return nil, err
	}
	var out []string
	for _, e := range entries {
		if strings.HasSuffix(e.Name(), ".rec") {
			out = append(out, e.Name())
		}
	}
	return out, nil
}

// parseHistoryName reads epoch and last segment out of a file's name, which
// says the same as its head.
func parseHistoryName(name string) (historyHead, bool) {
	var h historyHead
	n, err := fmt.Sscanf(name, "%d.%d.rec", &h.epoch, &h.last)
	return h, err == nil && n == 2 && h.name() == name
}

// graves are the heads of all history files: they say which segments are gone.
type graves []historyHead

// graves returns what the names of the history files say.
func (s *Store) graves() (graves, error) {
	names, err := s.historyNames()
	var out graves
	for _, name := range names {
		if h, ok := parseHistoryName(name); ok {
			out = append(out, h)
		}
	}
	return out, err
}

// has says whether a segment is gone. An epoch is dropped up to a segment, and
// one by one the segments of epoch 0 are given up.
func (h graves) has(epoch uint64, segment uint32) bool {
	return slices.ContainsFunc(h, func(head historyHead) bool {
		return head.epoch == epoch && (segment == head.last || epoch != 0 && segment < head.last)
	})
}

// indexHistory puts what history files have and the index has not into it.
func (s *Store) indexHistory() error {
	names, err := s.historyNames()
	if err != nil {
		return err
	}
	for _, name := range names {
		if _, ok, err := s.index.get(historyKey(name)); err != nil {
			return err
		} else if ok {
			continue
		}
		if err := s.indexHistoryFile(name); err != nil {
			return err
		}
	}
	return nil
}

func (s *Store) indexHistoryFile(name string) error {
	batch := new(leveldb.Batch)
	_, err := s.readHistory(name, func(h hash) error {
		// One that a crash came in the midst of forgetting may have come again.
		if f, err := s.find(h); f.standing > unknown || err != nil {
			return err
		}
		batch.Put(idKey(h), nil)
		s.seen.add(h, leadGone)
		return s.flush(batch)
	})
	if errors.Is(err, pool.ErrCorrupt) {
		// The index takes what there is, and not note of the file: at the next
		// opening it is to be told again.
		s.badHistory.Add(1)
		s.options.Logger.Error().Msg("a history file is damaged: some expired articles may come back")
		return s.index.write(batch, false)
	}
	if err != nil {
		return err
	}
	batch.Put(historyKey(name), nil)
	return s.index.write(batch, false)
}

// flush writes a batch to the index once it is large.
func (s *Store) flush(batch *leveldb.Batch) error {
	if batch.Len() < 4096 {
		return nil
	}
	return s.index.write(batch, false)
}
