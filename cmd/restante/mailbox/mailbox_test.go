package mailbox

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/crypto/chacha20poly1305"

	"github.com/restante/restante/crypto/identity"
	"github.com/restante/restante/pool"
	"github.com/restante/restante/pool/record"
)

func openIn(t *testing.T, dir string, seed *identity.Seed) *Mailbox {
	t.Helper()
	m, err := Open(dir, seed)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = m.Close() })
	return m
}

const text = "From: a\r\nSubject: hello\r\nNewsgroups: restante.reply\r\nMessage-ID: <a@b.example>\r\nDate: Thu, 26 Nov 2026 12:00:00 +0000\r\n\r\nwalnut\r\n"

func message(id pool.MessageID, group pool.Group) Event {
	return Event{
		Message: &Message{Group: group, Sealing: EndToEnd, ID: id, Subject: "hello", Date: time.Unix(0, 0).UTC(), Handle: bytes.Repeat([]byte(id[1:2]), 16)},
		Octets:  []byte(text),
	}
}

func TestMailbox_isTheSameAfterItWasClosed(t *testing.T) {
	dir, seed := t.TempDir(), identity.NewSeed()
	m, err := Open(dir, seed)
	if err != nil {
		t.Fatal(err)
	}
	two := pool.Number(2)
	for _, e := range []Event{
		message("<1@x>", Inbox), message("<2@x>", Sent), message("<3@x>", Inbox),
		{Read: &two},
		{Contact: &Contact{Name: "Bob", Token: "<t@x>", Box: 7, Gateway: "x"}},
		{Contact: &Contact{Name: "Eve"}},
		{Forget: "Eve"},
		{Part: &Part{Handle: [16]byte{9}, Count: 2, Index: 1}, Octets: []byte("part")},
		{Part: &Part{Handle: [16]byte{8}, Count: 2}, Octets: []byte("gone")},
		{Drop: bytes.Repeat([]byte{0}, 16)},
		{Lookup: &Lookup{Gateway: "x", Epoch: 3, Blinded: [][]byte{{1}, {2}}}},
		{Book: &Book{Domain: "x", Signed: []byte("signed"), Sums: map[uint64][32]byte{4: {5}}}},
		{Cursor: &Cursor{Server: "s", Group: "g", Next: 12}},
		{Batch: &Batch{Server: "s", Gateway: "x", Batch: 1}},
		{Batch: &Batch{Server: "s", Gateway: "x", Batch: 1, Done: true}},
		{Batch: &Batch{Server: "s", Gateway: "x", Batch: 2, Named: map[string][32]byte{"t": {1}}}},
		{History: &History{Server: "s", Gateway: "x", Stretches: []Stretch{{First: 1, Last: 2, Sum: []byte{7}}}}},
		{Outgoing: new(Outgoing), Octets: []byte("one")},
		{Outgoing: new(Outgoing), Octets: []byte("two")},
		{Posted: 1},
	} {
		if err := m.Put(e); err != nil {
			t.Fatal(err)
		}
	}
	want := m.state
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	m = openIn(t, dir, seed)
	if diff := cmp.Diff(want, m.state, cmp.AllowUnexported(state{}, kept{}, part{}, outgoing{}, place{}, cursorKey{}, numbered{})); diff != "" {
		t.Error(diff)
	}
	if got, err := m.Article(3); err != nil || string(got) != text {
		t.Errorf("article 3: %q, %v", got, err)
	}
	if got, err := m.ToPost(2); err != nil || string(got) != "two" {
		t.Errorf("to post: %q, %v", got, err)
	}
	if _, got, err := m.Parts([16]byte{9}); err != nil || len(got) != 1 || string(got[0]) != "part" {
		t.Errorf("parts: %q, %v", got, err)
	}
	if m.Boxes() != 8 {
		t.Errorf("the next mailbox is %d", m.Boxes())
	}
	if err := m.Put(message("<4@x>", Inbox)); err != nil {
		t.Fatal(err)
	}
	if got := m.Messages(Inbox); len(got) != 3 || got[2].Number != 4 {
		t.Errorf("numbers: %v", got)
	}
}

func TestOpen_refusesASecondProcessAndAnotherKey(t *testing.T) {
	dir, seed := t.TempDir(), identity.NewSeed()
	m := openIn(t, dir, seed)
	if err := m.Put(message("<1@x>", Inbox)); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(dir, seed); !errors.Is(err, ErrInUse) {
		t.Errorf("a second time: %v", err)
	}
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(dir, identity.NewSeed()); !errors.Is(err, ErrKey) {
		t.Errorf("another key: %v", err)
	}
	openIn(t, dir, seed)
}

