package collect

import (
	"strings"
	"testing"
	"time"

	"github.com/restante/restante/cmd/restante/mailbox"
	"github.com/restante/restante/crypto/contact"
	"github.com/restante/restante/crypto/envelope"
	"github.com/restante/restante/crypto/identity"
	"github.com/restante/restante/crypto/token"
	"github.com/restante/restante/pool"
)

// cardOf is the card of a person of a seed of her own.
func cardOf(t *testing.T, name string, seed *identity.Seed) *contact.Card {
	t.Helper()
	key, err := token.NewSealKey()
	if err != nil {
		t.Fatal(err)
	}
	id, err := token.Mint(key.Public(), domain, 1, seed.Mailbox(0))
	if err != nil {
		t.Fatal(err)
	}
	card, err := contact.NewCard(name, id.MessageID(domain), identity.NewE2EPublic(seed.E2EKey(0)))
	if err != nil {
		t.Fatal(err)
	}
	return card
}

// comes has a message come to a mailbox, with a card by which it can be answered.
func comes(t *testing.T, r *run, box uint32, handle byte, from *contact.Card) mailbox.Message {
	t.Helper()
	inner := "From: x\r\nSubject: x\r\nMessage-ID: " + from.Token + "\r\n\r\nx\r\n"
	block, err := contact.Seal(identity.NewE2EPublic(r.Seed.E2EKey(box)), from, []byte(inner))
	if err != nil {
		t.Fatal(err)
	}
	outer := "From: x\r\nSubject: restante\r\nMessage-ID: <x@y>\r\n\r\n" + strings.ReplaceAll(block, "\n", "\r\n")
	if err := r.keepMessage(mailbox.Part{Gateway: domain, Box: box, Handle: [16]byte{handle}, Kind: envelope.KindMessage}, []byte(outer)); err != nil {
		t.Fatal(err)
	}
	return r.report.New[len(r.report.New)-1]
}

// Whoever was passed on the card that a contact alone was given can write to her
// mailbox, and must not have what is written to her from then on.
func TestOpen_aContactsKeyIsNotReplacedUnseen(t *testing.T) {
	r := newRun(t)
	r.Seed = identity.NewSeed()
	bobs := identity.NewSeed()
	everybodys, bob, mallory := cardOf(t, "Bob", identity.NewSeed()), cardOf(t, "Bob", bobs), cardOf(t, "Bob", identity.NewSeed())
	if err := r.Mail.Put(mailbox.Event{Contact: &mailbox.Contact{Name: "Bob", Card: everybodys.Text(), Token: everybodys.Token, Box: 5, Gateway: domain}}); err != nil {
		t.Fatal(err)
	}
	if m := comes(t, r, 5, 3, bob); m.Contact != "Bob" {
		t.Errorf("his first answer is shown as from %q", m.Contact)
	}
	if m := comes(t, r, 5, 1, mallory); m.Contact == "Bob" || m.Contact == "" {
		t.Errorf("it is shown as from %q", m.Contact)
	}
	if c, err := r.Mail.Contact("Bob"); err != nil || c.Card != bob.Text() || c.Token != bob.Token {
		t.Errorf("what is written to Bob goes elsewhere now: %v", err)
	}
	newer := cardOf(t, "Bob", bobs) // the same key, and a fresh token
	if m := comes(t, r, 5, 2, newer); m.Contact != "Bob" {
		t.Errorf("a message of Bob's is shown as from %q", m.Contact)
	}
	if c, err := r.Mail.Contact("Bob"); err != nil || c.Token != newer.Token {
		t.Errorf("Bob's newer token is not taken: %v", err)
	}
}

// Fragments wait only as long as any server keeps the others.
func TestGiveUp_whatCannotBeCompleted(t *testing.T) {
	r := newRun(t)
	c := pool.Calendar{EpochLength: time.Hour, BatchInterval: time.Minute, Retention: 4}
	r.Now = func() time.Time { return time.Unix(100*3600, 0) }
	r.match = map[string]*matcher{domain: {calendar: c}}
	for i, epoch := range []uint64{94, 95, 100} {
		p := mailbox.Part{Gateway: domain, Handle: [16]byte{byte(i + 1)}, Count: 2, Epoch: epoch}
		if err := r.Mail.Put(mailbox.Event{Part: &p, Octets: []byte("x")}); err != nil {
			t.Fatal(err)
		}
	}
	if err := r.giveUp(); err != nil || r.report.GivenUp != 1 || r.Mail.Waiting() != 2 || !r.Mail.Had([16]byte{1}) {
		t.Errorf("%d are given up, %d wait: %v", r.report.GivenUp, r.Mail.Waiting(), err)
	}
}
