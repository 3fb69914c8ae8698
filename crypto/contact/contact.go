// Package contact owns what two users of the restante tool need to write to
// each other past every gateway: contact cards, and messages sealed from end to
// end with a post-quantum hybrid (docs/protocol.md, section 13). Both are plain
// text that survives being posted, followed up and pasted. It refuses to know
// gateways, entries, and whether a card is the one that its owner gave away.
package contact

import (
	"bytes"
	"crypto/hpke"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/restante/restante/crypto/identity"
	"github.com/restante/restante/crypto/token"
)

var (
	// ErrNoCard is returned for a text without a whole card in it.
	ErrNoCard = errors.New("no contact card in this text")
	// ErrName is returned for a name that no card can bear.
	ErrName = errors.New("a name is 1 to 64 octets of printable UTF-8, without a space at either end")
	// ErrToken is returned for a card whose token is none.
	ErrToken = errors.New("a card needs a reply token")
)

const (
	cardVersion = 1
	checkSize   = 4  // octets of a sum that finds what got lost on the way; no protection against anybody
	maxName     = 64 // octets
)

// A Card is what its owner gives to others, so that they can write to her.
type Card struct {
	Name  string             // what the owner calls herself; nobody has checked it
	Token string             // a reply token as a Message-ID
	Key   identity.E2EPublic // of the mailbox that the token leads to
}

// NewCard returns a card. It returns [ErrName] or [ErrToken].
func NewCard(name, messageID string, key identity.E2EPublic) (*Card, error) {
	if !validName(name) {
		return nil, ErrName
	}
	if _, _, err := token.Parse(messageID); err != nil {
		return nil, ErrToken
	}
	return &Card{Name: name, Token: messageID, Key: key}, nil
}

func validName(s string) bool {
	return s != "" && len(s) <= maxName && utf8.ValidString(s) && strings.TrimSpace(s) == s &&
		!strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) })
}

// Text is the card as a block of text of 34 lines or so, none longer than 76
// characters.
func (c *Card) Text() string { return armor(cardLabel, appendSum(c.marshal())) }

// marshal is version, name, token, each with its length in one octet, and the
// key's 1,216 octets.
func (c *Card) marshal() []byte {
	out := []byte{cardVersion}
	for _, s := range [...]string{c.Name, c.Token} {
		out = append(append(out, byte(len(s))), s...)
	}
	return append(out, c.Key.Bytes()...)
}

// ParseCard returns the first whole card in a text, be it quoted, indented or
// wrapped anew. It returns [ErrNoCard] when there is none.
func ParseCard(text string) (*Card, error) {
	for octets := range blocks(cardLabel, text) {
		if body, ok := cutSum(octets); ok {
			if c, err := unmarshal(body); err == nil {
				return c, nil
			}
		}
	}
	return nil, ErrNoCard
}

func unmarshal(b []byte) (*Card, error) {
	if len(b) == 0 || b[0] != cardVersion {
		return nil, ErrNoCard
	}
	name, b, okName := cutString(b[1:])
	messageID, b, okToken := cutString(b)
	key, err := identity.ParseE2EPublic(b)
	if !okName || !okToken || err != nil {
		return nil, ErrNoCard
	}
	c, err := NewCard(name, messageID, key)
	if err != nil {
		return nil, ErrNoCard
	}
	return c, nil
}

func cutString(b []byte) (s string, rest []byte, ok bool) {
	if len(b) == 0 || len(b) <= int(b[0]) {
		return "", nil, false
	}
	n := 1 + int(b[0])
	return string(b[1:n]), b[n:], true
}

// Fingerprint is what two people compare over another channel to be sure of a
// card: 16 octets of SHA-256 of its key, in groups of four hexadecimal digits.
// It stays the same when the card's token is made anew.
func (c *Card) Fingerprint() string { return Fingerprint(c.Key) }

// Fingerprint is [Card.Fingerprint] of a key.
func Fingerprint(key identity.E2EPublic) string {
	sum := sha256.Sum256(key.Bytes())
	digits := hex.EncodeToString(sum[:16])
	var groups []string
	for ; digits != ""; digits = digits[4:] {
		groups = append(groups, digits[:4])
	}
	return strings.Join(groups, " ")
}

func appendSum(b []byte) []byte {
	sum := sha256.Sum256(b)
	return append(b, sum[:checkSize]...)
}

func cutSum(b []byte) ([]byte, bool) {
	if len(b) < checkSize {
		return nil, false
	}
	body, check := b[:len(b)-checkSize], b[len(b)-checkSize:]
	sum := sha256.Sum256(body)
	return body, bytes.Equal(sum[:checkSize], check)
}

// suite is the AEAD and the KDF beside the KEM MLKEM768-X25519.
func suite() (hpke.KDF, hpke.AEAD) { return hpke.HKDFSHA256(), hpke.ChaCha20Poly1305() }
