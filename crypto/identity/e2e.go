package identity

import (
	"bytes"
	"crypto/hpke"
	"errors"
)

// ErrE2EKey is returned for octets that are no usable MLKEM768-X25519 public
// key.
var ErrE2EKey = errors.New("not an end-to-end key")

// e2ePublicSize is an ML-KEM-768 encapsulation key and an X25519 public key.
const e2ePublicSize = 1184 + 32

// An E2EPublic is the public half of [Seed.E2EKey]. It is no secret but tells
// mailboxes apart, so it doesn't print itself. ParseE2EPublic and NewE2EPublic
// make one; the zero E2EPublic has no octets.
type E2EPublic struct {
	Secret
	key hpke.PublicKey
}

// NewE2EPublic returns the public half of a key of [Seed.E2EKey].
func NewE2EPublic(private hpke.PrivateKey) E2EPublic {
	return E2EPublic{key: private.PublicKey()}
}

// ParseE2EPublic checks that b is 1,216 octets of an MLKEM768-X25519 public
// key, whose second part is no point of low order. It returns ErrE2EKey
// otherwise.
func ParseE2EPublic(b []byte) (E2EPublic, error) {
	if len(b) != e2ePublicSize || lowOrder([Size]byte(b[e2ePublicSize-Size:])) {
		return E2EPublic{}, ErrE2EKey
	}
	key, err := e2eKEM().NewPublicKey(b)
	if err != nil {
		return E2EPublic{}, ErrE2EKey
	}
	return E2EPublic{key: key}, nil
}

// Bytes returns the key's 1,216 octets.
func (k E2EPublic) Bytes() []byte {
	if k.key == nil {
		return nil
	}
	return k.key.Bytes()
}

// Equal says whether both keys have the same octets.
func (k E2EPublic) Equal(other E2EPublic) bool { return bytes.Equal(k.Bytes(), other.Bytes()) }

// PublicKey returns the key for sealing to it; nil for the zero E2EPublic.
func (k E2EPublic) PublicKey() hpke.PublicKey { return k.key }

// e2eKEM is MLKEM768-X25519, also called X-Wing.
func e2eKEM() hpke.KEM { return hpke.MLKEM768X25519() }
