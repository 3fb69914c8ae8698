package mirror

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/restante/restante/crypto/blind"
	"github.com/restante/restante/crypto/envelope"
	"github.com/restante/restante/crypto/note"
	"github.com/restante/restante/crypto/token"
	"github.com/restante/restante/pool"
	"github.com/restante/restante/pool/article"
	"github.com/restante/restante/pool/entry"
	"github.com/restante/restante/pool/memory"
)

const (
	far  = "far.example"
	ours = "ours.example"
)

func groups() Groups {
	return Groups{Pool: "restante.pool", Manifest: "restante.manifest", Keys: "restante.keys"}
}

// A publisher is another gateway: what it signs.
type publisher struct {
	t        *testing.T
	signer   *note.Signer
	previous [sha256.Size]byte // of manifests
	last     *note.Directory
	text     string
}

func newPublisher(t *testing.T) *publisher {
	t.Helper()
	s, err := note.NewSigner(far, note.GenerateSeed())
	if err != nil {
		t.Fatal(err)
	}
	return &publisher{t: t, signer: s}
}

// now is in the middle of a batch, far from an epoch's end.
func now() time.Time { return time.Unix(604800*2950+300*1000+100, 0).UTC() }

// directory signs the next directory.
func (p *publisher) directory(change func(*note.Directory)) (id pool.MessageID, signed []byte) {
	p.t.Helper()
	seal, err := token.NewSealKey()
	if err != nil {
		p.t.Fatal(err)
	}
	root := blind.NewRoot()
	key, err := root.Key(far)
	if err != nil {
		p.t.Fatal(err)
	}
	d := &note.Directory{
		Domain: far, Serial: 1, EpochLength: 7 * 24 * time.Hour, BatchInterval: 5 * time.Minute,
		BatchSize: 2, SlotsPerBatch: 8, PoolRetention: 4, TokenLife: 12,
		Sign:  [32]byte(p.signer.Verifier().Public()),
		Seal:  []note.EpochKey{{Epoch: 2950, Key: [32]byte(seal.Public().Bytes())}, {Epoch: 2951, Key: [32]byte(seal.Public().Bytes())}},
		Blind: []note.EpochKey{{Epoch: 2950, Key: [32]byte(key.Public())}},
	}
	if p.last != nil {
		d.Serial, d.Previous = p.last.Serial+1, note.Hash(p.text)
		d.Blind = p.last.Blind
	}
	if change != nil {
		change(d)
	}
	signed, err = note.Sign(d.Text(), p.signer)
	if err != nil {
		p.t.Fatal(err)
	}
	p.last, p.text = d, d.Text()
	return entry.DirectoryID(far, d.Epoch(), d.Serial), signed
}

func (p *publisher) directoryArticle(change func(*note.Directory)) *article.Article {
	p.t.Helper()
	id, signed := p.directory(change)
	a, err := entry.Note(far, groups().Keys, id, entry.DirectorySubject(p.last.Epoch(), p.last.Serial), now(), signed)
	if err != nil {
		p.t.Fatal(err)
	}
	return a
}

// batch makes a batch's entries and its manifest.
func (p *publisher) batch(b uint64) (entries []*article.Article, manifest *article.Article) {
	p.t.Helper()
	start := time.Unix(int64(b)*300, 0).UTC()
	m := note.Manifest{Domain: far, Batch: b, Previous: p.previous}
	for range 2 {
		tag := blind.RandomTag()
		payload, err := envelope.Cover(tag.MessageID(far))
		if err != nil {
			p.t.Fatal(err)
		}
		e := &entry.Entry{Domain: far, Group: groups().Pool, Tag: tag, Date: start, Payload: payload}
		a, err := e.Article(p.signer)
		if err != nil {
			p.t.Fatal(err)
		}
		entries = append(entries, a)
		m.Entries = append(m.Entries, note.ManifestEntry{Tag: tag.String(), Payload: sha256.Sum256(payload)})
	}
	text := m.Text()
	p.previous = note.Hash(text)
	signed, err := note.Sign(text, p.signer)
	if err != nil {
		p.t.Fatal(err)
	}
	manifest, err = entry.Note(far, groups().Manifest, entry.ManifestID(far, b), entry.ManifestSubject(b), start, signed)
	if err != nil {
		p.t.Fatal(err)
	}
	return entries, manifest
}

