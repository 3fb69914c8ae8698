// Package recordtest puts faults between record files and the disk, for tests
// of whatever keeps them. It knows nothing of the files' form.
package recordtest

import (
	"strings"
	"sync"

	"github.com/restante/restante/pool/record"
)

// An Op is a step that can fail.
type Op string

// The steps.
const (
	OpenFile Op = "open"
	ReadAt   Op = "read"
	WriteAt  Op = "write"
	Truncate Op = "truncate"
	Start    Op = "start"
	Sync     Op = "sync"
	SyncDir  Op = "syncdir"
	Rename   Op = "rename"
	Remove   Op = "remove"
)

// A Fault makes one step fail.
type Fault struct {
	Op    Op
	Err   error
	Path  string // only for paths that contain it
	Keep  int    // octets of a failing write that reach the file all the same
	Quiet bool   // a short write comes without an error
	Skip  int    // how often the step still succeeds
	Once  bool   // the step fails but once
	Do    func() // is called when the step fails, before it does; may be nil
}

// strike lets the fault happen, as far as that is the caller's.
func (f *Fault) strike() {
	if f.Do != nil {
		f.Do()
	}
}

// Faults is an Opener with faults. The zero value has none.
type Faults struct {
	record.OS

	mu     sync.Mutex // guards faults and counts
	faults []Fault
	counts map[Op]int
}

// Set replaces all faults.
func (f *Faults) Set(faults ...Fault) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.faults = faults
}

// Count returns how often a step was taken.
func (f *Faults) Count(op Op) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.counts[op]
}

// step counts a step, and returns its fault or nil.
func (f *Faults) step(op Op, path string) *Fault {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.counts == nil {
		f.counts = make(map[Op]int)
	}
	f.counts[op]++
	for i := range f.faults {
		fault := &f.faults[i]
		if fault.Op != op || !strings.Contains(path, fault.Path) {
			continue
		}
		if fault.Skip > 0 {
			fault.Skip--
			continue
		}
		hit := *fault
		if fault.Once {
			fault.Op = ""
		}
		return &hit
	}
	return nil
}

// OpenFile implements [record.Opener].
func (f *Faults) OpenFile(path string, flag int) (record.File, int64, error) {
	if fault := f.step(OpenFile, path); fault != nil {
		fault.strike()
		return nil, 0, fault.Err
	}
	inner, size, err := f.OS.OpenFile(path, flag)
	if err != nil {
		return nil, 0, err
	}
	return &file{File: inner, faults: f, path: path}, size, nil
}

// SyncDir implements [record.Opener].
func (f *Faults) SyncDir(dir string) error {
	if fault := f.step(SyncDir, dir); fault != nil {
		fault.strike()
		return fault.Err
	}
	return f.OS.SyncDir(dir)
}

// Rename implements [record.FS].
func (f *Faults) Rename(from, to string) error {
	if fault := f.step(Rename, to); fault != nil {
		return fault.Err
	}
	return f.OS.Rename(from, to)
}

// Remove implements [record.FS].
func (f *Faults) Remove(path string) error {
	if fault := f.step(Remove, path); fault != nil {
		return fault.Err
	}
	return f.OS.Remove(path)
}

type file struct {
	record.File
	faults *Faults
	path   string
}

func (f *file) ReadAt(b []byte, offset int64) (int, error) {
	if fault := f.faults.step(ReadAt, f.path); fault != nil {
		return 0, fault.Err
	}
	return f.File.ReadAt(b, offset)
}

func (f *file) WriteAt(b []byte, offset int64) (int, error) {
	fault := f.faults.step(WriteAt, f.path)
	if fault == nil {
		return f.File.WriteAt(b, offset)
	}
	fault.strike()
	n, err := f.File.WriteAt(b[:min(fault.Keep, len(b))], offset)
	if err == nil && !fault.Quiet {
		err = fault.Err
	}
	return n, err
}

func (f *file) Truncate(size int64) error {
	if fault := f.faults.step(Truncate, f.path); fault != nil {
		fault.strike()
		return fault.Err
	}
	return f.File.Truncate(size)
}

func (f *file) Start(offset, size int64) error {
	if fault := f.faults.step(Start, f.path); fault != nil {
		fault.strike()
		return fault.Err
	}
	return f.File.Start(offset, size)
}

func (f *file) Sync() error {
	if fault := f.faults.step(Sync, f.path); fault != nil {
		fault.strike()
		return fault.Err
	}
	return f.File.Sync()
}
