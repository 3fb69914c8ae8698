// Package envelope owns the payload of a pool entry: one size for everything,
// sealed to a mailbox and bound to the entry it travels in; and how a message
// longer than one entry is cut (docs/protocol.md, section 6). It refuses to
// know articles, tags, batches, and what the content means.
package envelope

import (
	"crypto/ecdh"
	"crypto/hpke"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/restante/restante/crypto/blind"
	"github.com/restante/restante/crypto/erase"
	"github.com/restante/restante/crypto/identity"
)

// labelEntry is fed exactly as it stands (docs/protocol.md, section 6).
const labelEntry = "restante entry v1"

const (
	// PayloadSize is the length of every payload in octets.
	PayloadSize = 16384

	encSize    = 32 // DHKEM(X25519, HKDF-SHA256)'s Nenc (RFC 9180, Section 7.1)
	sealSize   = 16 // ChaCha20-Poly1305's Nt (RFC 9180, Section 7.3)
	handleSize = 16
	headSize   = 1 + 1 + 2 + 2 + handleSize + 2
	plainSize  = PayloadSize - encSize - sealSize

	// MaxContent is the most content that one payload holds, in octets.
	MaxContent = plainSize - headSize
)

// A Kind says what a fragment is part of.
type Kind uint8

// The kinds.
const (
	KindCover   Kind = 0 // nothing, sealed to nobody
	KindMessage Kind = 1 // a whole article from a correspondent
	KindReceipt Kind = 2 // the record of what the owner sent
	KindNotice  Kind = 3 // something the gateway has to say
)

var (
	// ErrOpen is returned for every payload that doesn't open, or opens to
	// something malformed, whatever the reason.
	ErrOpen = errors.New("payload does not open")
	// ErrFragment is returned for a fragment that can't be sealed: a kind
	// unknown, an index that isn't below the count, or too much content.
	ErrFragment = errors.New("not a fragment")
)

// A Fragment is what one payload holds.
type Fragment struct {
	Kind    Kind
	Flags   uint8 // none is defined; carried as it is
	Index   uint16
	Count   uint16 // of fragments in the message, at least 1
	Handle  [handleSize]byte
	Content []byte // at most MaxContent octets
}

func (f *Fragment) valid() bool {
	return f.Kind <= KindNotice && f.Index < f.Count && len(f.Content) <= MaxContent
}

// Seal seals a fragment to a mailbox, for the entry of that Message-ID (angle
// brackets included) and the mailbox's server-blinded ID of its epoch. The
// payload is PayloadSize octets and fresh each time. It returns ErrFragment,
// and identity.ErrReplyKey for a zero key.
func Seal(to identity.ReplyKey, b *blind.Blinded, messageID string, f Fragment) ([]byte, error) {
	if !f.valid() {
		return nil, ErrFragment
	}
	if to.PublicKey() == nil {
		return nil, identity.ErrReplyKey
	}
	return seal(to.PublicKey(), b, messageID, &f)
}

func seal(to hpke.PublicKey, b *blind.Blinded, messageID string, f *Fragment) ([]byte, error) {
	payload, err := hpke.Seal(to, hpke.HKDFSHA256(), hpke.ChaCha20Poly1305(), info(b, messageID), marshal(f))
	if err != nil {
		return nil, fmt.Errorf("sealing a payload: %w", err)
	}
	return payload, nil
}

// Open opens the payload of the entry of that Message-ID, sealed for the same
// mailbox and server-blinded ID. It returns ErrOpen for whatever reason it
// doesn't.
func Open(m *identity.Mailbox, b *blind.Blinded, messageID string, payload []byte) (f Fragment, err error) {
	if len(payload) != PayloadSize {
		return Fragment{}, ErrOpen
	}
	var plaintext []byte
	erase.Do(func() {
		plaintext, err = hpke.Open(m.PrivateKey(), hpke.HKDFSHA256(), hpke.ChaCha20Poly1305(), info(b, messageID), payload)
	})
	if err != nil {
		return Fragment{}, ErrOpen
	}
	return unmarshal(plaintext)
}

// Cover returns a payload for the entry of that Message-ID that nobody can
// open: sealed as any other, so that it takes the same work and has the same
// look, but to a key and a server-blinded ID that are forgotten at once.
func Cover(messageID string) ([]byte, error) {
	nobody, err := hpke.DHKEM(ecdh.X25519()).GenerateKey()
	if err != nil {
		return nil, fmt.Errorf("cover: %w", err)
	}
	f := Fragment{Kind: KindCover, Count: 1, Handle: newHandle()}
	return seal(nobody.PublicKey(), blind.RandomBlinded(), messageID, &f)
}

// info binds a payload to its entry, so that a swapped one doesn't open.
func info(b *blind.Blinded, messageID string) []byte {
	return b.AppendTo([]byte(labelEntry + "\x00" + messageID + "\x00"))
}

func newHandle() (h [handleSize]byte) {
	_, _ = rand.Read(h[:]) // never fails: the process ends instead
	return h
}

func marshal(f *Fragment) []byte {
	out := make([]byte, 0, plainSize)
	out = append(out, byte(f.Kind), f.Flags)
	out = binary.BigEndian.AppendUint16(out, f.Index)
	out = binary.BigEndian.AppendUint16(out, f.Count)
	out = append(out, f.Handle[:]...)
	out = binary.BigEndian.AppendUint16(out, uint16(len(f.Content)))
	return append(out, f.Content...)[:plainSize] // make zeroed the padding
}

func unmarshal(plaintext []byte) (Fragment, error) {
	if len(plaintext) != plainSize {
		return Fragment{}, ErrOpen
	}
	head, rest := plaintext[:headSize], plaintext[headSize:]
	f := Fragment{
		Kind:   Kind(head[0]),
		Flags:  head[1],
		Index:  binary.BigEndian.Uint16(head[2:]),
		Count:  binary.BigEndian.Uint16(head[4:]),
		Handle: [handleSize]byte(head[6:]),
	}
	length := int(binary.BigEndian.Uint16(head[headSize-2:]))
	if length > len(rest) {
		return Fragment{}, ErrOpen
	}
	f.Content = rest[:length:length]
	if !f.valid() || !allZero(rest[length:]) {
		return Fragment{}, ErrOpen
	}
	return f, nil
}

// allZero says whether the padding is what it should be: octets to spare would
// carry a mark.
func allZero(b []byte) bool {
	for _, octet := range b {
		if octet != 0 {
			return false
		}
	}
	return true
}
