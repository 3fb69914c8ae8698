// Package blind owns server blinding: the ratchet of epoch keys, the
// verifiable oblivious evaluation of IDs under them (RFC 9497), and the tags
// of pool entries (docs/protocol.md, sections 4 and 6). It refuses to know
// where roots rest, when epochs turn, and what an entry holds.
package blind

import (
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"

	"github.com/cloudflare/circl/oprf"
	"github.com/restante/restante/crypto/erase"
	"github.com/restante/restante/crypto/identity"
)

// The labels of docs/protocol.md, sections 4 and 6, each fed exactly as it
// stands.
const (
	labelRatchet = "restante ratchet v1"
	labelBlind   = "restante blind v1"
	labelKeyInfo = "restante blind " // the domain follows
	labelTag     = "restante tag v1"
)

// RootSize is the length of a root in octets.
const RootSize = 32

// maxKeyInfo is what two octets can count (RFC 9497, Section 3.2.1).
const maxKeyInfo = 1<<16 - 1

var (
	// ErrRoot is returned for a root that is not 32 octets.
	ErrRoot = errors.New("not a root")
	// ErrDomain is returned for a domain too long to derive a key for.
	ErrDomain = errors.New("domain is too long")
)

// A Root is what the keys of one epoch, and the roots of all later ones,
// follow from; never those of an earlier one. It is immutable. NewRoot,
// RootFromBytes and Next make one; the zero Root is of no use, and its methods
// panic.
type Root struct {
	identity.Secret
	octets *[RootSize]byte // a pointer, so that a struct printed with a Root inside shows an address
}

// NewRoot returns a root from the system's random source.
func NewRoot() Root {
	var octets [RootSize]byte
	_, _ = rand.Read(octets[:]) // never fails: the process ends instead
	return Root{octets: &octets}
}

// RootFromBytes returns the root that Bytes gave. It returns ErrRoot when b is
// not 32 octets.
func RootFromBytes(b []byte) (Root, error) {
	if len(b) != RootSize {
		return Root{}, ErrRoot
	}
	octets := [RootSize]byte(b)
	return Root{octets: &octets}, nil
}

// Bytes returns a copy of the root's 32 octets, for the key file and nothing
// else.
func (r Root) Bytes() []byte { return append([]byte(nil), r.octets[:]...) }

// Next returns the root of the next epoch. There is no way back.
func (r Root) Next() Root { return r.Ahead(1) }

// Ahead returns the root n epochs later, as a copy of its own: for no n does it
// share octets with r.
func (r Root) Ahead(n uint64) Root {
	octets := new([RootSize]byte)
	*octets = *r.octets
	for range n {
		expand(octets, octets, labelRatchet)
	}
	return Root{octets: octets}
}

// Destroy overwrites the root's octets, in every copy of r that was made by
// assignment. Then r is of no more use, as the zero Root.
func (r Root) Destroy() { clear(r.octets[:]) }

// Key derives the epoch's key pair for a gateway (RFC 9497, Section 3.2.1). It
// returns ErrDomain when the domain is longer than 65,520 octets.
func (r Root) Key(domain string) (key *Key, err error) {
	info := labelKeyInfo + domain
	if len(info) > maxKeyInfo {
		return nil, ErrDomain
	}
	var seed [RootSize]byte
	expand(&seed, r.octets, labelBlind)
	defer clear(seed[:])
	// The library's key can't be overwritten: but what is allocated in there is
	// erased once it is dropped.
	erase.Do(func() { key, err = deriveKey(seed[:], []byte(info)) })
	return key, err
}

func deriveKey(seed, info []byte) (*Key, error) {
	private, err := oprf.DeriveKey(oprf.SuiteRistretto255, oprf.VerifiableMode, seed, info)
	if err != nil {
		return nil, fmt.Errorf("blinding key: %w", err)
	}
	return newKey(private)
}

// expand is HKDF-SHA256-Expand (RFC 5869, Section 2.3) to 32 octets. A root is
// uniform already, so it needs no extract step. to may be from.
func expand(to, from *[RootSize]byte, label string) {
	erase.Do(func() {
		out, err := hkdf.Expand(sha256.New, from[:], label, RootSize)
		if err != nil {
			panic("blind: a fixed length is wrong: " + err.Error())
		}
		copy(to[:], out)
		clear(out)
	})
}
