package record_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"github.com/restante/restante/pool"
	"github.com/restante/restante/pool/record"
	"github.com/restante/restante/pool/record/recordtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// found is what opening a file finds.
type found struct {
	Payloads []string
	Gaps     []record.Gap
	Unsynced []record.Gap
	Torn     bool
}

func open(t testing.TB, fs record.Opener, path string) (*record.Log, found) {
	t.Helper()
	var f found
	log, res, err := record.Open(fs, path, 0, func(_ int64, p []byte) error {
		f.Payloads = append(f.Payloads, string(p))
		return nil
	})
	if err != nil {
		t.Fatalf("Open: %v", err)
	}
	f.Gaps, f.Unsynced, f.Torn = res.Gaps, res.Unsynced, res.Torn
	return log, f
}

// written makes a closed file with records, and returns its octets and the
// offsets of the records and the end.
func written(t testing.TB, payloads ...string) (path string, octets []byte, offsets []int64) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "file")
	log, _ := open(t, record.OS{}, path)
	for _, p := range payloads {
		half := len(p) / 2
		at, err := log.Add([]byte(p[:half]), []byte(p[half:]))
		if err != nil {
			t.Fatal(err)
		}
		offsets = append(offsets, at)
	}
	offsets = append(offsets, log.Next())
	log.Vouch()
	if err := log.Commit(); err != nil {
		t.Fatal(err)
	}
	for i, p := range payloads {
		if got, err := log.Read(offsets[i], len(p)); err != nil || string(got) != p {
			t.Fatalf("Read: %q, %v", got, err)
		}
	}
	if err := log.Close(); err != nil {
		t.Fatal(err)
	}
	octets, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return path, octets, offsets
}

func reopen(t testing.TB, path string, octets []byte) found {
	t.Helper()
	if err := os.WriteFile(path, octets, 0o600); err != nil {
		t.Fatal(err)
	}
	log, f := open(t, record.OS{}, path)
	if err := log.Close(); err != nil {
		t.Fatal(err)
	}
	return f
}

func TestLog_roundTrip(t *testing.T) {
	dir := t.TempDir()
	n := 0
	rapid.Check(t, func(rt *rapid.T) {
		n++
		path := filepath.Join(dir, fmt.Sprint(n))
		var want []string
		for range rapid.IntRange(1, 3).Draw(rt, "openings") {
			log, f := open(t, record.OS{}, path)
			if diff := cmp.Diff(found{Payloads: want}, f); diff != "" {
				rt.Fatalf("(-want +got):\n%s", diff)
			}
			for range rapid.IntRange(0, 4).Draw(rt, "records") {
				p := rapid.SliceOfN(rapid.Byte(), 1, 300).Draw(rt, "payload")
				if _, err := log.Add(p); err != nil {
					rt.Fatal(err)
				}
				want = append(want, string(p))
			}
			if err := errors.Join(log.Commit(), log.Close()); err != nil {
				rt.Fatal(err)
			}
		}
	})
}

func TestLog_manyWindows(t *testing.T) {
	var want []string
	for i := range 40 {
		want = append(want, string(bytes.Repeat([]byte{byte(i), 0xf5, 'R', 'r', 1}, 20_000+i)))
	}
	path, octets, offsets := written(t, want...)
	if diff := cmp.Diff(found{Payloads: want}, reopen(t, path, octets)); diff != "" {
		t.Error("records changed")
	}
	octets[offsets[7]+500] ^= 1
	octets[offsets[8]+500] ^= 1
	wantDamaged := found{
		Payloads: append(append([]string{}, want[:7]...), want[9:]...),
		Gaps:     []record.Gap{{From: offsets[7], To: offsets[9]}},
	}
	if diff := cmp.Diff(wantDamaged, reopen(t, path, octets)); diff != "" {
		t.Error("not resynchronised behind the damage")
	}
}

