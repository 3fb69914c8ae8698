package note

import (
	"errors"
	"slices"
	"testing"
)

// The newest key signs any batch, and one that was replaced those up to its last.
func TestKeys_signWhatLeftUnderThem(t *testing.T) {
	first, second, third, stranger := newSigner(t, domain), newSigner(t, domain), newSigner(t, domain), newSigner(t, domain)
	d := &Directory{
		Domain: domain, Sign: [32]byte(third.Verifier().Public()),
		Replaced: []ReplacedKey{{100, [32]byte(first.Verifier().Public())}, {200, [32]byte(second.Verifier().Public())}},
	}
	keys, err := d.Keys()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		batch uint64
		by    []*Signer
	}{
		{0, []*Signer{third, second, first}},
		{100, []*Signer{third, second, first}},
		{101, []*Signer{third, second}},
		{200, []*Signer{third, second}},
		{201, []*Signer{third}},
	} {
		var want []string
		for _, s := range c.by {
			want = append(want, s.Verifier().Line())
		}
		var got []string
		for _, v := range keys.For(c.batch) {
			got = append(got, v.Line())
		}
		if !slices.Equal(got, want) {
			t.Errorf("batch %d: %d keys, want %d", c.batch, len(got), len(want))
		}
		for _, s := range []*Signer{first, second, third, stranger} {
			m := &Manifest{Domain: domain, Batch: c.batch}
			opened, text, err := keys.OpenManifest(signText(t, m.Text(), s))
			if good := slices.Contains(c.by, s); good != (err == nil) || !good && !errors.Is(err, ErrSignature) {
				t.Errorf("a manifest of batch %d: %v", c.batch, err)
			} else if good && (opened.Batch != c.batch || text != m.Text()) {
				t.Errorf("a manifest of batch %d is read as one of %d", c.batch, opened.Batch)
			}
		}
	}
	if keys.Newest() != keys.For(0)[0] {
		t.Error("the newest key is another")
	}
	if _, _, err := keys.OpenManifest(signText(t, "no manifest\n", third)); !errors.Is(err, ErrMalformed) {
		t.Errorf("a signed text that is no manifest: %v", err)
	}
}
