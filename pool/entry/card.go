package entry

import (
	"github.com/restante/restante/crypto/contact"
	"github.com/restante/restante/crypto/token"
	"github.com/restante/restante/pool"
	"github.com/restante/restante/pool/article"
)

// Cards is the group of contact cards.
const Cards pool.Group = "restante.cards"

// NamesItself says whether an article is a contact card that is called by its own
// token, so that a followup reaches whom the card is of, whoever posted it: it is in
// [Cards] alone, withdraws nothing, and the token of the first card in it is its
// Message-ID (docs/protocol.md, section 12).
func NamesItself(a *article.Article) bool {
	if a.Get("Newsgroups") != string(Cards) || a.Has("Control") || a.Has("Supersedes") || !MayNameItself(pool.MessageID(a.Get("Message-ID"))) {
		return false
	}
	card, err := contact.ParseCard(string(a.Body()))
	return err == nil && card.Token == a.Get("Message-ID")
}

// MayNameItself says whether a Message-ID could be that of such an article: it is a
// reply token. No entry, manifest or directory has one of that form.
func MayNameItself(id pool.MessageID) bool {
	_, _, err := token.Parse(string(id))
	return err == nil
}
