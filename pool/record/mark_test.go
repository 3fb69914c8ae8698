package record_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/restante/restante/pool/record"
)

// committed makes a closed file with commits, each of some payloads. It returns the octets of
// the file, where each commit ends, and the offsets of the records.
func committed(t testing.TB, commits ...[]string) (path string, octets []byte, ends, offsets []int64) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "file")
	log, _ := open(t, record.OS{}, path)
	for _, payloads := range commits {
		for _, p := range payloads {
			at, err := log.Add([]byte(p))
			if err != nil {
				t.Fatal(err)
			}
			offsets = append(offsets, at)
		}
		if err := log.Commit(); err != nil {
			t.Fatal(err)
		}
		ends = append(ends, log.End())
	}
	if err := log.Close(); err != nil {
		t.Fatal(err)
	}
	octets, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return path, octets, ends, offsets
}

// former makes a file one of the form that had no marks. It must have none.
func former(octets []byte) []byte {
	octets = bytes.Clone(octets)
	for at := 0; at < record.HeaderSize; at += record.HeaderSize / 2 {
		octets[at+7] = 1
		sum := crc32.Checksum(octets[at:at+12], crc32.MakeTable(crc32.Castagnoli))
		binary.BigEndian.PutUint32(octets[at+12:], sum)
	}
	return octets
}

// add adds a record and closes the log.
func add(t testing.TB, log *record.Log, payload string) {
	t.Helper()
	next := log.Next()
	at, err := log.Add([]byte(payload))
	if err != nil || at != next {
		t.Fatalf("Add: %d, %v; want %d", at, err, next)
	}
	if err := errors.Join(log.Commit(), log.Close()); err != nil {
		t.Fatal(err)
	}
}

// Each octet wrong: in front of what the marks vouch for it is damage, and stays so, whatever is
// added later. Behind, it is what the power took of a commit that nobody heard of, and what
// comes later does not make damage of it.
func TestLog_marksTellDamageFromTheUnsynced(t *testing.T) {
	path, octets, ends, offsets := committed(t, []string{"one", "two"}, []string{"three"}, []string{"4", "five", "the sixth"})
	synced := ends[1]
	for i := record.HeaderSize; i < len(octets); i++ {
		bad := bytes.Clone(octets)
		bad[i] ^= 1 << (i % 8)
		if err := os.WriteFile(path, bad, 0o600); err != nil {
			t.Fatal(err)
		}
		log, f := open(t, record.OS{}, path)
		damaged := int64(i) < synced
		torn := int64(i) >= offsets[5]
		if (len(f.Gaps) == 1) != damaged || (len(f.Unsynced) == 1) != (!damaged && !torn) || f.Torn != torn {
			t.Fatalf("octet %d, synced up to %d: %+v", i, synced, f)
		}
		before := f.Payloads
		add(t, log, "new")
		log, f = open(t, record.OS{}, path)
		add(t, log, "newer")
		log, g := open(t, record.OS{}, path)
		if err := log.Close(); err != nil {
			t.Fatal(err)
		}
		f.Payloads = append(f.Payloads, "newer")
		if diff := cmp.Diff(f, g); diff != "" {
			t.Fatalf("octet %d, once more was added (-want +got):\n%s", i, diff)
		}
		if diff := cmp.Diff(append(before, "new", "newer"), g.Payloads); diff != "" {
			t.Fatalf("octet %d (-want +got):\n%s", i, diff)
		}
		if (len(g.Gaps) == 1) != damaged || len(g.Unsynced) > 0 || g.Torn {
			t.Fatalf("octet %d, later: %+v", i, g)
		}
	}
}

