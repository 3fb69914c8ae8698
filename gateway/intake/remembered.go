package intake

import (
	"context"
	"encoding/binary"
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/restante/restante/pool"
	"github.com/restante/restante/pool/record"
)

// Names in the desk's folder.
const (
	openedFile = "opened"
	newFile    = "opened.new"
)

// Kinds of records: what was opened (epoch, digest), and how far the group was
// looked through (number).
const (
	kindOpened = 1
	kindNext   = 2

	openedSize = 1 + 8 + 32
	nextSize   = 1 + 4
)

// remembered is the digests of what was opened, each with the newest epoch of that
// time: no key that opens it lives longer than that epoch's. It is kept in a file
// of package record; 32 octets of a digest tell nobody anything who does not have
// the public article.
type remembered struct {
	dir    string
	next   pool.Number // to be looked at
	marked pool.Number // as it is on disk
	opened map[[32]byte]uint64
	oldest uint64 // of opened
	file   *record.Writer
}

func openRemembered(dir string) (*remembered, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	m := &remembered{dir: dir, next: 1, opened: make(map[[32]byte]uint64)}
	if err := os.Remove(filepath.Join(dir, newFile)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	var err error
	m.file, _, err = record.OpenWriter(record.OS{}, filepath.Join(dir, openedFile), func(_ int64, payload []byte) error {
		m.read(payload)
		return nil
	})
	m.marked = m.next
	return m, err
}

// read takes one record. One of another form is passed over.
func (m *remembered) read(payload []byte) {
	switch {
	case len(payload) == openedSize && payload[0] == kindOpened:
		m.opened[[32]byte(payload[9:])] = binary.BigEndian.Uint64(payload[1:])
	case len(payload) == nextSize && payload[0] == kindNext:
		m.next = pool.Number(binary.BigEndian.Uint32(payload[1:]))
	}
}

func (m *remembered) has(digest [32]byte) bool {
	_, ok := m.opened[digest]
	return ok
}

// add remembers a digest. On stable storage on return.
func (m *remembered) add(ctx context.Context, epoch uint64, digest [32]byte) error {
	if m.has(digest) {
		return nil
	}
	if _, err := m.file.Append(ctx, opened(epoch, digest)); err != nil {
		return err
	}
	m.opened[digest] = epoch
	return nil
}

func opened(epoch uint64, digest [32]byte) []byte {
	return append(binary.BigEndian.AppendUint64([]byte{kindOpened}, epoch), digest[:]...)
}

func marked(n pool.Number) []byte { return binary.BigEndian.AppendUint32([]byte{kindNext}, uint32(n)) }

// mark notes how far the group was looked through. An older mark costs looking
// at some articles again.
func (m *remembered) mark(ctx context.Context, n pool.Number) error {
	if n == m.marked {
		return nil
	}
	if _, err := m.file.Append(ctx, marked(n)); err != nil {
		return err
	}
	m.marked = n
	return nil
}

// forget drops what no key opens any more: the file is written anew once in an
// epoch.
func (m *remembered) forget(oldest uint64) error {
	if oldest <= m.oldest {
		return nil
	}
	for digest, epoch := range m.opened {
		if epoch < oldest {
			delete(m.opened, digest)
		}
	}
	path := filepath.Join(m.dir, newFile)
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) { // of an earlier try
		return err
	}
	log, _, err := record.Open(record.OS{}, path, 0, func(int64, []byte) error { return pool.ErrCorrupt })
	if err != nil {
		return err
	}
	_, err = log.Add(marked(m.marked))
	for digest, epoch := range m.opened {
		if err != nil {
			break
		}
		_, err = log.Add(opened(epoch, digest))
	}
	log.Vouch()
	if err == nil {
		err = log.Commit()
	}
	if err = errors.Join(err, log.Close()); err != nil {
		return errors.Join(err, os.Remove(path))
	}
	return m.swap(path, oldest)
}

// swap puts a new file in the place of the old one. Until it has the name the old one
// goes on; afterwards what is added to that would be forgotten, so it is closed
// whatever happens.
func (m *remembered) swap(path string, oldest uint64) error {
	name := filepath.Join(m.dir, openedFile)
	if err := os.Rename(path, name); err != nil {
		return err
	}
	file, _, err := record.OpenWriter(record.OS{}, name, func(int64, []byte) error { return nil })
	_ = m.file.Close() // nothing of it counts any more
	if err == nil {
		m.file = file
		err = record.OS{}.SyncDir(m.dir)
	}
	if err == nil {
		m.oldest = oldest
	}
	return err
}

func (m *remembered) close() error { return m.file.Close() }
