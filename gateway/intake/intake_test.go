package intake

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/restante/restante/crypto/envelope"
	"github.com/restante/restante/crypto/token"
	"github.com/restante/restante/pool"
	"github.com/restante/restante/pool/article"
	"github.com/restante/restante/pool/entry"
	"github.com/restante/restante/pool/memory"
)

const domain = "gw.example"

// keys are those of some epochs.
type keys struct {
	oldest, newest uint64
	seals          map[uint64]*token.SealKey
}

func (k *keys) Seal(epoch uint64) (*token.SealKey, error) {
	if key := k.seals[epoch]; key != nil && epoch >= k.oldest {
		return key, nil
	}
	return nil, errors.New("gone")
}

func (k *keys) Honoured() (oldest, newest uint64) { return k.oldest, k.newest }

// An office notes what it is given.
type office struct {
	texts []string
	names map[[32]byte]int
	err   error // what it answers
	crash bool  // it takes the submission, and the process dies
}

func (o *office) TakeSealed(_ context.Context, text []byte, name [32]byte) error {
	if o.err != nil && !o.crash {
		return o.err
	}
	if o.names[name]++; o.names[name] == 1 {
		o.texts = append(o.texts, string(text))
	}
	return o.err
}

type bench struct {
	t      *testing.T
	keys   *keys
	store  *memory.Store
	office *office
	dir    string
	desk   *Desk
}

func newBench(t *testing.T) *bench {
	t.Helper()
	b := &bench{t: t, keys: &keys{oldest: 10, newest: 12, seals: make(map[uint64]*token.SealKey)}, store: memory.New("here.example"), dir: t.TempDir()}
	b.office = &office{names: make(map[[32]byte]int)}
	for e := uint64(8); e < 14; e++ {
		key, err := token.NewSealKey()
		if err != nil {
			t.Fatal(err)
		}
		b.keys.seals[e] = key
	}
	if err := b.store.SetGroup(t.Context(), pool.GroupInfo{Name: entry.Submit, Posting: pool.PostingAllowed}); err != nil {
		t.Fatal(err)
	}
	b.open()
	t.Cleanup(func() {
		if err := b.desk.Close(); err != nil {
			t.Error(err)
		}
	})
	return b
}

func (b *bench) open() {
	b.t.Helper()
	var err error
	b.desk, err = Open(Options{
		Domain: domain, Dir: b.dir, Keys: b.keys, Store: b.store, Office: b.office, Most: 1 << 20, Log: zerolog.Nop(),
	})
	if err != nil {
		b.t.Fatal(err)
	}
}

// restart is one of the gateway, clean or not: nothing but the folder stays.
func (b *bench) restart() {
	b.t.Helper()
	if err := b.desk.Close(); err != nil {
		b.t.Fatal(err)
	}
	b.open()
}

func (b *bench) round() {
	b.t.Helper()
	if err := b.desk.Round(b.t.Context()); err != nil {
		b.t.Fatal(err)
	}
}

// seal makes the payloads of a submission.
func (b *bench) seal(to string, epoch uint64, content string) [][]byte {
	b.t.Helper()
	fragments, err := envelope.Split(envelope.KindMessage, []byte(content))
	if err != nil {
		b.t.Fatal(err)
	}
	var out [][]byte
	for _, f := range fragments {
		payload, err := envelope.SealSubmission(b.keys.seals[epoch].Public(), to, epoch, f)
		if err != nil {
			b.t.Fatal(err)
		}
		out = append(out, payload)
	}
	return out
}

// file posts a payload under a fresh Message-ID.
func (b *bench) file(to string, epoch uint64, payload []byte) {
	b.t.Helper()
	a, err := (&entry.Submission{To: to, Epoch: epoch, Payload: payload}).Article(time.Now())
	if err != nil {
		b.t.Fatal(err)
	}
	if err := a.Set("Path", "there.example!not-for-mail"); err != nil {
		b.t.Fatal(err)
	}
	b.append(a)
}

