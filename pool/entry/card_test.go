package entry

import (
	"strings"
	"testing"

	"github.com/restante/restante/crypto/contact"
	"github.com/restante/restante/crypto/identity"
	"github.com/restante/restante/crypto/token"
)

// cardOf makes a card of somebody at a gateway.
func cardOf(t *testing.T, domain string) *contact.Card {
	t.Helper()
	key, err := token.NewSealKey()
	if err != nil {
		t.Fatal(err)
	}
	seed := identity.NewSeed()
	minted, err := token.Mint(key.Public(), domain, 1, seed.Mailbox(1))
	if err != nil {
		t.Fatal(err)
	}
	card, err := contact.NewCard("Alice", minted.MessageID(domain), identity.NewE2EPublic(seed.E2EKey(1)))
	if err != nil {
		t.Fatal(err)
	}
	return card
}

func TestNamesItself_isACardUnderItsOwnToken(t *testing.T) {
	card, other := cardOf(t, "gw.example"), cardOf(t, "gw.example")
	block := strings.ReplaceAll(card.Text(), "\n", "\r\n")
	head := "Path: x!not-for-mail\r\nFrom: a@x.example\r\nNewsgroups: restante.cards\r\nSubject: card\r\nMessage-ID: " + card.Token + "\r\n"
	good := head + "\r\nWrite to me.\r\n" + block
	if !NamesItself(parse(t, good)) {
		t.Error("a card is not taken for one")
	}
	for why, text := range map[string]string{
		"another token's card": head + "\r\n" + strings.ReplaceAll(other.Text(), "\n", "\r\n"),
		"it is the second":     head + "\r\n" + strings.ReplaceAll(other.Text(), "\n", "\r\n") + block,
		"no card":              head + "\r\nWrite to me.\r\n",
		"damaged":              strings.Replace(good, block[200:204], "AAAA", 1),
		"in two groups":        strings.Replace(good, "restante.cards", "restante.cards,misc.test", 1),
		"in another group":     strings.Replace(good, "restante.cards", "misc.test", 1),
		"an entry's name":      strings.Replace(good, card.Token, "<AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA@gw.example>", 1),
		"it withdraws":         strings.Replace(good, "Subject", "Supersedes: <1@x>\r\nSubject", 1),
		"it commands":          strings.Replace(good, "Subject", "Control: cancel <1@x>\r\nSubject", 1),
	} {
		if NamesItself(parse(t, text)) {
			t.Errorf("%s: taken for a card under its own token", why)
		}
	}
}