func TestMailbox_hasNothingInTheClear(t *testing.T) {
	dir := t.TempDir()
	m := openIn(t, dir, identity.NewSeed())
	if err := m.Put(message("<1@x>", Inbox), Event{Contact: &Contact{Name: "Rumpelstilzchen", Token: "<token@gw.example>"}}); err != nil {
		t.Fatal(err)
	}
	all, err := os.ReadFile(filepath.Join(dir, mailFile))
	if err != nil {
		t.Fatal(err)
	}
	for _, word := range []string{"walnut", "hello", "Rumpel", "gw.example", "message", "inbox"} {
		if bytes.Contains(all, []byte(word)) {
			t.Errorf("%q is in the file", word)
		}
	}
}

// Octets that somebody changed, and records in another order, are noticed, and
// what stands elsewhere is still there.
func TestOpen_findsWhatIsLeftOfADamagedFile(t *testing.T) {
	dir, seed := t.TempDir(), identity.NewSeed()
	m, err := Open(dir, seed)
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range []pool.MessageID{"<1@x>", "<2@x>", "<3@x>"} {
		if err := m.Put(message(id, Inbox)); err != nil {
			t.Fatal(err)
		}
	}
	at := m.messages[2].at
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, mailFile)
	octets, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	octets[int(at.offset)+at.size/2] ^= 1
	if err := os.WriteFile(path, octets, 0o600); err != nil {
		t.Fatal(err)
	}
	m = openIn(t, dir, seed)
	if got := m.Messages(Inbox); !m.Damaged || len(got) != 2 || got[1].ID != "<3@x>" {
		t.Errorf("damaged %v, left %v", m.Damaged, got)
	}
}

// One record that can't be opened is damage, be it the first: the key is the right one.
func TestOpen_firstRecordCannotBeOpened(t *testing.T) {
	dir, seed := t.TempDir(), identity.NewSeed()
	m, err := Open(dir, seed)
	if err != nil {
		t.Fatal(err)
	}
	own, other := m.aead, identity.NewSeed().LocalKey()
	if m.aead, err = chacha20poly1305.NewX(other[:]); err != nil {
		t.Fatal(err)
	}
	if err := m.Put(message("<1@x>", Inbox)); err != nil {
		t.Fatal(err)
	}
	m.aead = own
	if err := m.Put(message("<2@x>", Inbox)); err != nil {
		t.Fatal(err)
	}
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	m = openIn(t, dir, seed)
	if got := m.Messages(Inbox); !m.Damaged || len(got) != 1 || got[0].ID != "<2@x>" {
		t.Errorf("damaged %v, left %v", m.Damaged, got)
	}
}

// A process that is killed loses nothing that Put has returned for: one that has the
// mail open, and one that writes the file anew again and again.
func TestMailbox_survivesAKill(t *testing.T) {
	if dir := os.Getenv("MAILBOX_TO_FILL"); dir != "" {
		fill(t, dir, os.Getenv("MAILBOX_ANEW") != "")
	}
	seed := identity.NewSeed()
	for round := range 6 {
		anew := round%2 == 1
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "seed"), seed.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
		c := exec.Command(os.Args[0], "-test.run=^TestMailbox_survivesAKill$")
		c.Env = append(os.Environ(), "MAILBOX_TO_FILL="+dir)
		if anew {
			c.Env = append(c.Env, "MAILBOX_ANEW=yes")
		}
		out, err := c.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		said := make([]byte, 25*(round+1)+1) // some of what it says
		n := 0
		for n < len(said) {
			got, err := out.Read(said[n:])
			if err != nil {
				t.Fatal(err)
			}
			n += got
		}
		if err := c.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		_ = c.Wait()
		kept := strings.Count(string(said[:n]), ".")
		m := openIn(t, dir, seed)
		if got := len(m.Messages(Inbox)); got < kept || m.Damaged {
			t.Errorf("%d messages of %d, damaged %v", got, kept, m.Damaged)
		} else if anew && m.log.End() > int64(got)*dead {
			t.Errorf("%d octets of %d messages: it was not written anew", m.log.End(), got)
		}
	}
}

// dead is how much of what fill writes with each message says nothing soon.
const dead = 8 << 10

