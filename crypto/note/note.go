// Package note owns what a gateway signs: pool entries, manifests and the
// directory, the latter two as signed notes (docs/protocol.md, sections 6 to
// 8; C2SP signed-note). It refuses to know articles, key files, and whether
// the keys that a directory gives are any good.
package note

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"strings"

	"golang.org/x/mod/sumdb/note"
)

// labelEntry is fed exactly as it stands (docs/protocol.md, section 6).
const labelEntry = "restante entry v1"

var (
	// ErrKey is returned for a name or a key that can sign no note.
	ErrKey = errors.New("not a signing key")
	// ErrSignature is returned for a note or an entry that isn't signed by who
	// it should be, or is malformed.
	ErrSignature = errors.New("signature does not verify")
	// ErrMalformed is returned for a text that is not exactly a manifest or a
	// directory.
	ErrMalformed = errors.New("malformed text")
)

// A Signer signs for the gateway named domain. It may be used by many
// goroutines at once.
type Signer struct {
	verifier *Verifier
	private  ed25519.PrivateKey
}

// GenerateSeed returns an Ed25519 seed, 32 octets, from the system's random
// source.
func GenerateSeed() []byte {
	seed := make([]byte, ed25519.SeedSize)
	_, _ = rand.Read(seed) // never fails: the process ends instead
	return seed
}

// NewSigner returns the signer with that Ed25519 seed (RFC 8032,
// Section 5.1.5). It returns ErrKey when the seed is not 32 octets, or domain
// is empty or holds a space or a plus sign.
func NewSigner(domain string, seed []byte) (*Signer, error) {
	if len(seed) != ed25519.SeedSize {
		return nil, ErrKey
	}
	private := ed25519.NewKeyFromSeed(seed)
	public, ok := private.Public().(ed25519.PublicKey)
	if !ok {
		return nil, ErrKey
	}
	verifier, err := NewVerifier(domain, public)
	if err != nil {
		return nil, err
	}
	return &Signer{verifier, private}, nil
}

// Verifier returns the public half.
func (s *Signer) Verifier() *Verifier { return s.verifier }

// Name returns the domain, as note.Signer has it.
func (s *Signer) Name() string { return s.verifier.Name() }

// KeyHash returns what tells keys of one name apart, as note.Signer has it.
func (s *Signer) KeyHash() uint32 { return s.verifier.KeyHash() }

// Sign returns the Ed25519 signature of a note's text, as note.Signer has it.
func (s *Signer) Sign(text []byte) ([]byte, error) { return ed25519.Sign(s.private, text), nil }

// SignEntry signs a pool entry by three of its header values and the SHA-256
// of its payload. It returns 86 base64url characters. Header values hold no
// line feed; a signature over one that did would not verify.
func (s *Signer) SignEntry(messageID, newsgroups, date string, payload [sha256.Size]byte) string {
	signature := ed25519.Sign(s.private, entry(messageID, newsgroups, date, payload))
	return base64.RawURLEncoding.EncodeToString(signature)
}

const redacted = "[secret]"

// String returns "[secret]".
func (*Signer) String() string { return redacted }

// GoString returns "[secret]".
func (*Signer) GoString() string { return redacted }

// Format writes "[secret]" for every verb.
func (*Signer) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, redacted) }

// MarshalText returns "[secret]".
func (*Signer) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// MarshalJSON returns "[secret]" in quotes.
func (*Signer) MarshalJSON() ([]byte, error) { return []byte(`"` + redacted + `"`), nil }

// A Verifier checks what the gateway named domain signed. It may be used by
// many goroutines at once.
type Verifier struct {
	note.Verifier
	public ed25519.PublicKey
}

// NewVerifier returns the verifier with that Ed25519 public key. It returns
// ErrKey when the key is not 32 octets, or domain is empty or holds a space or
// a plus sign.
func NewVerifier(domain string, public ed25519.PublicKey) (*Verifier, error) {
	line, err := note.NewEd25519VerifierKey(domain, public)
	if err != nil {
		return nil, ErrKey
	}
	verifier, err := note.NewVerifier(line)
	if err != nil {
		return nil, ErrKey
	}
	return &Verifier{verifier, append(ed25519.PublicKey(nil), public...)}, nil
}

// Public returns a copy of the public key.
func (v *Verifier) Public() ed25519.PublicKey { return append(ed25519.PublicKey(nil), v.public...) }

// Line returns the key as C2SP signed-note writes it: name, hash and key with plus
// signs between. It is what a witness or a client is given.
func (v *Verifier) Line() string {
	line, err := note.NewEd25519VerifierKey(v.Name(), v.public)
	if err != nil {
		panic("note: a key that was taken before is taken no more: " + err.Error())
	}
	return line
}

// ParseVerifier reads what Line gives. It returns ErrKey for anything else.
func ParseVerifier(line string) (*Verifier, error) {
	name, rest, _ := strings.Cut(line, "+")
	_, encoded, _ := strings.Cut(rest, "+")
	octets, err := base64.StdEncoding.Strict().DecodeString(encoded)
	if err != nil || len(octets) != 1+ed25519.PublicKeySize {
		return nil, ErrKey
	}
	v, err := NewVerifier(name, octets[1:])
	if err != nil || v.Line() != line {
		return nil, ErrKey
	}
	return v, nil
}

// VerifyEntry checks what SignEntry signed. It returns ErrSignature when it
// does not verify.
func (v *Verifier) VerifyEntry(messageID, newsgroups, date string, payload [sha256.Size]byte, signature string) error {
	if strings.ContainsRune(messageID+newsgroups+date, '\n') {
		return ErrSignature // a line feed would let one value run into the next
	}
	octets, ok := decode(signature, ed25519.SignatureSize)
	if !ok || !ed25519.Verify(v.public, entry(messageID, newsgroups, date, payload), octets) {
		return ErrSignature
	}
	return nil
}

func entry(messageID, newsgroups, date string, payload [sha256.Size]byte) []byte {
	text := labelEntry + "\n" + messageID + "\n" + newsgroups + "\n" + date + "\n"
	return append([]byte(text), payload[:]...)
}

// decode reads size octets of base64url (RFC 4648, Section 5), in the one
// encoding that they have.
func decode(s string, size int) ([]byte, bool) {
	if len(s) != base64.RawURLEncoding.EncodedLen(size) || strings.ContainsAny(s, "\r\n") { // the decoder skips line ends
		return nil, false
	}
	octets, err := base64.RawURLEncoding.Strict().DecodeString(s)
	return octets, err == nil && len(octets) == size
}
