package disk

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"pgregory.net/rapid"

	"github.com/restante/restante/pool"
	"github.com/restante/restante/pool/pooltest"
	"github.com/restante/restante/pool/record"
)

// Leads are those that were added and not replaced. Several of one id are what ids have
// together that the tables can't tell from each other.
func TestFingerprints_likeAMap(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		f := newFingerprints()
		model := make(map[hash]map[lead]bool)
		draw := func() (hash, lead) {
			h := hash{byte(rapid.IntRange(0, 1).Draw(rt, "shard"))}
			binary.BigEndian.PutUint32(h[1:], uint32(rapid.IntRange(0, 300).Draw(rt, "id"))<<3)
			l := leadGone
			if offset := rapid.IntRange(0, 20).Draw(rt, "offset"); offset > 0 {
				l = leadTo(place{segment: uint32(offset % 3), offset: int64(offset) * leadUnit})
			}
			if model[h] == nil {
				model[h] = make(map[lead]bool)
			}
			return h, l
		}
		rt.Repeat(map[string]func(*rapid.T){
			"add": func(*rapid.T) {
				h, l := draw()
				f.add(h, l)
				model[h][l] = true
			},
			"replace": func(*rapid.T) {
				h, from := draw()
				_, to := draw()
				if model[h][to] { // then there may be two of it
					return
				}
				f.replace(h, from, to)
				delete(model[h], from)
				model[h][to] = true
			},
			"": func(*rapid.T) {
				for h, want := range model {
					got := f.leads(h, nil)
					if len(got) != len(want) || f.maybe(h) != (len(want) > 0) {
						rt.Fatalf("%d leads, want %d", len(got), len(want))
					}
					for _, l := range got {
						if !want[l] {
							rt.Fatalf("a lead to %d", l)
						}
					}
				}
			},
		})
	})
}

// Places that have the same lead are told apart by what stands there.
func TestFind_sameLead(t *testing.T) {
	s := mustOpen(t, t.TempDir(), small())
	defer mustClose(t, s)
	mustSetGroup(t, s, "a")
	appendOne := func(name string, epoch uint64) {
		a := pooltest.Article(t, name, "a")
		a.Epoch = epoch
		mustAppend(t, s, a)
	}
	appendOne("1", 1)
	s.lastSegment = leadSegments
	appendOne("2", 2)
	one, two := placeOf(t, s, "1"), placeOf(t, s, "2")
	if leadTo(one) != leadTo(two) || one.segment == two.segment {
		t.Fatalf("%+v, %+v: want the same lead", one, two)
	}
	for _, name := range []string{"1", "2"} {
		if a, err := s.ByID(t.Context(), pooltest.ID(name)); err != nil || a.ID != pooltest.ID(name) {
			t.Errorf("%s: %v", name, err)
		}
	}
	stranger := hashOf(pooltest.ID("1"))
	stranger[15]++
	if f, err := s.find(stranger); err != nil || f.standing != unknown {
		t.Errorf("an id that is like another: %+v, %v", f, err)
	}
	// A record that can't be read tells nothing. It is not filed again.
	flip(t, s.segments[1].path, one.offset+record.Overhead+40)
	if _, err := s.ByID(t.Context(), pooltest.ID("1")); !errors.Is(err, pool.ErrCorrupt) {
		t.Errorf("a damaged one: %v, want ErrCorrupt", err)
	}
	if seen, err := s.Seen(t.Context(), pooltest.ID("1")); !seen || err != nil {
		t.Errorf("a damaged one: %v, %v; want it known", seen, err)
	}
	if _, err := s.ByID(t.Context(), pooltest.ID("2")); err != nil {
		t.Error(err)
	}
}

// holes is a file of zeros but for some stretches.
type holes map[int64][]byte

func (s holes) ReadAt(p []byte, at int64) (int, error) {
	clear(p)
	for from, octets := range s {
		if from < at+int64(len(p)) && at < from+int64(len(octets)) {
			copy(p[max(from-at, 0):], octets[max(at-from, 0):])
		}
	}
	return len(p), nil
}

// Wherever a record begins, be it behind others that begin close by or in a segment
// larger than leads tell, its lead leads there, once it shows.
func TestFind_anyOffset(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x")
	log, _, err := record.Open(record.OS{}, path, 0, func(int64, []byte) error { return nil })
	if err != nil {
		t.Fatal(err)
	}
	_, err = log.Add([]byte("first"))
	if err := errors.Join(err, log.Commit(), log.Close()); err != nil {
		t.Fatal(err)
	}
	header, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	header = header[:record.HeaderSize]
	const round = leadUnits * leadUnit
	seen := newFingerprints()
	for offset := int64(record.HeaderSize); offset < record.HeaderSize+2*leadUnit; offset++ {
		for _, base := range []int64{0, round - 3*leadUnit, round, 3*round + 1000} {
			at := base + offset
			id := pool.MessageID(fmt.Sprintf("<%d@x>", at))
			payload := appendHead(nil, flagsWithdrawn, &pool.Stored{ID: id})
			file := holes{0: header, at: log.Frame(at, payload)}
			r, err := record.NewReader(file)
			if err != nil {
				t.Fatal(err)
			}
			p := place{segment: 7, offset: at, size: len(payload)}
			g := &segment{number: 7, reader: r}
			look := func(h hash) expedition {
				e := expedition{seen: &seen, segment: g, hash: h}
				e.look(make([]byte, lookSize), leadTo(p))
				return e
			}
			g.shown.Store(at)
			if e := look(hashOf(id)); e.found.standing != unknown || base < round-3*leadUnit && !e.explained {
				t.Errorf("at %d: %+v, though it does not show", at, e.found)
			}
			g.shown.Store(p.end())
			if e := look(hashOf(id)); e.found != (found{withdrawn, p}) || !e.explained {
				t.Errorf("at %d: %+v", at, e.found)
			}
			if e := look(hash{1}); e.found.standing != unknown || e.explained {
				t.Errorf("at %d: another id: %+v", at, e)
			}
		}
	}
}
