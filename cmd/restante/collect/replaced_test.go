package collect

import (
	"testing"
	"time"

	"github.com/restante/restante/crypto/blind"
	"github.com/restante/restante/crypto/envelope"
	"github.com/restante/restante/crypto/note"
	"github.com/restante/restante/pool"
	"github.com/restante/restante/pool/entry"
)

// Entries and manifests under a key that was replaced are the gateway's up to the
// last batch that it may have signed.
func TestTake_aReplacedKeySignsNothingNew(t *testing.T) {
	old, fresh := newPrinter(t).signer, newPrinter(t).signer
	const last = 30_000_000
	d := &note.Directory{
		Domain: domain, Sign: [32]byte(fresh.Verifier().Public()),
		Replaced: []note.ReplacedKey{{Last: last, Key: [32]byte(old.Verifier().Public())}},
	}
	keys, err := d.Keys()
	if err != nil {
		t.Fatal(err)
	}
	m := &matcher{domain: domain, keys: keys, calendar: pool.Calendar{EpochLength: time.Hour, BatchInterval: time.Minute}}
	r := &run{Options: Options{Group: "restante.pool"}, match: map[string]*matcher{domain: m}}
	for _, c := range []struct {
		what  string
		batch uint64
		by    *note.Signer
		good  bool
	}{
		{"long before", last - 1000, old, true},
		{"of the last batch", last, old, true},
		{"of a later one", last + 1, old, false},
		{"left late, under the new key", last - 1, fresh, true},
		{"under the new key", last + 1, fresh, true},
	} {
		e := &entry.Entry{Domain: domain, Group: r.Group, Tag: blind.RandomTag(), Date: m.calendar.Start(c.batch), Payload: make([]byte, envelope.PayloadSize)}
		a, err := e.Article(c.by)
		if err != nil {
			t.Fatal(err)
		}
		parsed, signature, err := entry.Parse(a, r.Group)
		if err != nil {
			t.Fatal(err)
		}
		if m.signed(parsed, signature) != c.good {
			t.Errorf("an entry, %s: want %v", c.what, c.good)
		}
		signed, err := note.Sign((&note.Manifest{Domain: domain, Batch: c.batch}).Text(), c.by)
		if err != nil {
			t.Fatal(err)
		}
		if a, err = entry.Note(domain, manifestGroup, entry.ManifestID(domain, c.batch), entry.ManifestSubject(c.batch), m.calendar.Start(c.batch), signed); err != nil {
			t.Fatal(err)
		}
		if _, manifest, _ := r.manifestOf(a.Text()); (manifest != nil) != c.good {
			t.Errorf("a manifest, %s: want %v", c.what, c.good)
		}
	}
}
