package disk

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/restante/restante/pool"
	"github.com/restante/restante/pool/record"
)

// A group is one newsgroup, hidden ones included. The store's mu guards it;
// only what runs under the batcher's turn changes it.
type group struct {
	id     uint32 // stands for the name in the index; from 1, never given twice
	info   pool.GroupInfo
	hidden bool
	floor  pool.Number // all lower numbers have expired, whatever else leads to them
	octets int64       // of the articles held, as their overview lines have them
}

// file counts an article with that number and size in.
func (g *group) file(n pool.Number, octets int64) {
	g.octets += octets
	if g.info.Count == 0 || n < g.info.Low { // a batch goes by segments, not by numbers
		g.info.Low = n
	}
	g.info.High = max(g.info.High, n)
	g.info.Count++
}

// groupsMagic is the first line of the groups file. The lines that follow are
// TAB-separated: id, name, posting (a number), hidden (0 or 1), floor, high
// mark, created (seconds and nanoseconds), description (quoted as in Go). The
// last line is the CRC-32C of all before it.
const groupsMagic = "restante groups 1\n"

func formatGroups(groups []*group) []byte {
	var b bytes.Buffer
	b.WriteString(groupsMagic)
	for _, g := range groups {
		hidden := 0
		if g.hidden {
			hidden = 1
		}
		fmt.Fprintf(&b, "%d\t%s\t%d\t%d\t%d\t%d\t%d.%09d\t%s\n", g.id, g.info.Name, g.info.Posting, hidden,
			g.floor, g.info.High, g.info.Created.Unix(), g.info.Created.Nanosecond(), strconv.Quote(g.info.Description))
	}
	fmt.Fprintf(&b, "%08x\n", crc32.Checksum(b.Bytes(), crc32.MakeTable(crc32.Castagnoli)))
	return b.Bytes()
}

// errGroupsLost is a [pool.ErrCorrupt] of the groups file.
var errGroupsLost error = groupsLost{}

type groupsLost struct{}

func (groupsLost) Error() string {
	return "the groups file is missing or damaged, and without it article numbers could be given twice: put it back from a backup, however old"
}

func (groupsLost) Is(target error) bool { return target == pool.ErrCorrupt }

func parseGroups(text []byte) ([]*group, error) {
	const sumSize = len("00000000\n")
	if len(text) < len(groupsMagic)+sumSize || !bytes.HasPrefix(text, []byte(groupsMagic)) {
		return nil, errGroupsLost
	}
	lines, sum := text[:len(text)-sumSize], text[len(text)-sumSize:]
	if string(sum) != fmt.Sprintf("%08x\n", crc32.Checksum(lines, crc32.MakeTable(crc32.Castagnoli))) {
		return nil, errGroupsLost
	}
	var out []*group
	for line := range strings.Lines(string(lines[len(groupsMagic):])) {
		g, err := parseGroup(strings.TrimSuffix(line, "\n"))
		if err != nil {
			return nil, errGroupsLost
		}
		out = append(out, g)
	}
	return out, nil
}

func parseGroup(line string) (*group, error) {
	f := strings.SplitN(line, "\t", 8)
	if len(f) != 8 {
		return nil, pool.ErrCorrupt
	}
	seconds, nanos, _ := strings.Cut(f[6], ".")
	var n [7]int64
	for i, s := range []string{f[0], f[2], f[3], f[4], f[5], seconds, nanos} {
		v, err := strconv.ParseInt(s, 10, 64)
		if err != nil {
			return nil, err
		}
		n[i] = v
	}
	description, err := strconv.Unquote(f[7])
	if err != nil {
		return nil, err
	}
	name, err := pool.ParseGroup(f[1])
	if err != nil {
		return nil, err
	}
	return &group{id: uint32(n[0]), hidden: n[2] != 0, floor: pool.Number(n[3]), info: pool.GroupInfo{
		Name: name, Description: description, Posting: pool.Posting(n[1]), Created: time.Unix(n[5], n[6]).UTC(),
		High: pool.Number(n[4]),
	}}, nil
}