// fill puts messages until it is killed, and says a dot after each.
func fill(t *testing.T, dir string, anew bool) {
	octets, err := os.ReadFile(filepath.Join(dir, "seed"))
	if err != nil {
		t.Fatal(err)
	}
	seed, err := identity.SeedFromBytes(octets)
	if err != nil {
		t.Fatal(err)
	}
	m := openIn(t, dir, seed)
	for {
		if err := m.Put(message("<1@x>", Inbox), Event{Book: &Book{Domain: "x", Signed: make([]byte, dead)}}); err != nil {
			t.Fatal(err)
		}
		_, _ = os.Stdout.WriteString(".")
		if anew {
			lock := m.lock
			if err := m.log.Close(); err != nil {
				t.Fatal(err)
			}
			if m, err = open(record.OS{}, filepath.Join(dir, mailFile), seed, dead); err != nil {
				t.Fatal(err)
			}
			m.lock = lock
		}
	}
}

func TestReader_showsTheArticlesAsANewsServerDoes(t *testing.T) {
	m := openIn(t, t.TempDir(), identity.NewSeed())
	if err := m.Put(message("<1@x>", Inbox), message("<2@x>", Sent), message("<3@x>", Inbox)); err != nil {
		t.Fatal(err)
	}
	r := Reader{m}
	info, err := r.Group(t.Context(), Inbox)
	if err != nil || info.Low != 1 || info.High != 3 || info.Count != 2 {
		t.Errorf("%+v, %v", info, err)
	}
	if _, err := r.Group(t.Context(), "misc.test"); !errors.Is(err, pool.ErrNoGroup) {
		t.Error(err)
	}
	var seen []pool.Number
	if err := r.Scan(t.Context(), Inbox, pool.All, func(n pool.Number, line []byte) bool {
		seen = append(seen, n)
		return bytes.HasPrefix(line, []byte("hello\ta\t"))
	}); err != nil || len(seen) != 2 {
		t.Errorf("%v, %v", seen, err)
	}
	s, err := r.ByNumber(t.Context(), Inbox, 3)
	if err != nil || !bytes.Contains(s.Wire, []byte("\r\nwalnut\r\n.\r\n")) || !bytes.Contains(s.Head(), []byte(SealingField+": end-to-end\r\n")) {
		t.Errorf("%v, %v", s, err)
	}
	if _, err := r.ByNumber(t.Context(), Inbox, 2); !errors.Is(err, pool.ErrNotFound) {
		t.Errorf("of another group: %v", err)
	}
	if s, err := r.ByID(t.Context(), "<2@x>"); err != nil || s.In(Sent) != 2 {
		t.Errorf("%v, %v", s, err)
	}
}

func FuzzUnseal(f *testing.F) {
	m, err := Open(f.TempDir(), identity.NewSeed())
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { _ = m.Close() })
	e := message("<1@x>", Inbox)
	sealed, err := m.seal(32, &e)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(int64(32), sealed)
	f.Add(int64(64), sealed)
	f.Fuzz(func(t *testing.T, offset int64, payload []byte) {
		_, err := m.unseal(offset, payload)
		if right := offset == 32 && bytes.Equal(payload, sealed); right != (err == nil) {
			t.Fatal(err)
		}
	})
}

// Whatever stands in an event that opens, the state that follows can be asked
// everything.
func FuzzApply(f *testing.F) {
	for _, s := range []string{
		`{"message":{"number":1,"group":"restante.inbox","id":"<1@x>","handle":"AAAAAAAAAAAAAAAAAAAAAA=="}}`,
		`{"drop":"AA=="}`, `{"read":7}`, `{"contact":{"name":"a","box":4294967295}}`, `{"forget":"a"}`, `{"boxes":0}`,
		`{"part":{"count":0,"index":65535}}`, `{"lookup":{"blinded":[""]}}`, `{"book":{}}`, `{"cursor":{"next":0}}`, `{"batch":{"done":true}}`,
		`{"history":{"stretches":[{},{}]}}`, `{"outgoing":{"key":18446744073709551615}}`, `{"posted":1}`, `{}`, `null`,
	} {
		f.Add([]byte(s), []byte(s))
	}
	f.Fuzz(func(_ *testing.T, one, two []byte) {
		m := &Mailbox{state: newState()}
		for i, text := range [][]byte{one, two} {
			var e Event
			if json.Unmarshal(text, &e) == nil {
				m.apply(&e, place{int64(i), 1})
			}
		}
		for _, msg := range m.Messages("") {
			_, _ = m.ByID(msg.ID)
			_, _ = m.Message(msg.Number)
		}
		for _, c := range m.Contacts() {
			_, _ = m.Contact(c.Name)
			_, _ = m.Behind(c.Gateway, c.Box)
		}
		_, _, _ = m.Outgoing(), m.Waiting(), m.Batches("")
		_, _, _ = m.Cursor("", ""), m.History("", ""), m.Lookups("")
	})
}