// A file of an earlier version stays one: any gap in it is damage.
func TestOpen_fileWithoutMarks(t *testing.T) {
	path, octets, _, offsets := committed(t, []string{"one", "two", "three"})
	octets = former(octets)
	octets[offsets[1]] ^= 1
	want := found{Payloads: []string{"one", "three"}, Gaps: []record.Gap{{From: offsets[1], To: offsets[2]}}}
	for range 3 {
		if diff := cmp.Diff(want, reopen(t, path, octets)); diff != "" {
			t.Fatalf("(-want +got):\n%s", diff)
		}
		log, _ := open(t, record.OS{}, path)
		if log.Marked() {
			t.Fatal("it has marks")
		}
		add(t, log, "new")
		want.Payloads = append(want.Payloads, "new")
		var err error
		if octets, err = os.ReadFile(path); err != nil {
			t.Fatal(err)
		}
	}
}

// A commit that is begun while another one is synced vouches for that once it is
// written after it.
func TestLog_markOfAnOverlappingCommit(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	log, _ := open(t, record.OS{}, path)
	if _, err := log.Add([]byte("one")); err != nil {
		t.Fatal(err)
	}
	first := log.Take()
	if _, err := log.Add([]byte("two")); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(first.Commit(), log.Commit()); err != nil {
		t.Fatal(err)
	}
	if res := scanned(t, path); res.Synced != first.End() {
		t.Errorf("synced up to %d, want %d", res.Synced, first.End())
	}
	if err := log.Finish(); err != nil {
		t.Fatal(err)
	}
	res := scanned(t, path)
	if res.Synced <= first.End() || res.Synced != res.End-24 {
		t.Errorf("finished, and synced up to %d of %d", res.Synced, res.End)
	}
	log, _ = open(t, record.OS{}, path)
	if err := log.Finish(); err != nil { // nothing was added
		t.Fatal(err)
	}
	if diff := cmp.Diff(res, scanned(t, path)); diff != "" {
		t.Errorf("(-before +after):\n%s", diff)
	}
}

func scanned(t testing.TB, path string) record.Result {
	t.Helper()
	octets, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	r, err := record.NewReader(bytes.NewReader(octets))
	if err != nil {
		t.Fatal(err)
	}
	res, err := r.Scan(int64(len(octets)), 0, nil)
	if err != nil {
		t.Fatal(err)
	}
	return res
}

// What is in question in a file that nothing is added to is damage where it is known from
// elsewhere that it was synced, and covered or cut off otherwise.
func TestRecover_asIsKnownFromElsewhere(t *testing.T) {
	path, octets, _, offsets := committed(t, []string{"one", "two", "three"})
	octets[offsets[0]] ^= 1
	octets = append(octets, 7)
	end := int64(len(octets))
	first, tail := record.Gap{From: offsets[0], To: offsets[1]}, record.Gap{From: end - 1, To: end}
	for _, known := range []bool{true, false} {
		if err := os.WriteFile(path, octets, 0o600); err != nil {
			t.Fatal(err)
		}
		var visited []string
		visit := func(_ int64, payload []byte) error {
			visited = append(visited, string(payload))
			return nil
		}
		res, err := record.Recover(record.OS{}, path, 0, end, func() (bool, error) { return known, nil }, visit)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]string{"two", "three"}, visited); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		want := record.Result{End: end, Synced: end, Gaps: []record.Gap{first, tail}}
		after := octets
		if !known {
			want = record.Result{End: end - 1, Torn: true, Unsynced: []record.Gap{first}}
			after = nil
		}
		if diff := cmp.Diff(want, res, cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("known %v (-want +got):\n%s", known, diff)
		}
		got, err := os.ReadFile(path)
		if err != nil || known && !bytes.Equal(after, got) || !known && int64(len(got)) != end-1 {
			t.Errorf("known %v: %d octets, %v", known, len(got), err)
		}
		if res := scanned(t, path); !known && len(res.Gaps)+len(res.Unsynced) > 0 {
			t.Errorf("it is not covered: %+v", res)
		}
	}
	failed := errors.New("failed")
	if err := os.WriteFile(path, octets, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := record.Recover(record.OS{}, path, 0, end, func() (bool, error) { return false, failed }, nil); !errors.Is(err, failed) {
		t.Errorf("got %v", err)
	}
}
