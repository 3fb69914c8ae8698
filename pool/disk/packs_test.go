package disk

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/syndtr/goleveldb/leveldb"
	"pgregory.net/rapid"

	"github.com/restante/restante/pool"
	"github.com/restante/restante/pool/pooltest"
	"github.com/restante/restante/pool/record"
	"github.com/restante/restante/pool/record/recordtest"
)

// A mapped is an index, and the plain map of keys that it is to be like.
type mapped struct {
	files *recordtest.Power
	x     *index
	model map[string]string
	batch leveldb.Batch
	puts  map[string]string // what the batch would do; "" for a key that goes
}

const mappedDir = "/d/index"

func (m *mapped) open(rt *rapid.T) {
	x, err := openIndex(m.files, mappedDir, 1<<20)
	if err != nil {
		rt.Fatal(err)
	}
	m.x = x
}

// key draws one of few keys, of all kinds, so that they meet.
func (m *mapped) key(rt *rapid.T) []byte {
	n := rapid.IntRange(0, 100).Draw(rt, "n")
	switch rapid.IntRange(0, 5).Draw(rt, "kind") {
	case 0:
		return idKey(hash{byte(n)})
	case 1:
		return groupKey(uint32(n % 3))
	case 2:
		return tallyKey(uint32(n % 3))
	case 3:
		at := time.Unix(int64(n/10), int64(n%3)<<24)
		return arrivalKey(at, place{segment: uint32(n % 2), offset: int64(n)})
	default:
		return numberKey(uint32(1+n%2), pool.Number(5*n))
	}
}

func (m *mapped) put(rt *rapid.T) {
	key := m.key(rt)
	size := rapid.SampledFrom([]int{1, 40, 300, 2000, 6000}).Draw(rt, "size")
	value := bytes.Repeat([]byte{rapid.ByteRange('a', 'z').Draw(rt, "octet")}, size)
	m.batch.Put(key, value)
	m.puts[string(key)] = string(value)
}

// putSome puts as many keys in order as make several packs.
func (m *mapped) putSome(rt *rapid.T) {
	group, from := uint32(rapid.IntRange(1, 2).Draw(rt, "group")), rapid.IntRange(0, 400).Draw(rt, "from")
	for n := from; n < from+2*packKeys+3; n++ {
		for _, key := range [][]byte{numberKey(group, pool.Number(n)), arrivalKey(time.Unix(int64(n/50), int64(n)<<20), place{})} {
			m.batch.Put(key, []byte{'s'})
			m.puts[string(key)] = "s"
		}
	}
}

func (m *mapped) remove(rt *rapid.T) {
	key := m.key(rt)
	m.batch.Delete(key)
	m.puts[string(key)] = ""
}

// removeSome takes out all that there is of one kind in a range.
func (m *mapped) removeSome(rt *rapid.T) {
	from, to := m.key(rt), m.key(rt)
	for key := range m.model {
		if key >= string(from) && key < string(to) && key[0] == from[0] {
			m.batch.Delete([]byte(key))
			m.puts[key] = ""
		}
	}
}

func (m *mapped) done() {
	for key, value := range m.puts {
		if value == "" {
			delete(m.model, key)
		} else {
			m.model[key] = value
		}
	}
	clear(m.puts)
}

// write writes the batch, with what the index has staged before it. Its keys are asked
// for before and after.
func (m *mapped) write(rt *rapid.T) {
	keys := slices.Sorted(maps.Keys(m.puts))
	m.settle(rt)
	m.find(rt, keys)
	if err := m.x.write(&m.batch, false); err != nil {
		rt.Fatal(err)
	}
	m.done()
	m.find(rt, keys)
}

// find asks for keys.
func (m *mapped) find(rt *rapid.T, keys []string) {
	for _, key := range keys {
		got, ok, err := m.x.get([]byte(key))
		want, there := m.model[key]
		if err != nil || ok != there || string(got) != want {
			rt.Fatalf("%q: %q, %v, %v; want %q, %v", key, got, ok, err, want, there)
		}
	}
}

