package desk

import (
	"context"

	"github.com/restante/restante/cmd/restante/letter"
	"github.com/restante/restante/crypto/contact"
	"github.com/restante/restante/gateway/nntp"
	"github.com/restante/restante/pool"
	"github.com/restante/restante/pool/entry"
)

// reply is the group that answers go to. Gateways carry it, and few others.
const reply pool.Group = "restante.reply"

// PostCard posts a card for everybody, at the server of submissions, under its
// token: so a followup with any newsreader reaches its owner.
func (d *Desk) PostCard(ctx context.Context, card *contact.Card) error {
	l := letter.Letter{Name: card.Name, Subject: "Contact card: " + card.Name, Date: d.Now(), ID: card.Token, Text: card.Text()}
	a, err := l.Article()
	if err != nil {
		return err
	}
	if err := a.Set("Newsgroups", string(entry.Cards)); err != nil {
		return err
	}
	conn, err := d.poster(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Quit() }() // politeness alone
	has, err := conn.Send("GROUP " + string(reply))
	if err != nil {
		return err
	}
	if has.Code == nntp.CodeGroup { // others refuse what leads to a group that they lack
		if err := a.Set("Followup-To", string(reply)); err != nil {
			return err
		}
	}
	return Post(conn, a.Text())
}
