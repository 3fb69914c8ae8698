package token_test

import (
	"bytes"
	"errors"
	"testing"

	"github.com/restante/restante/crypto/identity"
	"github.com/restante/restante/crypto/token"
)

func TestSealID_opensToTheSameIDAndNothingElse(t *testing.T) {
	key, other := newKey(t), newKey(t)
	id := identity.NewSeed().Mailbox(0).ID()
	sealed, err := key.Public().SealID(id)
	if err != nil || len(sealed) != token.PickupSize {
		t.Fatalf("%d octets, %v", len(sealed), err)
	}
	if again, err := key.Public().SealID(id); err != nil || bytes.Equal(again, sealed) {
		t.Errorf("sealed twice it is the same, or %v", err)
	}
	if got, err := key.OpenID(sealed); err != nil || !got.Equal(id) {
		t.Errorf("it opens to another ID, or %v", err)
	}
	if _, err := other.OpenID(sealed); !errors.Is(err, token.ErrForged) {
		t.Errorf("with another key: %v", err)
	}
	for i := range sealed {
		flipped := bytes.Clone(sealed)
		flipped[i] ^= 1
		if _, err := key.OpenID(flipped); !errors.Is(err, token.ErrForged) {
			t.Errorf("octet %d changed: %v", i, err)
		}
	}
	long, err := key.Public().Seal([]byte("restante pickup v1"), make([]byte, 33))
	if err != nil {
		t.Fatal(err)
	}
	elsewhere, err := key.Public().Seal([]byte("restante token v1"), make([]byte, 32))
	if err != nil {
		t.Fatal(err)
	}
	for name, bad := range map[string][]byte{"nothing": nil, "cut": sealed[1:], "33 octets sealed": long, "sealed for something else": elsewhere} {
		if _, err := key.OpenID(bad); !errors.Is(err, token.ErrForged) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestSealID_refusesNothings(t *testing.T) {
	if _, err := newKey(t).Public().SealID(identity.ID{}); !errors.Is(err, identity.ErrID) {
		t.Errorf("the zero ID: %v", err)
	}
	if _, err := (token.SealPublic{}).SealID(identity.NewSeed().Mailbox(0).ID()); !errors.Is(err, token.ErrSealKey) {
		t.Errorf("the zero key: %v", err)
	}
}