// stage stages new articles, and marks that may be there.
func (m *mapped) stage(rt *rapid.T) {
	err := m.x.stage(func(y *staged) {
		for range rapid.IntRange(1, 20).Draw(rt, "articles") {
			m.stageArticle(rt, y)
		}
		for _, letter := range []byte("gls")[:rapid.IntRange(0, 3).Draw(rt, "marks")] {
			number, value := uint32(rapid.IntRange(0, 2).Draw(rt, "number")), fmt.Sprint("marks", len(m.model))
			y.single(letter, number, func(dst []byte) []byte { return append(dst, value...) })
			m.model[string(binary.BigEndian.AppendUint32([]byte{letter}, number))] = value
		}
	})
	if err != nil {
		rt.Fatal(err)
	}
}

func (m *mapped) stageArticle(rt *rapid.T, y *staged) {
	n := rapid.IntRange(0, 255).Draw(rt, "n")
	p := place{segment: uint32(n % 2), offset: int64(n), size: 1 + n}
	a := &pool.Stored{
		ID: pool.MessageID(fmt.Sprint(n)), Arrived: time.Unix(int64(n/10), int64(n%3)<<24),
		Overview: bytes.Repeat([]byte{'o'}, 3*n),
	}
	arrival := string(arrivalKey(a.Arrived, p))
	if !m.free(arrival) {
		return
	}
	y.article(a, p)
	at, value := string(appendPlace(nil, p)), appendString(nil, string(a.ID))
	for range rapid.IntRange(0, 3).Draw(rt, "places") {
		group, number := uint32(rapid.IntRange(1, 3).Draw(rt, "group")), pool.Number(rapid.IntRange(1, 500).Draw(rt, "number"))
		row := string(numberKey(group, number))
		expired := !m.free(row)
		y.location(group, number, expired)
		value = binary.AppendUvarint(binary.AppendUvarint(value, uint64(group)), uint64(number))
		if !expired {
			m.model[row] = at + string(a.Overview)
		}
	}
	m.model[arrival] = string(value)
}

// free says whether a key is neither there nor in the batch.
func (m *mapped) free(key string) bool {
	_, there := m.model[key]
	_, put := m.puts[key]
	return !there && !put
}

func (m *mapped) settle(rt *rapid.T) {
	if err := m.x.settle(); err != nil {
		rt.Fatal(err)
	}
}

func (m *mapped) reopen(rt *rapid.T) {
	if err := errors.Join(m.x.sync(), m.x.close()); err != nil {
		rt.Fatal(err)
	}
	m.open(rt)
}

func (m *mapped) get(rt *rapid.T) {
	key := m.key(rt)
	if key[0] == 't' { // nobody looks up those that are staged
		m.settle(rt)
	}
	m.find(rt, []string{string(key)})
}

// walk goes over a range, perhaps not to its end.
func (m *mapped) walk(rt *rapid.T) {
	from, to := m.key(rt), m.key(rt)
	switch rapid.IntRange(0, 3).Draw(rt, "bounds") {
	case 0:
		from, to = from[:1], []byte{from[0] + 1}
	case 1:
		from = append(from, 0) // behind it
	}
	most := rapid.IntRange(1, 200).Draw(rt, "most")
	var got, want []string
	for _, key := range slices.Sorted(maps.Keys(m.model)) {
		if key >= string(from) && key < string(to) && len(want) < 2*most {
			want = append(want, key, m.model[key])
		}
	}
	err := m.x.each(from, to, func(key, value []byte) (bool, error) {
		got = append(got, string(key), string(value))
		return len(got) < 2*most, nil
	})
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		rt.Fatalf("%v, from %q to %q (-want +got):\n%s", err, from, to, diff)
	}
}

