package blind

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"hash"
	"strings"

	"github.com/restante/restante/crypto/identity"
)

const (
	// BlindedSize is the length of a server-blinded ID in octets, that of the
	// suite's hash, SHA-512.
	BlindedSize = 64
	// TagSize is the length of a tag in octets: 24 make 32 base64url
	// characters without a bit to spare, and no two tags ever meet by chance.
	TagSize = 24

	tagCharacters = TagSize / 3 * 4
)

var (
	// ErrBlinded is returned for a server-blinded ID that is not 64 octets.
	ErrBlinded = errors.New("not a server-blinded id")
	// ErrTag is returned for text that is no tag.
	ErrTag = errors.New("not a tag")
)

// A Blinded is the server-blinded ID of one mailbox in one epoch: who holds it
// can find all of the mailbox's entries of that epoch, and no other. It may be
// used by many goroutines at once.
type Blinded struct {
	identity.Secret
	octets [BlindedSize]byte
}

// BlindedFromBytes returns the server-blinded ID that Bytes gave. It returns
// ErrBlinded when b is not 64 octets.
func BlindedFromBytes(b []byte) (*Blinded, error) {
	if len(b) != BlindedSize {
		return nil, ErrBlinded
	}
	return &Blinded{octets: [BlindedSize]byte(b)}, nil
}

// RandomBlinded returns one that belongs to no mailbox, for cover.
func RandomBlinded() *Blinded {
	b := new(Blinded)
	_, _ = rand.Read(b.octets[:]) // never fails: the process ends instead
	return b
}

// Bytes returns a copy of the 64 octets, for the owner's key file and nothing
// else.
func (b *Blinded) Bytes() []byte { return b.AppendTo(nil) }

// AppendTo appends the 64 octets to dst, for binding an entry to them.
func (b *Blinded) AppendTo(dst []byte) []byte { return append(dst, b.octets[:]...) }

// Equal compares in constant time.
func (b *Blinded) Equal(other *Blinded) bool {
	return subtle.ConstantTimeCompare(b.octets[:], other.octets[:]) == 1
}

// Tag returns the tag of the mailbox's entry in a slot of a batch.
func (b *Blinded) Tag(batch uint64, slot uint16) Tag { return b.Tagger().Tag(batch, slot) }

// Tagger returns a Tagger, for computing many tags.
func (b *Blinded) Tagger() *Tagger {
	return &Tagger{mac: hmac.New(sha256.New, b.octets[:])}
}

// A Tagger computes the tags of one server-blinded ID, several times as fast
// as one by one. It belongs to one goroutine at a time.
type Tagger struct {
	identity.Secret
	mac hash.Hash
	in  [len(labelTag) + 8 + 2]byte
	out [sha256.Size]byte
}

// Tag returns the tag of the mailbox's entry in a slot of a batch.
func (t *Tagger) Tag(batch uint64, slot uint16) Tag {
	n := copy(t.in[:], labelTag)
	binary.BigEndian.PutUint64(t.in[n:], batch)
	binary.BigEndian.PutUint16(t.in[n+8:], slot)
	t.mac.Reset()
	_, _ = t.mac.Write(t.in[:]) // a hash never fails
	return Tag(t.mac.Sum(t.out[:0]))
}

// A Tag names one pool entry. It is public, and tells nothing to whoever
// doesn't hold the server-blinded ID.
type Tag [TagSize]byte

// RandomTag returns a tag that belongs to no mailbox, for cover.
func RandomTag() Tag {
	var t Tag
	_, _ = rand.Read(t[:]) // never fails: the process ends instead
	return t
}

// ParseTag reads 32 base64url characters (RFC 4648, Section 5). It returns
// ErrTag for anything else.
func ParseTag(s string) (Tag, error) {
	var t Tag
	if len(s) != tagCharacters || strings.ContainsAny(s, "\r\n") { // the decoder skips line ends
		return Tag{}, ErrTag
	}
	if _, err := base64.RawURLEncoding.Decode(t[:], []byte(s)); err != nil {
		return Tag{}, ErrTag
	}
	return t, nil
}

// ParseMessageID splits "<tag@domain>". It returns ErrTag for anything else;
// the domain is not looked at.
func ParseMessageID(messageID string) (t Tag, domain string, err error) {
	inner, ok1 := strings.CutPrefix(messageID, "<")
	inner, ok2 := strings.CutSuffix(inner, ">")
	local, domain, ok3 := strings.Cut(inner, "@")
	if !ok1 || !ok2 || !ok3 {
		return Tag{}, "", ErrTag
	}
	if t, err = ParseTag(local); err != nil {
		return Tag{}, "", err
	}
	return t, domain, nil
}

// String returns the tag's 32 base64url characters.
func (t Tag) String() string { return base64.RawURLEncoding.EncodeToString(t[:]) }

// MessageID returns "<tag@domain>", the Message-ID of the entry.
func (t Tag) MessageID(domain string) string { return "<" + t.String() + "@" + domain + ">" }
