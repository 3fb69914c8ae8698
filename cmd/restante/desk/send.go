package desk

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/restante/restante/cmd/restante/letter"
	"github.com/restante/restante/cmd/restante/mailbox"
	"github.com/restante/restante/crypto/contact"
	"github.com/restante/restante/crypto/envelope"
	"github.com/restante/restante/crypto/token"
	"github.com/restante/restante/gateway/nntp"
	"github.com/restante/restante/gateway/remote"
	"github.com/restante/restante/pool"
	"github.com/restante/restante/pool/article"
	"github.com/restante/restante/pool/entry"
)

// plainSubject is the subject of what is sealed from end to end: it says nothing.
const plainSubject = "restante"

// A Draft is a message to be sent.
type Draft struct {
	To          string         // a contact's name, or a reply token as a Message-ID
	Answers     pool.MessageID // the message that it answers; "": none
	Subject     string
	Text        string
	Attachments []letter.Attachment
}

// Send seals a message and keeps it, then posts it. With a contact's card it is
// sealed from end to end; to a bare token it is sealed to the gateway alone. It
// returns the message as it is kept, and with it [ErrUnposted] where the server
// could not be reached. Other errors mean that nothing was kept.
func (d *Desk) Send(ctx context.Context, draft Draft) (mailbox.Message, error) {
	m, err := d.Prepare(draft)
	if err != nil {
		return m, err
	}
	return m, d.Flush(ctx)
}

// Reply returns the draft of an answer to a message, without its text.
func (d *Desk) Reply(n pool.Number) (Draft, error) {
	m, err := d.Mail.Message(n)
	if err != nil {
		return Draft{}, err
	}
	if m.Kind == envelope.KindNotice { // it is the gateway's, though the mailbox is a contact's
		return Draft{}, ErrNoToken
	}
	draft := Draft{To: m.Contact, Answers: m.ID, Subject: m.Subject}
	if !strings.HasPrefix(strings.ToLower(draft.Subject), "re:") {
		draft.Subject = "Re: " + draft.Subject
	}
	if m.Contact == "" {
		draft.To = string(m.ID)
		if _, _, err := token.Parse(draft.To); err != nil || m.Group != mailbox.Inbox {
			return Draft{}, ErrNoToken
		}
	}
	return draft, nil
}

// To returns whom an answer to a Message-ID goes to: the contact who sent the
// message of that name, or whoever's token it is.
func (d *Desk) To(id pool.MessageID) (string, error) {
	if m, err := d.Mail.ByID(id); err == nil && m.Contact != "" && m.Kind != envelope.KindNotice {
		return m.Contact, nil
	}
	if _, _, err := token.Parse(string(id)); err != nil {
		return "", ErrNoToken
	}
	return string(id), nil
}

// Prepare seals a message and keeps it to be posted: [Desk.Flush] does.
func (d *Desk) Prepare(draft Draft) (mailbox.Message, error) {
	c, err := d.recipient(draft.To)
	if err != nil {
		return mailbox.Message{}, err
	}
	_, domain, err := token.Parse(c.Token)
	if err != nil {
		return mailbox.Message{}, ErrNoToken
	}
	id, err := d.mint(c.Gateway, c.Box)
	if err != nil {
		return mailbox.Message{}, err
	}
	l := letter.Letter{
		Subject: draft.Subject, Date: d.Now(), ID: id,
		References: d.references(draft.Answers, &c), Text: draft.Text, Attachments: draft.Attachments,
	}
	m := mailbox.Message{
		Group: mailbox.Sent, Sealing: mailbox.ByGateway, Kind: envelope.KindMessage, Contact: c.Name, Gateway: domain, Box: c.Box,
		ID: pool.MessageID(id), Subject: letter.Header(draft.Subject), Date: d.Now().UTC().Truncate(time.Minute),
	}
	if c.Card != "" {
		m.Sealing, l.Name = mailbox.EndToEnd, d.Name
	}
	inner, err := l.Article()
	if err != nil {
		return mailbox.Message{}, err
	}
	outer := inner
	if c.Card != "" {
		if outer, err = d.endToEnd(&c, id, inner.Text()); err != nil {
			return mailbox.Message{}, err
		}
	}
	return d.keep(m, c, domain, inner, outer.Text())
}