// check checks that the database's packs are as they should be.
func (m *mapped) check(rt *rapid.T) {
	m.settle(rt)
	it := m.x.db.NewIterator(nil, nil)
	defer it.Release()
	var before []byte
	for it.Next() {
		if !packed(it.Key()) {
			continue
		}
		var p pack
		p.open(it.Key(), it.Value())
		keys, octets := 0, 0
		for p.next() {
			if bytes.Compare(p.key, before) <= 0 {
				rt.Fatalf("%q comes behind %q", p.key, before)
			}
			if !bytes.Equal(window(p.key), window(it.Key())) {
				rt.Fatalf("%q shares a pack with %q", p.key, it.Key())
			}
			before = bytes.Clone(p.key)
			keys, octets = keys+1, octets+len(p.key)+len(p.value)
		}
		if err := p.end(); err != nil || keys > packKeys || keys > 1 && octets > packOctets {
			rt.Fatalf("a pack of %d keys, %d octets: %v", keys, octets, err)
		}
	}
}

// Keys that share packs are, to whoever asks for them, keys like others.
func TestIndex_likeAMap(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		m := &mapped{files: recordtest.NewPower("/d"), model: make(map[string]string), puts: make(map[string]string)}
		m.open(rt)
		defer func() { _ = m.x.close() }()
		rt.Repeat(map[string]func(*rapid.T){
			"put": m.put, "put some": m.putSome, "remove": m.remove, "remove some": m.removeSome,
			"write": m.write, "stage": m.stage, "settle": m.settle, "reopen": m.reopen,
			"get": m.get, "walk": m.walk, "check": m.check,
		})
	})
}

