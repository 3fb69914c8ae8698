package collect

import (
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/restante/restante/cmd/restante/mailbox"
	"github.com/restante/restante/crypto/blind"
	"github.com/restante/restante/crypto/envelope"
	"github.com/restante/restante/crypto/identity"
	"github.com/restante/restante/crypto/note"
	"github.com/restante/restante/gateway/remote"
	"github.com/restante/restante/pool"
	"github.com/restante/restante/pool/entry"
)

const domain = "gw.example"

// A server that drops an entry, or puts another body in its place, is noticed by
// the gateway's signed manifest and signature.
func TestWatch_noticesWhatAServerDropsOrSwaps(t *testing.T) {
	mail, err := mailbox.Open(t.TempDir(), identity.NewSeed())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = mail.Close() })
	signer, err := note.NewSigner(domain, note.GenerateSeed())
	if err != nil {
		t.Fatal(err)
	}
	now := time.Unix(1_800_000_000, 0)
	mine := blind.RandomBlinded()
	m := &matcher{
		domain: domain, slots: 8, keys: note.KeysOf(signer.Verifier()), batches: make(map[uint64]*tagSet),
		calendar: pool.Calendar{EpochLength: time.Hour, BatchInterval: time.Minute, Retention: 4},
	}
	batch := m.calendar.Batch(now) - 5
	m.epochs = map[uint64]*epoch{m.calendar.EpochOf(batch): {blinded: []*blind.Blinded{mine}, taggers: []*blind.Tagger{mine.Tagger()}}}
	r := &run{
		Options: Options{Mail: mail, Group: "restante.pool", Late: time.Minute, Now: func() time.Time { return now }},
		match:   map[string]*matcher{domain: m},
	}
	r.Gateways, r.Fetch = []Gateway{{Domain: domain}}, []remote.Server{{Address: "server"}}
	var entries []*entry.Entry
	manifest := &note.Manifest{Domain: domain, Batch: batch}
	for _, tag := range []blind.Tag{mine.Tag(batch, 3), blind.RandomTag(), blind.RandomTag()} {
		e := &entry.Entry{Domain: domain, Group: r.Group, Tag: tag, Date: m.calendar.Start(batch), Payload: make([]byte, envelope.PayloadSize)}
		_, _ = rand.Read(e.Payload)
		entries = append(entries, e)
		manifest.Entries = append(manifest.Entries, note.ManifestEntry{Tag: tag.String(), Payload: sha256.Sum256(e.Payload)})
	}
	signed, err := note.Sign(manifest.Text(), signer)
	if err != nil {
		t.Fatal(err)
	}
	a, err := entry.Note(domain, manifestGroup, entry.ManifestID(domain, batch), entry.ManifestSubject(batch), m.calendar.Start(batch), signed)
	if err != nil {
		t.Fatal(err)
	}
	give := func(w *watch, e *entry.Entry, by *note.Signer) {
		t.Helper()
		a, err := e.Article(by)
		if err == nil {
			err = r.entry(a.Text(), w)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	w := r.newWatch("server")
	w.manifest(a.Text())
	give(w, entries[1], signer)
	forger, err := note.NewSigner(domain, note.GenerateSeed())
	if err != nil {
		t.Fatal(err)
	}
	give(w, entries[2], forger)
	if err := mail.Put(w.entries(mailbox.Cursor{Server: "server", Group: r.Group, Next: 4}, true)...); err != nil {
		t.Fatal(err)
	}
	want := &Finding{Server: "server", Gateway: domain, Lacking: 2, Mine: 1, Swapped: 1}
	if diff := cmp.Diff(want, w.found[domain]); diff != "" {
		t.Error(diff)
	}

	// they come after all, in another run
	w = r.newWatch("server")
	give(w, entries[2], signer)
	_ = w.entry(m, entries[0])
	if err := mail.Put(w.entries(mailbox.Cursor{Server: "server", Group: r.Group, Next: 6}, true)...); err != nil {
		t.Fatal(err)
	}
	if left := mail.Batches("server"); w.found[domain].Wrong() || len(left) != 0 {
		t.Errorf("%v, %d batches left", w.found[domain], len(left))
	}
}

func TestLearn_namesAForkAndAForeignKey(t *testing.T) {
	mail, err := mailbox.Open(t.TempDir(), identity.NewSeed())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = mail.Close() })
	r := &run{Options: Options{Mail: mail}, chains: make(map[string]*note.Chain)}
	signer, err := note.NewSigner(domain, note.GenerateSeed())
	if err != nil {
		t.Fatal(err)
	}
	directory := func(by *note.Signer, mark byte) []byte {
		t.Helper()
		d := &note.Directory{
			Domain: domain, Serial: 1, EpochLength: time.Hour, BatchInterval: time.Minute, BatchSize: 1, SlotsPerBatch: 1,
			Sign: [32]byte(by.Verifier().Public()), Seal: []note.EpochKey{{Epoch: 1, Key: [32]byte{mark}}},
		}
		signed, err := note.Sign(d.Text(), by)
		if err != nil {
			t.Fatal(err)
		}
		return signed
	}
	if err := r.learn(domain, nil, directory(signer, 1), nil); err != nil {
		t.Fatal(err)
	}
	other, err := note.NewSigner(domain, note.GenerateSeed())
	if err != nil {
		t.Fatal(err)
	}
	if err := r.learn(domain, nil, directory(other, 1), nil); err == nil || !is(err, ErrOtherKey) {
		t.Errorf("another key: %v", err)
	}
	if err := r.learn(domain, nil, directory(signer, 2), nil); err == nil || !is(err, ErrForked) {
		t.Errorf("a fork: %v", err)
	}
	if err := r.learn(domain, nil, directory(signer, 1), nil); err == nil || !is(err, ErrForked) {
		t.Errorf("after a fork: %v", err)
	}
}

func is(err, target error) bool { return errors.Is(err, target) }
