package disk

import (
	"flag"
	"testing"

	"go.uber.org/goleak"

	"github.com/restante/restante/pool"
	"github.com/restante/restante/pool/pooltest"
)

func TestMain(m *testing.M) {
	if runFill() || runRemember() {
		return
	}
	// A quarter of rapid's own number: -rapid.checks says how many, and
	// docs/reliability.md how many it were in a thorough run.
	if err := flag.Set("rapid.checks", "25"); err != nil {
		panic(err)
	}
	// goleveldb's own buffer pool drains for a moment after Close.
	goleak.VerifyTestMain(m, goleak.IgnoreTopFunction("github.com/syndtr/goleveldb/leveldb.(*DB).mpoolDrain"))
}

// small are options that make everything happen early.
func small() Options {
	return Options{ServerName: pooltest.Server, SegmentSize: 4 << 10, IndexMemory: 1 << 20}
}

func mustOpen(t testing.TB, dir string, o Options) *Store {
	t.Helper()
	s, err := Open(dir, o)
	if err != nil {
		t.Fatalf("Open: %v", err)
	}
	return s
}

func mustClose(t testing.TB, s *Store) {
	t.Helper()
	if err := s.Close(); err != nil {
		t.Fatalf("Close: %v", err)
	}
}

func TestStore_conforms(t *testing.T) {
	for name, size := range map[string]int64{"largeSegments": 0, "tinySegments": 1} {
		t.Run(name, func(t *testing.T) {
			pooltest.Test(t, func(t testing.TB) pool.Store {
				o := small()
				o.SegmentSize = size
				return mustOpen(t, t.TempDir(), o)
			})
		})
	}
}

// abandon ends a store as a kill would: nothing is saved, only what the
// operating system would let go of is.
func abandon(t testing.TB, s *Store) {
	t.Helper()
	s.lifeMu.Lock()
	s.closed = true
	s.lifeMu.Unlock()
	s.calls.Wait()
	if err := s.closeFiles(); err != nil {
		t.Fatalf("closing files: %v", err)
	}
}

func TestStore_durable(t *testing.T) {
	for name, between := range map[string]func(testing.TB, *Store){
		"closed": func(t testing.TB, s *Store) { mustClose(t, s) },
		"killed": abandon,
		"indexDeleted": func(t testing.TB, s *Store) {
			abandon(t, s)
			removeAll(t, s.dir, indexDir)
		},
	} {
		t.Run(name, func(t *testing.T) {
			pooltest.TestDurable(t, func(t testing.TB) (pool.Store, func() pool.Store) {
				dir := t.TempDir()
				s := mustOpen(t, dir, small())
				return s, func() pool.Store {
					between(t, s)
					s = mustOpen(t, dir, small())
					return s
				}
			})
		})
	}
}