func newPolicy(t *testing.T, known []Known, learn bool) *Policy {
	t.Helper()
	book, err := OpenBook(filepath.Join(t.TempDir(), "book", "gateways.json"), ours, known, learn)
	if err != nil {
		t.Fatal(err)
	}
	return &Policy{Book: book, Groups: groups(), Calendar: pool.Calendar{
		EpochLength: 7 * 24 * time.Hour, BatchInterval: 5 * time.Minute, Retention: 4, TokenLife: 12,
	}}
}

// check runs an article through the policy as if it had come over the network.
func check(t *testing.T, p *Policy, text string) (uint64, error) {
	t.Helper()
	a, err := article.Parse([]byte(strings.Replace(text, "Path: ", "Path: relay.example!", 1)))
	if err != nil {
		t.Fatal(err)
	}
	named, err := a.Newsgroups()
	if err != nil {
		t.Fatal(err)
	}
	passage, err := p.Check(a, named, now())
	if err == nil {
		passage.Done(true)
	}
	return passage.Epoch, err
}

// teach runs articles through the policy that it must take.
func teach(t *testing.T, p *Policy, texts ...string) {
	t.Helper()
	for _, text := range texts {
		if _, err := check(t, p, text); err != nil {
			t.Fatal(err)
		}
	}
}

func text(a *article.Article) string { return string(a.Text()) }

func current() uint64 { return uint64(now().Unix()) / 300 }

func TestPolicy_takesWhatAGatewaySigned(t *testing.T) {
	p, gw := newPolicy(t, nil, true), newPublisher(t)
	entries, manifest := gw.batch(current())
	if _, err := check(t, p, text(entries[0])); !errors.Is(err, ErrUnknown) {
		t.Errorf("before its directory: %v", err)
	}
	if epoch, err := check(t, p, text(gw.directoryArticle(nil))); err != nil || epoch != 2950+12-4 {
		t.Errorf("directory: %d, %v", epoch, err)
	}
	for _, a := range append(entries, manifest) {
		if epoch, err := check(t, p, text(a)); err != nil || epoch != 2950 {
			t.Errorf("%d, %v", epoch, err)
		}
	}
}