// loadGroups reads the groups file. A store without segments may have none.
func (s *Store) loadGroups(mayBeMissing bool) error {
	text, err := record.ReadFile(s.files, filepath.Join(s.dir, groupsFile))
	if errors.Is(err, fs.ErrNotExist) {
		if mayBeMissing {
			return nil
		}
		return errGroupsLost
	}
	if err != nil {
		return err
	}
	groups, err := parseGroups(text)
	if err != nil {
		return err
	}
	for _, g := range groups {
		s.addGroup(g)
	}
	return nil
}

func (s *Store) addGroup(g *group) {
	if at, known := slices.BinarySearch(s.names, g.info.Name); !known {
		s.names = slices.Insert(s.names, at, g.info.Name)
	}
	s.groups[g.info.Name], s.byNumber[g.id] = g, g
	s.lastGroup = max(s.lastGroup, g.id)
}

// saveGroups replaces the groups file, and returns when the new one is durable.
// It runs under the batcher's turn.
func (s *Store) saveGroups(groups []*group) error {
	slices.SortFunc(groups, func(a, b *group) int { return int(int64(a.id) - int64(b.id)) })
	return record.Replace(s.files, filepath.Join(s.dir, groupsFile), formatGroups(groups))
}

// allGroups returns all groups. It runs under the batcher's turn.
func (s *Store) allGroups() []*group {
	out := make([]*group, 0, len(s.groups))
	for _, g := range s.groups {
		out = append(out, g)
	}
	return out
}

// changeGroup puts a changed copy of a group into the file and then in place.
// It runs under the batcher's turn.
func (s *Store) changeGroup(changed *group) error {
	if err := s.writable(); err != nil {
		return err
	}
	all := slices.DeleteFunc(s.allGroups(), func(g *group) bool { return g.id == changed.id })
	if err := s.saveGroups(append(all, changed)); err != nil {
		return s.latch(err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.addGroup(changed)
	return nil
}

// SetGroup implements [pool.Store].
func (s *Store) SetGroup(ctx context.Context, info pool.GroupInfo) error {
	if _, err := pool.ParseGroup(string(info.Name)); err != nil {
		return err
	}
	if err := s.enter(ctx); err != nil {
		return err
	}
	defer s.leave()
	var err error
	s.alone(func() {
		changed := group{id: s.lastGroup + 1, info: pool.GroupInfo{Name: info.Name, Created: info.Created, Low: 1}}
		if g, ok := s.groups[info.Name]; ok {
			changed = *g
		}
		changed.hidden = false
		changed.info.Description, changed.info.Posting = info.Description, info.Posting
		err = s.changeGroup(&changed)
	})
	return err
}

// RemoveGroup implements [pool.Store].
func (s *Store) RemoveGroup(ctx context.Context, name pool.Group) error {
	return s.editGroup(ctx, name, func(g *group) error {
		g.hidden = true
		return nil
	})
}

// SetHigh implements [pool.SetHigher].
func (s *Store) SetHigh(ctx context.Context, name pool.Group, high pool.Number) error {
	return s.editGroup(ctx, name, func(g *group) error {
		if high > pool.MaxNumber {
			return pool.ErrGroupFull
		}
		g.info.High = max(g.info.High, high)
		if g.info.Count == 0 {
			g.info.Low = g.info.High + 1
		}
		return nil
	})
}

func (s *Store) editGroup(ctx context.Context, name pool.Group, edit func(*group) error) error {
	if err := s.enter(ctx); err != nil {
		return err
	}
	defer s.leave()
	var err error
	s.alone(func() {
		g, ok := s.groups[name]
		if !ok || g.hidden {
			err = pool.ErrNoGroup
			return
		}
		changed := *g
		if err = edit(&changed); err == nil {
			err = s.changeGroup(&changed)
		}
	})
	return err
}
