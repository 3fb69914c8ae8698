package disk

import (
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/restante/restante/pool"
	"github.com/restante/restante/pool/article"
	"github.com/restante/restante/pool/pooltest"
)

func TestRecord_roundTrip(t *testing.T) {
	for why, at := range map[string]time.Time{
		"now":               time.Now().UTC(),
		"the zero time":     {},
		"before 1970":       time.Date(1901, 1, 1, 0, 0, 0, 999, time.UTC),
		"beyond nanosecond": time.Date(3000, 1, 1, 0, 0, 0, 1, time.UTC),
	} {
		a := pooltest.Article(t, "x", "a", "b")
		a.Arrived, a.Epoch = at, 1<<63+7
		want := article.Render(a, "s", []pool.Location{{Group: "a", Number: 1}, {Group: "b", Number: pool.MaxNumber}})
		got, err := parseRecord(append(appendMeta(nil, want), want.Wire...))
		if err != nil {
			t.Fatalf("%s: %v", why, err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", why, diff)
		}
	}
}

func TestTimeKey_orderOfTime(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		draw := func(what string) time.Time {
			return time.Unix(rapid.Int64Range(-1<<40, 1<<40).Draw(t, what), rapid.Int64Range(0, 999_999_999).Draw(t, what+" nanos"))
		}
		a, b := draw("a"), draw("b")
		if string(timeKey(a)) < string(timeKey(b)) != a.Before(b) {
			t.Errorf("%v and %v sort wrongly", a, b)
		}
	})
}

func TestGroups_roundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var want []*group
		for i := range rapid.IntRange(0, 5).Draw(t, "groups") {
			want = append(want, &group{
				id:     uint32(i + 1),
				hidden: rapid.Bool().Draw(t, "hidden"),
				floor:  pool.Number(rapid.Uint32().Draw(t, "floor")),
				info: pool.GroupInfo{
					Name:        pool.Group(rapid.StringMatching(`[a-z+]{1,9}(\.[a-zé]{1,9}){0,3}`).Draw(t, "name")),
					Description: rapid.String().Draw(t, "description"),
					Posting:     pool.Posting(rapid.Byte().Draw(t, "posting")),
					Created:     time.Unix(rapid.Int64Range(-1<<40, 1<<40).Draw(t, "created"), 5).UTC(),
					High:        pool.Number(rapid.Uint32().Draw(t, "high")),
				},
			})
		}
		got, err := parseGroups(formatGroups(want))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got, cmp.AllowUnexported(group{})); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	})
}

func TestFingerprints_knowEachAndAreSmall(t *testing.T) {
	const n = 200_000
	f := newFingerprints()
	r := rand.New(rand.NewPCG(1, 2))
	draw := func() (h hash) {
		binary.BigEndian.PutUint64(h[:], r.Uint64())
		binary.BigEndian.PutUint64(h[8:], r.Uint64())
		return h
	}
	if f.maybe(hash{}) {
		t.Error("an empty set knows something")
	}
	in := make([]hash, n)
	at := func(i int) place { return place{segment: uint32(1 + i/1000), offset: int64(i%1000) * 2300} }
	for i := range in {
		in[i] = draw()
		f.add(in[i], leadTo(at(i)))
		f.add(in[i], leadTo(at(i)))
	}
	f.add(hash{}, leadGone)
	if !f.maybe(hash{}) {
		t.Error("the zero hash is lost")
	}
	others := 0
	for i, h := range in {
		leads := f.leads(h, nil)
		if !slices.Contains(leads, leadTo(at(i))) {
			t.Fatal("a hash is lost")
		}
		others += len(leads) - 1
	}
	if others > 5 { // expected: 0.3
		t.Errorf("%d leads to others", others)
	}
	wrong := 0
	for range n {
		if f.maybe(draw()) {
			wrong++
		}
	}
	if wrong > 5 { // expected: 0.3
		t.Errorf("%d unknown hashes are taken for known", wrong)
	}
	slots := 0
	for i := range f.shards {
		slots += len(f.shards[i].slots)
	}
	if f.len() != n+1 || slots*8 > n*16 {
		t.Errorf("%d hashes in %d octets", f.len(), slots*8)
	}
}

func TestHistoryName_saysTheHead(t *testing.T) {
	want := historyHead{epoch: 1<<64 - 1, last: 1<<32 - 1}
	if got, ok := parseHistoryName(want.name()); !ok || got != want {
		t.Errorf("%+v, %v; want %+v", got, ok, want)
	}
	for _, name := range []string{"", "1.rec", "1.2.rec.new", "a.2.rec", "01.2.rec", "1.2", "-1.2.rec"} {
		if got, ok := parseHistoryName(name); ok {
			t.Errorf("%q is taken for %+v", name, got)
		}
	}
}

func FuzzParseRecord(f *testing.F) {
	a := article.Render(pooltest.Article(f, "x", "a"), "s", []pool.Location{{Group: "a", Number: 1}})
	f.Add(append(appendMeta(nil, a), a.Wire...))
	f.Add([]byte{payloadVersion})
	f.Fuzz(func(t *testing.T, payload []byte) {
		a, err := parseRecord(payload)
		if err != nil {
			if !errors.Is(err, pool.ErrCorrupt) {
				t.Errorf("%v, want ErrCorrupt", err)
			}
			return
		}
		_, _ = a.Head(), a.Body() // must not panic
	})
}

func FuzzParseGroups(f *testing.F) {
	f.Add(formatGroups([]*group{{id: 1, info: pool.GroupInfo{Name: "a", Description: "b"}}}))
	f.Fuzz(func(t *testing.T, text []byte) {
		if _, err := parseGroups(text); err != nil && !errors.Is(err, pool.ErrCorrupt) {
			t.Errorf("%v, want ErrCorrupt", err)
		}
	})
}

func BenchmarkAppend(b *testing.B) {
	o := Options{ServerName: pooltest.Server}
	s := mustOpen(b, b.TempDir(), o)
	defer mustClose(b, s)
	if err := s.SetGroup(b.Context(), pool.GroupInfo{Name: "a"}); err != nil {
		b.Fatal(err)
	}
	body := make([]byte, 0, 4000)
	for len(body) < 3900 {
		body = append(body, "0123456789012345678901234567890123456789012345678901234567890123456789012345\r\n"...)
	}
	template := pooltest.Article(b, "x", "a")
	b.SetParallelism(32)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			a := *template
			a.ID, a.Body = pool.MessageID("<"+time.Now().Format("150405.000000000")+strconv.FormatUint(rand.Uint64(), 36)+"@x>"), body
			if _, err := s.Append(b.Context(), &a); err != nil {
				b.Error(err)
				return
			}
		}
	})
}
