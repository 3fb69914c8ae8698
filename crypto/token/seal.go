package token

import (
	"crypto/ecdh"
	"crypto/hpke"
	"errors"
	"fmt"

	"github.com/restante/restante/crypto/erase"
	"github.com/restante/restante/crypto/identity"
)

// ErrSealKey is returned for octets that are no usable seal key.
var ErrSealKey = errors.New("not a seal key")

// A SealKey is the private half of one epoch's seal key. It may be used by
// many goroutines at once.
type SealKey struct {
	identity.Secret
	private hpke.PrivateKey // parsed once: parsing costs as much as opening
}

// A SealPublic is the public half, as the directory gives it. NewSealKey's
// Public and ParseSealPublic make one; sealing to the zero SealPublic returns
// ErrSealKey.
type SealPublic struct {
	key hpke.PublicKey
}

// NewSealKey returns a key from the system's random source.
func NewSealKey() (k *SealKey, err error) {
	erase.Do(func() {
		var private hpke.PrivateKey
		if private, err = kem().GenerateKey(); err == nil {
			k = &SealKey{private: private}
		}
	})
	if err != nil {
		return nil, fmt.Errorf("seal key: %w", err)
	}
	return k, nil
}

// SealKeyFromBytes returns the key that Bytes gave. It returns ErrSealKey when
// b is not 32 octets.
func SealKeyFromBytes(b []byte) (k *SealKey, err error) {
	// The library's key can't be overwritten: but what is allocated in there is
	// erased once it is dropped.
	erase.Do(func() {
		private, parseErr := kem().NewPrivateKey(b)
		if parseErr != nil {
			err = ErrSealKey
			return
		}
		k = &SealKey{private: private}
	})
	return k, err
}

// Bytes returns the key's 32 octets, for the key file and nothing else.
func (k *SealKey) Bytes() (b []byte, err error) {
	erase.Do(func() { b, err = k.private.Bytes() })
	if err != nil {
		return nil, fmt.Errorf("seal key: %w", err)
	}
	return b, nil
}

// Public returns the public half.
func (k *SealKey) Public() SealPublic { return SealPublic{k.private.PublicKey()} }

// Open opens what SealPublic.Seal sealed under the same info. It returns
// ErrForged for anything else.
func (k *SealKey) Open(info, sealed []byte) (plaintext []byte, err error) {
	erase.Do(func() {
		plaintext, err = hpke.Open(k.private, hpke.HKDFSHA256(), hpke.ChaCha20Poly1305(), info, sealed)
	})
	if err != nil {
		return nil, ErrForged
	}
	return plaintext, nil
}

// ParseSealPublic checks that b is 32 octets and no point of low order, as for
// a reply key. It returns ErrSealKey otherwise.
func ParseSealPublic(b []byte) (SealPublic, error) {
	key, err := identity.ParseReplyKey(b)
	if err != nil {
		return SealPublic{}, ErrSealKey
	}
	return SealPublic{key.PublicKey()}, nil
}

// Bytes returns the key's 32 octets.
func (p SealPublic) Bytes() []byte {
	if p.key == nil {
		return nil
	}
	return p.key.Bytes()
}

// Seal seals plaintext to the gateway that holds the private half, bound to
// info: 48 octets more than the plaintext. A token is one use, with Mint;
// sealed pickup and sealed submission are others, each with an info of its
// own.
func (p SealPublic) Seal(info, plaintext []byte) ([]byte, error) {
	if p.key == nil {
		return nil, ErrSealKey
	}
	sealed, err := hpke.Seal(p.key, hpke.HKDFSHA256(), hpke.ChaCha20Poly1305(), info, plaintext)
	if err != nil {
		return nil, fmt.Errorf("sealing: %w", err)
	}
	return sealed, nil
}

// kem is DHKEM(X25519, HKDF-SHA256) (RFC 9180, Section 7.1).
func kem() hpke.KEM { return hpke.DHKEM(ecdh.X25519()) }
