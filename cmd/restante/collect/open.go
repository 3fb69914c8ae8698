package collect

import (
	"fmt"
	"time"

	"github.com/restante/restante/cmd/restante/letter"
	"github.com/restante/restante/cmd/restante/mailbox"
	"github.com/restante/restante/crypto/blind"
	"github.com/restante/restante/crypto/contact"
	"github.com/restante/restante/crypto/envelope"
	"github.com/restante/restante/crypto/token"
	"github.com/restante/restante/pool"
	"github.com/restante/restante/pool/article"
	"github.com/restante/restante/pool/entry"
)

// open opens an entry of the user's, and keeps the message once all of it is here.
func (r *run) open(gateway string, box uint32, b *blind.Blinded, e *entry.Entry, epoch uint64) error {
	f, err := envelope.Open(r.box(box), b, string(e.MessageID()), e.Payload)
	if err != nil {
		r.report.Spoilt++
		return nil //nolint:nilerr // said in the report
	}
	if f.Kind == envelope.KindCover || r.Mail.Had(f.Handle) {
		return nil
	}
	at := mailbox.Part{Gateway: gateway, Box: box, Handle: f.Handle, Kind: f.Kind, Index: f.Index, Count: f.Count, Epoch: epoch}
	if f.Count == 1 {
		return r.keepMessage(at, f.Content)
	}
	if err := r.Mail.Put(mailbox.Event{Part: &at, Octets: f.Content}); err != nil {
		return err
	}
	parts, contents, err := r.Mail.Parts(f.Handle)
	if err != nil || len(parts) < int(f.Count) {
		return err
	}
	fragments := make([]envelope.Fragment, len(parts))
	for i, p := range parts {
		fragments[i] = envelope.Fragment{Kind: p.Kind, Index: p.Index, Count: p.Count, Handle: p.Handle, Content: contents[i]}
	}
	content, err := envelope.Join(fragments)
	if err != nil {
		r.report.Spoilt++
		return nil //nolint:nilerr // said in the report
	}
	return r.keepMessage(at, content)
}

// keepMessage keeps a whole message, opened as far as the user can.
func (r *run) keepMessage(at mailbox.Part, content []byte) error {
	outer, err := article.Parse(content)
	if err != nil {
		r.report.Spoilt++
		return nil //nolint:nilerr // said in the report
	}
	m := &mailbox.Message{
		Group: mailbox.Inbox, Sealing: mailbox.ByGateway, Kind: at.Kind,
		Gateway: at.Gateway, Box: at.Box, Handle: at.Handle[:],
	}
	if at.Kind == envelope.KindReceipt {
		m.Group = mailbox.Sent
	}
	shown := outer
	var card *contact.Card
	if contact.HasMessage(string(outer.Body())) {
		from, text, err := contact.Open(r.Seed.E2EKey(at.Box), string(outer.Body()))
		inner, errInner := article.Parse(text)
		if err == nil && errInner == nil {
			m.Sealing, shown, card = mailbox.EndToEnd, inner, from
		}
	}
	r.describe(m, shown, outer, card)
	if _, err := r.Mail.ByID(m.ID); err == nil && m.Group == mailbox.Inbox { // it came twice
		return r.Mail.Put(mailbox.Event{Drop: at.Handle[:]})
	}
	events := []mailbox.Event{{Message: m, Octets: shown.Text()}}
	if c, ok := r.Mail.Behind(m.Gateway, m.Box); ok {
		m.Contact = c.Name
	}
	if c, ok := r.sender(m, card); ok {
		m.Contact = c.Name
		events = append(events, mailbox.Event{Contact: &c})
	}
	if err := r.Mail.Put(events...); err != nil {
		return err
	}
	r.report.New = append(r.report.New, *events[0].Message)
	return nil
}

// describe fills in what a message's article says. A message can be answered at
// the token that is its Message-ID, or at the one on the card that came with it.
func (r *run) describe(m *mailbox.Message, shown, outer *article.Article, card *contact.Card) {
	m.Subject = letter.Header(shown.Get("Subject"))
	if t, err := article.ParseDate(shown.Get("Date")); err == nil {
		m.Date = t.UTC()
	} else if t, err := article.ParseDate(outer.Get("Date")); err == nil {
		m.Date = t.UTC()
	} else {
		m.Date = r.Now().UTC().Truncate(time.Minute)
	}
	m.ID = pool.MessageID(shown.Get("Message-ID"))
	if card != nil {
		m.ID = pool.MessageID(card.Token)
	}
	if _, err := pool.ParseMessageID(string(m.ID)); err != nil {
		m.ID = pool.MessageID(outer.Get("Message-ID"))
	}
}

// sender returns the contact whom a message is from, as it is to be kept; ok is
// false where nobody knows.
func (r *run) sender(m *mailbox.Message, card *contact.Card) (c mailbox.Contact, ok bool) {
	if m.Group != mailbox.Inbox {
		return c, false
	}
	c, ok = r.Mail.Behind(m.Gateway, m.Box)
	if card == nil {
		_, _, err := token.Parse(string(m.ID))
		if !ok || c.Card != "" || err != nil { // what a gateway has seen does not take the place of a card
			return c, false
		}
		c.Token = string(m.ID)
		return c, true
	}
	if known, err := contact.ParseCard(c.Card); ok && c.Bound && err == nil && !known.Key.Equal(card.Key) {
		ok = false // the card that she alone was given has been passed on, or she has lost her key
	}
	c.Bound = ok
	if !ok {
		c, ok = r.sameKey(card)
	}
	if !ok {
		c = mailbox.Contact{Name: r.freeName(card.Name), Since: r.Now().UTC().Truncate(time.Second)}
	}
	c.Card, c.Token = card.Text(), card.Token
	return c, true
}

// sameKey finds a contact by the key on a card.
func (r *run) sameKey(card *contact.Card) (mailbox.Contact, bool) {
	for _, c := range r.Mail.Contacts() {
		if known, err := contact.ParseCard(c.Card); err == nil && known.Key.Equal(card.Key) {
			return c, true
		}
	}
	return mailbox.Contact{}, false
}

// freeName is the name of a new contact: anybody can call herself anything.
func (r *run) freeName(name string) string {
	free := name
	for n := 2; ; n++ {
		if _, err := r.Mail.Contact(free); err != nil {
			return free
		}
		free = fmt.Sprintf("%s (%d)", name, n)
	}
}
