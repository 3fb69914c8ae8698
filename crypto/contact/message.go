package contact

import (
	"crypto/hpke"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"math/bits"

	"github.com/restante/restante/crypto/identity"
)

// labelMessage is fed exactly as it stands (docs/protocol.md, section 13).
const labelMessage = "restante message v1"

const (
	encSize  = 1120 // MLKEM768-X25519's Nenc
	sealSize = 16   // ChaCha20-Poly1305's Nt (RFC 9180, Section 7.3)
	headSize = 2 + 4

	// MaxMessage is the longest message that is sealed or opened, in octets.
	MaxMessage = 32 << 20

	// smallest is the least that is sealed, so that short messages look alike.
	smallest = 2048
)

var (
	// ErrNoMessage is returned for a text without a sealed message in it.
	ErrNoMessage = errors.New("no sealed message in this text")
	// ErrOpen is returned for a sealed message that doesn't open, whatever the
	// reason.
	ErrOpen = errors.New("message does not open: it is for another key, or damaged")
	// ErrTooLong is returned for a message beyond [MaxMessage].
	ErrTooLong = errors.New("message is too long")
)

// Seal seals a message to a card's owner as a block of text. from, unless it is
// nil, is the card by which she can answer. What shows is the length, in steps
// of at most an eighth.
func Seal(to identity.E2EPublic, from *Card, message []byte) (string, error) {
	if len(message) > MaxMessage {
		return "", ErrTooLong
	}
	var card []byte
	if from != nil {
		card = from.marshal()
	}
	plaintext := make([]byte, padded(headSize+len(card)+len(message)))
	binary.BigEndian.PutUint16(plaintext, uint16(len(card)))
	binary.BigEndian.PutUint32(plaintext[2:], uint32(len(message)))
	copy(plaintext[headSize+copy(plaintext[headSize:], card):], message)
	kdf, aead := suite()
	sealed, err := hpke.Seal(to.PublicKey(), kdf, aead, []byte(labelMessage), plaintext)
	if err != nil {
		return "", fmt.Errorf("sealing a message: %w", err)
	}
	return armor(messageLabel, sealed), nil
}

// padded is the next size of plaintext: a power of two, or one of the seven
// steps up to the next.
func padded(n int) int {
	if n <= smallest {
		return smallest
	}
	step := 1 << (bits.Len(uint(n-1)) - 1 - 3)
	return (n + step - 1) / step * step
}

// Open opens the first sealed message in a text that was sealed to key, and
// returns the card to answer by, if there is one. It returns [ErrNoMessage]
// when there is none in the text, and [ErrOpen] when none of them opens.
func Open(key hpke.PrivateKey, text string) (from *Card, message []byte, err error) {
	err = ErrNoMessage
	for sealed := range blocks(messageLabel, text) {
		kdf, aead := suite()
		plaintext, failed := hpke.Open(key, kdf, aead, []byte(labelMessage), sealed)
		if failed == nil {
			if from, message, failed = read(plaintext); failed == nil {
				return from, message, nil
			}
		}
		err = ErrOpen
	}
	return nil, nil, err
}

// HasMessage says whether there is a sealed message in a text.
func HasMessage(text string) bool {
	for sealed := range blocks(messageLabel, text) {
		if len(sealed) >= encSize+sealSize+smallest {
			return true
		}
	}
	return false
}

// read takes a plaintext apart. Padding that is not zeros would carry a mark.
func read(plaintext []byte) (from *Card, message []byte, err error) {
	if len(plaintext) < smallest || len(plaintext) > math.MaxInt32 {
		return nil, nil, ErrOpen
	}
	card, size := int(binary.BigEndian.Uint16(plaintext)), int64(binary.BigEndian.Uint32(plaintext[2:]))
	if int64(headSize)+int64(card)+size > int64(len(plaintext)) || padded(headSize+card+int(size)) != len(plaintext) {
		return nil, nil, ErrOpen
	}
	body := plaintext[headSize:]
	if card > 0 {
		if from, err = unmarshal(body[:card]); err != nil {
			return nil, nil, ErrOpen
		}
	}
	message = body[card : card+int(size) : card+int(size)]
	for _, octet := range body[card+int(size):] {
		if octet != 0 {
			return nil, nil, ErrOpen
		}
	}
	return from, message, nil
}
