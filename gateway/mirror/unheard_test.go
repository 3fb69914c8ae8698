package mirror

import (
	"errors"
	"testing"
)

// Who has written down a key that was replaced since hears of it, and begins with the
// directory that was refused as soon as the new key is given.
func TestBook_saysWhereTheGivenKeyWasReplaced(t *testing.T) {
	gw := newPublisher(t)
	gw.directory(nil)
	old, _ := gw.replace(current())
	p := newPolicy(t, []Known{{Domain: far, Key: old.Verifier()}, {Domain: "refused.example", Refuse: true}}, false)
	standing := func(when string, unheard, unsigned int) {
		t.Helper()
		if u, n := p.Book.Unheard(), p.Book.Unsigned(); len(u) != unheard || n != unsigned {
			t.Errorf("%s: %d are unheard of and %d unsigned, want %d and %d", when, len(u), n, unheard, unsigned)
		}
	}
	standing("at first", 1, 0)
	later := gw.directoryArticle(nil)
	if _, err := check(t, p, text(later)); !errors.Is(err, ErrSignature) {
		t.Fatalf("a directory that the given key has not signed: %v", err)
	}
	standing("refused", 1, 1)
	retry := func() {
		t.Helper()
		if err := p.Book.Retry(now()); err != nil {
			t.Fatal(err)
		}
	}
	retry()
	standing("tried again under the same key", 1, 1)
	p.Book.Set([]Known{{Domain: far, Key: gw.signer.Verifier()}}, false)
	retry()
	standing("with the new key", 0, 0)
	entries, manifest := gw.batch(current())
	teach(t, p, text(entries[0]), text(manifest))

	// A mirror that saw the directory by which the key was replaced needs no new one.
	p = newPolicy(t, []Known{{Domain: far, Key: old.Verifier()}}, false)
	other := newPublisher(t)
	other.signer = old
	other.directory(nil)
	_, replaced := other.replace(current())
	teach(t, p, text(replaced), text(other.directoryArticle(nil)))
	standing("followed through it", 0, 0)
}
