package recordtest

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"syscall"
)

// Keep keeps what files hold that have no name any more, as a disk does, for
// [Power.Holds]. Call it before there are any.
func (p *Power) Keep() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.keeps = true
}

// Holds says whether any file, be it one that was removed, holds those octets on the
// disk: what whoever reads its sectors finds.
func (p *Power) Holds(octets []byte) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.ContainsFunc(p.files, func(n *node) bool { return bytes.Contains(n.disk, octets) })
}

func (p *Power) newFile() *node {
	n := new(node)
	if p.keeps {
		p.files = append(p.files, n)
	}
	return n
}

// Link gives a file another name in the same folder, as os.Link does.
func (p *Power) Link(from, to string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	n, err := p.find(from)
	if err != nil {
		return err
	}
	in, err := p.folder(to)
	if err != nil {
		return err
	}
	if in.names[filepath.Base(to)] != nil {
		return &os.LinkError{Op: "link", Old: from, New: to, Err: syscall.EEXIST}
	}
	return p.step(func() { in.change(rename{to: filepath.Base(to), node: n}) })
}

// SameFile says whether two names are one file's.
func (p *Power) SameFile(a, b string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	x, errX := p.find(a)
	y, errY := p.find(b)
	return errX == nil && errY == nil && x == y
}
