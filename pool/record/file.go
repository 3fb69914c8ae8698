package record

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"syscall"

	"github.com/restante/restante/pool"
)

// A File is what a log is kept in. *os.File is one but for Sync, which need
// only make the octets and the size durable. Tests put faults in its place.
type File interface {
	io.ReaderAt
	io.WriterAt
	Truncate(size int64) error
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

// OS is the operating system's [Opener]. Files are for their owner alone.
type OS struct{}

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

// SyncDir opens, syncs and closes the folder.
func (OS) SyncDir(dir string) error {
	f, err := os.Open(filepath.Clean(dir))
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

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
