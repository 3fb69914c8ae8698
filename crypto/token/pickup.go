package token

import (
	"github.com/restante/restante/crypto/erase"
	"github.com/restante/restante/crypto/identity"
)

// labelPickup is fed exactly as it stands (docs/protocol.md, section 10).
const labelPickup = "restante pickup v1"

// PickupSize is the length of a sealed ID in octets.
const PickupSize = encSize + identity.Size + sealSize

// SealID seals an ID to a gateway, for one pickup. No two are alike, but each
// can be used again by whoever sees it, for as long as the gateway takes the
// seal key: it must travel where nobody sees it. It returns identity.ErrID for
// the zero ID and ErrSealKey for a zero SealPublic.
func (p SealPublic) SealID(id identity.ID) ([]byte, error) {
	plaintext := id.AppendTo(nil)
	if len(plaintext) != identity.Size {
		return nil, identity.ErrID
	}
	return p.Seal([]byte(labelPickup), plaintext)
}

// OpenID opens what SealID sealed. It returns ErrForged for anything else.
func (k *SealKey) OpenID(sealed []byte) (id identity.ID, err error) {
	erase.Do(func() { id, err = k.openID(sealed) })
	return id, err
}

func (k *SealKey) openID(sealed []byte) (identity.ID, error) {
	if len(sealed) != PickupSize {
		return identity.ID{}, ErrForged
	}
	plaintext, err := k.Open([]byte(labelPickup), sealed)
	if err != nil {
		return identity.ID{}, ErrForged
	}
	id, err := identity.IDFromBytes(plaintext)
	if err != nil {
		return identity.ID{}, ErrForged
	}
	return id, nil
}
