package recordtest

import (
	"errors"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/restante/restante/pool/record"
)

// ErrPower is what every step returns once the power has failed.
var ErrPower = errors.New("the power is off")

// A Power is a file system in memory whose power can fail. What was written
// since a file's last sync, and the names that a folder got since its last
// SyncDir, are then lost or kept as chance has it: in part, torn between
// sectors, the later without the earlier. It promises less than any real file
// system does. Its methods may be called from many goroutines.
type Power struct {
	mu      sync.Mutex // guards all that follows, nodes included
	root    *node
	left    int  // steps until the power fails; below 0 it does not
	off     bool // it has failed
	lies    bool // syncs do nothing
	failing int  // syncs until one fails; below 0 none does
	steps   int
	lost    int // unsynced writes that a failing of the power took

	keeps bool    // what has no name any more
	files []*node // all there ever were, if it does
}

// A node is a file or a folder.
type node struct {
	folder bool

	names, durable map[string]*node // of a folder: as seen, and as on disk
	renames        []rename         // since the last SyncDir

	data, disk []byte  // of a file: as seen, and as on disk
	writes     []write // since the last sync
	failures   int     // syncs that failed
}

// A rename is one change of a folder: to stands for node, and from for nothing.
// Either may be empty.
type rename struct {
	from, to string
	node     *node
}

// A write is one change of a file.
type write struct {
	at   int64
	data []byte
	cut  bool // a truncation to at
}

// NewPower returns an empty file system with one folder in it, which is on disk.
func NewPower(dir string) *Power {
	p := &Power{root: newFolder(), left: -1, failing: -1}
	_ = p.MkdirAll(dir)
	for n, rest := p.root, parts(dir); len(rest) > 0; rest = rest[1:] {
		n.syncNames()
		n = n.names[rest[0]]
	}
	return p
}

func newFolder() *node {
	return &node{folder: true, names: make(map[string]*node), durable: make(map[string]*node)}
}

// FailAfter lets the power fail in the middle of the step after so many.
func (p *Power) FailAfter(steps int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.left = steps
}

// FailSync lets one sync of a file fail, after so many that do not. What it
// should have brought to the disk stays readable and never gets there, unless it
// is written anew, and whoever else has the file open hears of it once with the
// next sync: that is what Linux does.
func (p *Power) FailSync(after int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.failing = after
}

// Lie makes syncs do nothing, as those of a bad disk do.
func (p *Power) Lie() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.lies = true
}

// Steps returns how many steps were taken that change something.
func (p *Power) Steps() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.steps
}

// Off says whether the power has failed.
func (p *Power) Off() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.off
}

// Lost returns how many unsynced writes and names the failure took that this
// file system is what is left of.
func (p *Power) Lost() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.lost
}

// Killed ends this file system for its process, and returns the one that the
// next process finds: nothing is lost, and what was not synced still is not.
func (p *Power) Killed() *Power {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.off = true
	return &Power{root: p.root, left: -1, failing: -1, lies: p.lies, keeps: p.keeps, files: p.files}
}

// Copy returns another file system with all that can be seen in this one, on its disk.
func (p *Power) Copy() *Power {
	p.mu.Lock()
	defer p.mu.Unlock()
	f := failure{Rand: rand.New(rand.NewPCG(0, 0)), style: takesNone, done: make(map[*node]*node)}
	return &Power{root: f.left(p.root), left: -1, failing: -1}
}

// Failed lets the power fail, unless it has already, and returns what is there
// once it is back.
func (p *Power) Failed(r *rand.Rand) *Power {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.off = true
	f := failure{Rand: r, style: r.IntN(styles), done: make(map[*node]*node)}
	root := f.left(p.root)
	after := &Power{root: root, left: -1, failing: -1, lies: p.lies, lost: f.lost, keeps: p.keeps}
	for _, n := range p.files {
		after.files = append(after.files, f.left(n))
	}
	return after
}

// step takes a step. When the power fails in the middle of it, it is taken all
// the same, and is among what may be lost.
func (p *Power) step(take func()) error {
	if p.off {
		return ErrPower
	}
	p.steps++
	take()
	if p.left == 0 {
		p.off = true
		return ErrPower
	}
	p.left--
	return nil
}

