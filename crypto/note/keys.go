package note

import (
	"bytes"
	"cmp"
	"crypto/ed25519"
	"encoding/base64"
	"math"
	"slices"
	"strconv"
	"strings"
)

// MaxReplaced bounds the replaced signing keys that a directory names: whoever has a
// bad signature checked can make it cost so many checks and one.
const MaxReplaced = 8

// A ReplacedKey is a signing key that another one has taken the place of.
type ReplacedKey struct {
	Last uint64 // the last batch that it may have signed
	Key  [ed25519.PublicKeySize]byte
}

// Keys are the signing keys of a gateway as its newest directory names them, by the
// batches that each may have signed: the newest any, since a batch may leave late, and
// one that was replaced those up to its last. So whoever has stolen a key signs
// nothing with it for a time after it was replaced. It may be used by many
// goroutines at once.
type Keys struct {
	newest   *Verifier
	replaced []bounded // the one that was replaced last stands first
}

type bounded struct {
	*Verifier
	last uint64
}

// Keys returns the directory's signing keys. It returns ErrKey where one is none.
func (d *Directory) Keys() (*Keys, error) {
	newest, err := NewVerifier(d.Domain, d.Sign[:])
	if err != nil {
		return nil, err
	}
	k := KeysOf(newest)
	for _, r := range slices.Backward(d.Replaced) {
		v, err := NewVerifier(d.Domain, r.Key[:])
		if err != nil {
			return nil, err
		}
		k.replaced = append(k.replaced, bounded{v, r.Last})
	}
	return k, nil
}

// KeysOf returns the keys of a gateway that has replaced none.
func KeysOf(v *Verifier) *Keys { return &Keys{newest: v} }

// Newest returns the key that signs now.
func (k *Keys) Newest() *Verifier { return k.newest }

// For returns the keys that may have signed something of a batch, the likeliest
// first.
func (k *Keys) For(batch uint64) []*Verifier {
	keys := []*Verifier{k.newest}
	for _, r := range k.replaced {
		if batch <= r.last {
			keys = append(keys, r.Verifier)
		}
	}
	return keys
}

// OpenManifest is the function of that name, with whichever key may have signed a
// manifest of its batch.
func (k *Keys) OpenManifest(signed []byte) (m *Manifest, text string, err error) {
	batch := uint64(math.MaxUint64)
	claimed, _, _ := bytes.Cut(signed, []byte("\n\n"))
	if m, err := ParseManifest(string(claimed) + "\n"); err == nil {
		batch = m.Batch
	}
	for _, v := range k.For(batch) {
		if m, text, err = OpenManifest(signed, v); err == nil {
			return m, text, nil
		}
	}
	return nil, "", err
}

func writeReplaced(out *strings.Builder, keys []ReplacedKey) {
	sorted := slices.SortedStableFunc(slices.Values(keys), func(a, b ReplacedKey) int {
		return cmp.Compare(a.Last, b.Last)
	})
	for _, k := range sorted {
		out.WriteString("replaced " + strconv.FormatUint(k.Last, 10) + " " + base64.RawURLEncoding.EncodeToString(k.Key[:]) + "\n")
	}
}

// replaced takes all lines "replaced batch key", which must not descend by batch.
func (r *reader) replaced() []ReplacedKey {
	var keys []ReplacedKey
	for r.more("replaced") {
		last, key, _ := strings.Cut(r.value("replaced"), " ")
		k := ReplacedKey{r.decimal(last), r.octets(key)}
		r.check(len(keys) == 0 || keys[len(keys)-1].Last <= k.Last)
		keys = append(keys, k)
	}
	r.check(len(keys) <= MaxReplaced)
	return keys
}
