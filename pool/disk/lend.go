package disk

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/bits"
	"sync"
	"time"

	"github.com/restante/restante/pool"
	"github.com/restante/restante/pool/record"
)

// A record of more octets is lent as a section of its file, which a TCP connection
// sends without a copy through this process (sendfile). That is for the sake of
// memory: however slowly a reader takes it, nothing of it is held. It does not
// save CPU time, as the octets are read to be checked in any case: over the
// loopback interface it took 1.3 to 1.7 times that of a read into memory and a
// write from there, at any size from 64 KiB to 16 MiB.
const large = 128<<10 - record.Overhead

// mostFiles is how many articles are lent as files at a time. Whoever reads slowly
// over many connections must not use up the file descriptors that others need;
// what is beyond is lent in memory.
const mostFiles = 64

// checkStep is how much of a large record is in memory at once while it is
// checked.
const checkStep = 64 << 10

// LendByNumber implements [pool.Lender].
func (s *Store) LendByNumber(ctx context.Context, name pool.Group, n pool.Number) (pool.Loan, error) {
	if err := s.enter(ctx); err != nil {
		return nil, err
	}
	defer s.leave()
	key, err := s.keyOf(name, n)
	if err != nil {
		return nil, err
	}
	return s.lend(s.ofRow(key), func(v view) error {
		for group, number := range v.locations() {
			if number == n && pool.Group(group) == name {
				return nil
			}
		}
		return errDoubt // the index led astray
	})
}

// LendByID implements [pool.Lender].
func (s *Store) LendByID(ctx context.Context, id pool.MessageID) (pool.Loan, error) {
	if err := s.enter(ctx); err != nil {
		return nil, err
	}
	defer s.leave()
	return s.lend(s.ofID(id), func(v view) error {
		switch {
		case pool.MessageID(v.id) != id:
			return errDoubt
		case !s.keeps(v):
			return pool.ErrNotFound
		}
		return nil
	})
}

// keeps says whether an article is still in a group.
func (s *Store) keeps(v view) bool {
	s.mu.RLock()
	defer s.mu.RUnlock()
	for name, n := range v.locations() {
		if g, ok := s.groups[pool.Group(name)]; !ok || n >= g.floor {
			return true
		}
	}
	return false
}

// lend lends the article that stands somewhere, if it passes right.
func (s *Store) lend(where where, right func(view) error) (pool.Loan, error) {
	var l *loan
	err := s.follow(where, func(p place) error {
		return s.at(p, func(seg *segment) (err error) {
			if l, err = s.loanOf(seg, p, right); err != nil {
				l.Return()
			}
			return err
		})
	})
	if err != nil {
		return nil, s.fromIndex(err)
	}
	return l, nil
}

// A loan is an article in memory that is the store's, or in a file that is open
// for it alone: what is deleted under its name can still be read.
type loan struct {
	id             pool.MessageID
	arrived        time.Time
	size, headSize int // of the wire form

	memory *[]byte // where what follows is, or nil
	wire   []byte
	places []byte

	store *Store

	file  record.File // nil unless memory is
	start int64       // of the wire form in it
}

// loanOf lends the record that stands there. With an error there is a loan all
// the same, which is to be returned.
func (s *Store) loanOf(seg *segment, p place, right func(view) error) (*loan, error) {
	l := &loan{store: s}
	if p.size <= 0 || p.size > record.MaxPayload {
		return l, pool.ErrCorrupt
	}
	var wrong error
	look := func(v view) {
		l.take(v)
		wrong = right(v)
	}
	// Where that fails, be it that there are too many files or that the list of
	// groups is longer than what is looked at, the other way tells why.
	if p.size > large && l.open(seg, s.files, p, look) == nil {
		return l, wrong
	}
	l.memory = s.spare.take(record.Overhead + p.size)
	payload, err := seg.readInto(*l.memory, p)
	if err != nil {
		return l, err
	}
	v, err := parseArticle(payload, len(payload))
	if err != nil {
		return l, err
	}
	look(v)
	return l, wrong
}

var errManyFiles = errors.New("too many articles are lent as files")

// open checks a large record and opens its file for the loan.
func (l *loan) open(seg *segment, files record.Opener, p place, look func(view)) error {
	if l.store.lentFiles.Add(1) > mostFiles {
		l.store.lentFiles.Add(-1)
		return errManyFiles
	}
	buf := l.store.spare.take(checkStep)
	defer l.store.spare.give(buf)
	file, err := seg.open(files, p, *buf, func(first []byte) error {
		v, err := parseArticle(first, p.size)
		if err == nil {
			look(v)
			l.places = bytes.Clone(l.places)
		}
		return err
	})
	if err != nil {
		l.store.lentFiles.Add(-1)
		return err
	}
	l.file, l.wire = file, nil // buf goes
	l.start = p.end() - int64(l.size)
	return nil
}

func (l *loan) take(v view) {
	l.id, l.arrived, l.places = pool.MessageID(v.id), v.arrived, v.places
	l.wire, l.size, l.headSize = v.wire, v.wireSize, v.headSize
}

// ID implements [pool.Loan].
func (l *loan) ID() pool.MessageID { return l.id }

// Summary implements [pool.Loan].
func (l *loan) Summary() pool.Summary {
	return pool.Summary{Arrived: l.arrived, Size: l.size, Locations: l.store.shown(view{places: l.places}.at())}
}

// WritePart implements [pool.Loan].
func (l *loan) WritePart(w io.Writer, part pool.Part) error {
	from, to := part.Bounds(l.size, l.headSize)
	if l.file == nil {
		_, err := w.Write(l.wire[from:to])
		return err
	}
	section, err := sectionOf(l.file, l.start+int64(from), int64(to-from))
	if err != nil {
		return err
	}
	n, err := io.Copy(w, section)
	if err == nil && n < int64(to-from) {
		err = pool.ErrCorrupt
	}
	return err
}

// sectionOf returns a part of a file. Of one of the operating system's it is in
// the form that the net package knows to send without a copy.
func sectionOf(f record.File, from, size int64) (io.Reader, error) {
	if f, ok := f.(io.ReadSeeker); ok {
		_, err := f.Seek(from, io.SeekStart)
		return io.LimitReader(f, size), err
	}
	return io.NewSectionReader(f, from, size), nil
}

// Return implements [pool.Loan].
func (l *loan) Return() {
	if l.memory != nil {
		l.store.spare.give(l.memory)
	}
	if l.file != nil {
		_ = l.file.Close() // it was read only
		l.store.lentFiles.Add(-1)
	}
	*l = loan{}
}

// A spare is memory for records that is used again and again, by powers of two.
type spare struct{ sizes [bits.UintSize]sync.Pool }

func (s *spare) take(size int) *[]byte {
	class := bits.Len(uint(size - 1))
	if b, ok := s.sizes[class].Get().(*[]byte); ok {
		return b
	}
	b := make([]byte, 1<<class)
	return &b
}

func (s *spare) give(b *[]byte) { s.sizes[bits.Len(uint(len(*b)-1))].Put(b) }
