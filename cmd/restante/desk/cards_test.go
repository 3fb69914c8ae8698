package desk

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/restante/restante/cmd/restante/mailbox"
	"github.com/restante/restante/crypto/contact"
	"github.com/restante/restante/crypto/identity"
	"github.com/restante/restante/crypto/token"
	"github.com/restante/restante/gateway/remote"
)

func newCard(t *testing.T, name string, seed *identity.Seed) *contact.Card {
	t.Helper()
	key, err := token.NewSealKey()
	if err != nil {
		t.Fatal(err)
	}
	minted, err := token.Mint(key.Public(), "gw.example", 1, seed.Mailbox(0))
	if err != nil {
		t.Fatal(err)
	}
	card, err := contact.NewCard(name, minted.MessageID("gw.example"), identity.NewE2EPublic(seed.E2EKey(0)))
	if err != nil {
		t.Fatal(err)
	}
	return card
}

// Two people may call themselves the same. Neither takes the other's place, nor is
// written to in the other's.
func TestAdd_namesThatAreTakenOrChange(t *testing.T) {
	seed := identity.NewSeed()
	mail, err := mailbox.Open(t.TempDir(), seed)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = mail.Close() }()
	d := New(Options{Seed: seed, Mail: mail, Now: time.Now})
	bobs, others := identity.NewSeed(), identity.NewSeed()
	add := func(card *contact.Card, as string) error {
		_, err := d.Add(card, as)
		return err
	}
	bob, other := newCard(t, "Bob", bobs), newCard(t, "Bob", others)
	if err := add(bob, ""); err != nil {
		t.Fatal(err)
	}
	if err := mail.Put(mailbox.Event{Message: &mailbox.Message{Group: mailbox.Inbox, ID: "<1@x>", Contact: "Bob"}}); err != nil {
		t.Fatal(err)
	}
	if err := add(other, ""); !errors.Is(err, ErrTaken) {
		t.Errorf("another Bob: %v", err)
	}
	if err := add(other, "Rob"); err != nil { // as it is told
		t.Fatal(err)
	}
	if c, err := mail.Contact("Bob"); err != nil || c.Token != bob.Token {
		t.Errorf("the first Bob is gone: %v", err)
	}
	if err := add(newCard(t, "Bob", bobs), "Bobby"); err != nil { // another name
		t.Fatal(err)
	}
	if err := add(newCard(t, "Bob", identity.NewSeed()), ""); err != nil { // the old one is free
		t.Fatal(err)
	}
	if answer, err := d.Reply(1); err != nil || answer.To != "Bobby" {
		t.Errorf("an answer to the first Bob goes to %q, %v", answer.To, err)
	}
	if got := len(mail.Contacts()); got != 3 {
		t.Errorf("%d contacts", got)
	}
	// Whom nothing but a token is known of can't be taken for somebody who says so.
	if err := mail.Put(mailbox.Event{Contact: &mailbox.Contact{Name: "unnamed-1", Token: bob.Token}}); err != nil {
		t.Fatal(err)
	}
	if err := add(newCard(t, "unnamed-1", identity.NewSeed()), ""); !errors.Is(err, ErrTaken) {
		t.Errorf("a card that says unnamed-1: %v", err)
	}
}

// A card is posted under its token, and says where a followup goes to only where
// there is that group: INN's nnrpd refuses it otherwise.
func TestPostCard_isCalledByItsToken(t *testing.T) {
	card := newCard(t, "Alice", identity.NewSeed())
	for _, gateway := range []bool{true, false} {
		server := newTaker(t, "<none@")
		server.isGateway = gateway
		d := New(Options{Submit: remote.Server{Address: server.address, Security: remote.Plain}, Now: time.Now})
		if err := d.PostCard(t.Context(), card); err != nil {
			t.Fatal(err)
		}
		post := <-server.posts
		if !strings.Contains(post, "Newsgroups: restante.cards\n") || !strings.Contains(post, "Message-ID: "+card.Token+"\n") {
			t.Errorf("posted:\n%s", post)
		}
		if got := strings.Contains(post, "Followup-To: restante.reply\n"); got != gateway {
			t.Errorf("with the group %v, Followup-To %v", gateway, got)
		}
	}
}
