package profile

import (
	"errors"
	"strings"

	"github.com/tyler-smith/go-bip39"

	"github.com/restante/restante/crypto/identity"
)

// ErrWords is returned for words that are no seed.
var ErrWords = errors.New("these are not the 24 words of a key: look for a word that is missing, misspelt or in the wrong place")

// Words writes a seed as 24 English words, the last of which checks the others
// (BIP 39). Whoever has them has the seed.
func Words(seed *identity.Seed) (string, error) { return bip39.NewMnemonic(seed.Bytes()) }

// FromWords reads what [Words] wrote, in whatever case and spacing. It returns
// [ErrWords].
func FromWords(words string) (*identity.Seed, error) {
	octets, err := bip39.EntropyFromMnemonic(strings.ToLower(strings.Join(strings.Fields(words), " ")))
	if err != nil {
		return nil, ErrWords
	}
	seed, err := identity.SeedFromBytes(octets)
	if err != nil { // a right mnemonic, but a shorter one
		return nil, ErrWords
	}
	return seed, nil
}
