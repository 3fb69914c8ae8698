package identity

import (
	"bytes"
	"crypto/ecdh"
	"crypto/hmac"
	"crypto/hpke"
	"crypto/sha256"
	"errors"
)

// ErrReplyKey is returned for octets that are no usable X25519 public key.
var ErrReplyKey = errors.New("not a reply key")

// A Mailbox is one of a person's mailboxes, both halves of its reply key
// included. It may be used by many goroutines at once.
type Mailbox struct {
	Secret
	id      ID
	private hpke.PrivateKey // parsed once: parsing costs as much as opening
	reply   ReplyKey
	cancel  [Size]byte // what the keys of CancelKey follow from
}

// newMailbox takes the derived 32 octets for the X25519 private key itself
// (RFC 7748, Section 5).
func newMailbox(id ID, private [Size]byte) *Mailbox {
	key := must(kem().NewPrivateKey(private[:]))
	return &Mailbox{id: id, private: key, reply: ReplyKey{key: key.PublicKey()}}
}

// ID returns the mailbox's ID.
func (m *Mailbox) ID() ID { return m.id }

// ReplyKey returns the public half of the key that the mailbox's mail is
// sealed to.
func (m *Mailbox) ReplyKey() ReplyKey { return m.reply }

// PrivateKey returns the private half, for opening what was sealed to the
// public one. It must not be printed: it doesn't hide itself.
func (m *Mailbox) PrivateKey() hpke.PrivateKey { return m.private }

// CancelKey derives the key that withdraws the article with that message-id,
// angle brackets included, if this mailbox's owner wrote it: K of RFC 8315,
// Section 4, HMAC-SHA256 with a secret of the mailbox's own, so with no user
// name in it. It is a secret until the owner withdraws the article, and
// published then; it tells nothing of any other one, nor that two have one
// owner. Nothing needs to be kept of it: the same login derives it again.
func (m *Mailbox) CancelKey(messageID string) [Size]byte {
	mac := hmac.New(sha256.New, m.cancel[:])
	mac.Write([]byte(messageID))
	return [Size]byte(mac.Sum(nil))
}

// A ReplyKey is the X25519 public key that a mailbox's mail is sealed to. It
// is no secret but tells mailboxes apart, so it doesn't print itself either.
// ParseReplyKey and Mailbox make one; the zero ReplyKey has no octets.
type ReplyKey struct {
	Secret
	key hpke.PublicKey
}

// ParseReplyKey checks that b is 32 octets and no point of low order. A secret
// shared with such a point is known to all (RFC 7748, Section 6.1). It returns
// ErrReplyKey otherwise.
func ParseReplyKey(b []byte) (ReplyKey, error) {
	if len(b) != Size || lowOrder([Size]byte(b)) {
		return ReplyKey{}, ErrReplyKey
	}
	key, err := kem().NewPublicKey(b)
	if err != nil {
		return ReplyKey{}, ErrReplyKey
	}
	return ReplyKey{key: key}, nil
}

// Bytes returns the key's 32 octets.
func (k ReplyKey) Bytes() []byte {
	if k.key == nil {
		return nil
	}
	return k.key.Bytes()
}

// Equal says whether both keys have the same octets.
func (k ReplyKey) Equal(other ReplyKey) bool { return bytes.Equal(k.Bytes(), other.Bytes()) }

// PublicKey returns the key for sealing to it; nil for the zero ReplyKey.
func (k ReplyKey) PublicKey() hpke.PublicKey { return k.key }

// kem is DHKEM(X25519, HKDF-SHA256) (RFC 9180, Section 7.1).
func kem() hpke.KEM { return hpke.DHKEM(ecdh.X25519()) }

// lowOrder says whether b encodes one of the points of order 1, 2, 4 or 8 of
// Curve25519 and its twist. The top bit doesn't count (RFC 7748, Section 5).
// A look-up, since finding out by a multiplication costs as much as opening
// a token.
func lowOrder(b [Size]byte) bool {
	b[Size-1] &= 0x7f
	for _, point := range [...]string{
		"\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00", // 0
		"\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00", // 1
		"\xe0\xeb\x7a\x7c\x3b\x41\xb8\xae\x16\x56\xe3\xfa\xf1\x9f\xc4\x6a\xda\x09\x8d\xeb\x9c\x32\xb1\xfd\x86\x62\x05\x16\x5f\x49\xb8\x00", // order 8
		"\x5f\x9c\x95\xbc\xa3\x50\x8c\x24\xb1\xd0\xb1\x55\x9c\x83\xef\x5b\x04\x44\x5c\xc4\x58\x1c\x8e\x86\xd8\x22\x4e\xdd\xd0\x9f\x11\x57", // order 8
		"\xec\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x7f", // p - 1
		"\xed\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x7f", // p, which is 0
		"\xee\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x7f", // p + 1, which is 1
	} {
		if string(b[:]) == point {
			return true
		}
	}
	return false
}
