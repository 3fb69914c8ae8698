// Package token owns reply tokens: how one is minted for a mailbox, travels as
// a Message-ID, and is opened by the gateway (docs/protocol.md, section 5). It
// refuses to know articles, epochs' dates, and where keys rest.
package token

import (
	"encoding/base64"
	"encoding/binary"
	"errors"
	"math"
	"strings"

	"github.com/restante/restante/crypto/erase"
	"github.com/restante/restante/crypto/identity"
)

// labelToken is fed exactly as it stands (docs/protocol.md, section 5).
const labelToken = "restante token v1"

// MaxDomain is the longest domain in octets, so that a token as a Message-ID
// is at most 240 octets: RFC 3977, Section 3.6 has room for 250.
const MaxDomain = 86

const (
	replyKeySize = 32
	plainSize    = identity.Size + replyKeySize
	encSize      = 32 // DHKEM(X25519, HKDF-SHA256)'s Nenc (RFC 9180, Section 7.1)
	sealSize     = 16 // ChaCha20-Poly1305's Nt (RFC 9180, Section 7.3)

	// Size is the length of a token in octets.
	Size = 1 + encSize + plainSize + sealSize

	// characters is Size in base64url without padding.
	characters = (Size*8 + 5) / 6
)

var (
	// ErrNotToken is returned for a Message-ID that is not shaped like a token.
	ErrNotToken = errors.New("not a reply token")
	// ErrEpoch is returned when the epoch of a token is none that is honoured.
	ErrEpoch = errors.New("reply token's epoch is not honoured")
	// ErrForged is returned for every token, and everything else sealed, that
	// doesn't open, whatever the reason.
	ErrForged = errors.New("forged, or sealed to another key")
	// ErrDomain is returned when a token can't name the gateway.
	ErrDomain = errors.New("domain is not fit for a reply token")
)

// A Token lets anyone write to a mailbox. Parse and Mint make one.
type Token struct {
	identity.Secret             // in logs it says as much as an address
	octets          *[Size]byte // a pointer, so that a struct printed with a Token inside shows an address
}

// Mint returns a fresh token of a mailbox for the gateway named domain, whose
// seal key of that epoch is pub. No two are alike. It returns ErrDomain for a
// domain of other than letters, digits, hyphens and dots, or longer than
// MaxDomain; ErrEpoch for one beyond 32 bits; ErrSealKey for a zero pub.
func Mint(pub SealPublic, domain string, epoch uint64, to *identity.Mailbox) (Token, error) {
	if !validDomain(domain) {
		return Token{}, ErrDomain
	}
	if epoch > math.MaxUint32 {
		return Token{}, ErrEpoch
	}
	plaintext := append(to.ID().AppendTo(nil), to.ReplyKey().Bytes()...)
	sealed, err := pub.Seal(info(domain, epoch), plaintext)
	if err != nil {
		return Token{}, err
	}
	octets := [Size]byte(append([]byte{byte(epoch)}, sealed...))
	return Token{octets: &octets}, nil
}

// info binds a token to its gateway and its epoch.
func info(domain string, epoch uint64) []byte {
	return binary.BigEndian.AppendUint32([]byte(labelToken+"\x00"+domain+"\x00"), uint32(epoch))
}

// Parse reads a token off a Message-ID, angle brackets included, and the
// domain of the gateway that it is for. It returns ErrNotToken for one of
// another shape, a second encoding of the same octets included.
func Parse(messageID string) (t Token, domain string, err error) {
	inner, ok1 := strings.CutPrefix(messageID, "<")
	inner, ok2 := strings.CutSuffix(inner, ">")
	local, domain, ok3 := strings.Cut(inner, "@")
	if !ok1 || !ok2 || !ok3 || len(local) != characters || !validDomain(domain) {
		return Token{}, "", ErrNotToken
	}
	if strings.ContainsAny(local, "\r\n") { // the decoder skips line ends
		return Token{}, "", ErrNotToken
	}
	octets, err := base64.RawURLEncoding.Strict().DecodeString(local)
	if err != nil || len(octets) != Size {
		return Token{}, "", ErrNotToken
	}
	return Token{octets: (*[Size]byte)(octets)}, domain, nil
}

// validDomain says whether a domain is letters, digits and hyphens between
// dots, and short enough.
func validDomain(domain string) bool {
	if domain == "" || len(domain) > MaxDomain {
		return false
	}
	for label := range strings.SplitSeq(domain, ".") {
		if label == "" || strings.ContainsFunc(label, notInLabel) {
			return false
		}
	}
	return true
}

func notInLabel(r rune) bool {
	switch {
	case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '-':
		return false
	}
	return true
}

// MessageID returns "<token@domain>".
func (t Token) MessageID(domain string) string {
	return "<" + base64.RawURLEncoding.EncodeToString(t.octets[:]) + "@" + domain + ">"
}

// EpochByte returns the token's epoch modulo 256.
func (t Token) EpochByte() byte { return t.octets[0] }

// Epoch returns the token's epoch among those from oldest to newest, both
// honoured; the newest of them, were there more than 256. It returns ErrEpoch
// when it is none of them.
func (t Token) Epoch(oldest, newest uint64) (uint64, error) {
	back := uint64(byte(newest) - t.EpochByte())
	if back > newest || newest-back < oldest {
		return 0, ErrEpoch
	}
	return newest - back, nil
}

// Open opens a token of that epoch with the epoch's key, at the gateway named
// domain. It returns ErrForged for whatever reason it doesn't.
func (t Token) Open(key *SealKey, domain string, epoch uint64) (id identity.ID, to identity.ReplyKey, err error) {
	erase.Do(func() { id, to, err = t.open(key, domain, epoch) })
	return id, to, err
}

func (t Token) open(key *SealKey, domain string, epoch uint64) (identity.ID, identity.ReplyKey, error) {
	if epoch > math.MaxUint32 || t.EpochByte() != byte(epoch) {
		return identity.ID{}, identity.ReplyKey{}, ErrForged
	}
	plaintext, err := key.Open(info(domain, epoch), t.octets[1:])
	if err != nil || len(plaintext) != plainSize {
		return identity.ID{}, identity.ReplyKey{}, ErrForged
	}
	id, errID := identity.IDFromBytes(plaintext[:identity.Size])
	reply, errKey := identity.ParseReplyKey(plaintext[identity.Size:])
	if errID != nil || errKey != nil {
		return identity.ID{}, identity.ReplyKey{}, ErrForged
	}
	return id, reply, nil
}
