package disk

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"sync"
	"syscall"
	"testing"

	"github.com/syndtr/goleveldb/leveldb"

	"github.com/restante/restante/pool"
	"github.com/restante/restante/pool/pooltest"
	"github.com/restante/restante/pool/record"
	"github.com/restante/restante/pool/record/recordtest"
)

// filingOf is an article on its way.
func filingOf(t *testing.T, name string) *filing {
	t.Helper()
	a := pooltest.Article(t, name, "a")
	return &filing{article: a, hash: hashOf(a.ID), err: errUnfinished}
}

// filed begins a batch and takes it up to its sync.
func (s *Store) filed(filings ...*filing) record.Stages[*filing] {
	b := s.begin()
	b.Add(filings)
	b.Close()
	return b
}

// The index may fail while batches are on their way: once what was staged before
// is lost, none is published over it, and each is told why.
func TestStore_batchAfterOneThatTheIndexDidNotTake(t *testing.T) {
	s, _, dir := faulty(t)
	before := pooltest.Take(t, s)
	first, second := filingOf(t, "3"), filingOf(t, "4")
	one := s.filed(first)
	one.Sync()
	two := s.filed(second)
	two.Sync()
	if err := s.index.close(); err != nil {
		t.Fatal(err)
	}
	one.Publish()
	if first.err != nil { // it is durable, and found
		t.Error(first.err)
	}
	s.settle()
	two.Publish()
	third := filingOf(t, "5")
	three := s.filed(third)
	three.Sync()
	three.Publish()
	for _, f := range []*filing{second, third} {
		if !errors.Is(f.err, pool.ErrReadOnly) || !errors.Is(f.err, leveldb.ErrClosed) {
			t.Errorf("got %v, want ErrReadOnly and the cause", f.err)
		}
	}
	if h := s.Health(); !h.IndexDoubted {
		t.Errorf("%+v", h)
	}
	_ = s.Close() // the index is closed already
	s = mustOpen(t, dir, small())
	defer mustClose(t, s)
	after := pooltest.Take(t, s)
	if len(after.ByID) != len(before.ByID)+2 { // their records were synced
		t.Errorf("%d articles, want those of before and two more", len(after.ByID))
	}
}

// One batch fills several segments, and the sync of the first one fails. Its
// octets can still be read until the power fails: whoever opens the store
// meanwhile shows the article, and must make it last.
func TestOpen_unsyncedSegmentThatIsNotTheLast(t *testing.T) {
	for seed := range uint64(100) {
		dir := filepath.Join(t.TempDir(), "store")
		if err := (record.OS{}).MkdirAll(dir); err != nil { // for the lock
			t.Fatal(err)
		}
		power := recordtest.NewPower(filepath.Dir(dir))
		o := small()
		o.SegmentSize, o.Files = 1, power
		s := mustOpen(t, dir, o)
		if err := s.SetGroup(t.Context(), pool.GroupInfo{Name: "a", Posting: pool.PostingAllowed}); err != nil {
			t.Fatal(err)
		}
		first, second := filingOf(t, "1"), filingOf(t, "2")
		b := s.filed(first, second)
		power.FailSync(0)
		b.Sync()
		b.Publish()
		if !errors.Is(first.err, syscall.EIO) || !errors.Is(second.err, pool.ErrReadOnly) {
			t.Fatalf("got %v, %v", first.err, second.err)
		}
		o.Files = power.Killed()
		_ = s.Close()
		s = mustOpen(t, dir, o)
		if _, err := s.ByID(t.Context(), pooltest.ID("1")); err != nil {
			t.Fatalf("it was written: %v", err)
		}
		power = o.Files.(*recordtest.Power).Failed(rand.New(rand.NewPCG(seed, 0)))
		_ = s.Close()
		o.Files = power
		s = mustOpen(t, dir, o)
		if _, err := s.ByID(t.Context(), pooltest.ID("1")); err != nil {
			t.Fatalf("seed %d: it was shown, and after a power failure: %v", seed, err)
		}
		mustClose(t, s)
	}
}

