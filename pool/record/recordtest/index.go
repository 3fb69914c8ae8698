package recordtest

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/syndtr/goleveldb/leveldb/storage"

	"github.com/restante/restante/pool/record"
)

// current is the file that names the index's manifest.
const current = "CURRENT"

// IndexStorage lays an index's files into a folder of this file system, and
// syncs what goleveldb's own storage does: files when it is told to, and the
// folder with every manifest.
func (p *Power) IndexStorage(dir string) (storage.Storage, error) {
	if err := p.MkdirAll(dir); err != nil {
		return nil, err
	}
	return &indexStorage{p, dir}, nil
}

type indexStorage struct {
	p   *Power
	dir string
}

func (s *indexStorage) path(name fmt.Stringer) string { return filepath.Join(s.dir, name.String()) }

type unlocked struct{}

func (unlocked) Unlock() {}

// Lock implements [storage.Storage]. The store has a lock of its own.
func (s *indexStorage) Lock() (storage.Locker, error) { return unlocked{}, nil }

// Log implements [storage.Storage].
func (s *indexStorage) Log(string) {}

// SetMeta implements [storage.Storage].
func (s *indexStorage) SetMeta(fd storage.FileDesc) error {
	temp := filepath.Join(s.dir, current+".new")
	f, _, err := s.p.OpenFile(temp, os.O_RDWR|os.O_CREATE|os.O_TRUNC)
	if err != nil {
		return err
	}
	if _, err := f.WriteAt([]byte(fd.String()+"\n"), 0); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	if err := s.p.Rename(temp, filepath.Join(s.dir, current)); err != nil {
		return err
	}
	return s.p.SyncDir(s.dir)
}

// GetMeta implements [storage.Storage].
func (s *indexStorage) GetMeta() (storage.FileDesc, error) {
	text, err := record.ReadFile(s.p, filepath.Join(s.dir, current))
	if errors.Is(err, fs.ErrNotExist) {
		return storage.FileDesc{}, os.ErrNotExist // the very one
	}
	if err != nil {
		return storage.FileDesc{}, err
	}
	fd, ok := parseName(strings.TrimSuffix(string(text), "\n"))
	if !ok {
		return fd, &storage.ErrCorrupted{Err: errors.New("no manifest is named")}
	}
	if _, err := record.ReadFile(s.p, s.path(fd)); errors.Is(err, fs.ErrNotExist) {
		return fd, os.ErrNotExist
	}
	return fd, nil
}

// parseName reads what storage.FileDesc.String writes.
func parseName(name string) (fd storage.FileDesc, ok bool) {
	for pattern, kind := range map[string]storage.FileType{
		"MANIFEST-%d": storage.TypeManifest, "%d.log": storage.TypeJournal, "%d.ldb": storage.TypeTable, "%d.tmp": storage.TypeTemp,
	} {
		if n, err := fmt.Sscanf(name, pattern, &fd.Num); n == 1 && err == nil {
			fd.Type = kind
			return fd, fd.String() == name
		}
	}
	return fd, false
}

// List implements [storage.Storage].
func (s *indexStorage) List(kinds storage.FileType) ([]storage.FileDesc, error) {
	entries, err := s.p.ReadDir(s.dir)
	if err != nil {
		return nil, err
	}
	var out []storage.FileDesc
	for _, e := range entries {
		if fd, ok := parseName(e.Name()); ok && fd.Type&kinds != 0 {
			out = append(out, fd)
		}
	}
	return out, nil
}

type indexReader struct{ *bytes.Reader }

func (indexReader) Close() error { return nil }

// Open implements [storage.Storage].
func (s *indexStorage) Open(fd storage.FileDesc) (storage.Reader, error) {
	text, err := record.ReadFile(s.p, s.path(fd))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, os.ErrNotExist
	}
	if err != nil {
		return nil, err
	}
	return indexReader{bytes.NewReader(text)}, nil
}

type indexWriter struct {
	record.File
	s    *indexStorage
	kind storage.FileType
	end  int64
}

func (w *indexWriter) Write(b []byte) (int, error) {
	n, err := w.WriteAt(b, w.end)
	w.end += int64(n)
	return n, err
}

func (w *indexWriter) Sync() error {
	err := w.File.Sync()
	if err == nil && w.kind == storage.TypeManifest {
		err = w.s.p.SyncDir(w.s.dir)
	}
	return err
}

// Create implements [storage.Storage].
func (s *indexStorage) Create(fd storage.FileDesc) (storage.Writer, error) {
	f, _, err := s.p.OpenFile(s.path(fd), os.O_RDWR|os.O_CREATE|os.O_TRUNC)
	if err != nil {
		return nil, err
	}
	return &indexWriter{File: f, s: s, kind: fd.Type}, nil
}

// Remove implements [storage.Storage].
func (s *indexStorage) Remove(fd storage.FileDesc) error { return s.p.Remove(s.path(fd)) }

// Rename implements [storage.Storage].
func (s *indexStorage) Rename(from, to storage.FileDesc) error {
	return s.p.Rename(s.path(from), s.path(to))
}

// Close implements [storage.Storage].
func (s *indexStorage) Close() error { return nil }
