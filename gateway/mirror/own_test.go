package mirror

import (
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/restante/restante/crypto/note"
	"github.com/restante/restante/pool"
	"github.com/restante/restante/pool/article"
	"github.com/restante/restante/pool/entry"
	"github.com/restante/restante/pool/memory"
)

// home is the publisher's own policy after its disk was lost, and its empty store.
func home(t *testing.T, gw *publisher) (*Policy, *memory.Store) {
	t.Helper()
	p, store := other(t, far), newStore(t)
	p.Own = own(gw, store)
	return p, store
}

// own is the publisher, as what it has published.
func own(gw *publisher, store pool.Store) *Own {
	return &Own{
		Keys:      func() *note.Keys { return note.KeysOf(gw.signer.Verifier()) },
		Directory: func() []byte { return nil },
		Released:  current, Store: store,
	}
}

// comesBack checks one of our articles, and files it where it is taken.
func comesBack(t *testing.T, p *Policy, store pool.Store, a *article.Article) error {
	t.Helper()
	named, err := a.Newsgroups()
	if err != nil {
		t.Fatal(err)
	}
	epoch, err := p.CheckOwn(t.Context(), a, named, now())
	if err != nil {
		return err
	}
	filed, err := a.File(named, now(), epoch)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := store.Append(t.Context(), filed); err != nil {
		t.Fatal(err)
	}
	return nil
}

func TestOwn_comesBackByItsSignatureManifestFirst(t *testing.T) {
	gw := newPublisher(t)
	p, store := home(t, gw)
	entries, manifest := gw.batch(current())
	for _, c := range []struct {
		what string
		a    *article.Article
		want error
	}{
		{"an entry before its manifest", entries[0], ErrForm},
		{"the manifest", manifest, nil},
		{"an entry", entries[0], nil},
		{"a directory", gw.directoryArticle(nil), nil},
	} {
		if err := comesBack(t, p, store, c.a); !errors.Is(err, c.want) || (c.want == nil) != (err == nil) {
			t.Errorf("%s: %v", c.what, err)
		}
	}
	if _, err := check(t, p, text(entries[1])); err == nil {
		t.Error("one of our entries is taken that a feed brings")
	}
	if _, err := check(t, p, text(manifest)); err == nil {
		t.Error("one of our manifests is taken that a feed brings")
	}
}

func TestOwn_refuses(t *testing.T) {
	gw, liar := newPublisher(t), newPublisher(t)
	p, store := home(t, gw)
	gw.batch(current() - 2)
	if err := comesBack(t, p, store, second(gw.batch(current()-1))); err != nil {
		t.Fatal(err)
	}
	before := gw.previous
	if err := comesBack(t, p, store, second(gw.batch(current()))); err != nil {
		t.Fatal(err)
	}
	gw.previous = before
	otherEntries, _ := gw.batch(current()) // such as the key signs, and never left
	forged, forgedManifest := liar.batch(current() - 5)
	gw.previous = [32]byte{1}
	_, contradicts := gw.batch(current() - 2) // which batch - 1 does not follow
	oldEntries, oldManifest := gw.batch(current() - 6*2016)
	coming, comingManifest := gw.batch(current() + 1)
	elsewhere, err := article.Parse([]byte("Path: x!y\r\nFrom: a@b.example\r\nNewsgroups: misc.test\r\nSubject: x\r\nMessage-ID: <a@" + far + ">\r\nDate: " + article.Date(now()) + "\r\n\r\nx\r\n"))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		what string
		a    *article.Article
		want error
	}{
		{"an entry that is not in its batch's manifest", otherEntries[0], ErrForm},
		{"an entry that we did not sign", forged[0], ErrSignature},
		{"a manifest that we did not sign", forgedManifest, ErrSignature},
		{"a directory that we did not sign", liar.directoryArticle(nil), ErrSignature},
		{"a manifest that contradicts the one after it", contradicts, ErrFork},
		{"an entry of an epoch that is dropped", oldEntries[0], ErrWindow},
		{"a manifest of an epoch that is dropped", oldManifest, ErrWindow},
		{"an entry of a batch that has not left", coming[0], ErrWindow},
		{"a manifest of a batch that has not left", comingManifest, ErrWindow},
		{"a post", elsewhere, ErrForm},
	} {
		if err := comesBack(t, p, store, c.a); !errors.Is(err, c.want) {
			t.Errorf("%s: %v", c.what, err)
		}
	}
}

func second[A, B any](_ A, b B) B { return b }

// served is manifests as a server has them.
type served map[pool.MessageID]*article.Article

func (s served) Articles(_ context.Context, ids []pool.MessageID) ([][]byte, error) {
	out := make([][]byte, len(ids))
	for i, id := range ids {
		if a := s[id]; a != nil {
			out[i] = a.Text()
		}
	}
	return out, nil
}

func TestOwn_theLastBatchIsFoundOnAServer(t *testing.T) {
	gw, liar := newPublisher(t), newPublisher(t)
	p, _ := home(t, gw)
	server := make(served)
	keep := func(a *article.Article) { server[pool.MessageID(a.Get("Message-ID"))] = a }
	last := current() - 1234
	for b := last - 3; b <= last; b++ {
		keep(second(gw.batch(b)))
	}
	head := Head{last, gw.previous}
	keep(second(liar.batch(last + 1))) // which is not ours
	for _, from := range []uint64{last, last + 1, current()} {
		if got, err := p.UpTo(t.Context(), server, from, now()); err != nil || got != head {
			t.Errorf("up to %d: batch %d, %v", from, got.Batch, err)
		}
	}
	if got, err := p.UpTo(t.Context(), server, last-4, now()); err != nil || got.Batch != 0 {
		t.Errorf("before the first: batch %d, %v", got.Batch, err)
	}
	for from, want := range map[uint64]Head{last - 2: head, last: {}, last + 5: {}} {
		if got, err := p.After(t.Context(), server, from); err != nil || got != want {
			t.Errorf("after %d: batch %d, %v", from, got.Batch, err)
		}
	}
	for b := last + 1; b <= last+3*atOnce; b++ { // further than is asked for at a time
		keep(second(gw.batch(b)))
	}
	if got, err := p.After(t.Context(), server, last-2); err != nil || got.Batch != last+3*atOnce || got.Manifest != gw.previous {
		t.Errorf("far ahead: batch %d, %v", got.Batch, err)
	}
}

func TestOwn_isRepairedUpToTheLastBatchThatLeft(t *testing.T) {
	gw := newPublisher(t)
	p, store := home(t, gw)
	left := current() - 10
	p.Own.Released = func() uint64 { return left }
	r := NewRepairer(p, store)
	ids, err := r.Lacking(t.Context(), now(), func(pool.MessageID) bool { return true })
	if err != nil {
		t.Fatal(err)
	}
	if ids[0] != entry.ManifestID(far, left) {
		t.Errorf("%s is asked for first", ids[0])
	}
	entries, manifest := gw.batch(left)
	if err := comesBack(t, p, store, manifest); err != nil {
		t.Fatal(err)
	}
	if ids, err = r.Lacking(t.Context(), now(), func(pool.MessageID) bool { return true }); err != nil || !slices.Contains(ids, pool.MessageID(entries[0].Get("Message-ID"))) {
		t.Errorf("the entries of a batch are not asked for, %v", err)
	}
}
