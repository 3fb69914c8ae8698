// Package identity owns what a person is to a gateway: a seed, and the
// mailboxes, reply keys and end-to-end key that follow from it
// (docs/protocol.md, section 3). It refuses to know gateways' keys, tokens,
// entries, accounts and files: it derives, and keeps nothing.
package identity

import (
	"crypto/hkdf"
	"crypto/hpke"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/binary"
	"errors"

	"golang.org/x/crypto/argon2"

	"github.com/restante/restante/crypto/erase"
)

// The labels of docs/protocol.md, section 3, each fed exactly as it stands.
const (
	labelSeed     = "restante seed v1"
	labelMailbox  = "restante mailbox v1"
	labelReplyKey = "restante reply key v1"
	labelE2EKey   = "restante e2e key v1"
	labelCancel   = "restante cancel v1"
	labelLocal    = "restante local v1"
)

// The cost of Argon2id: RFC 9106, Section 4 recommends three passes over
// 64 MiB where memory is dear. One lane, since a gateway has many logins but
// few cores.
const (
	argonPasses = 3
	argonMemory = 64 * 1024 // KiB
	argonLanes  = 1
)

// Size is the length of a seed and of an ID in octets.
const Size = 32

var (
	// ErrSeed is returned for a seed that is not 32 octets.
	ErrSeed = errors.New("not a seed")
	// ErrID is returned for an ID that is not 32 octets.
	ErrID = errors.New("not a mailbox id")
)

// A Seed is the secret that all of one person's mailboxes follow from. It may
// be used by many goroutines at once.
type Seed struct {
	Secret
	octets [Size]byte
}

// NewSeed returns a seed from the system's random source.
func NewSeed() *Seed {
	s := new(Seed)
	_, _ = rand.Read(s.octets[:]) // never fails: the process ends instead
	return s
}

// SeedFromBytes returns the seed that Bytes gave. It returns ErrSeed when b is
// not 32 octets.
func SeedFromBytes(b []byte) (*Seed, error) {
	if len(b) != Size {
		return nil, ErrSeed
	}
	return &Seed{octets: [Size]byte(b)}, nil
}

// FromPassphrase returns the seed of a login at the gateway named domain. It
// takes all three as octets: no folding of case, no normalisation. Nothing
// tells a right passphrase from a wrong one, which has mailboxes too. It takes
// 64 MiB and about a fifth of a second of one core (RFC 9106), so a server
// bounds how many run at once.
func FromPassphrase(domain, handle, passphrase string) (s *Seed) {
	salt := sha256.Sum256([]byte(labelSeed + "\x00" + domain + "\x00" + handle))
	erase.Do(func() {
		key := argon2.IDKey([]byte(passphrase), salt[:], argonPasses, argonMemory, argonLanes, Size)
		s = &Seed{octets: [Size]byte(key)}
	})
	return s
}

// Bytes returns a copy of the seed's 32 octets, for the key file and nothing
// else.
func (s *Seed) Bytes() []byte { return append([]byte(nil), s.octets[:]...) }

// Mailbox derives mailbox n, with its reply key parsed.
func (s *Seed) Mailbox(n uint32) (m *Mailbox) {
	erase.Do(func() {
		id := s.expand(labelMailbox + number(n))
		m = newMailbox(ID{octets: &id}, s.expand(labelReplyKey+number(n)))
		m.cancel = s.expand(labelCancel + number(n))
	})
	return m
}

// E2EKey derives the key pair of mailbox n for content that not even a gateway
// may read. Each mailbox has its own: one key for all of them would tell every
// two correspondents who compare their cards that they write to one person. It
// is the KEM's own DeriveKeyPair (RFC 9180, Section 4) of MLKEM768-X25519 fed
// with the derived 32 octets, not those octets taken for the private key: so
// the KEM's own label separates it from anything else. It must not be printed:
// it doesn't hide itself.
func (s *Seed) E2EKey(n uint32) hpke.PrivateKey {
	ikm := s.expand(labelE2EKey + number(n))
	return must(e2eKEM().DeriveKeyPair(ikm[:]))
}

// LocalKey derives the key of what the owner keeps on her own machine: 32 octets,
// which open her mail and nothing at any gateway.
func (s *Seed) LocalKey() [Size]byte { return s.expand(labelLocal) }

// expand is HKDF-SHA256-Expand (RFC 5869, Section 2.3) to 32 octets. The seed
// is uniform already, so it needs no extract step.
func (s *Seed) expand(info string) [Size]byte {
	return [Size]byte(must(hkdf.Expand(sha256.New, s.octets[:], info, Size)))
}

// number is n as four big-endian octets.
func number(n uint32) string {
	return string(binary.BigEndian.AppendUint32(nil, n))
}

// must is for calls that fail on a wrong length only, given right ones.
func must[T any](v T, err error) T {
	if err != nil {
		panic("identity: a fixed length is wrong: " + err.Error())
	}
	return v
}

// An ID names one mailbox and is the right to its mail: a bearer secret. It is
// immutable, and compared with Equal only. IDFromBytes and Mailbox make one;
// the zero ID names nothing and has no octets.
type ID struct {
	Secret
	octets *[Size]byte // a pointer, so that a struct printed with an ID inside shows an address
}

// IDFromBytes returns the ID with those octets. It returns ErrID when b is not
// 32 of them.
func IDFromBytes(b []byte) (ID, error) {
	if len(b) != Size {
		return ID{}, ErrID
	}
	octets := [Size]byte(b)
	return ID{octets: &octets}, nil
}

// AppendTo appends the ID's 32 octets to dst, for sealing or blinding them.
func (id ID) AppendTo(dst []byte) []byte {
	if id.octets == nil {
		return dst
	}
	return append(dst, id.octets[:]...)
}

// Equal compares in constant time.
func (id ID) Equal(other ID) bool {
	if id.octets == nil || other.octets == nil {
		return id.octets == other.octets
	}
	return subtle.ConstantTimeCompare(id.octets[:], other.octets[:]) == 1
}
