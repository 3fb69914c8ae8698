package envelope_test

import (
	"bytes"
	"crypto/ecdh"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/hpke"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/binary"
	"strings"
	"testing"

	"github.com/cloudflare/circl/group"
	"github.com/restante/restante/crypto/blind"
	"github.com/restante/restante/crypto/envelope"
	"github.com/restante/restante/crypto/identity"
	"github.com/restante/restante/crypto/token"
	"golang.org/x/crypto/argon2"
	"golang.org/x/crypto/chacha20poly1305"
	"pgregory.net/rapid"
)

// This file is docs/protocol.md once more, from the page and the RFCs alone: it
// shares no line with what it checks.

func octets32() *rapid.Generator[[]byte] { return rapid.SliceOfN(rapid.Byte(), 32, 32) }

func domains() *rapid.Generator[string] {
	return rapid.StringMatching(`[a-z0-9-]{1,40}(\.[a-z0-9-]{1,40})?`)
}

func u16(n uint16) string { return string(binary.BigEndian.AppendUint16(nil, n)) }
func u32(n uint32) string { return string(binary.BigEndian.AppendUint32(nil, n)) }
func u64(n uint64) string { return string(binary.BigEndian.AppendUint64(nil, n)) }

// mac is HMAC-SHA256.
func mac(key []byte, message string) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(message))
	return h.Sum(nil)
}

// expand1 is HKDF-SHA256-Expand to 32 octets, which is one block (RFC 5869,
// Section 2.3).
func expand1(key []byte, info string) []byte { return mac(key, info+"\x01") }

func equal(t interface{ Fatalf(string, ...any) }, what string, got, want []byte) {
	if !bytes.Equal(got, want) {
		t.Fatalf("%s: the package has %x, the page %x", what, got, want)
	}
}

func TestIndependent_seed(t *testing.T) {
	salt := sha256.Sum256([]byte("restante seed v1\x00gateway.example\x00alice"))
	want := argon2.IDKey([]byte("a passphrase"), salt[:], 3, 64<<10, 1, 32)
	equal(t, "seed", identity.FromPassphrase("gateway.example", "alice", "a passphrase").Bytes(), want)
}

func TestIndependent_cancelKey(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		raw, n := octets32().Draw(t, "seed"), rapid.Uint32().Draw(t, "n")
		id := rapid.StringMatching(`<[!-=?-~]{1,60}@[a-z.]{1,40}>`).Draw(t, "message-id")
		seed, err := identity.SeedFromBytes(raw)
		if err != nil {
			t.Fatal(err)
		}
		got := seed.Mailbox(n).CancelKey(id)
		equal(t, "cancel key", got[:], mac(expand1(raw, "restante cancel v1"+u32(n)), id))
	})
}

func TestIndependent_mailbox(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		raw, n := octets32().Draw(t, "seed"), rapid.Uint32().Draw(t, "n")
		seed, err := identity.SeedFromBytes(raw)
		if err != nil {
			t.Fatal(err)
		}
		equal(t, "id", seed.Mailbox(n).ID().AppendTo(nil), expand1(raw, "restante mailbox v1"+u32(n)))
		private, err := ecdh.X25519().NewPrivateKey(expand1(raw, "restante reply key v1"+u32(n)))
		if err != nil {
			t.Fatal(err)
		}
		equal(t, "reply key", seed.Mailbox(n).ReplyKey().Bytes(), private.PublicKey().Bytes())
		e2e, err := hpke.MLKEM768X25519().DeriveKeyPair(expand1(raw, "restante e2e key v1"+u32(n)))
		if err != nil {
			t.Fatal(err)
		}
		equal(t, "e2e key", seed.E2EKey(n).PublicKey().Bytes(), e2e.PublicKey().Bytes())
	})
}

func TestIndependent_blinding(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		raw, id, domain := octets32().Draw(t, "root"), octets32().Draw(t, "id"), domains().Draw(t, "domain")
		root, err := blind.RootFromBytes(raw)
		if err != nil {
			t.Fatal(err)
		}
		equal(t, "next root", root.Next().Bytes(), expand1(raw, "restante ratchet v1"))
		k := deriveScalar(expand1(raw, "restante blind v1"), "restante blind "+domain)
		public, err := group.Ristretto255.NewElement().MulGen(k).MarshalBinaryCompress()
		if err != nil {
			t.Fatal(err)
		}
		key, err := root.Key(domain)
		if err != nil {
			t.Fatal(err)
		}
		equal(t, "K_e", key.Public(), public)
		mailbox, err := identity.IDFromBytes(id)
		if err != nil {
			t.Fatal(err)
		}
		b, err := key.Evaluate(mailbox)
		if err != nil {
			t.Fatal(err)
		}
		equal(t, "B_e", b.Bytes(), evaluate(k, id))
	})
}

// voprfContext is the context string of mode 0x01 (RFC 9497, Section 3.1).
const voprfContext = "OPRFV1-\x01-ristretto255-SHA512"

// deriveScalar is DeriveKeyPair (RFC 9497, Section 3.2.1); the counter stays 0
// but once in 2^252.
func deriveScalar(seed []byte, info string) group.Scalar {
	input := string(seed) + u16(uint16(len(info))) + info + "\x00"
	return group.Ristretto255.HashToScalar([]byte(input), []byte("DeriveKeyPair"+voprfContext))
}

// evaluate is Evaluate (RFC 9497, Section 3.3.1).
func evaluate(k group.Scalar, input []byte) []byte {
	point := group.Ristretto255.HashToElement(input, []byte("HashToGroup-"+voprfContext))
	element, err := group.Ristretto255.NewElement().Mul(point, k).MarshalBinaryCompress()
	if err != nil {
		return nil
	}
	sum := sha512.Sum512([]byte(u16(uint16(len(input))) + string(input) + u16(32) + string(element) + "Finalize"))
	return sum[:]
}

