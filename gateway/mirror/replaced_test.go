package mirror

import (
	"bytes"
	"errors"
	"testing"

	"github.com/restante/restante/crypto/note"
	"github.com/restante/restante/pool/article"
	"github.com/restante/restante/pool/entry"
)

// replace gives a publisher another signing key, after a batch, and returns the old
// one and the directory that says so.
func (p *publisher) replace(last uint64) (old *note.Signer, directory *article.Article) {
	p.t.Helper()
	old = p.signer
	p.signer = newPublisher(p.t).signer
	named := append(p.replaced(), note.ReplacedKey{Last: last, Key: [32]byte(old.Verifier().Public())})
	id, signed := p.directory(func(d *note.Directory) { d.Replaced = named })
	text, _, err := note.Open(signed, p.signer.Verifier())
	if err == nil {
		signed, err = note.Sign(text, old, p.signer)
	}
	if err != nil {
		p.t.Fatal(err)
	}
	a, err := entry.Note(far, groups().Keys, id, entry.DirectorySubject(p.last.Epoch(), p.last.Serial), now(), signed)
	if err != nil {
		p.t.Fatal(err)
	}
	return old, a
}

func (p *publisher) replaced() []note.ReplacedKey {
	if p.last == nil {
		return nil
	}
	return p.last.Replaced
}

// as has a publisher sign with another key for a while.
func (p *publisher) as(s *note.Signer, do func()) {
	own := p.signer
	p.signer = s
	do()
	p.signer = own
}

// A mirror takes what was signed with a key up to the batch in which that was
// replaced, whether it has followed the gateway's directories or begins with the one
// that says so; and nothing that is later.
func TestPolicy_aReplacedKeySignsNothingNew(t *testing.T) {
	last := current() - 10
	for what, follows := range map[string]bool{"followed": true, "begun afterwards": false} {
		t.Run(what, func(t *testing.T) {
			p, gw := newPolicy(t, nil, true), newPublisher(t)
			first := gw.directoryArticle(nil)
			early, earlyManifest := gw.batch(last - 1)
			ofLast, lastManifest := gw.batch(last)
			old, directory := gw.replace(last)
			for _, a := range []*article.Article{first, directory} {
				if a == first && !follows {
					continue
				}
				teach(t, p, text(a))
			}
			var forged []*article.Article
			var forgedManifest *article.Article
			gw.as(old, func() { forged, forgedManifest = gw.batch(last + 1) })
			fresh, freshManifest := gw.batch(last + 2)
			late, lateManifest := gw.batch(last - 2) // missed before, and released since
			again := second(gw.replace(last + 5))
			for _, round := range []string{"replaced once", "replaced twice"} {
				for why, a := range map[string]*article.Article{
					"an entry of the last batch": ofLast[0], "its manifest": lastManifest,
					"an entry of a batch before": early[0], "the manifest of one": earlyManifest,
					"an entry under the new key": fresh[0], "a manifest under the new key": freshManifest,
					"an entry that left late": late[0], "a manifest that left late": lateManifest,
				} {
					if _, err := check(t, p, text(a)); err != nil {
						t.Errorf("%s: %s: %v", round, why, err)
					}
				}
				for why, a := range map[string]*article.Article{"an entry": forged[0], "a manifest": forgedManifest} {
					if _, err := check(t, p, text(a)); !errors.Is(err, ErrSignature) {
						t.Errorf("%s: %s of a later batch under the old key: %v", round, why, err)
					}
				}
				teach(t, p, text(again))
			}
		})
	}
}

// What a gateway signed before it replaced its key comes back to it; and of its
// directories of that time those that the later ones name.
func TestOwn_comesBackUnderAReplacedKey(t *testing.T) {
	gw := newPublisher(t)
	p, store := home(t, gw)
	last := current() - 10
	entries, manifest := gw.batch(last)
	first, next := gw.directoryArticle(nil), gw.directoryArticle(nil)
	old, _ := gw.replace(last)
	p.Own.Keys = func() *note.Keys {
		keys, err := gw.last.Keys()
		if err != nil {
			t.Fatal(err)
		}
		return keys
	}
	third := gw.last
	signed, err := note.Sign(third.Text(), old, gw.signer)
	if err != nil {
		t.Fatal(err)
	}
	p.Own.Directory = func() []byte { return signed }
	var forged, forgedManifest, forgedDirectory *article.Article
	thief := newPublisher(t)
	thief.signer, thief.last, thief.text = old, third, third.Text()
	forgedDirectory = thief.directoryArticle(nil)
	thief.last = nil
	forgedFirst := thief.directoryArticle(nil) // not what the gateway published under that number
	thief.previous = note.Hash("")
	forgedEntries, forgedManifest := thief.batch(last + 1)
	forged = forgedEntries[0]
	for _, c := range []struct {
		what string
		a    *article.Article
		want error
	}{
		{"a manifest", manifest, nil},
		{"an entry", entries[0], nil},
		{"a manifest of a later batch", forgedManifest, ErrSignature},
		{"an entry of a later batch", forged, ErrSignature},
		{"the first directory, before the one that names it", first, ErrSignature},
		{"the directory before the last", next, nil},
		{"another first directory", forgedFirst, ErrSignature},
		{"the first directory", first, nil},
		{"a directory after the last", forgedDirectory, ErrSignature},
	} {
		if err := comesBack(t, p, store, c.a); !errors.Is(err, c.want) || (c.want == nil) != (err == nil) {
			t.Errorf("%s: %v", c.what, err)
		}
	}
}

// A gateway that replaces its key again and again has no more and more of them tried
// on whatever comes.
func TestBook_remembersOnlySoManyKeys(t *testing.T) {
	p, gw := newPolicy(t, nil, true), newPublisher(t)
	first := gw.signer.Verifier()
	teach(t, p, text(gw.directoryArticle(nil)))
	for range maxKeys + 5 {
		gw.last.Replaced = nil // or it would name more than it may
		_, d := gw.replace(current())
		teach(t, p, text(d))
	}
	keys := p.Book.gateways[far].keys
	if len(keys) != maxKeys || !bytes.Equal(keys[0], first.Public()) || !bytes.Equal(keys[maxKeys-1], gw.signer.Verifier().Public()) {
		t.Errorf("%d keys are remembered, or not the first and the last ones", len(keys))
	}
}

// A witness that replaces its key signs what it had signed once more.
func TestWitness_signsAnewWithAnotherKey(t *testing.T) {
	p, gw, store := newPolicy(t, nil, true), newPublisher(t), newStore(t)
	w, self := witness(t, p, store)
	d := text(gw.directoryArticle(nil))
	teach(t, p, d)
	round(t, w)
	signer, err := note.NewSigner(ours, note.GenerateSeed())
	if err != nil {
		t.Fatal(err)
	}
	w.Signer, self.signer = signer, signer
	round(t, w)
	round(t, w)
	all := posted(t, store)
	if len(all) != 2 {
		t.Fatalf("%d articles are posted", len(all))
	}
	third := other(t, "third.example")
	teach(t, third, ownDirectory(self), d, all[1])
	if _, err := check(t, third, all[0]); !errors.Is(err, ErrSignature) {
		t.Errorf("a testimony under the old key: %v", err)
	}
	holdsSignature(t, third, signer)
}
