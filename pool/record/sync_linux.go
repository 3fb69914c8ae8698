package record

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// Sync is fdatasync: it makes the octets and the size durable and leaves the
// times alone, which saves a journal write.
func (f osFile) Sync() error { return f.call("fdatasync", unix.Fdatasync) }

// Start is sync_file_range, which begins to write the file system's cache to the
// disk, and leaves the errors of that for Sync to report. Where there is no such
// call it does nothing.
func (f osFile) Start(offset, size int64) error {
	err := f.call("sync_file_range", func(fd int) error {
		return unix.SyncFileRange(fd, offset, size, unix.SYNC_FILE_RANGE_WRITE)
	})
	if errors.Is(err, unix.ENOSYS) || errors.Is(err, unix.EINVAL) || errors.Is(err, unix.EPERM) {
		return nil
	}
	return err
}

// call calls the system with the file's descriptor, again when a signal came first.
func (f osFile) call(name string, call func(fd int) error) error {
	conn, err := f.SyscallConn()
	if err != nil {
		return err
	}
	var failed error
	err = conn.Control(func(fd uintptr) {
		for {
			if failed = call(int(fd)); !errors.Is(failed, unix.EINTR) {
				return
			}
		}
	})
	if err == nil && failed != nil {
		err = &os.PathError{Op: name, Path: f.Name(), Err: failed}
	}
	return err
}