// keep notes a message with the articles that are to be posted.
func (d *Desk) keep(m mailbox.Message, c mailbox.Contact, domain string, shown *article.Article, submission []byte) (mailbox.Message, error) {
	sealed, err := d.submissions(domain, submission)
	if err != nil {
		return m, err
	}
	events := []mailbox.Event{{Message: &m, Octets: shown.Text()}, {Contact: &c}}
	for _, text := range sealed {
		events = append(events, mailbox.Event{Outgoing: new(mailbox.Outgoing), Octets: text})
	}
	return m, d.Mail.Put(events...)
}

// recipient returns whom a message goes to, with a mailbox for her answers. Who is
// known by a token alone becomes a contact.
func (d *Desk) recipient(to string) (mailbox.Contact, error) {
	c, err := d.Mail.Contact(to)
	if _, _, bad := token.Parse(to); err != nil && bad == nil {
		c, err = mailbox.Contact{Name: d.unnamed(), Token: to, Since: d.Now().UTC().Truncate(time.Second)}, nil
		for _, known := range d.Mail.Contacts() {
			if known.Token == to {
				c = known
			}
		}
	}
	if err != nil {
		return c, err
	}
	if c.Box == 0 {
		c.Box, c.Gateway = d.Mail.Boxes(), d.Gateways[0].Domain
	}
	return c, nil
}

// unnamed is the name of a contact who has told none.
func (d *Desk) unnamed() string {
	for n := 1; ; n++ {
		name := fmt.Sprintf("unnamed-%d", n)
		if _, err := d.Mail.Contact(name); err != nil {
			return name
		}
	}
}

// references names the message that is answered and, last, the token that leads to
// the recipient. Sealed from end to end, it names the thread so far, as both have it
// already, and the gateway reads the token elsewhere.
func (d *Desk) references(answers pool.MessageID, c *mailbox.Contact) string {
	switch {
	case answers == "" || c.Card == "" && string(answers) == c.Token:
		return c.Token
	case c.Card == "":
		return string(answers) + " " + c.Token
	}
	return article.Thread(append(d.thread(answers, c.Name), answers))
}

// thread returns what a message to or from a contact names in its References. What
// a gateway or somebody else has seen of it names nothing: who is written to is told
// of no other correspondence.
func (d *Desk) thread(id pool.MessageID, with string) []pool.MessageID {
	m, err := d.Mail.ByID(id)
	if err != nil || m.Sealing != mailbox.EndToEnd || m.Contact != with {
		return nil
	}
	text, err := d.Mail.Article(m.Number)
	if err != nil {
		return nil
	}
	a, err := article.Parse(text)
	if err != nil {
		return nil
	}
	return a.References()
}

// endToEnd seals an article to a contact's card, in one that says nothing but which
// token it is for. The sender's card is inside, and her token nowhere else.
func (d *Desk) endToEnd(c *mailbox.Contact, id string, text []byte) (*article.Article, error) {
	to, err := contact.ParseCard(c.Card)
	if err != nil {
		return nil, err
	}
	from, err := d.card(c.Gateway, c.Box)
	if err != nil {
		return nil, err
	}
	from.Token = id // the same for both, or one message would give two tokens
	block, err := contact.Seal(to.Key, from, text)
	if err != nil {
		return nil, err
	}
	a := article.New()
	for _, f := range [][2]string{
		{"From", "Anonymous <nobody@restante.invalid>"},
		{"Newsgroups", "restante.reply"},
		{"Subject", plainSubject},
		{"References", c.Token},
		{"MIME-Version", "1.0"},
		{"Content-Type", "text/plain; charset=utf-8"},
		{"Content-Transfer-Encoding", "7bit"},
	} {
		if err := a.Add(f[0], f[1]); err != nil {
			return nil, err
		}
	}
	return a, a.SetBody([]byte(strings.ReplaceAll(block, "\n", "\r\n")))
}

