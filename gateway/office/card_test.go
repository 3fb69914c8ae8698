package office

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/restante/restante/crypto/contact"
	"github.com/restante/restante/crypto/identity"
	"github.com/restante/restante/crypto/token"
	"github.com/restante/restante/pool"
)

// cardFor makes a card with a token under a seal key.
func cardFor(t *testing.T, key token.SealPublic, domain string, epoch uint64) *contact.Card {
	t.Helper()
	seed := identity.NewSeed()
	minted, err := token.Mint(key, domain, epoch, seed.Mailbox(1))
	if err != nil {
		t.Fatal(err)
	}
	card, err := contact.NewCard("Alice", minted.MessageID(domain), identity.NewE2EPublic(seed.E2EKey(1)))
	if err != nil {
		t.Fatal(err)
	}
	return card
}

func posted(card *contact.Card, id, group string) string {
	return "Newsgroups: " + group + "\nSubject: card\nMessage-ID: " + id + "\n\nWrite to me.\n" + card.Text()
}

// A contact card is called by its token, so that a followup with any newsreader
// reaches its owner, at whichever server it was posted.
func TestSubmit_aCardIsCalledByItsToken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t)
		epoch, seal := b.keys.Mint()
		own := cardFor(t, seal, domain, epoch)
		stranger, err := token.NewSealKey()
		if err != nil {
			t.Fatal(err)
		}
		away, forged := cardFor(t, stranger.Public(), "other.example", 7), cardFor(t, stranger.Public(), domain, epoch)
		for why, c := range map[string]struct {
			text string
			want string // "": a fresh one
		}{
			"ours":                  {posted(own, own.Token, "restante.cards"), own.Token},
			"another gateway's":     {posted(away, away.Token, "restante.cards"), away.Token},
			"that nobody can open":  {posted(forged, forged.Token, "restante.cards"), ""},
			"another name":          {posted(own, "<mine@home.example>", "restante.cards"), ""},
			"another card's name":   {posted(own, away.Token, "restante.cards"), ""},
			"in another group":      {posted(own, own.Token, "misc.test"), ""},
			"in another group, too": {posted(own, own.Token, "restante.cards,misc.test"), ""},
		} {
			got := b.submit(nil, c.text)
			if c.want != "" && string(got) != c.want || c.want == "" && (string(got) == own.Token || string(got) == away.Token || string(got) == forged.Token) {
				t.Errorf("%s: called %s", why, got)
			}
		}
		b.turn(1)
		for _, card := range []*contact.Card{own, away} {
			if !b.there(pool.MessageID(card.Token)) {
				t.Error("a card did not leave")
			}
			changed := strings.Replace(posted(card, card.Token, "restante.cards"), "Write", "Do write", 1)
			if _, err := b.Submit(t.Context(), crlf(changed), nil); !errors.Is(err, pool.ErrDuplicate) {
				t.Errorf("another article of that name: %v", err)
			}
			if err := b.store.Cancel(t.Context(), pool.MessageID(card.Token)); err != nil {
				t.Fatal(err)
			}
			if got := b.submit(nil, changed); string(got) == card.Token {
				t.Error("it is called again as one that went")
			}
		}
		b.submit(nil, reply(pool.MessageID(own.Token), "A followup reaches the owner."))
	})
}