func TestIndependent_tag(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		raw := rapid.SliceOfN(rapid.Byte(), 64, 64).Draw(t, "B_e")
		batch, slot := rapid.Uint64().Draw(t, "batch"), rapid.Uint16().Draw(t, "slot")
		b, err := blind.BlindedFromBytes(raw)
		if err != nil {
			t.Fatal(err)
		}
		want := mac(raw, "restante tag v1"+u64(batch)+u16(slot))[:24]
		tagger := b.Tagger()
		tagger.Tag(batch+1, slot) // what was computed before must not matter
		tag := tagger.Tag(batch, slot)
		equal(t, "tag", tag[:], want)
		if got := tag.MessageID("gateway.example"); got != "<"+base64.RawURLEncoding.EncodeToString(want)+"@gateway.example>" {
			t.Fatalf("message-id %s", got)
		}
	})
}

func TestIndependent_tokenOpens(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		domain, epoch := domains().Draw(t, "domain"), rapid.Uint32().Draw(t, "epoch")
		raw := octets32().Draw(t, "seal key")
		key, err := token.SealKeyFromBytes(raw)
		if err != nil {
			t.Fatal(err)
		}
		seed, err := identity.SeedFromBytes(octets32().Draw(t, "seed"))
		if err != nil {
			t.Fatal(err)
		}
		box := seed.Mailbox(7)
		minted, err := token.Mint(key.Public(), domain, uint64(epoch), box)
		if err != nil {
			t.Fatal(err)
		}
		local, rest, _ := strings.Cut(strings.Trim(minted.MessageID(domain), "<>"), "@")
		octets, err := base64.RawURLEncoding.DecodeString(local)
		if err != nil || rest != domain || len(local) != 151 || len(octets) != 113 || octets[0] != byte(epoch) {
			t.Fatalf("shape: %v, %d characters, %d octets", err, len(local), len(octets))
		}
		plain := openHPKE(t, raw, octets[1:33], "restante token v1\x00"+domain+"\x00"+u32(epoch), octets[33:])
		equal(t, "token", plain, append(box.ID().AppendTo(nil), box.ReplyKey().Bytes()...))
	})
}

func TestIndependent_payloadOpens(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		raw := octets32().Draw(t, "seed")
		seed, err := identity.SeedFromBytes(raw)
		if err != nil {
			t.Fatal(err)
		}
		content := rapid.SliceOfN(rapid.Byte(), 0, 500).Draw(t, "content")
		b, f := blind.RandomBlinded(), envelope.Fragment{Kind: envelope.KindReceipt, Flags: 9, Index: 258, Count: 772, Handle: [16]byte{5}, Content: content}
		payload, err := envelope.Seal(seed.Mailbox(3).ReplyKey(), b, "<tag@gateway.example>", f)
		if err != nil || len(payload) != 16384 {
			t.Fatalf("%d octets, %v", len(payload), err)
		}
		info := "restante entry v1\x00<tag@gateway.example>\x00" + string(b.Bytes())
		plain := openHPKE(t, expand1(raw, "restante reply key v1"+u32(3)), payload[:32], info, payload[32:])
		want := "\x02\x09\x01\x02\x03\x04" + string(f.Handle[:]) + u16(uint16(len(content))) + string(content)
		equal(t, "payload", plain, append([]byte(want), make([]byte, 16336-len(want))...))
	})
}

// openHPKE is single-shot Open in base mode (RFC 9180, Section 6.1) for
// DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, ChaCha20-Poly1305.
func openHPKE(t *rapid.T, private, enc []byte, info string, ciphertext []byte) []byte {
	const kemSuite, suite = "KEM\x00\x20", "HPKE\x00\x20\x00\x01\x00\x03"
	sk, err := ecdh.X25519().NewPrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	pk, err := ecdh.X25519().NewPublicKey(enc)
	if err != nil {
		t.Fatal(err)
	}
	dh, err := sk.ECDH(pk)
	if err != nil {
		t.Fatal(err)
	}
	prk := extract(t, "", kemSuite, "eae_prk", string(dh))
	shared := labeledExpand(t, prk, kemSuite, "shared_secret", string(enc)+string(sk.PublicKey().Bytes()), 32)
	context := "\x00" + string(extract(t, "", suite, "psk_id_hash", "")) + string(extract(t, "", suite, "info_hash", info))
	secret := extract(t, string(shared), suite, "secret", "")
	aead, err := chacha20poly1305.New(labeledExpand(t, secret, suite, "key", context, 32))
	if err != nil {
		t.Fatal(err)
	}
	plain, err := aead.Open(nil, labeledExpand(t, secret, suite, "base_nonce", context, 12), ciphertext, nil)
	if err != nil {
		t.Fatal(err)
	}
	return plain
}

// extract is LabeledExtract (RFC 9180, Section 4).
func extract(t *rapid.T, salt, suite, label, ikm string) []byte {
	prk, err := hkdf.Extract(sha256.New, []byte("HPKE-v1"+suite+label+ikm), []byte(salt))
	if err != nil {
		t.Fatal(err)
	}
	return prk
}

// labeledExpand is LabeledExpand (RFC 9180, Section 4).
func labeledExpand(t *rapid.T, prk []byte, suite, label, info string, size int) []byte {
	out, err := hkdf.Expand(sha256.New, prk, u16(uint16(size))+"HPKE-v1"+suite+label+info, size)
	if err != nil {
		t.Fatal(err)
	}
	return out
}
