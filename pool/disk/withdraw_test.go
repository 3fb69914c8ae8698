package disk

import (
	"errors"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/syndtr/goleveldb/leveldb"

	"github.com/restante/restante/pool"
	"github.com/restante/restante/pool/pooltest"
	"github.com/restante/restante/pool/record/recordtest"
)

func TestWithdrawal_roundTrip(t *testing.T) {
	want := &pool.Stored{
		ID: "<x@y>", Epoch: 1<<63 + 7, Arrived: pooltest.Article(t, "x", "a").Arrived.UTC(),
		Locations: []pool.Location{{Group: "a", Number: 1}, {Group: "b", Number: pool.MaxNumber}},
	}
	payload := appendHead(nil, flagsWithdrawn, want)
	got, withdrawn, err := parseAny(payload)
	if err != nil || !withdrawn {
		t.Fatalf("withdrawn %v, %v", withdrawn, err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if _, err := parseRecord(payload); !errors.Is(err, pool.ErrCorrupt) {
		t.Errorf("a withdrawal is taken for an article: %v", err)
	}
	for cut := range payload {
		if _, _, err := parseAny(payload[:cut]); !errors.Is(err, pool.ErrCorrupt) {
			t.Errorf("cut at %d: %v", cut, err)
		}
	}
	if _, _, err := parseAny(append(payload, 0)); !errors.Is(err, pool.ErrCorrupt) {
		t.Error("something behind a withdrawal is passed over")
	}
}

// A cancel that fails leaves the article as it was, in this life and the next,
// unless the record may have reached the disk.
func TestCancel_faults(t *testing.T) {
	for _, c := range []struct {
		why   string
		fault recordtest.Fault
		want  error
		maybe bool // the article may be gone afterwards
	}{
		{"sync fails", recordtest.Fault{Op: recordtest.Sync, Path: ".seg", Err: syscall.EIO, Once: true}, pool.ErrReadOnly, true},
		{"write fails", recordtest.Fault{Op: recordtest.WriteAt, Path: ".seg", Err: syscall.EIO, Once: true}, pool.ErrReadOnly, false},
		{"no space", recordtest.Fault{Op: recordtest.WriteAt, Path: ".seg", Err: syscall.ENOSPC, Keep: 20, Once: true}, pool.ErrDiskFull, false},
	} {
		t.Run(c.why, func(t *testing.T) {
			s, faults, dir := faulty(t)
			before := pooltest.Take(t, s)
			faults.Set(c.fault)
			if err := s.Cancel(t.Context(), pooltest.ID("1")); !errors.Is(err, c.want) {
				t.Errorf("Cancel: %v, want %v", err, c.want)
			}
			if diff := cmp.Diff(before, pooltest.Take(t, s)); diff != "" {
				t.Errorf("what was there has changed (-before +after):\n%s", diff)
			}
			err := s.Cancel(t.Context(), pooltest.ID("1"))
			again := err == nil
			if again != errors.Is(c.want, pool.ErrDiskFull) {
				t.Errorf("the next Cancel: %v", err)
			}
			mustClose(t, s)
			s = mustOpen(t, dir, small())
			defer mustClose(t, s)
			_, err = s.ByID(t.Context(), pooltest.ID("1"))
			if gone := errors.Is(err, pool.ErrNotFound); gone != again && !c.maybe {
				t.Errorf("after opening: %v", err)
			}
		})
	}
}

// A checkpoint that was lost with the index's last writes: the withdrawal is
// repeated, and nothing is counted twice.
func TestCancel_indexLagsBehind(t *testing.T) {
	dir := t.TempDir()
	s := mustOpen(t, dir, Options{ServerName: pooltest.Server})
	if err := s.SetGroup(t.Context(), pool.GroupInfo{Name: "a", Posting: pool.PostingAllowed}); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"1", "2", "3"} {
		if _, err := s.Append(t.Context(), pooltest.Article(t, name, "a")); err != nil {
			t.Fatal(err)
		}
	}
	var keys, values [][]byte
	for letter := byte('a'); letter <= 'z'; letter++ {
		if err := s.index.eachOf(letter, func(key, value []byte) (bool, error) {
			keys, values = append(keys, append([]byte(nil), key...)), append(values, append([]byte(nil), value...))
			return true, nil
		}); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Cancel(t.Context(), pooltest.ID("2")); err != nil {
		t.Fatal(err)
	}
	if err := s.Remember(t.Context(), pooltest.ID("early")); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Append(t.Context(), pooltest.Article(t, "4", "a")); err != nil {
		t.Fatal(err)
	}
	want := pooltest.Take(t, s)
	for letter := byte('a'); letter <= 'z'; letter++ { // the index as it was before
		batch := new(leveldb.Batch)
		if err := s.index.eachOf(letter, func(key, _ []byte) (bool, error) {
			batch.Delete(append([]byte(nil), key...))
			return true, nil
		}); err != nil {
			t.Fatal(err)
		}
		if err := s.index.write(batch, false); err != nil {
			t.Fatal(err)
		}
	}
	batch := new(leveldb.Batch)
	for i := range keys {
		batch.Put(keys[i], values[i])
	}
	if err := s.index.write(batch, false); err != nil {
		t.Fatal(err)
	}
	abandon(t, s)
	for range 2 {
		s = mustOpen(t, dir, Options{ServerName: pooltest.Server})
		if diff := cmp.Diff(want, pooltest.Take(t, s)); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		if seen, err := s.Seen(t.Context(), pooltest.ID("early")); !seen || err != nil {
			t.Errorf("Seen: %v, %v", seen, err)
		}
		abandon(t, s)
	}
}