func parts(path string) []string {
	return strings.FieldsFunc(filepath.Clean(path), func(r rune) bool { return r == filepath.Separator })
}

// find returns what stands under a path.
func (p *Power) find(path string) (*node, error) {
	if p.off {
		return nil, ErrPower
	}
	n := p.root
	for _, name := range parts(path) {
		if !n.folder {
			return nil, &fs.PathError{Op: "open", Path: path, Err: syscall.ENOTDIR}
		}
		if n = n.names[name]; n == nil {
			return nil, &fs.PathError{Op: "open", Path: path, Err: fs.ErrNotExist}
		}
	}
	return n, nil
}

// folder returns the folder that a path's last name stands in.
func (p *Power) folder(path string) (*node, error) {
	n, err := p.find(filepath.Dir(filepath.Clean(path)))
	if err == nil && !n.folder {
		err = &fs.PathError{Op: "open", Path: path, Err: syscall.ENOTDIR}
	}
	return n, err
}

// change makes one change of a folder's names.
func (n *node) change(c rename) {
	if c.from != "" {
		delete(n.names, c.from)
	}
	if c.to != "" {
		n.names[c.to] = c.node
	}
	n.renames = append(n.renames, c)
}

func (n *node) syncNames() {
	n.durable = make(map[string]*node, len(n.names))
	for name, child := range n.names {
		n.durable[name] = child
	}
	n.renames = nil
}

// OpenFile implements [record.Opener].
func (p *Power) OpenFile(path string, flag int) (record.File, int64, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	n, err := p.find(path)
	switch {
	case err == nil && n.folder:
		return nil, 0, &fs.PathError{Op: "open", Path: path, Err: syscall.EISDIR}
	case errors.Is(err, fs.ErrNotExist) && flag&os.O_CREATE != 0:
		var in *node
		if in, err = p.folder(path); err != nil {
			return nil, 0, err
		}
		n = p.newFile()
		err = p.step(func() { in.change(rename{to: filepath.Base(path), node: n}) })
	case err == nil && flag&os.O_TRUNC != 0 && len(n.data) > 0:
		err = p.step(func() { n.apply(write{cut: true}) })
	}
	if err != nil {
		return nil, 0, err
	}
	return &powerFile{p, n, n.failures}, int64(len(n.data)), nil
}

// SyncDir implements [record.Opener].
func (p *Power) SyncDir(dir string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	n, err := p.find(dir)
	if err != nil {
		return err
	}
	if err := p.step(func() {}); err != nil || p.lies {
		return err
	}
	n.syncNames()
	return nil
}

// Rename implements [record.FS].
func (p *Power) Rename(from, to string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	n, err := p.find(from)
	if err != nil {
		return err
	}
	in, err := p.folder(from)
	if err != nil {
		return err
	}
	if filepath.Dir(filepath.Clean(from)) != filepath.Dir(filepath.Clean(to)) {
		return &os.LinkError{Op: "rename", Old: from, New: to, Err: syscall.EXDEV} // nobody needs it
	}
	if in.names[filepath.Base(to)] == n {
		return nil // two names of one file: both stay (rename(2))
	}
	return p.step(func() { in.change(rename{from: filepath.Base(from), to: filepath.Base(to), node: n}) })
}

// Remove implements [record.FS].
func (p *Power) Remove(path string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.remove(path)
}

func (p *Power) remove(path string) error {
	n, err := p.find(path)
	if err != nil {
		return err
	}
	if n.folder && len(n.names) > 0 {
		return &fs.PathError{Op: "remove", Path: path, Err: syscall.ENOTEMPTY}
	}
	in, err := p.folder(path)
	if err != nil {
		return err
	}
	return p.step(func() { in.change(rename{from: filepath.Base(path)}) })
}

// RemoveAll implements [record.FS].
func (p *Power) RemoveAll(path string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.removeAll(path)
}

