package attack

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/restante/restante/crypto/blind"
	"github.com/restante/restante/crypto/envelope"
	"github.com/restante/restante/crypto/identity"
	"github.com/restante/restante/crypto/note"
	"github.com/restante/restante/gateway"
	"github.com/restante/restante/gateway/keyring"
)

// flips calls try with a copy of octets for each of its bits, or for so many of
// them drawn at random, that one bit flipped.
func flips(octets []byte, most int, try func(flipped []byte, bit int)) int {
	order := rand.Perm(8 * len(octets))
	order = order[:min(most, len(order))]
	flipped := bytes.Clone(octets)
	for _, bit := range order {
		flipped[bit/8] ^= 1 << (bit % 8)
		try(flipped, bit)
		flipped[bit/8] ^= 1 << (bit % 8)
	}
	return len(order)
}

const everyBit = 1 << 30

// TestTamper_noBitOfATokenCanBeChanged posts to a token with each of its bits
// flipped. Each is refused, those behind the epoch in one and the same way, and
// the token as it was is taken.
func TestTamper_noBitOfATokenCanBeChanged(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		g := newBubbleTarget(t)
		box := identity.NewSeed().Mailbox(0)
		good := g.token(box)
		l := g.dial()
		post := func(id string) string {
			l.say("340", "POST")
			return l.ask("Newsgroups: restante.reply\r\nSubject: x\r\nReferences: %s\r\n\r\nx\r\n.", id)
		}
		octets, err := base64.RawURLEncoding.DecodeString(good[1:strings.IndexByte(good, '@')])
		if err != nil {
			t.Fatal(err)
		}
		answers, taken := map[string]int{}, 0
		tried := flips(octets, everyBit, func(flipped []byte, bit int) {
			got := post("<" + base64.RawURLEncoding.EncodeToString(flipped) + "@" + domain + ">")
			if !strings.HasPrefix(got, "441") {
				taken++
				t.Errorf("bit %d flipped is answered %q", bit, got)
			}
			if bit >= 8 {
				answers[got]++
			}
		})
		if len(answers) != 1 {
			t.Errorf("the answers tell the bits of a token apart: %v", answers)
		}
		other := strings.Replace(good, domain, "other.example", 1)
		if got := post(other); !strings.HasPrefix(got, "441") {
			t.Errorf("a token under another domain is answered %q", got)
		}
		if got := post(good); !strings.HasPrefix(got, "240") {
			t.Errorf("the token itself is answered %q", got)
		}
		// Sealed to the same key, of another kind: none is taken for another.
		if got := l.ask("XPICKUP %s", base64.RawURLEncoding.EncodeToString(octets[1:])); !strings.HasPrefix(got, "491") {
			t.Errorf("a token replayed as a pickup is answered %q", got)
		}
		t.Logf("%d flipped tokens: %d taken, %d kinds of answer", tried, taken, len(answers))
	})
}

// TestTamper_noBitOfAnEntryCanBeChanged flips the bits of an entry that came
// from the gateway, as whoever carries it can, and moves payloads, dates and
// groups from one entry to another. Its reader and its owner must find out.
func TestTamper_noBitOfAnEntryCanBeChanged(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		g := newBubbleTarget(t)
		box := identity.NewSeed().Mailbox(0)
		l := g.dial()
		batch := g.policy.Calendar.Batch(time.Now()) + 1
		for range 2 {
			l.post("Newsgroups: restante.reply\nSubject: x\nReferences: " + g.token(box) + "\n\nx\n")
		}
		g.nextBatch()
		ring, err := keyring.Open(gateway.KeyDir(g.data), domain, g.policy)
		if err != nil {
			t.Fatal(err)
		}
		secret := blinded(t, ring, box, g.policy.Calendar.EpochOf(batch))
		entries := map[string]observed{}
		for _, o := range l.fetch(t, batchSize) {
			entries[o.id] = o
		}
		a, b := entries[secret.Tag(batch, 0).MessageID(domain)], entries[secret.Tag(batch, 1).MessageID(domain)]
		c := carried{t: t, v: ring.Signer().Verifier(), id: a.id, group: "restante.pool", date: l.date(a.id), signature: encoded(a.sign), payload: a.payload}
		if !c.verifies() || !opens(box, secret, a.id, a.payload) || !opens(box, secret, b.id, b.payload) {
			t.Fatal("what was not changed is refused")
		}
		c.altered()
		const sampled = 3000
		forged := flips(a.payload, sampled, func(p []byte, bit int) {
			if d := c; !d.with(p).refused() {
				t.Errorf("bit %d of the payload can be flipped", bit)
			}
		})
		opened := flips(a.payload, sampled, func(p []byte, bit int) {
			if opens(box, secret, a.id, p) {
				t.Errorf("a payload opens with bit %d flipped", bit)
			}
		})
		for what, is := range map[string]bool{
			"another entry's payload":          opens(box, secret, a.id, b.payload),
			"under the other entry's name":     opens(box, secret, b.id, a.payload),
			"by another blinded ID":            opens(box, blind.RandomBlinded(), a.id, a.payload),
			"in another epoch":                 opens(box, blinded(t, ring, box, g.policy.Calendar.EpochOf(batch)+1), a.id, a.payload),
			"by the person's other mailbox":    opens(identity.NewSeed().Mailbox(1), secret, a.id, a.payload),
			"all zeros":                        opens(box, secret, a.id, make([]byte, envelope.PayloadSize)),
			"with an ephemeral key of order 1": opens(box, secret, a.id, append(make([]byte, 32), a.payload[32:]...)),
		} {
			if is {
				t.Errorf("a payload opens: %s", what)
			}
		}
		if d := c; !d.with(b.payload).refused() {
			t.Error("payloads of two entries can be swapped")
		}
		t.Logf("%d flips of payload under the signature and %d under the seal: all refused, each with one error", forged, opened)
	})
}

