package token_test

import (
	"bytes"
	"errors"
	"strings"
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

// An encapsulated key of low order makes a shared secret of zeros, which RFC 9180,
// Section 7.1.4 has refused: anybody could have sealed to it.
func TestOpenID_refusesPointsOfLowOrder(t *testing.T) {
	key := newKey(t)
	for name, point := range map[string]string{
		"0":       strings.Repeat("\x00", 32),
		"1":       "\x01" + strings.Repeat("\x00", 31),
		"order 8": "\xe0\xeb\x7a\x7c\x3b\x41\xb8\xae\x16\x56\xe3\xfa\xf1\x9f\xc4\x6a\xda\x09\x8d\xeb\x9c\x32\xb1\xfd\x86\x62\x05\x16\x5f\x49\xb8\x00",
		"p - 1":   "\xec" + strings.Repeat("\xff", 30) + "\x7f",
		"p":       "\xed" + strings.Repeat("\xff", 30) + "\x7f",
		"p + 1":   "\xee" + strings.Repeat("\xff", 30) + "\x7f",
	} {
		sealed := append([]byte(point), make([]byte, token.PickupSize-32)...)
		if _, err := key.OpenID(sealed); !errors.Is(err, token.ErrForged) {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := token.ParseSealPublic([]byte(point)); !errors.Is(err, token.ErrSealKey) {
			t.Errorf("%s is taken for a seal key: %v", name, err)
		}
	}
}