// A batch is published segment by segment: of two numbers the higher one may
// come first.
func TestStore_lowMarkAfterABatchOfTwoEpochs(t *testing.T) {
	s, _, _ := faulty(t)
	defer mustClose(t, s)
	if err := s.SetGroup(t.Context(), pool.GroupInfo{Name: "b", Posting: pool.PostingAllowed}); err != nil {
		t.Fatal(err)
	}
	first, second, third := filingOf(t, "3"), filingOf(t, "5"), filingOf(t, "6")
	second.article.Epoch = 1
	second.article.Groups, third.article.Groups = []pool.Group{"b"}, []pool.Group{"b"}
	b := s.filed(first, second, third)
	b.Sync()
	b.Publish()
	if err := errors.Join(first.err, second.err, third.err); err != nil {
		t.Fatal(err)
	}
	if info, err := s.Group(t.Context(), "b"); err != nil || info.Low != 1 || info.High != 2 || info.Count != 2 {
		t.Errorf("%+v, %v; want articles 1 to 2", info, err)
	}
}

// A panic in a batch ends all writing, and nobody hears of success who had none.
func TestStore_panic(t *testing.T) {
	for _, op := range []recordtest.Op{recordtest.WriteAt, recordtest.Sync} {
		t.Run(string(op), func(t *testing.T) {
			s, faults, dir := faulty(t)
			before := pooltest.Take(t, s)
			faults.Set(recordtest.Fault{Op: op, Path: ".seg", Once: true, Do: func() { panic("bad disk") }})
			first, second := filingOf(t, "3"), filingOf(t, "5")
			var wg sync.WaitGroup
			panics := make(chan any, 2)
			for _, f := range []*filing{first, second} {
				begun := s.Begin(t.Context(), f.article)
				wg.Go(func() {
					defer func() { panics <- recover() }()
					if _, err := begun.Wait(); !errors.Is(err, pool.ErrReadOnly) {
						t.Errorf("Append: %v, want ErrReadOnly", err)
					}
				})
			}
			wg.Wait()
			if one, other := <-panics, <-panics; (one == nil) == (other == nil) {
				t.Error("want one panic, for whoever took the batch through its stages")
			}
			if err := s.Cancel(t.Context(), pooltest.ID("1")); !errors.Is(err, pool.ErrReadOnly) {
				t.Errorf("Cancel: %v, want ErrReadOnly", err)
			}
			if _, err := s.Append(t.Context(), pooltest.Article(t, "6", "a")); !errors.Is(err, pool.ErrReadOnly) {
				t.Errorf("Append: %v, want ErrReadOnly", err)
			}
			if h := s.Health(); !h.ReadOnly || !h.IndexDoubted {
				t.Errorf("%+v", h)
			}
			mustClose(t, s)
			checkReopened(t, dir, before, 0, true)
		})
	}
}

// Room is made while articles come and while the store is closed in the middle
// of it.
func TestStore_runWhileClosing(t *testing.T) {
	for round := range 30 {
		dir := filepath.Join(t.TempDir(), "store")
		s := mustOpen(t, dir, small())
		if err := s.SetGroup(t.Context(), pool.GroupInfo{Name: "a", Posting: pool.PostingAllowed}); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		for range 2 { // the second one is of no use, and does no harm
			wg.Go(func() {
				if err := s.Run(ctx); err != nil {
					t.Errorf("Run: %v", err)
				}
			})
		}
		var mu sync.Mutex
		acked := make(map[string]pool.Number)
		for i := range 3 {
			wg.Go(func() {
				for j := 0; ; j++ {
					name := fmt.Sprint(i, "-", j)
					at, err := s.Append(t.Context(), pooltest.Article(t, name, "a"))
					if errors.Is(err, pool.ErrClosed) {
						return
					}
					if err != nil {
						t.Errorf("Append: %v", err)
						return
					}
					mu.Lock()
					acked[name] = at[0].Number
					if len(acked) == round+1 { // this one stays out of the way
						go func() { _ = s.Close() }()
					}
					mu.Unlock()
				}
			})
		}
		wg.Wait()
		cancel()
		mustClose(t, s)
		s = mustOpen(t, dir, small())
		for name, n := range acked {
			if a, err := s.ByNumber(t.Context(), "a", n); err != nil || a.ID != pooltest.ID(name) {
				t.Errorf("%s: %v", name, err)
			}
		}
		mustClose(t, s)
	}
}