func TestPolicy_refuses(t *testing.T) {
	gw, other := newPublisher(t), newPublisher(t)
	p := newPolicy(t, nil, true)
	teach(t, p, text(gw.directoryArticle(nil)))
	entries, manifest := gw.batch(current())
	one, two := text(entries[0]), text(entries[1])
	old, _ := gw.batch(current() - 6*2016)
	coming, comingManifest := gw.batch(current() + 3)
	forged, forgedManifest := other.batch(current())
	body := func(s string) string { _, b, _ := strings.Cut(s, "\r\n\r\n"); return b }
	head := func(s string) string { h, _, _ := strings.Cut(s, "\r\n\r\n"); return h }
	between := func(a *article.Article, date string) string {
		return strings.Replace(text(a), "Date: "+a.Get("Date"), "Date: "+date, 1)
	}
	for _, c := range []struct {
		why, text string
		want      error
	}{
		{"somebody else's signature", text(forged[0]), ErrSignature},
		{"somebody else's manifest", text(forgedManifest), ErrSignature},
		{"a swapped body", head(one) + "\r\n\r\n" + body(two), ErrSignature},
		{"another Message-ID", strings.Replace(one, entries[0].Get("Message-ID"), entries[1].Get("Message-ID"), 1), ErrSignature},
		{"another date", between(entries[0], article.Date(now().Add(-time.Hour).Truncate(5*time.Minute))), ErrSignature},
		{"no signature", strings.Replace(one, "Restante-Signature", "X-Signature", 1), ErrForm},
		{"a mark in Subject", strings.Replace(one, "Subject: restante", "Subject: restante.", 1), ErrForm},
		{"a field more", strings.Replace(one, "Subject:", "X-Mark: 1\r\nSubject:", 1), ErrForm},
		{"a line of body more", one + "AAAA\r\n", ErrForm},
		{"another shape of Message-ID", strings.Replace(one, entries[0].Get("Message-ID"), "<short@far.example>", 1), ErrForm},
		{"two groups", strings.Replace(one, "Newsgroups: restante.pool", "Newsgroups: restante.pool,misc.test", 1), ErrMixed},
		{"the group in capitals", strings.Replace(one, "Newsgroups: restante.pool", "Newsgroups: Restante.Pool", 1), ErrForm},
		{"in the manifests' group", strings.Replace(one, "Newsgroups: restante.pool", "Newsgroups: restante.manifest", 1), ErrForm},
		{"expired", text(old[0]), ErrWindow},
		{"not yet left", text(coming[0]), ErrWindow},
		{"a manifest not yet left", text(comingManifest), ErrWindow},
		{"another gateway", strings.ReplaceAll(one, far, "third.example"), ErrUnknown},
		{"our own domain", strings.ReplaceAll(one, far, ours), ErrUnknown},
		{"a manifest under another number", strings.Replace(text(manifest), entry.ManifestSubject(current()), entry.ManifestSubject(current()-1), 1), ErrForm},
		{"no submission", strings.Replace(one, "Newsgroups: restante.pool", "Newsgroups: restante.submit", 1), ErrForm},
	} {
		if _, err := check(t, p, c.text); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", c.why, err, c.want)
		}
	}
}

func TestPolicy_reservesAGatewaysNames(t *testing.T) {
	p, gw := newPolicy(t, nil, true), newPublisher(t)
	teach(t, p, text(gw.directoryArticle(nil)))
	tag := blind.RandomTag()
	for id, want := range map[string]bool{
		tag.MessageID(far): true, tag.MessageID("FAR.example"): true, "<m.123@far.example>": true, "<k.1.2@far.example>": true,
		tag.MessageID("other.example"): false, "<hello@far.example>": false,
		"<" + strings.Repeat("A", 151) + "@far.example>": false, // a token: somebody's public post
	} {
		if got := p.Reserved(pool.MessageID(id)); got != want {
			t.Errorf("%s: %v", id, got)
		}
	}
}

// file puts an article into a store as the desk would.
func file(t *testing.T, s pool.Store, a *article.Article) {
	t.Helper()
	named, err := a.Newsgroups()
	if err != nil {
		t.Fatal(err)
	}
	filed, err := a.File(named, now(), 2950)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Append(t.Context(), filed); err != nil {
		t.Fatal(err)
	}
}