// submissions seals an article to a gateway, as the articles that are posted.
func (d *Desk) submissions(domain string, text []byte) ([][]byte, error) {
	epoch, key, err := d.sealKey(domain)
	if err != nil {
		return nil, err
	}
	fragments, err := envelope.Split(envelope.KindMessage, text)
	if err != nil {
		return nil, err
	}
	var out [][]byte
	for _, f := range fragments {
		payload, err := envelope.SealSubmission(key, domain, epoch, f)
		if err != nil {
			return nil, err
		}
		s := entry.Submission{To: domain, Epoch: epoch, Payload: payload}
		a, err := s.Article(d.Now().UTC().Truncate(time.Minute))
		if err != nil {
			return nil, err
		}
		out = append(out, a.Text())
	}
	return out, nil
}

// Flush posts what waits to be. It returns [ErrUnposted] where not all could be:
// what the server refuses holds up nothing that comes after it. Each message has a
// connection of its own, or the server could tell that two have one sender.
func (d *Desk) Flush(ctx context.Context) error {
	waiting := d.Mail.Outgoing()
	var refused error
	for len(waiting) > 0 {
		n := 1
		for n < len(waiting) && waiting[n].Number == waiting[0].Number {
			n++
		}
		err := d.flush(ctx, waiting[:n])
		if errors.Is(err, ErrRefused) {
			refused = err
		} else if err != nil {
			return err
		}
		waiting = waiting[n:]
	}
	return refused
}

// flush posts the parts of one message.
func (d *Desk) flush(ctx context.Context, parts []mailbox.Outgoing) error {
	conn, err := d.poster(ctx)
	if err != nil {
		return errors.Join(ErrUnposted, err)
	}
	defer context.AfterFunc(ctx, func() { _ = conn.Close() })()
	var refused error
	for _, o := range parts {
		err := d.post(conn, o.Key)
		if errors.Is(err, ErrRefused) {
			refused = errors.Join(ErrUnposted, err)
		} else if err != nil {
			return errors.Join(err, conn.Close())
		}
	}
	_ = conn.Quit() // politeness alone
	return refused
}

// poster connects to the server of submissions. Some let nobody post who has not
// said that she is no peer (RFC 3977, Section 5.3); what others answer to that does
// not matter.
func (d *Desk) poster(ctx context.Context) (*remote.Conn, error) {
	server := d.Submit
	server.Dialer = d.Route.Purpose()
	conn, err := server.Connect(ctx)
	if err != nil {
		return nil, err
	}
	if _, err := conn.Send("MODE READER"); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return conn, nil
}

// post posts one thing that waits, with the time of now: a server may refuse what
// is old, and need not know how long it waited.
func (d *Desk) post(conn *remote.Conn, key uint64) error {
	text, err := d.Mail.ToPost(key)
	if err != nil {
		return err
	}
	a, err := article.Parse(text)
	if err != nil {
		return err
	}
	if err := a.Set("Date", article.Date(d.Now().UTC().Truncate(time.Minute))); err != nil {
		return err
	}
	if err := Post(conn, a.Text()); err != nil {
		return errors.Join(ErrUnposted, err)
	}
	return d.Mail.Put(mailbox.Event{Posted: key})
}

// ErrRefused is an article that the server does not take.
var ErrRefused = errors.New("the server of [submit] does not take it: does it carry restante.submit, and let you post?")

// Post posts one article, lines ended by CRLF. One that the server has already
// counts as posted.
func Post(conn *remote.Conn, text []byte) error {
	reply, err := conn.Send("POST")
	if err != nil {
		return err
	}
	if reply.Code != nntp.CodeSendPost {
		return errors.Join(ErrRefused, &remote.Refused{Code: reply.Code})
	}
	conn.Extend(len(text))
	conn.W.Text(text)
	conn.W.End()
	if conn.W.Flush() != nil {
		return remote.ErrLost
	}
	if reply, err = conn.Reply(); err != nil {
		return err
	}
	if reply.Code == nntp.CodePosted {
		return nil
	}
	refused := errors.Join(ErrRefused, &remote.Refused{Code: reply.Code})
	head, _, _ := bytes.Cut(text, []byte("\r\n\r\n"))
	if id, ok := article.HeaderField(append(head, "\r\n"...), "Message-ID"); ok {
		if reply, err := conn.Send("STAT " + id); err == nil && reply.Code == nntp.CodeStat {
			return nil
		}
	}
	return refused
}