func TestOpen_tornAtEveryOffset(t *testing.T) {
	path, octets, offsets := written(t, "one", "two", "three, the last")
	for size := offsets[2]; size < offsets[3]; size++ {
		for _, zeros := range []int{0, 1, 5000} { // room made ahead
			torn := append(bytes.Clone(octets[:size]), make([]byte, zeros)...)
			f := reopen(t, path, torn)
			f.Torn = false
			if diff := cmp.Diff(found{Payloads: []string{"one", "two"}}, f); diff != "" {
				t.Fatalf("torn at %d (-want +got):\n%s", size, diff)
			}
			log, _ := open(t, record.OS{}, path)
			if _, err := log.Add([]byte("new")); err != nil {
				t.Fatal(err)
			}
			if err := errors.Join(log.Commit(), log.Close()); err != nil {
				t.Fatal(err)
			}
			log, f = open(t, record.OS{}, path)
			if diff := cmp.Diff(found{Payloads: []string{"one", "two", "new"}}, f); diff != "" {
				t.Fatalf("torn at %d, then added to (-want +got):\n%s", size, diff)
			}
			_ = log.Close()
		}
	}
}

func TestOpen_zerosAreACleanEnd(t *testing.T) {
	path, octets, _ := written(t, "one")
	f := reopen(t, path, append(octets, make([]byte, 3<<20)...))
	if diff := cmp.Diff(found{Payloads: []string{"one"}}, f); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// Each octet wrong, one after the other: never a wrong payload, and never more
// lost than the record it is in.
func TestOpen_flippedOctet(t *testing.T) {
	path, octets, offsets := written(t, "one", "two", "three")
	for i := range octets {
		bad := bytes.Clone(octets)
		bad[i] ^= 1 << (i % 8)
		want := found{Payloads: []string{"one", "two", "three"}}
		switch at := int64(i); {
		case at >= offsets[3]: // the mark
			want.Torn = true
		case at >= offsets[2]:
			want.Payloads, want.Gaps = want.Payloads[:2], []record.Gap{{From: offsets[2], To: offsets[3]}}
		case at >= offsets[1]:
			want.Payloads, want.Gaps = []string{"one", "three"}, []record.Gap{{From: offsets[1], To: offsets[2]}}
		case at >= offsets[0]:
			want.Payloads, want.Gaps = []string{"two", "three"}, []record.Gap{{From: offsets[0], To: offsets[1]}}
		}
		if diff := cmp.Diff(want, reopen(t, path, bad)); diff != "" {
			t.Errorf("octet %d (-want +got):\n%s", i, diff)
		}
	}
}

// A record inside a payload, or from another file, is none.
func TestOpen_foreignRecords(t *testing.T) {
	_, other, at := written(t, "forged")
	path, octets, offsets := written(t, "before", "<"+string(other[at[0]:])+">", "behind")
	octets[offsets[1]+record.Overhead] ^= 1
	want := found{Payloads: []string{"before", "behind"}, Gaps: []record.Gap{{From: offsets[1], To: offsets[2]}}}
	if diff := cmp.Diff(want, reopen(t, path, octets)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestOpen_headerDamaged(t *testing.T) {
	path, octets, _ := written(t, "one")
	octets[0], octets[record.HeaderSize/2] = 0, 0
	if err := os.WriteFile(path, octets, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, _, err := record.Open(record.OS{}, path, 0, nil); !errors.Is(err, pool.ErrCorrupt) {
		t.Errorf("Open: %v, want ErrCorrupt", err)
	}
	for size := range record.HeaderSize { // a crash while the file was made
		if f := reopen(t, path, octets[:size]); f.Payloads != nil {
			t.Errorf("cut at %d: %v", size, f)
		}
	}
}

func TestReader_readElsewhere(t *testing.T) {
	path, octets, offsets := written(t, "one", "two")
	if err := os.WriteFile(path, octets, 0o600); err != nil {
		t.Fatal(err)
	}
	log, _ := open(t, record.OS{}, path)
	defer func() { _ = log.Close() }()
	for _, c := range []struct {
		offset int64
		size   int
	}{{offsets[0], 4}, {offsets[0] + 1, 3}, {offsets[1], 300}, {offsets[2], 3}, {0, 3}, {-1, 3}, {offsets[0], 0}, {1 << 62, 1}} {
		if got, err := log.Read(c.offset, c.size); !errors.Is(err, pool.ErrCorrupt) {
			t.Errorf("Read(%d, %d): %q, %v; want ErrCorrupt", c.offset, c.size, got, err)
		}
	}
}

// A faultCase is a step that fails, and what must hold all the same.
type faultCase struct {
	why    string
	faults []recordtest.Fault
	want   error
	after  []string // what is there when the file is opened again
	goesOn bool     // whether a later record goes through
}

func faultCases() []faultCase {
	return []faultCase{
		{
			"no space: the part that was written is cut off again",
			[]recordtest.Fault{{Op: recordtest.WriteAt, Err: syscall.ENOSPC, Keep: 17, Once: true}},
			pool.ErrDiskFull,
			[]string{"one", "three"},
			true,
		},
		{
			"no space, and the cut fails",
			[]recordtest.Fault{{Op: recordtest.WriteAt, Err: syscall.ENOSPC, Keep: 17, Once: true}, {Op: recordtest.Truncate, Err: syscall.EIO}},
			pool.ErrReadOnly,
			[]string{"one"},
			false,
		},
		{
			"quota",
			[]recordtest.Fault{{Op: recordtest.WriteAt, Err: syscall.EDQUOT, Once: true}},
			pool.ErrDiskFull,
			[]string{"one", "three"},
			true,
		},
		{
			"a write fails",
			[]recordtest.Fault{{Op: recordtest.WriteAt, Err: syscall.EIO, Once: true}},
			pool.ErrReadOnly,
			[]string{"one"},
			false,
		},
		{
			"a write is short and does not say so",
			[]recordtest.Fault{{Op: recordtest.WriteAt, Keep: 3, Quiet: true, Once: true}},
			pool.ErrReadOnly,
			[]string{"one"},
			false,
		},
		{
			"a sync fails, once, with the octets on the disk: it is not tried again",
			[]recordtest.Fault{{Op: recordtest.Sync, Err: syscall.EIO, Once: true}},
			pool.ErrReadOnly,
			[]string{"one", "two"},
			false,
		},
		{
			"no space at the sync",
			[]recordtest.Fault{{Op: recordtest.Sync, Err: syscall.ENOSPC, Once: true}},
			pool.ErrReadOnly,
			[]string{"one", "two"},
			false,
		},
	}
}

func TestLog_faults(t *testing.T) {
	for _, c := range faultCases() {
		t.Run(c.why, func(t *testing.T) {
			fs := new(recordtest.Faults)
			path := filepath.Join(t.TempDir(), "file")
			w, _, err := record.OpenWriter(fs, path, nil)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := w.Append(t.Context(), []byte("one")); err != nil {
				t.Fatal(err)
			}
			fs.Set(c.faults...)
			if _, err := w.Append(t.Context(), []byte("two")); !errors.Is(err, c.want) {
				t.Errorf("Append: %v, want %v", err, c.want)
			}
			syncs := fs.Count(recordtest.Sync)
			_, err = w.Append(t.Context(), []byte("three"))
			if c.goesOn != (err == nil) || !c.goesOn && !errors.Is(err, pool.ErrReadOnly) {
				t.Errorf("the next Append: %v", err)
			}
			if again := fs.Count(recordtest.Sync) - syncs; !c.goesOn && again != 0 {
				t.Errorf("%d syncs after the failure", again)
			}
			if err := w.Close(); err != nil {
				t.Fatal(err)
			}
			log, f := open(t, record.OS{}, path)
			if diff := cmp.Diff(c.after, f.Payloads); diff != "" {
				t.Errorf("afterwards (-want +got):\n%s", diff)
			}
			_ = log.Close()
		})
	}
}

func TestOpen_faults(t *testing.T) {
	for _, op := range []recordtest.Op{recordtest.OpenFile, recordtest.WriteAt, recordtest.Sync, recordtest.SyncDir} {
		for want, cause := range map[error]error{pool.ErrDiskFull: syscall.ENOSPC, syscall.EIO: syscall.EIO} {
			fs := new(recordtest.Faults)
			fs.Set(recordtest.Fault{Op: op, Err: cause})
			path := filepath.Join(t.TempDir(), "file")
			if _, _, err := record.Open(fs, path, 0, nil); !errors.Is(err, want) {
				t.Errorf("%s: %v, want %v", op, err, want)
			}
			log, f := open(t, record.OS{}, path)
			if f.Payloads != nil || f.Torn {
				t.Errorf("%s: afterwards %+v", op, f)
			}
			_ = log.Close()
		}
	}
}

func TestWriter_groupCommit(t *testing.T) {
	const writers, each = 32, 20
	fs := new(recordtest.Faults)
	path := filepath.Join(t.TempDir(), "file")
	w, _, err := record.OpenWriter(fs, path, nil)
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	want := make(map[int64]string)
	var wg sync.WaitGroup
	for i := range writers {
		wg.Go(func() {
			for j := range each {
				p := fmt.Sprintf("%d/%d", i, j)
				at, err := w.Append(t.Context(), []byte(p))
				if err != nil {
					t.Errorf("Append: %v", err)
				}
				if got, err := w.Read(at, len(p)); err != nil || string(got) != p {
					t.Errorf("Read: %q, %v", got, err)
				}
				mu.Lock()
				want[at] = p
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	if syncs := fs.Count(recordtest.Sync); syncs >= writers*each {
		t.Errorf("%d syncs for %d records", syncs, writers*each)
	}
	if err := errors.Join(w.Close(), w.Close()); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Append(t.Context(), []byte("late")); !errors.Is(err, pool.ErrClosed) {
		t.Errorf("Append: %v, want ErrClosed", err)
	}
	got := make(map[int64]string)
	log, _, err := record.Open(fs, path, 0, func(at int64, p []byte) error {
		got[at] = string(p)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	_ = log.Close()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestLog_sizes(t *testing.T) {
	log, _ := open(t, record.OS{}, filepath.Join(t.TempDir(), "file"))
	defer func() { _ = log.Close() }()
	for _, p := range [][]byte{nil, make([]byte, record.MaxPayload+1)} {
		if _, err := log.Add(p); !errors.Is(err, record.ErrSize) {
			t.Errorf("Add of %d octets: %v, want ErrSize", len(p), err)
		}
	}
	big := bytes.Repeat([]byte{0xf5}, 9<<20) // written before Commit
	at, err := log.Add(big)
	if err != nil {
		t.Fatal(err)
	}
	second, err := log.Add([]byte("x"))
	if err != nil {
		t.Fatal(err)
	}
	if err := log.Commit(); err != nil {
		t.Fatal(err)
	}
	if got, err := log.Read(at, len(big)); err != nil || !bytes.Equal(got, big) {
		t.Errorf("Read: %v", err)
	}
	if got, err := log.Read(second, 1); err != nil || string(got) != "x" {
		t.Errorf("Read: %q, %v", got, err)
	}
}

// memory is a file of given octets.
type memory struct{ *bytes.Reader }

func FuzzScan(f *testing.F) {
	_, octets, _ := written(f, "one", "two")
	f.Add(octets, uint16(0))
	f.Add(octets, uint16(50_000)) // behind the end
	f.Add(octets[:len(octets)-1], uint16(64))
	f.Add(append(bytes.Clone(octets), 0, 0, 0, 1), uint16(70))
	f.Fuzz(func(t *testing.T, octets []byte, from uint16) {
		r, err := record.NewReader(memory{bytes.NewReader(octets)})
		if err != nil {
			return
		}
		last := int64(0)
		res, err := r.Scan(int64(len(octets)), int64(from), func(at int64, p []byte) error {
			again, err := r.Read(at, len(p))
			if err != nil || !bytes.Equal(again, p) || at <= last {
				t.Errorf("record at %d after %d can't be read: %v", at, last, err)
			}
			last = at
			return nil
		})
		if err != nil || int64(from) <= int64(len(octets)) && res.End > int64(max(len(octets), record.HeaderSize)) {
			t.Errorf("%+v, %v", res, err)
		}
	})
}