func newStore(t *testing.T) *memory.Store {
	t.Helper()
	s := memory.New(ours)
	for _, g := range []pool.Group{"restante.pool", "restante.manifest", "restante.keys"} {
		if err := s.SetGroup(t.Context(), pool.GroupInfo{Name: g, Posting: pool.PostingDenied}); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

func TestRepairer_findsEverythingThatIsLacking(t *testing.T) {
	p, gw, store := newPolicy(t, nil, true), newPublisher(t), newStore(t)
	d := gw.directoryArticle(nil)
	teach(t, p, text(d))
	there := map[pool.MessageID]*article.Article{pool.MessageID(d.Get("Message-ID")): d}
	want := map[pool.MessageID]bool{pool.MessageID(d.Get("Message-ID")): true}
	first := current() - 40
	for b := first; b <= current()-2; b++ {
		entries, manifest := gw.batch(b)
		for i, a := range append(entries, manifest) {
			id, err := a.ID()
			if err != nil {
				t.Fatal(err)
			}
			there[id] = a
			if int(b)%3 == i || b == first+7 { // something lacks of each, and one is gone altogether
				want[id] = true
			} else {
				file(t, store, a)
			}
		}
	}
	r := NewRepairer(p, store)
	asked := make(map[pool.MessageID]bool)
	due := func(id pool.MessageID) bool { return !asked[id] }
	for range 5 {
		ids, err := r.Lacking(t.Context(), now(), due)
		if err != nil {
			t.Fatal(err)
		}
		for _, id := range ids {
			if a, ok := there[id]; ok {
				if !want[id] {
					t.Fatalf("asked for %s, which is here", id)
				}
				file(t, store, a)
				delete(want, id)
			}
			asked[id] = true
		}
	}
	if len(want) > 0 {
		t.Errorf("%d articles are still lacking", len(want))
	}
	ids, err := r.Lacking(t.Context(), now(), due)
	if err != nil || len(ids) > 0 {
		t.Errorf("asks for %d more, %v", len(ids), err)
	}
}

func TestRepairer_gatewayThatBeganAnew(t *testing.T) {
	for _, late := range []bool{false, true} { // the manifest of its first beginning is here only later
		p, gw, store := newPolicy(t, nil, true), newPublisher(t), newStore(t)
		d := gw.directoryArticle(nil)
		teach(t, p, text(d))
		file(t, store, d)
		_, begins := gw.batch(current() - 9)
		gw.batch(current() - 8) // which does not come here
		gw.previous = [sha256.Size]byte{}
		_, again := gw.batch(current() - 5)
		file(t, store, again)
		r := NewRepairer(p, store)
		lacking := func() []pool.MessageID {
			ids, err := r.Lacking(t.Context(), now(), func(pool.MessageID) bool { return true })
			if err != nil {
				t.Fatal(err)
			}
			return ids
		}
		if late && slices.Contains(lacking(), entry.ManifestID(far, current()-8)) {
			t.Error("asks for what was before a gateway began")
		}
		file(t, store, begins)
		ids := lacking()
		for b, want := range map[uint64]bool{current() - 10: false, current() - 8: true} {
			if slices.Contains(ids, entry.ManifestID(far, b)) != want {
				t.Errorf("late %v: asks for the manifest of batch %d before the current one: %v", late, current()-b, !want)
			}
		}
	}
}

// A gateway of which nothing can be had keeps nobody else's from being asked for,
// least of all what our own disk has lost.
func TestRepairer_gatewaysHaveEqualParts(t *testing.T) {
	p, gw, store := newPolicy(t, nil, true), newPublisher(t), newStore(t)
	p.Own = own(gw, store)
	for domain, signed := range strangers(t, 2, nil) { // ten thousand batches each
		if _, err := p.Book.Learn(domain, signed, now()); err != nil {
			t.Fatal(err)
		}
	}
	ids, err := NewRepairer(p, store).Lacking(t.Context(), now(), func(pool.MessageID) bool { return true })
	if err != nil {
		t.Fatal(err)
	}
	of := make(map[string]int)
	for _, id := range ids {
		_, domain, _ := strings.Cut(strings.TrimSuffix(string(id), ">"), "@")
		of[domain]++
	}
	if len(ids) != atATime || len(of) != 3 {
		t.Fatalf("%d are asked for: %v", len(ids), of)
	}
	for domain, n := range of {
		if n < atATime/3 || n > atATime/3+1 {
			t.Errorf("%d of %s", n, domain)
		}
	}
	if !strings.HasSuffix(string(ids[0]), "@"+ours+">") {
		t.Error("what we have lost ourselves does not come first")
	}
}

func TestManifestOf_isWhatWasSigned(t *testing.T) {
	gw, store := newPublisher(t), newStore(t)
	_, a := gw.batch(7)
	file(t, store, a)
	stored, err := store.ByID(t.Context(), entry.ManifestID(far, 7))
	if err != nil {
		t.Fatal(err)
	}
	m, err := manifestOf(stored)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(fmt.Sprint(7), fmt.Sprint(m.Batch)); diff != "" || len(m.Entries) != 2 {
		t.Error(diff)
	}
}
