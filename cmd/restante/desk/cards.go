package desk

import (
	"context"

	"github.com/restante/restante/cmd/restante/letter"
	"github.com/restante/restante/crypto/contact"
	"github.com/restante/restante/pool"
)

// Cards is the group of public contact cards.
const Cards pool.Group = "restante.cards"

// PostCard posts a card for everybody, at the server of submissions. A newsreader's
// followup to it reaches its owner where the server keeps its Message-ID.
func (d *Desk) PostCard(ctx context.Context, card *contact.Card) error {
	l := letter.Letter{Name: card.Name, Subject: "Contact card: " + card.Name, Date: d.Now(), ID: card.Token, Text: card.Text()}
	a, err := l.Article()
	if err != nil {
		return err
	}
	for _, f := range [][2]string{{"Newsgroups", string(Cards)}, {"Followup-To", "restante.reply"}} {
		if err := a.Set(f[0], f[1]); err != nil {
			return err
		}
	}
	server := d.Submit
	server.Dialer = d.Route.Purpose()
	conn, err := server.Connect(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Quit() }() // politeness alone
	return Post(conn, a.Text())
}