// Rows and arrivals that come in order share keys of the database, be it in one batch
// or in several; one that comes late joins its neighbours.
func TestIndex_packs(t *testing.T) {
	x, err := openIndex(recordtest.NewPower("/d"), mappedDir, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = x.close() }()
	put := func(numbers ...int) {
		t.Helper()
		err := x.stage(func(y *staged) {
			for _, n := range numbers {
				y.article(&pool.Stored{Arrived: time.Unix(0, int64(n))}, place{})
				y.location(1, pool.Number(n), false)
			}
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	count := func() (keys int) {
		t.Helper()
		if err := x.settle(); err != nil {
			t.Fatal(err)
		}
		it := x.db.NewIterator(nil, nil)
		defer it.Release()
		for it.Next() {
			if packed(it.Key()) {
				keys++
			}
		}
		return keys
	}
	for n := 2; n <= 2*2*packKeys; n += 2 {
		put(n)
	}
	if got := count(); got != 2*2 {
		t.Errorf("%d rows and arrivals are in %d packs, want %d", 2*2*packKeys, got, 2*2)
	}
	put(2*2*packKeys + 2)
	if got := count(); got != 3*2 {
		t.Errorf("with one more they are in %d packs, want %d", got, 3*2)
	}
	put(2*2*packKeys + 1)
	if got := count(); got != 3*2 {
		t.Errorf("with one amid these they are in %d packs, want %d", got, 3*2)
	}
}

// A pack that is cut short, or has keys that are none of its own, is in doubt.
func TestPack_damaged(t *testing.T) {
	keys := [][]byte{numberKey(1, 3), numberKey(1, 4), numberKey(1, 200)}
	var p packing
	var changes []change
	for _, key := range keys {
		changes = append(changes, change{key: key, value: []byte("value")})
	}
	p.putAll(changes)
	var whole entries
	if err := p.alone.Replay(&whole); err != nil || len(whole) != 1 {
		t.Fatal(len(whole), err)
	}
	read := func(key, value []byte) (n int, err error) {
		var in pack
		for in.open(key, value); in.next(); n++ {
		}
		return n, in.end()
	}
	key, value := whole[0].key, whole[0].value
	if n, err := read(key, value); n != len(keys) || err != nil {
		t.Errorf("%d keys, %v", n, err)
	}
	for size := range value {
		if _, err := read(key, value[:size]); !errors.Is(err, errDoubt) {
			t.Errorf("cut to %d octets: %v, want errDoubt", size, err)
		}
	}
	for _, other := range [][]byte{numberKey(1, 4), numberKey(1, 201)} {
		if _, err := read(other, value); !errors.Is(err, errDoubt) {
			t.Errorf("under another key: %v, want errDoubt", err)
		}
	}
}

func FuzzPack(f *testing.F) {
	f.Add([]byte{5, 0, 0, 0, 1, 1, 'v', 8, 2, 1, 'w'})
	f.Fuzz(func(t *testing.T, value []byte) {
		own := numberKey(1, 2)
		var before []byte
		var p pack
		for p.open(own, value); p.next(); before = bytes.Clone(p.key) {
			if len(p.key) != len(own) || bytes.Compare(p.key, before) <= 0 {
				t.Fatalf("%q behind %q", p.key, before)
			}
		}
		if err := p.end(); err == nil && !bytes.Equal(before, own) {
			t.Fatalf("%q is the last, not the pack's own", before)
		}
	})
}

// makeFormer makes of a store's index what a version before it would have left.
func makeFormer(t *testing.T, dir, version string) {
	t.Helper()
	x, err := openIndex(record.OS{}, filepath.Join(dir, indexDir), 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	var all entries
	err = x.each([]byte{'a'}, []byte{'z'}, func(key, value []byte) (bool, error) {
		all.Put(key, value)
		return true, nil
	})
	if version == singlesVersion {
		it := x.db.NewIterator(nil, nil)
		for it.Next() {
			err = errors.Join(err, x.db.Delete(it.Key(), nil))
		}
		it.Release()
		for _, e := range all {
			err = errors.Join(err, x.db.Put(e.key, e.value, nil))
		}
	}
	for _, e := range all {
		switch e.key[0] {
		case 't':
			id := (&cursor{rest: e.value}).bytes()
			err = errors.Join(err, x.db.Put(idKey(hashOf(id)), appendPlace(nil, arrivalPlace(e.key)), nil))
		case 'w':
			err = errors.Join(err, x.db.Put(idKey(hash(e.key[5:])), append(e.value, 1), nil), x.db.Put(e.key, nil, nil))
		}
	}
	if err = errors.Join(err, x.db.Put([]byte("f"), []byte(version), nil), x.close()); err != nil {
		t.Fatal(err)
	}
}

// An index of a version before is built anew. What nothing else knows any more is
// taken over.
func TestOpen_formerIndex(t *testing.T) {
	for _, version := range []string{singlesVersion, placesVersion} {
		t.Run(version, func(t *testing.T) { openFormerIndex(t, version) })
	}
}

func openFormerIndex(t *testing.T, version string) {
	dir := filepath.Join(t.TempDir(), "store")
	s := mustOpen(t, dir, small())
	mustSetGroup(t, s, "a", "b")
	for i := range 100 {
		a := pooltest.Article(t, fmt.Sprint(i), "a", "b")
		a.Epoch = uint64(1 + i/50)
		if _, err := s.Append(t.Context(), a); err != nil {
			t.Fatal(err)
		}
	}
	for _, err := range []error{s.Cancel(t.Context(), pooltest.ID("60")), s.DropBefore(t.Context(), 2)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	want := pooltest.Take(t, s)
	mustClose(t, s)
	makeFormer(t, dir, version)
	names, err := filepath.Glob(filepath.Join(dir, historyDir, "*"))
	if err != nil || len(names) == 0 {
		t.Fatal(names, err)
	}
	for _, name := range names {
		if err := os.Remove(name); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 {
		s = mustOpen(t, dir, small())
		if diff := cmp.Diff(want, pooltest.Take(t, s)); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		if seen, err := s.Seen(t.Context(), pooltest.ID("10")); !seen || err != nil {
			t.Errorf("what was dropped: %v, %v", seen, err)
		}
		mustClose(t, s)
	}
	x, err := openIndex(record.OS{}, filepath.Join(dir, indexDir), 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	if err := x.close(); err != nil {
		t.Error(err)
	}
}