func (p *Power) removeAll(path string) error {
	n, err := p.find(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for name := range n.names {
		if err := p.removeAll(filepath.Join(path, name)); err != nil {
			return err
		}
	}
	return p.remove(path)
}

// MkdirAll implements [record.FS].
func (p *Power) MkdirAll(dir string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.off {
		return ErrPower
	}
	n := p.root
	for _, name := range parts(dir) {
		child := n.names[name]
		if child == nil {
			child = newFolder()
			if err := p.step(func() { n.change(rename{to: name, node: child}) }); err != nil {
				return err
			}
		}
		if !child.folder {
			return &fs.PathError{Op: "mkdir", Path: dir, Err: syscall.ENOTDIR}
		}
		n = child
	}
	return nil
}

// ReadDir implements [record.FS].
func (p *Power) ReadDir(dir string) ([]fs.DirEntry, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	n, err := p.find(dir)
	if err != nil {
		return nil, err
	}
	var out []fs.DirEntry
	for name, child := range n.names {
		out = append(out, fs.FileInfoToDirEntry(info{name, child}))
	}
	slices.SortFunc(out, func(a, b fs.DirEntry) int { return strings.Compare(a.Name(), b.Name()) })
	return out, nil
}

// An info is what a listing says of a node.
type info struct {
	name string
	node *node
}

func (i info) Name() string       { return i.name }
func (i info) Size() int64        { return int64(len(i.node.data)) }
func (i info) ModTime() time.Time { return time.Time{} }
func (i info) IsDir() bool        { return i.node.folder }
func (i info) Sys() any           { return nil }

func (i info) Mode() fs.FileMode {
	if i.node.folder {
		return fs.ModeDir | 0o700
	}
	return 0o600
}

// A powerFile is an open file.
type powerFile struct {
	p     *Power
	n     *node
	heard int // of the node's failures
}

func (f *powerFile) ReadAt(b []byte, at int64) (int, error) {
	f.p.mu.Lock()
	defer f.p.mu.Unlock()
	if f.p.off {
		return 0, ErrPower
	}
	if at >= int64(len(f.n.data)) {
		return 0, io.EOF
	}
	n := copy(b, f.n.data[at:])
	if n < len(b) {
		return n, io.EOF
	}
	return n, nil
}

func (f *powerFile) WriteAt(b []byte, at int64) (int, error) {
	f.p.mu.Lock()
	defer f.p.mu.Unlock()
	if err := f.p.step(func() { f.n.apply(write{at: at, data: slices.Clone(b)}) }); err != nil {
		return 0, err
	}
	return len(b), nil
}

func (f *powerFile) Truncate(size int64) error {
	f.p.mu.Lock()
	defer f.p.mu.Unlock()
	return f.p.step(func() { f.n.apply(write{at: size, cut: true}) })
}

// Start implements [record.File]. Any octets that are not synced may be on the disk
// when the power fails, whether they were started or not.
func (f *powerFile) Start(int64, int64) error { return nil }

func (f *powerFile) Sync() error {
	for range 50 { // as a disk is slow: who has something to write writes it meanwhile
		runtime.Gosched()
	}
	f.p.mu.Lock()
	defer f.p.mu.Unlock()
	if err := f.p.step(func() {}); err != nil || f.p.lies {
		return err
	}
	f.p.failing--
	if f.p.failing == -1 {
		f.n.writes = nil
		f.n.failures++
	}
	if f.heard < f.n.failures {
		f.heard = f.n.failures
		return syscall.EIO
	}
	for _, w := range f.n.writes {
		f.n.disk = w.to(f.n.disk)
	}
	f.n.writes = nil
	return nil
}

func (f *powerFile) Close() error { return nil }

func (n *node) apply(w write) {
	n.data = w.to(n.data)
	n.writes = append(n.writes, w)
}

// to makes the change to octets.
func (w write) to(octets []byte) []byte {
	end := w.at + int64(len(w.data))
	if short := end - int64(len(octets)); short > 0 {
		octets = append(octets, make([]byte, short)...)
	}
	if w.cut {
		return slices.Clip(octets[:end])
	}
	copy(octets[w.at:], w.data)
	return octets
}
