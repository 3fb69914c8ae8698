package note

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"slices"

	"golang.org/x/mod/sumdb/note"
)

// Hash is what the next text of a chain gives for its previous one.
func Hash(text string) [sha256.Size]byte { return sha256.Sum256([]byte(text)) }

// Sign returns the text as a note signed by all signers. It returns
// ErrMalformed for a text that doesn't end with a line feed.
func Sign(text string, signers ...*Signer) ([]byte, error) {
	return sign(&note.Note{Text: text}, signers)
}

func sign(n *note.Note, signers []*Signer) ([]byte, error) {
	list := make([]note.Signer, len(signers))
	for i, s := range signers {
		list[i] = s
	}
	signed, err := note.Sign(n, list...)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	return signed, nil
}

// Open returns the text of a signed note, and the names of those known who
// signed it, each once. Signatures of others are passed over. It returns
// ErrSignature when none known signed it, or one known did but wrongly.
func Open(signed []byte, known ...*Verifier) (text string, by []string, err error) {
	n, err := open(signed, known)
	if err != nil {
		return "", nil, err
	}
	for _, signature := range n.Sigs {
		if !slices.Contains(by, signature.Name) {
			by = append(by, signature.Name)
		}
	}
	return n.Text, by, nil
}

func open(signed []byte, known []*Verifier) (*note.Note, error) {
	list := make([]note.Verifier, 0, len(known))
	for _, v := range known {
		list = append(list, v)
	}
	n, err := note.Open(signed, note.VerifierList(list...))
	if err != nil {
		return nil, ErrSignature // the cause would name a key
	}
	return n, nil
}

// Cosign adds a witness's signature to a note of the gateway's, and keeps those
// there are. It returns ErrSignature when the gateway's is missing or wrong.
func Cosign(signed []byte, gateway *Verifier, witness *Signer) ([]byte, error) {
	n, err := open(signed, []*Verifier{gateway})
	if err != nil {
		return nil, err
	}
	return sign(n, []*Signer{witness})
}

// OpenManifest returns a gateway's manifest and its text. It returns
// ErrSignature when the gateway didn't sign it or it names another domain, and
// ErrMalformed when it is none.
func OpenManifest(signed []byte, gateway *Verifier) (m *Manifest, text string, err error) {
	text, _, err = Open(signed, gateway)
	if err != nil {
		return nil, "", err
	}
	if m, err = ParseManifest(text); err != nil {
		return nil, "", err
	}
	if m.Domain != gateway.Name() {
		return nil, "", ErrSignature
	}
	return m, text, nil
}

// maxSignatures is how many signatures a note may bear (C2SP signed-note lets an
// implementation bound them; the library that opens notes here has this bound), and
// maxStrangers how many of them may be of witnesses that nobody asked for.
const (
	maxSignatures = 100
	maxStrangers  = 50
)

// Merge adds to a gateway's note the witnesses' signatures that another copy of it
// bears, as far as a note holds them, and says how many it added. Those whose name
// is wanted find room, be it a stranger's; nil wants all. It returns ErrSignature when the gateway
// didn't sign both, or no witness signed the other, and ErrMalformed when the two
// are not of one text.
func Merge(signed, other []byte, gateway *Verifier, wanted func(name string) bool, witnesses ...*Verifier) (merged []byte, added int, err error) {
	known := append([]*Verifier{gateway}, witnesses...)
	n, err := open(signed, known)
	if err != nil {
		return nil, 0, err
	}
	m, err := open(other, known)
	if err != nil {
		return nil, 0, err
	}
	if m.Text != n.Text {
		return nil, 0, ErrMalformed
	}
	if !signedBy(n, gateway) || !signedBy(m, gateway) || len(m.Sigs) < 2 {
		return nil, 0, ErrSignature
	}
	stranger := func(s note.Signature) bool {
		return wanted != nil && s.Name != gateway.Name() && !wanted(s.Name)
	}
	for _, s := range m.Sigs {
		if !slices.ContainsFunc(n.Sigs, func(have note.Signature) bool { return have.Name == s.Name && have.Hash == s.Hash }) && makeRoom(n, stranger, stranger(s)) {
			n.Sigs = append(n.Sigs, s)
			added++
		}
	}
	merged, err = sign(n, nil)
	return merged, added, err
}

