package record

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"syscall"

	"github.com/restante/restante/pool"
)

// A File is what a log is kept in. *os.File is one but for Sync, which need
// only make the octets and the size durable, and for Start. Tests put faults in
// its place.
type File interface {
	io.ReaderAt
	io.WriterAt
	Truncate(size int64) error
	// Start lets octets that were written set out for stable storage, so that the
	// next Sync has less to wait for. It says nothing of where they are; an error
	// means as much as one of Sync.
	Start(offset, size int64) error
	Sync() error
	Close() error
}

// An Opener opens files and makes names durable. [OS] is the real one.
type Opener interface {
	// OpenFile opens a file as os.OpenFile does, and returns its size.
	OpenFile(path string, flag int) (File, int64, error)
	// SyncDir makes what names a folder holds durable.
	SyncDir(dir string) error
}

// An FS is a file system, as far as a store uses one. What it changes of names
// is durable once SyncDir has returned for the folder that holds them. Errors
// are those of package os. [OS] is the real one; tests let the power fail in
// its place.
type FS interface {
	Opener
	// Rename puts a file or folder under another name, in one step, and in the
	// place of a file that had it.
	Rename(from, to string) error
	// Remove removes a file or an empty folder.
	Remove(path string) error
	// RemoveAll removes a file, or a folder with all that is in it. There may be none.
	RemoveAll(path string) error
	// MkdirAll makes a folder, with those above it. It may be there.
	MkdirAll(dir string) error
	// ReadDir lists a folder, sorted by name.
	ReadDir(dir string) ([]fs.DirEntry, error)
}

// ReadFile returns what a file holds.
func ReadFile(files Opener, path string) ([]byte, error) {
	f, size, err := files.OpenFile(path, os.O_RDONLY)
	if err != nil {
		return nil, err
	}
	text := make([]byte, size)
	n, err := f.ReadAt(text, 0)
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return text[:n], errors.Join(err, f.Close())
}

// Replace puts text under a name in one step, and makes it durable: after a crash
// there is the old file or the new one. The folder must be there. It returns
// [pool.ErrDiskFull] when there is no space.
func Replace(files FS, path string, text []byte) error {
	temp := path + ".new"
	f, _, err := files.OpenFile(temp, os.O_RDWR|os.O_CREATE|os.O_TRUNC)
	if err != nil {
		return Full(err)
	}
	_, err = f.WriteAt(text, 0)
	if err == nil {
		err = f.Sync()
	}
	err = errors.Join(err, f.Close())
	if err == nil {
		err = files.Rename(temp, path)
	}
	if err != nil {
		return Full(errors.Join(err, files.Remove(temp)))
	}
	return files.SyncDir(filepath.Dir(path))
}

// OS is the operating system's [FS]. Files and folders are for their owner
// alone.
type OS struct{}

var _ FS = OS{}

// OpenFile opens a file with mode 0600.
func (OS) OpenFile(path string, flag int) (File, int64, error) {
	f, err := os.OpenFile(path, flag, 0o600)
	if err != nil {
		return nil, 0, err
	}
	info, err := f.Stat()
	if err != nil {
		return nil, 0, errors.Join(err, f.Close())
	}
	return osFile{f}, info.Size(), nil
}

// SyncDir opens, syncs and closes the folder. Windows can't do that to a folder: NTFS
// writes names into its journal by itself.
func (OS) SyncDir(dir string) error {
	if runtime.GOOS == "windows" {
		return nil
	}
	f, err := os.Open(filepath.Clean(dir))
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// Rename is os.Rename.
func (OS) Rename(from, to string) error { return os.Rename(from, to) }

// Remove is os.Remove.
func (OS) Remove(path string) error { return os.Remove(path) }

// RemoveAll is os.RemoveAll.
func (OS) RemoveAll(path string) error { return os.RemoveAll(path) }

// MkdirAll makes folders with mode 0700.
func (OS) MkdirAll(dir string) error { return os.MkdirAll(dir, 0o700) }

// ReadDir is os.ReadDir.
func (OS) ReadDir(dir string) ([]fs.DirEntry, error) { return os.ReadDir(dir) }

type osFile struct{ *os.File }

// full says whether the error means that there is no space.
func full(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) || errors.Is(err, syscall.EFBIG)
}

// Full returns the error as a [pool.ErrDiskFull] when it means that there is no
// space, and as it is otherwise.
func Full(err error) error {
	if err != nil && full(err) {
		return fmt.Errorf("%w: %w", pool.ErrDiskFull, err)
	}
	return err
}