// A carried is an entry in the hands of somebody who passes it on.
type carried struct {
	t                          *testing.T
	v                          *note.Verifier
	id, group, date, signature string
	payload                    []byte
}

func (c carried) with(payload []byte) carried {
	c.payload = payload
	return c
}

func (c carried) check() error {
	return c.v.VerifyEntry(c.id, c.group, c.date, sha256.Sum256(c.payload), c.signature)
}

func (c carried) verifies() bool { return c.check() == nil }

// refused says whether the entry is refused as every forgery is.
func (c carried) refused() bool { return errors.Is(c.check(), note.ErrSignature) }

// altered flips every bit of the signed header fields.
func (c carried) altered() {
	tried := 0
	for name, change := range map[string]func(*carried) *string{
		"Message-ID":         func(c *carried) *string { return &c.id },
		"Newsgroups":         func(c *carried) *string { return &c.group },
		"Date":               func(c *carried) *string { return &c.date },
		"Restante-Signature": func(c *carried) *string { return &c.signature },
	} {
		d := c
		value := change(&d)
		tried += flips([]byte(*value), everyBit, func(flipped []byte, bit int) {
			*value = string(flipped)
			if !d.refused() {
				c.t.Errorf("bit %d of %s can be flipped", bit, name)
			}
		})
	}
	c.t.Logf("%d flips in the signed header fields: all refused", tried)
}

func encoded(octets []byte) string { return base64.RawURLEncoding.EncodeToString(octets) }

// opens tries to open a payload as its owner does. Every failure must be one and
// the same.
func opens(box *identity.Mailbox, secret *blind.Blinded, id string, payload []byte) bool {
	_, err := envelope.Open(box, secret, id, payload)
	if err != nil && !errors.Is(err, envelope.ErrOpen) {
		panic("a payload fails to open in a way of its own")
	}
	return err == nil
}

// date is the Date of an article.
func (l *line) date(id string) string {
	l.t.Helper()
	l.say("225", "HDR Date %s", id)
	lines, err := l.conn.ReadDotLines()
	if err != nil || len(lines) != 1 {
		l.t.Fatal(lines, err)
	}
	_, date, _ := strings.Cut(lines[0], " ")
	return date
}

// TestReplay_changesNothing says again what was said before: an article under
// its newsreader's message-id, and one fed by a peer. A token may be answered as
// often as one likes, which is what it is for; a sealed ID, too, is a key to
// whoever has it, which is why it travels in private only.
func TestReplay_changesNothing(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		g := newBubbleTarget(t, withPeer(t))
		alice, thief := g.dial(), g.dial()
		alice.login("alice", alicePassphrase)
		card := alice.post("Newsgroups: restante.cards\nSubject: card\n\nx\n")
		for i, text := range []string{
			"Newsgroups: restante.reply\nMessage-ID: <a@x.example>\nSubject: x\nReferences: " + card + "\n\nx\n",
			"Newsgroups: restante.cards\nMessage-ID: <b@x.example>\nSubject: x\n\nx\n",
		} {
			first := thief.post(text)
			for range 20 {
				if again := g.dial().post(text); again != first {
					t.Errorf("post %d, repeated, is taken again", i)
				}
			}
		}
		for i := range 20 {
			got := thief.ask("TAKETHIS <c@x.example>\r\n%s.", fed("<c@x.example>"))
			if want := map[bool]string{true: "239", false: "439"}[i == 0]; !strings.HasPrefix(got, want) {
				t.Errorf("time %d: %q, want %s", i+1, got, want)
			}
		}
		g.nextBatch()
		g.nextBatch()
		alice.await("restante.inbox", 1)
		if n := len(alice.ids("restante.inbox")); n != 1 {
			t.Errorf("%d messages in the inbox, want 1", n)
		}
		if n := len(alice.ids("restante.cards")); n != 3 {
			t.Errorf("%d cards, want 3", n)
		}
		t.Log("3 articles said 21 times each: 1 of each was filed")
	})
}