func (b *bench) append(a *article.Article) {
	b.t.Helper()
	filed, err := a.File([]pool.Group{entry.Submit}, time.Now(), 0)
	if err != nil {
		b.t.Fatal(err)
	}
	if _, err := b.store.Append(b.t.Context(), filed); err != nil {
		b.t.Fatal(err)
	}
}

func (b *bench) got(want ...string) {
	b.t.Helper()
	if fmt.Sprint(b.office.texts) != fmt.Sprint(want) {
		b.t.Errorf("the office got %d submissions, want %d", len(b.office.texts), len(want))
	}
}

func TestRound_opensWhatIsForUsOnce(t *testing.T) {
	b := newBench(t)
	one := b.seal(domain, 11, "one")[0]
	b.file(domain, 11, one)
	b.file("other.example", 11, b.seal("other.example", 11, "not ours")[0])
	b.file(domain, 12, one)                              // under another epoch's name
	b.file(domain, 9, b.seal(domain, 9, "destroyed")[0]) // its key is gone
	b.file(domain, 99, one)
	b.file(domain, 11, bytes.Repeat([]byte{7}, envelope.PayloadSize))
	b.round()
	b.got("one")
	b.file(domain, 11, one) // sent again, under another Message-ID
	b.round()
	b.restart()
	b.file(domain, 11, one)
	b.file(domain, 10, b.seal(domain, 10, "two")[0])
	b.round()
	b.got("one", "two")
	if len(b.office.names) != 2 {
		t.Errorf("%d submissions were handed over", len(b.office.names))
	}
}

func TestRound_joinsFragmentsInAnyOrderAndAcrossARestart(t *testing.T) {
	b := newBench(t)
	long := strings.Repeat("a long letter ", 3000)
	parts := b.seal(domain, 11, long)
	if len(parts) != 3 {
		t.Fatalf("%d fragments", len(parts))
	}
	b.file(domain, 11, parts[2])
	b.round()
	b.restart()
	b.file(domain, 11, parts[0])
	b.file(domain, 11, parts[0])
	b.round()
	b.got()
	b.restart()
	b.file(domain, 11, parts[1])
	b.round()
	b.got(long)
	for _, p := range parts {
		b.file(domain, 11, p)
	}
	b.restart()
	b.round()
	b.got(long)
	if b.desk.resume() != b.desk.memory.next {
		t.Errorf("fragments that were opened are waited for")
	}
}

func TestRound_whatNobodyFinishesCostsLittle(t *testing.T) {
	b := newBench(t)
	b.desk.opts.Most = 64 << 10
	for count := uint16(2); count > 0; count <<= 1 { // each says that it has many fragments
		f := envelope.Fragment{Kind: envelope.KindMessage, Count: count, Handle: [16]byte{byte(count), byte(count >> 8)}, Content: []byte("x")}
		payload, err := envelope.SealSubmission(b.keys.seals[11].Public(), domain, 11, f)
		if err != nil {
			t.Fatal(err)
		}
		b.file(domain, 11, payload)
	}
	b.round()
	parts := 0
	for _, s := range b.desk.open {
		parts += len(s.parts)
	}
	if parts > 20 {
		t.Errorf("room for %d fragments, of 64 KiB at most", parts)
	}
}

func TestKeep_theOldestGoes(t *testing.T) {
	b := newBench(t)
	for n := range maxOpen + 3 {
		b.desk.keep([16]byte{byte(n), byte(n >> 8)}, &submission{first: pool.Number(n + 1)})
	}
	if len(b.desk.open) != maxOpen || b.desk.open[[16]byte{2}] != nil || b.desk.open[[16]byte{3}] == nil {
		t.Errorf("%d are kept, or not the newest", len(b.desk.open))
	}
}

func TestRound_storeThatBeganAnew(t *testing.T) {
	b := newBench(t)
	for range 5 {
		b.file(domain, 11, b.seal(domain, 11, "one")[0])
	}
	again := b.seal(domain, 11, "two")[0]
	b.file(domain, 11, again)
	b.round()
	got := len(b.office.texts)
	b.store = memory.New("here.example")
	if err := b.store.SetGroup(t.Context(), pool.GroupInfo{Name: entry.Submit, Posting: pool.PostingAllowed}); err != nil {
		t.Fatal(err)
	}
	b.restart()
	b.file(domain, 11, again)
	b.file(domain, 11, b.seal(domain, 11, "three")[0])
	b.round()
	if len(b.office.texts) != got+1 {
		t.Errorf("the office got %d more, want the new one alone", len(b.office.texts)-got)
	}
}

