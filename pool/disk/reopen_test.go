package disk

import (
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/restante/restante/pool"
	"github.com/restante/restante/pool/pooltest"
	"github.com/restante/restante/pool/record"
)

// A meter counts the octets read from segments.
type meter struct {
	record.OS
	read *atomic.Int64
}

func (m meter) OpenFile(path string, flag int) (record.File, int64, error) {
	f, size, err := m.OS.OpenFile(path, flag)
	if err == nil && strings.HasSuffix(path, ".seg") {
		f = metered{f, m.read}
	}
	return f, size, err
}

type metered struct {
	record.File
	read *atomic.Int64
}

func (f metered) ReadAt(b []byte, offset int64) (int, error) {
	n, err := f.File.ReadAt(b, offset)
	f.read.Add(int64(n))
	return n, err
}

// After a crash, only what lies behind the checkpoints is read of the segments:
// be it nothing, or what an index lacks that is older than they are.
func TestOpen_readsWhatLiesBehindTheCheckpoint(t *testing.T) {
	o := Options{ServerName: pooltest.Server, SegmentSize: 2 << 20}
	dir := filepath.Join(t.TempDir(), "store")
	s := mustOpen(t, dir, o)
	if err := s.SetGroup(t.Context(), pool.GroupInfo{Name: "a", Posting: pool.PostingAllowed}); err != nil {
		t.Fatal(err)
	}
	names := 0
	end := func() int64 {
		total := int64(0)
		for _, g := range s.segments {
			if g.log != nil {
				total += g.log.End()
			}
		}
		return total
	}
	file := func(n int) {
		for range n {
			names++
			a := pooltest.Article(t, strconv.Itoa(names), "a")
			a.Body = []byte(strings.Repeat("Some seventy octets a line is what people write, and some words more.\r\n", 200))
			if _, err := s.Append(t.Context(), a); err != nil {
				t.Fatal(err)
			}
		}
	}
	file(400) // nearly three segments
	s.settle()
	before := end()
	older := copyTree(t, dir)
	file(10)
	behind := end() - before
	for _, g := range s.active {
		s.makeRoom(t.Context(), growth{g.log, 1})
	}
	s.settle()
	crashed, stale := copyTree(t, dir), copyTree(t, dir)
	mustClose(t, s)
	removeAll(t, stale, indexDir)
	if err := (record.OS{}).Rename(filepath.Join(older, indexDir), filepath.Join(stale, indexDir)); err != nil {
		t.Fatal(err)
	}
	// Headers are read twice, and so is the room made ahead: to write anew what
	// may stand there, and to see that it is empty.
	const always = 4*2*record.HeaderSize + 2*(leastRoom+extraRoom)
	for _, c := range []struct {
		why, dir string
		most     int64
	}{
		{"nothing is behind", crashed, always},
		{"some articles are behind, which are read once more to be written again", stale, always + 2*behind},
	} {
		t.Run(c.why, func(t *testing.T) {
			o := o
			read := new(atomic.Int64)
			o.Files = meter{read: read}
			s := mustOpen(t, c.dir, o)
			defer mustClose(t, s)
			if got := read.Load(); got > c.most || behind < 100_000 || c.most > before/3 {
				t.Errorf("%d octets read, want at most %d: %d before the checkpoint, %d behind it", got, c.most, before, behind)
			}
			for n := 1; n <= names; n++ {
				if _, err := s.ByID(t.Context(), pooltest.ID(strconv.Itoa(n))); err != nil {
					t.Fatalf("article %d: %v", n, err)
				}
			}
		})
	}
}

// extraRoom is what a segment's room may have beyond the least.
const extraRoom = 1 << 19