// TestOblivious_aWrongKeyIsFoundOut stands between an owner and the gateway. It
// sends elements that are none, and answers under other keys.
func TestOblivious_aWrongKeyIsFoundOut(t *testing.T) {
	g := newTarget(t)
	l := g.dial()
	d := g.directory()
	epoch := d.Blind[0].Epoch
	client, err := blind.NewClient(d.Blind[0].Key[:])
	if err != nil {
		t.Fatal(err)
	}
	request, err := client.Blind([]identity.ID{identity.NewSeed().Mailbox(0).ID(), identity.NewSeed().Mailbox(1).ID()})
	if err != nil {
		t.Fatal(err)
	}
	elements := request.Elements()
	answer := l.evaluate(epoch, elements)
	if _, err := request.Finalize(answer[:2], answer[2]); err != nil {
		t.Fatalf("an honest answer: %v", err)
	}
	wrong := 0
	refuse := func(what string, answer [][]byte) {
		t.Helper()
		wrong++
		if _, err := request.Finalize(answer[:2], answer[2]); err == nil {
			t.Errorf("the owner believes %s", what)
		}
	}
	refuse("another epoch's key, with its proof", l.evaluate(d.Blind[1].Epoch, elements))
	refuse("evaluations in another order", [][]byte{answer[1], answer[0], answer[2]})
	refuse("one evaluation twice", [][]byte{answer[0], answer[0], answer[2]})
	refuse("the elements as they were sent", [][]byte{elements[0], elements[1], answer[2]})
	refuse("an earlier proof of the same elements' key", [][]byte{answer[0], answer[1], l.evaluate(epoch, request.Elements()[:1])[1]})
	for i := range answer {
		wrong += flips(answer[i], everyBit, func(flipped []byte, bit int) {
			changed := append([][]byte(nil), answer...)
			changed[i] = flipped
			if _, err := request.Finalize(changed[:2], changed[2]); err == nil {
				t.Errorf("bit %d of line %d can be flipped", bit, i+1)
			}
		})
	}
	bad := map[string][]byte{
		"the identity": make([]byte, 32), "no element": bytes.Repeat([]byte{0xff}, 32), "odd": append([]byte{1}, make([]byte, 31)...),
		"minus one": fieldMinus(1), "the field's size": fieldMinus(0), "short": elements[0][1:], "long": append(bytes.Clone(elements[0]), 0),
		"the base point of edwards25519": append([]byte{0x58}, bytes.Repeat([]byte{0x66}, 31)...),
	}
	for what, octets := range bad {
		for _, line := range [][][]byte{{octets}, {elements[0], octets}} {
			if got := l.ask("XBLIND %d %s", epoch, joined(line)); !strings.HasPrefix(got, "501") {
				t.Errorf("%s as the element: %q", what, got)
			}
		}
	}
	t.Logf("%d wrong answers: 0 believed; %d bad elements: 0 evaluated", wrong, 2*len(bad))
}

// fieldMinus is 2^255 - 19 - n, little end first (RFC 9496, Section 4.1).
func fieldMinus(n uint64) []byte {
	p := binary.LittleEndian.AppendUint64(nil, ^uint64(18)-n)
	p = append(p, bytes.Repeat([]byte{0xff}, 24)...)
	p[31] = 0x7f
	return p
}

func joined(elements [][]byte) string {
	words := make([]string, len(elements))
	for i, e := range elements {
		words[i] = encoded(e)
	}
	return strings.Join(words, ",")
}

// evaluate has elements evaluated, and returns these and their proof.
func (l *line) evaluate(epoch uint64, elements [][]byte) [][]byte {
	l.t.Helper()
	l.say("291", "%s", fmt.Sprintf("XBLIND %d %s", epoch, joined(elements)))
	lines, err := l.conn.ReadDotLines()
	if err != nil {
		l.t.Fatal(err)
	}
	out := make([][]byte, len(lines))
	for i, text := range lines {
		if out[i], err = base64.RawURLEncoding.DecodeString(text); err != nil {
			l.t.Fatal(err)
		}
	}
	return out
}