func TestRound_crashBetweenHandingOverAndRemembering(t *testing.T) {
	b := newBench(t)
	b.file(domain, 11, b.seal(domain, 11, "one")[0])
	b.office.crash, b.office.err = true, errors.New("the process dies")
	if err := b.desk.Round(t.Context()); err == nil {
		t.Fatal("no error")
	}
	b.restart()
	b.office.crash, b.office.err = false, nil
	b.round()
	b.got("one")
	for name, times := range b.office.names {
		if times != 2 {
			t.Errorf("handed over %d times, under the name %x", times, name[:2])
		}
	}
}

func TestRound_refusedForGoodAndPutOff(t *testing.T) {
	b := newBench(t)
	b.file(domain, 11, b.seal(domain, 11, "one")[0])
	b.office.err = pool.ErrDiskFull
	if err := b.desk.Round(t.Context()); !errors.Is(err, pool.ErrDiskFull) {
		t.Fatal(err)
	}
	b.office.err = nil
	b.round()
	b.got("one")
	b.office.err = &pool.Refusal{Sentence: "no", Cause: errors.New("no")}
	b.file(domain, 11, b.seal(domain, 11, "bad")[0])
	b.round()
	b.office.err = nil
	b.round()
	b.got("one")
}

func TestMemory_forgetsWithTheKeys(t *testing.T) {
	b := newBench(t)
	b.file(domain, 11, b.seal(domain, 11, "one")[0])
	b.round()
	b.keys.oldest, b.keys.newest = 12, 14
	b.file(domain, 12, b.seal(domain, 12, "two")[0])
	b.round()
	if n := len(b.desk.memory.opened); n != 2 {
		t.Errorf("%d remembered: the first one's key may be there in an epoch yet", n)
	}
	b.keys.oldest, b.keys.newest = 13, 15
	b.round()
	if n := len(b.desk.memory.opened); n != 1 {
		t.Errorf("%d remembered", n)
	}
	b.restart()
	if n := len(b.desk.memory.opened); n != 1 || b.desk.memory.next != 3 {
		t.Errorf("%d remembered after a restart, next is %d", n, b.desk.memory.next)
	}
	b.got("one", "two")
}

// What hinders forgetting, and passes, hinders nothing afterwards.
func TestMemory_forgetsAfterAFailedTry(t *testing.T) {
	dir := t.TempDir()
	m, err := openRemembered(dir)
	if err != nil {
		t.Fatal(err)
	}
	for i := range byte(3) {
		if err := m.add(t.Context(), uint64(i), [32]byte{i}); err != nil {
			t.Fatal(err)
		}
	}
	name, kept := filepath.Join(dir, openedFile), filepath.Join(dir, "kept")
	if err := os.Rename(name, kept); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(name, 0o700); err != nil { // no file can take that name
		t.Fatal(err)
	}
	if err := m.forget(1); err == nil {
		t.Fatal("it is not hindered")
	}
	if err := errors.Join(os.Remove(name), os.Rename(kept, name)); err != nil {
		t.Fatal(err)
	}
	if err := m.add(t.Context(), 3, [32]byte{3}); err != nil {
		t.Errorf("meanwhile: %v", err)
	}
	if err := m.forget(1); err != nil {
		t.Errorf("the next try: %v", err)
	}
	if err := m.add(t.Context(), 4, [32]byte{4}); err != nil {
		t.Error(err)
	}
	if err := m.close(); err != nil {
		t.Fatal(err)
	}
	again, err := openRemembered(dir)
	if err != nil {
		t.Fatal(err)
	}
	if len(again.opened) != 4 || again.has([32]byte{0}) || !again.has([32]byte{3}) {
		t.Errorf("%d are remembered", len(again.opened))
	}
	if err := again.close(); err != nil {
		t.Fatal(err)
	}
}
