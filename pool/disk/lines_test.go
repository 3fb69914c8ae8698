package disk

import (
	"bytes"
	"fmt"
	"sync"
	"testing"

	"github.com/restante/restante/pool"
	"github.com/restante/restante/pool/pooltest"
)

// linesOf returns what ScanLines yields.
func linesOf(t *testing.T, s *Store) []byte {
	t.Helper()
	var out []byte
	if err := s.ScanLines(t.Context(), "a", pool.All, func(lines []byte) bool {
		out = append(out, lines...)
		return true
	}); err != nil {
		t.Fatal(err)
	}
	return out
}

// Others read the same lines all the time while articles come and are withdrawn:
// whoever reads afterwards sees what is there then.
func TestScanLines_neverOutOfDate(t *testing.T) {
	s := mustOpen(t, t.TempDir(), small())
	defer mustClose(t, s)
	mustSetGroup(t, s, "a")
	const articles = stretchSize + 64
	var readers sync.WaitGroup
	done := make(chan struct{})
	for range 2 {
		readers.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
					linesOf(t, s)
				}
			}
		})
	}
	line := func(i int) []byte { return []byte("\t" + string(pooltest.ID(fmt.Sprint(i))) + "\t") }
	for i := range articles {
		mustAppend(t, s, pooltest.Article(t, fmt.Sprint(i), "a"))
		if i%16 == 0 && !bytes.Contains(linesOf(t, s), line(i)) {
			t.Errorf("article %d is not there", i)
		}
	}
	for i := 0; i < articles; i += 29 {
		linesOf(t, s)
		if err := s.Cancel(t.Context(), pooltest.ID(fmt.Sprint(i))); err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(linesOf(t, s), line(i)) {
			t.Errorf("article %d is still there", i)
		}
	}
	close(done)
	readers.Wait()
	if got, want := bytes.Count(linesOf(t, s), []byte("\r\n")), articles-(articles+28)/29; got != want {
		t.Errorf("%d lines, want %d", got, want)
	}
}

// What is kept is bounded, and what is read again and again is kept.
func TestStretches_room(t *testing.T) {
	c := &stretches{room: 10_000}
	for round := range 100 {
		for i := range pool.Number(20) {
			c.put(stretchKey{1, i * stretchSize}, &stretch{lines: make([]byte, 900+round)})
		}
		octets := 0
		for _, held := range c.held {
			octets += len(held.lines)
		}
		if octets != c.octets || octets > c.room {
			t.Fatalf("%d octets, counted %d, in room for %d", octets, c.octets, c.room)
		}
	}
	c.put(stretchKey{2, 0}, &stretch{lines: make([]byte, c.room+1)})
	if c.held[stretchKey{2, 0}] != nil || len(c.held) < 8 {
		t.Errorf("one that is too large: %d are left", len(c.held))
	}
	s := mustOpen(t, t.TempDir(), small())
	defer mustClose(t, s)
	mustSetGroup(t, s, "a")
	for i := range stretchSize {
		mustAppend(t, s, pooltest.Article(t, fmt.Sprint(i), "a"))
	}
	linesOf(t, s)
	kept := s.stretches.get(stretchKey{s.groups["a"].id, 0}, s.index.removals.Load())
	if kept == nil || bytes.Count(kept.lines, []byte("\r\n")) != stretchSize-1 {
		t.Error("a whole stretch was read and is not kept")
	}
	if next := s.stretches.get(stretchKey{s.groups["a"].id, stretchSize}, s.index.removals.Load()); next != nil {
		t.Error("a stretch is kept to which more may come")
	}
}
