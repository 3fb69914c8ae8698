package attack

import (
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/binary"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/cloudflare/circl/group"

	"github.com/restante/restante/crypto/identity"
	"github.com/restante/restante/crypto/note"
	"github.com/restante/restante/gateway"
	"github.com/restante/restante/gateway/keyring"
)

// A guess is a value that might be somebody's server-blinded ID.
type guess struct {
	how   string
	value []byte
}

// TestGuess_thePublicKeyAndTheRightIDFindNothing is the attack that the first
// design of 1996 names itself: whoever can blind a guessed ID looks the result
// up in the pool. Here the attacker has the right ID, and everything that a
// gateway publishes. Only the secret key may lead to the entries.
func TestGuess_thePublicKeyAndTheRightIDFindNothing(t *testing.T) {
	inBubble(t, guessPublicKeys)
}

func guessPublicKeys(t *testing.T) {
	g := newBubbleTarget(t)
	alice := g.dial()
	alice.login("alice", alicePassphrase)
	card := alice.post("Newsgroups: restante.cards\nSubject: card\n\nWrite to me.\n")
	g.dial().post("Newsgroups: restante.reply\nSubject: Re: card\nReferences: " + card + "\n\nHello.\n")
	g.nextBatch()
	alice.await("restante.inbox", 1)
	g.nextBatch()
	alice.await("restante.sent", 1)

	ring, err := keyring.Open(gateway.KeyDir(g.data), domain, g.policy)
	if err != nil {
		t.Fatal(err)
	}
	directory, _, _, err := note.OpenDirectory(ring.Directory().Signed, ring.Signer().Verifier())
	if err != nil {
		t.Fatal(err)
	}
	id := identity.FromPassphrase(domain, "alice", alicePassphrase).Mailbox(0).ID()
	entries := alice.ids("restante.pool")

	guesses := fromPublicValues(id.AppendTo(nil), directory)
	for _, guess := range guesses {
		if n := g.search(guess.value, entries); n != 0 {
			t.Errorf("%s: %d of %d entries found", guess.how, n, len(entries))
		}
	}

	key, err := ring.Blind(g.policy.Calendar.Epoch(time.Now()))
	if err != nil {
		t.Fatal(err)
	}
	secret, err := key.Evaluate(id)
	if err != nil {
		t.Fatal(err)
	}
	found := g.search(secret.Bytes(), entries)
	if found != 2 {
		t.Errorf("with the secret key the search finds %d entries, want the reply and the receipt", found)
	}
	t.Logf("%d guesses from public values: 0 of %d entries; with the secret key: %d", len(guesses), len(entries), found)
}

// search computes, as anybody can, the tags that a server-blinded ID has in the
// last minutes' batches, and counts those that are in the pool.
func (g *target) search(blinded []byte, entries map[string]bool) int {
	found := 0
	now := g.policy.Calendar.Batch(time.Now())
	for b := now - 300; b <= now; b++ {
		for s := range uint16(g.policy.SlotsPerBatch) {
			mac := hmac.New(sha256.New, blinded)
			mac.Write(binary.BigEndian.AppendUint16(binary.BigEndian.AppendUint64([]byte("restante tag v1"), b), s))
			tag := base64.RawURLEncoding.EncodeToString(mac.Sum(nil)[:24])
			if entries["<"+tag+"@"+domain+">"] {
				found++
			}
		}
	}
	return found
}

// fromPublicValues makes every guess that comes to mind: what the blinding
// gives for no key, for the public keys in the place of the secret one, for
// sums and products with them, and for plain hashes.
func fromPublicValues(id []byte, d *note.Directory) []guess {
	r := group.Ristretto255
	dst := append([]byte("HashToGroup-OPRFV1-"), 1, '-')
	point := r.HashToElement(id, append(dst, "ristretto255-SHA512"...))
	guesses := []guess{
		{"the ID itself", id},
		{"its hash", sum(id)},
		{"blinded by no key", finalized(id, point)},
		{"the key one", finalized(id, r.NewElement().Mul(point, r.NewScalar().SetUint64(1)))},
	}
	public := map[string][]byte{"signing key": d.Sign[:]}
	for _, k := range d.Blind {
		public["blinding key"+string(rune('0'+k.Epoch%64))] = slices.Clone(k.Key[:])
	}
	for _, k := range d.Seal {
		public["seal key"+string(rune('0'+k.Epoch%64))] = slices.Clone(k.Key[:])
	}
	for _, name := range slices.Sorted(maps.Keys(public)) {
		v := public[name]
		guesses = append(guesses,
			guess{name + " alone", v},
			guess{name + " and ID hashed", sum(v, id)},
			guess{"ID and " + name + " hashed", sum(id, v)},
			guess{name + " extracted", extracted(id, v)},
		)
		scalar := r.HashToScalar(v, []byte("guess"))
		plain := r.NewScalar()
		if plain.UnmarshalBinary(v) == nil {
			guesses = append(guesses, guess{name + " as the secret", finalized(id, r.NewElement().Mul(point, plain))})
		}
		guesses = append(guesses, guess{name + " hashed as the secret", finalized(id, r.NewElement().Mul(point, scalar))})
		element := r.NewElement()
		if element.UnmarshalBinary(v) == nil {
			guesses = append(guesses,
				guess{name + " as the result", finalized(id, element)},
				guess{name + " added", finalized(id, r.NewElement().Add(point, element))},
				guess{name + " times the ID", finalized(id, r.NewElement().Mul(element, r.HashToScalar(id, dst)))},
			)
		}
	}
	return guesses
}

// finalized is RFC 9497, Section 3.3.1, on an evaluated element.
func finalized(input []byte, element group.Element) []byte {
	octets, err := element.MarshalBinaryCompress()
	if err != nil {
		panic(err) // an element of the group always has octets
	}
	text := append(binary.BigEndian.AppendUint16(nil, uint16(len(input))), input...)
	text = append(binary.BigEndian.AppendUint16(text, uint16(len(octets))), octets...)
	return sum(text, []byte("Finalize"))
}

func sum(parts ...[]byte) []byte {
	h := sha512.New()
	for _, p := range parts {
		h.Write(p)
	}
	return h.Sum(nil)
}

func extracted(secret, salt []byte) []byte {
	key, err := hkdf.Key(sha512.New, secret, salt, "restante blind v1", 64)
	if err != nil {
		panic(err) // 64 octets are never too many
	}
	return key
}