// makeRoom says whether a note has room for one more signature, a stranger's or
// not. Of strangers there are only so many, and the last of them goes where
// somebody else finds no room.
func makeRoom(n *note.Note, stranger func(note.Signature) bool, forStranger bool) bool {
	strangers := 0
	for _, s := range slices.Concat(n.Sigs, n.UnverifiedSigs) {
		if stranger(s) {
			strangers++
		}
	}
	full := len(n.Sigs)+len(n.UnverifiedSigs) >= maxSignatures // one more, and nobody could open it
	switch {
	case forStranger:
		return !full && strangers < maxStrangers
	case !full:
		return true
	}
	for _, list := range [...]*[]note.Signature{&n.UnverifiedSigs, &n.Sigs} {
		for i, s := range slices.Backward(*list) {
			if stranger(s) {
				*list = slices.Delete(*list, i, i+1)
				return true
			}
		}
	}
	return false
}

// Only returns a signed note with the signatures of those known, and none of others:
// anybody may have added these. It returns ErrSignature where none known signed it,
// or one known did but wrongly.
func Only(signed []byte, known ...*Verifier) ([]byte, error) {
	n, err := open(signed, known)
	if err != nil {
		return nil, err
	}
	n.UnverifiedSigs = nil
	return sign(n, nil)
}

// Signatures returns how many lines of signatures a signed note has.
func Signatures(signed []byte) int {
	_, lines, _ := bytes.Cut(signed, []byte("\n\n"))
	return bytes.Count(lines, []byte("\n"))
}

func signedBy(n *note.Note, v *Verifier) bool {
	return slices.ContainsFunc(n.Sigs, func(s note.Signature) bool { return s.Name == v.Name() && s.Hash == v.KeyHash() })
}

// OpenDirectory returns a gateway's directory, its text, and the names of the
// given witnesses who signed it too. The gateway's key is the one that the
// directory names, or the one of the directory before it: then both have signed
// it (docs/protocol.md, section 8). It returns ErrSignature when one of them
// didn't or it names another domain, and ErrMalformed when it is none.
func OpenDirectory(signed []byte, gateway *Verifier, witnesses ...*Verifier) (d *Directory, text string, by []string, err error) {
	text, _, err = Open(signed, gateway) // alone: a witness's signature must not stand in for the gateway's
	if err != nil {
		return nil, "", nil, err
	}
	if d, err = ParseDirectory(text); err != nil {
		return nil, "", nil, err
	}
	if d.Domain != gateway.Name() {
		return nil, "", nil, ErrSignature
	}
	if named, err := NewVerifier(d.Domain, d.Sign[:]); err != nil {
		return nil, "", nil, ErrSignature
	} else if _, _, err := Open(signed, named); err != nil {
		return nil, "", nil, err
	}
	for _, w := range witnesses {
		_, names, err := Open(signed, w)
		if err == nil && w.Name() != gateway.Name() && !slices.Contains(by, w.Name()) {
			by = append(by, names...)
		}
	}
	return d, text, by, nil
}

// PeekDirectory returns a directory that is signed by the key that it names
// itself, which anybody's could be: what is believed of it must come another way.
func PeekDirectory(signed []byte) (*Directory, error) {
	text, _, ok := bytes.Cut(signed, []byte("\n\n"))
	if !ok {
		return nil, ErrMalformed
	}
	d, err := ParseDirectory(string(text) + "\n")
	if err != nil {
		return nil, err
	}
	v, err := NewVerifier(d.Domain, d.Sign[:])
	if err != nil {
		return nil, ErrSignature
	}
	d, _, _, err = OpenDirectory(signed, v)
	return d, err
}
