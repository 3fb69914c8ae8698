package mailbox

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/restante/restante/crypto/identity"
	"github.com/restante/restante/pool"
	"github.com/restante/restante/pool/record/recordtest"
)

// busy is events of all kinds, most of which others take the place of.
func busy(t testing.TB, m *Mailbox, r *rand.Rand, rounds int) (acknowledged int) {
	t.Helper()
	for round := range rounds {
		n := uint64(round)
		events := []Event{
			message(pool.MessageID(fmt.Sprintf("<%d@x>", r.Uint64())), Inbox),
			{Contact: &Contact{Name: fmt.Sprint("c", r.IntN(5)), Token: "<t@x>", Box: uint32(r.IntN(9)), Gateway: "x"}},
			{Part: &Part{Handle: [16]byte{byte(r.IntN(4)), 1}, Count: 9, Index: uint16(r.IntN(9))}, Octets: bytes.Repeat([]byte("p"), 9000)},
			{Drop: bytes.Repeat([]byte{byte(r.IntN(200))}, 16)},
			{Lookup: &Lookup{Gateway: "x", Epoch: n % 3, Blinded: [][]byte{bytes.Repeat([]byte{1}, 576)}}},
			{Book: &Book{Domain: "x", Signed: bytes.Repeat([]byte("s"), 3000), Sums: map[uint64][32]byte{n: {5}}}},
			{Cursor: &Cursor{Server: "s", Group: "g", Next: pool.Number(n)}},
			{Batch: &Batch{Server: "s", Gateway: "x", Batch: n % 7, Done: r.IntN(2) == 0, Named: map[string][32]byte{"t": {1}}}},
			{History: &History{Server: "s", Gateway: "x", Stretches: []Stretch{{First: 1, Last: n, Sum: []byte{7}}}}},
			{Outgoing: new(Outgoing), Octets: bytes.Repeat([]byte("o"), 20000)},
		}
		if round > 0 {
			read := pool.Number(1 + r.IntN(round))
			events = append(events, Event{Read: &read}, Event{Posted: n}, Event{Forget: fmt.Sprint("c", r.IntN(5))})
		}
		if m.Put(events...) != nil {
			return acknowledged
		}
		acknowledged++
	}
	return acknowledged
}

// same compares two states, but for where things stand and what is counted on.
func same(a, b state) string {
	return cmp.Diff(a, b, cmp.AllowUnexported(state{}, kept{}, part{}, outgoing{}, cursorKey{}, numbered{}),
		cmpopts.IgnoreTypes(place{}), cmpopts.IgnoreFields(state{}, "nextOut"))
}

func TestOpen_writesAWastefulFileAnew(t *testing.T) {
	dir, seed := t.TempDir(), identity.NewSeed()
	m, err := Open(dir, seed)
	if err != nil {
		t.Fatal(err)
	}
	busy(t, m, rand.New(rand.NewPCG(1, 1)), 60)
	want, parts := m.state, map[[16]byte]int{}
	for h := range want.parts {
		_, contents, err := m.Parts(h)
		if err != nil {
			t.Fatal(err)
		}
		parts[h] = len(contents)
	}
	before := m.log.End()
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, mailFile+".new"), []byte("left by a crash"), 0o600); err != nil {
		t.Fatal(err)
	}
	m = openIn(t, dir, seed)
	after := m.log.End()
	t.Logf("%d octets, and %d anew", before, after)
	if after > before/2 || m.Damaged {
		t.Errorf("%d octets of %d are left, damaged %v", after, before, m.Damaged)
	}
	if diff := same(want, m.state); diff != "" {
		t.Error(diff)
	}
	for _, n := range m.numbers {
		if got, err := m.Article(n); err != nil || string(got) != text {
			t.Fatalf("article %d: %q, %v", n, got, err)
		}
	}
	for h, n := range parts {
		if _, contents, err := m.Parts(h); err != nil || len(contents) != n || len(contents[0]) != 9000 {
			t.Errorf("parts: %d of %d, %v", len(contents), n, err)
		}
	}
	for _, o := range m.Outgoing() {
		if got, err := m.ToPost(o.Key); err != nil || len(got) != 20000 {
			t.Errorf("to post: %d octets, %v", len(got), err)
		}
	}
	if err := m.Put(message("<new@x>", Inbox)); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(dir, mailFile+".new")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the new file is still there: %v", err)
	}
}

func TestOpen_leavesAFullOrDamagedFileAsItIs(t *testing.T) {
	dir, seed := t.TempDir(), identity.NewSeed()
	m, err := Open(dir, seed)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 30 {
		e := message(pool.MessageID(fmt.Sprintf("<%d@x>", i)), Inbox)
		e.Octets = []byte(text + strings.Repeat("x", 60000))
		if err := m.Put(e); err != nil {
			t.Fatal(err)
		}
	}
	if m.wasteful(compactFrom) {
		t.Error("a file full of mail is written anew")
	}
	busy(t, m, rand.New(rand.NewPCG(1, 2)), 100)
	if !m.wasteful(compactFrom) {
		t.Error("one that is mostly dead is not")
	}
	m.Damaged = true
	if m.wasteful(compactFrom) {
		t.Error("a damaged one is")
	}
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
}

// The power fails at any step of writing and of writing anew: whatever was
// acknowledged is there, and the file is whole.
func TestOpen_thePowerFailsWhileTheFileIsWrittenAnew(t *testing.T) {
	seed := identity.NewSeed()
	anew, lost := 0, 0
	const path = "/d/" + mailFile
	for n := range uint64(100) {
		r := rand.New(rand.NewPCG(n, 3))
		power := recordtest.NewPower("/d")
		m, err := open(power, path, seed, 16<<10)
		if err != nil {
			t.Fatal(err)
		}
		rounds := busy(t, m, r, 6+r.IntN(4))
		before := m.log.End()
		want := m.state
		if err := m.log.Close(); err != nil {
			t.Fatal(err)
		}
		torn := false
		power.FailAfter(r.IntN(60))
		if r.IntN(4) == 0 {
			power.FailSync(r.IntN(4))
		}
		if m, err = open(power, path, seed, 16<<10); err == nil { // what comes afterwards must last as well
			if m.log.End() < before {
				anew++
			}
			more := busy(t, m, r, 2)
			rounds, want = rounds+more, m.state
			torn = more < 2 // a commit that was cut off can leave records without those before them
			_ = m.log.Close()
		}
		power = power.Failed(r)
		lost += power.Lost()
		m, err = open(power, path, seed, 16<<10)
		if err != nil {
			t.Fatalf("%d: %v", n, err)
		}
		if m.Damaged && !torn || len(m.numbers) < rounds || len(m.numbers) > rounds+1 {
			t.Fatalf("%d: %d messages of %d, damaged %v", n, len(m.numbers), rounds, m.Damaged)
		}
		if !torn {
			if diff := same(want, m.state); diff != "" {
				t.Fatalf("%d: %s", n, diff)
			}
		}
		for _, i := range m.numbers {
			if got, err := m.Article(i); err != nil || string(got) != text {
				t.Fatalf("%d: article %d: %v", n, i, err)
			}
		}
		_ = m.log.Close()
	}
	t.Logf("%d times written anew, %d writes lost", anew, lost)
	if anew == 0 || lost == 0 {
		t.Errorf("%d times written anew, %d writes lost: nothing was tried", anew, lost)
	}
}
