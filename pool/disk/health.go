package disk

import (
	"path/filepath"
	"sync"

	"github.com/restante/restante/pool"
)

// Health is how a store is doing.
type Health struct {
	ReadOnly       bool   // a write failed; no more until the store is opened again
	DiskFull       bool   // less than the reserve is left, or the last write found no space: nothing is taken now
	IndexDoubted   bool   // the index is damaged, and built anew at the next opening
	Gaps           int    // bad stretches in segments: damaged articles
	CorruptReads   uint64 // reads that found damage since opening
	HistoryDamaged int    // history files found damaged: what expired may come back
	Quarantined    int    // stretches that a repair took out of segments and that still lie there
	Quarantine     int64  // octets of these
	Groups         int    // without hidden ones
	Seen           int    // message-ids remembered
	Segments       int
	Free           uint64 // octets that may still be written, the reserve not counted
}

// Health returns how the store is doing. It waits for no write.
func (s *Store) Health() Health {
	h := Health{
		ReadOnly:       s.writable() != nil,
		IndexDoubted:   s.doubted.Load(),
		CorruptReads:   s.corrupt.Load(),
		HistoryDamaged: int(s.badHistory.Load()),
		Seen:           s.seen.len(),
	}
	_ = s.room() // to see what has changed since the last write
	h.DiskFull = s.space.lacking()
	if free, err := s.options.Free(s.dir); err == nil {
		h.Free = free - min(free, s.options.Reserve)
	}
	h.Quarantined, h.Quarantine = s.quarantined()
	s.mu.RLock()
	defer s.mu.RUnlock()
	h.Segments = len(s.segments)
	for _, g := range s.segments {
		h.Gaps += g.gaps
	}
	for _, g := range s.groups {
		if !g.hidden {
			h.Groups++
		}
	}
	return h
}

// quarantined returns what lies in the quarantine.
func (s *Store) quarantined() (files int, octets int64) {
	entries, err := s.files.ReadDir(filepath.Join(s.dir, quarantineDir))
	if err != nil { // mostly there is none
		return 0, 0
	}
	for _, e := range entries {
		if info, err := e.Info(); err == nil && !e.IsDir() {
			files++
			octets += info.Size()
		}
	}
	return files, octets
}

// A space is what is known of the room on the disk. A write that found none says
// more than the octets that should be left, as where there is a quota: so one
// that finds some must follow before all is well again.
type space struct {
	mu      sync.Mutex
	below   bool // less than the reserve is left
	refused bool // the last write found no room
}

func (p *space) lacking() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.below || p.refused
}

// noteSpace notes what was found out about the room on the disk, and says so
// once each time that there is none and that there is some again.
func (s *Store) noteSpace(change func(*space)) {
	p := &s.space
	p.mu.Lock()
	defer p.mu.Unlock()
	was := p.below || p.refused
	change(p)
	switch is := p.below || p.refused; {
	case is && !was:
		s.options.Logger.Error().Msg("the disk is nearly full: nothing is taken until there is space")
	case was && !is:
		s.options.Logger.Info().Msg("there is space on the disk again")
	}
}

// room returns pool.ErrDiskFull when less than the reserve is left.
func (s *Store) room() error {
	if s.options.Reserve == 0 {
		return nil
	}
	free, err := s.options.Free(s.dir)
	if err != nil {
		return nil //nolint:nilerr // then a write will tell
	}
	below := free < s.options.Reserve
	s.noteSpace(func(p *space) { p.below = below })
	if below {
		return pool.ErrDiskFull
	}
	return nil
}

// found notes whether a write found room.
func (s *Store) found(room bool) {
	s.noteSpace(func(p *space) { p.refused = !room })
}
