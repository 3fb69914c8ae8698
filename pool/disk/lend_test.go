package disk

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/syndtr/goleveldb/leveldb"

	"github.com/restante/restante/pool"
	"github.com/restante/restante/pool/pooltest"
	"github.com/restante/restante/pool/record"
	"github.com/restante/restante/pool/record/recordtest"
)

// lending makes a store with a small and a large article in its one segment.
func lending(t *testing.T, files record.FS) (s *Store, dir string) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), "store")
	o := small()
	o.SegmentSize, o.Files = 1<<20, files
	s = mustOpen(t, dir, o)
	t.Cleanup(func() { mustClose(t, s) })
	mustSetGroup(t, s, "a")
	mustAppend(t, s, pooltest.Article(t, "small", "a"))
	mustAppend(t, s, sized(t, "large", 3*large/2))
	return s, dir
}

// placeOf returns where the record of an article stands, or that of its withdrawal.
func placeOf(t *testing.T, s *Store, name string) place {
	t.Helper()
	f, err := s.find(hashOf(pooltest.ID(name)))
	if err != nil || f.standing < withdrawn {
		t.Fatalf("%s: %v, %v", name, f, err)
	}
	return f.place
}

// Whatever octet of a record is wrong, nothing of it is lent.
func TestLend_octetsFlipped(t *testing.T) {
	s, dir := lending(t, nil)
	f, err := os.OpenFile(segmentPath(dir, 0, 1), os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	flip := func(at int64) {
		var octet [1]byte
		_, err := f.ReadAt(octet[:], at)
		octet[0] ^= 1 << (at % 8)
		if _, wrong := f.WriteAt(octet[:], at); err != nil || wrong != nil {
			t.Fatal(err, wrong)
		}
	}
	for number, step := range map[pool.Number]int64{1: 1, 2: 499} {
		name := []string{"", "small", "large"}[number]
		p := placeOf(t, s, name)
		for at := p.offset; at < p.end(); at += step {
			flip(at)
			if _, err := s.LendByID(t.Context(), pooltest.ID(name)); !errors.Is(err, pool.ErrCorrupt) {
				t.Errorf("%s, octet %d: LendByID: %v, want ErrCorrupt", name, at-p.offset, err)
			}
			if _, err := s.LendByNumber(t.Context(), "a", number); !errors.Is(err, pool.ErrCorrupt) {
				t.Errorf("%s, octet %d: LendByNumber: %v, want ErrCorrupt", name, at-p.offset, err)
			}
			flip(at)
		}
		loan, err := s.LendByID(t.Context(), pooltest.ID(name))
		if err != nil {
			t.Fatalf("%s, as it was: %v", name, err)
		}
		loan.Return()
	}
	if h := s.Health(); h.CorruptReads == 0 || h.IndexDoubted {
		t.Errorf("%+v", h)
	}
}

// What is large is read once more when it is sent, and may be gone by then.
func TestLend_unreadableAfterwards(t *testing.T) {
	faults := new(recordtest.Faults)
	s, dir := lending(t, faults)
	loan, err := s.LendByID(t.Context(), pooltest.ID("large"))
	if err != nil {
		t.Fatal(err)
	}
	defer loan.Return()
	faults.Set(recordtest.Fault{Op: recordtest.ReadAt, Path: ".seg", Err: syscall.EIO})
	if err := loan.WritePart(io.Discard, pool.Whole); !errors.Is(err, syscall.EIO) {
		t.Errorf("unreadable: %v, want the reason", err)
	}
	faults.Set()
	p := placeOf(t, s, "large")
	if err := os.Truncate(segmentPath(dir, 0, 1), p.end()-1000); err != nil {
		t.Fatal(err)
	}
	if err := loan.WritePart(io.Discard, pool.Whole); !errors.Is(err, pool.ErrCorrupt) {
		t.Errorf("cut short: %v, want ErrCorrupt", err)
	}
}

// An index that leads astray has nothing lent that is no article.
func TestLend_indexLeadsToAWithdrawal(t *testing.T) {
	s, _ := lending(t, nil)
	if err := s.Cancel(t.Context(), pooltest.ID("small")); err != nil {
		t.Fatal(err)
	}
	batch := new(leveldb.Batch)
	batch.Put(numberKey(s.groups["a"].id, 1), appendPlace(nil, placeOf(t, s, "small")))
	if err := s.index.write(batch, false); err != nil {
		t.Fatal(err)
	}
	if _, err := s.LendByNumber(t.Context(), "a", 1); !errors.Is(err, pool.ErrCorrupt) {
		t.Errorf("LendByNumber: %v, want ErrCorrupt", err)
	}
}

// That a file can't be opened once more is no damage.
func TestLend_noDescriptorLeft(t *testing.T) {
	faults := new(recordtest.Faults)
	s, _ := lending(t, faults)
	faults.Set(recordtest.Fault{Op: recordtest.OpenFile, Path: ".seg", Err: syscall.EMFILE})
	mustLend(t, s, "large")
	if h := s.Health(); h.CorruptReads != 0 || h.ReadOnly {
		t.Errorf("%+v", h)
	}
}

// mustLend lends an article and checks its octets.
func mustLend(t *testing.T, s *Store, name string) {
	t.Helper()
	want, err := s.ByID(t.Context(), pooltest.ID(name))
	if err != nil {
		t.Fatal(err)
	}
	loan, err := s.LendByID(t.Context(), pooltest.ID(name))
	if err != nil {
		t.Fatal(err)
	}
	defer loan.Return()
	var got bytes.Buffer
	if err := loan.WritePart(&got, pool.Whole); err != nil {
		t.Fatal(err)
	}
	if got.String()+".\r\n" != string(want.Wire) {
		t.Errorf("%s is lent otherwise than it is read", name)
	}
}

// What comes before the wire form may be more than what is looked at first.
func TestLend_manyGroups(t *testing.T) {
	s, _ := lending(t, nil)
	a := sized(t, "crossposted", 2*large)
	a.Groups = nil
	for i := range checkStep / 190 {
		name := pool.Group(fmt.Sprintf("%s.%d", strings.Repeat("x", 190), i))
		a.Groups = append(a.Groups, name)
	}
	mustSetGroup(t, s, a.Groups...)
	mustAppend(t, s, a)
	mustLend(t, s, "crossposted")
}

// opened counts the files that are open.
type opened struct {
	record.OS
	files atomic.Int64
}

type openedFile struct {
	record.File
	of *opened
}

func (o *opened) OpenFile(path string, flag int) (record.File, int64, error) {
	f, size, err := o.OS.OpenFile(path, flag)
	if err != nil {
		return nil, 0, err
	}
	o.files.Add(1)
	return openedFile{f, o}, size, nil
}

func (f openedFile) Close() error {
	f.of.files.Add(-1)
	return f.File.Close()
}

// Each large article is lent as a file of its own, which is closed, and only so
// many are.
func TestLend_files(t *testing.T) {
	files := new(opened)
	s, _ := lending(t, files)
	before := files.files.Load()
	for range 2 {
		var loans []pool.Loan
		for i := range int64(mostFiles + 2) {
			loan, err := s.LendByNumber(t.Context(), "a", 2)
			if err != nil {
				t.Fatal(err)
			}
			loans = append(loans, loan)
			if got, want := files.files.Load()-before, min(i+1, mostFiles); got != want {
				t.Errorf("%d loans are in %d files, want %d", i+1, got, want)
			}
		}
		for _, loan := range loans {
			if err := loan.WritePart(io.Discard, pool.Whole); err != nil {
				t.Error(err)
			}
			loan.Return()
		}
		if n := files.files.Load(); n != before {
			t.Errorf("%d files are open, want %d", n, before)
		}
	}
}

// TCP connections send files themselves.
func TestLend_overTCP(t *testing.T) {
	s, _ := lending(t, nil)
	want, err := s.ByID(t.Context(), pooltest.ID("large"))
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	sent := make(chan error, 1)
	go func() {
		conn, err := net.Dial("tcp", listener.Addr().String())
		if err == nil {
			var loan pool.Loan
			if loan, err = s.LendByID(t.Context(), pooltest.ID("large")); err == nil {
				err = loan.WritePart(conn, pool.BodyPart)
				loan.Return()
			}
			err = errors.Join(err, conn.Close())
		}
		sent <- err
	}()
	conn, err := listener.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	got, err := io.ReadAll(conn)
	if err := errors.Join(err, <-sent); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want.Body()) {
		t.Errorf("%d octets came, want the %d of the body", len(got), len(want.Body()))
	}
}
