package office

import (
	"context"
	"errors"
	"net/mail"
	"slices"
	"strings"
	"time"

	"github.com/restante/restante/crypto/envelope"
	"github.com/restante/restante/crypto/identity"
	"github.com/restante/restante/crypto/token"
	"github.com/restante/restante/gateway/batch"
	"github.com/restante/restante/pool"
	"github.com/restante/restante/pool/article"
	"github.com/restante/restante/pool/entry"
)

// Submit takes a posted article (lines ended by CRLF, not dot-stuffed), from a
// login or, when from is nil, from nobody known. When it returns without an
// error the article is on stable storage under the message-id returned, and
// leaves with a coming batch. What the sender can mend comes back as a
// [*pool.Refusal]; nothing was kept then. The same article sent again, under the
// message-id that its newsreader gave it, is not taken twice.
func (o *Office) Submit(ctx context.Context, text []byte, from *Mailbox) (pool.MessageID, error) {
	id, err := o.submit(ctx, text, from)
	return id, refuse(err)
}

func (o *Office) submit(ctx context.Context, text []byte, from *Mailbox) (pool.MessageID, error) {
	post, err := article.Parse(text)
	if err != nil {
		return "", err
	}
	if err := checkProto(post); err != nil {
		return "", err
	}
	groups, err := post.Newsgroups()
	if err != nil {
		return "", err
	}
	sum, named := o.repeats.sum(post, from)
	if id, ok := o.repeats.seen(sum); named && ok {
		return id, nil
	}
	id, err := o.send(ctx, post, groups, from)
	if err == nil && named {
		o.repeats.remember(sum, id)
	}
	return id, err
}

// send takes a post to where it goes.
func (o *Office) send(ctx context.Context, post *article.Article, groups []pool.Group, from *Mailbox) (pool.MessageID, error) {
	private := 0
	for _, g := range groups {
		if isPrivate(g) {
			private++
		}
	}
	switch private {
	case 0:
		return o.publish(ctx, post, groups, from)
	case len(groups):
		if post.Has("Control") || post.Has("Supersedes") {
			return "", ErrTakeBack
		}
		return o.deliver(ctx, post, from)
	}
	return "", ErrMixed
}

// isPrivate says whether a post to g is meant for one person. Somebody who
// misspells the case of such a group is not let out into public.
func isPrivate(g pool.Group) bool {
	return strings.EqualFold(string(g), string(Reply)) || strings.EqualFold(string(g), string(Inbox))
}

// deliver seals a private message for the mailbox of the token it answers.
func (o *Office) deliver(ctx context.Context, post *article.Article, from *Mailbox) (pool.MessageID, error) {
	to, destination, err := o.destination(post)
	if away, ok := errors.AsType[foreign](err); ok {
		return o.sendAway(ctx, post, destination, away.domain, from)
	} else if err != nil {
		return "", err
	}
	id, err := o.messageID(from)
	if err != nil {
		return "", err
	}
	message, err := o.write(post, letter{groups: string(Inbox), id: id, date: time.Now().Truncate(time.Minute)})
	if err != nil {
		return "", err
	}
	d := o.deposit()
	defer d.booking.Drop()
	// The receipt first: whether there is room for it must not follow from where
	// the message goes.
	if err := d.receipt(message, string(destination), from); err != nil {
		return "", err
	}
	if err := d.seal(envelope.KindMessage, message.Text(), to); err != nil {
		return "", err
	}
	return id, d.booking.Deposit(ctx, d.payloads)
}

// publish lets a public post leave with the next batch, or brings it to the
// moderator who is to see it first.
func (o *Office) publish(ctx context.Context, post *article.Article, groups []pool.Group, from *Mailbox) (pool.MessageID, error) {
	if slices.Contains(groups, entry.Submit) {
		if len(groups) > 1 {
			return "", ErrMixed
		}
		return o.relay(ctx, post)
	}
	moderated, err := o.carried(ctx, groups)
	if err != nil {
		return "", err
	}
	if len(moderated) > 0 && !post.Has("Approved") {
		return o.forward(ctx, post, groups, moderated[0], from)
	}
	id, err := o.messageID(from)
	if err != nil {
		return "", err
	}
	if len(moderated) > 0 {
		if id, err = o.approved(ctx, post, moderated, id, from); err != nil {
			return "", err
		}
	}
	if entry.NamesItself(post) && len(moderated) == 0 {
		if id, err = o.named(ctx, pool.MessageID(post.Get("Message-ID")), id); err != nil {
			return "", err
		}
	}
	request, err := o.request(ctx, post, from)
	if err != nil {
		return "", err
	}
	d := o.deposit()
	defer d.booking.Drop()
	date, err := d.booking.Post(maxHeader + len(post.Body()))
	if err != nil {
		return "", err
	}
	names := join(groups)
	l := letter{groups: names, id: id, date: date, follow: followup(post, groups), extra: request}
	public, err := o.write(post, o.injected(l, len(moderated) > 0, from))
	if err != nil {
		return "", err
	}
	if err := d.receipt(public, names, from); err != nil {
		return "", err
	}
	return id, d.booking.Deposit(ctx, d.payloads, public.Text())
}

// named returns the Message-ID of a contact card: the token on it, if that can be
// answered as far as can be told here, so that a followup reaches its owner; and
// else fresh, as for one that was here before and has expired: the store takes no
// article under a Message-ID that it had.
func (o *Office) named(ctx context.Context, own, fresh pool.MessageID) (pool.MessageID, error) {
	t, domain, err := token.Parse(string(own))
	if err != nil {
		return fresh, nil //nolint:nilerr // no token at all
	}
	if _, err := o.open(t); strings.EqualFold(domain, o.Domain) && err != nil {
		return fresh, nil //nolint:nilerr // one that nobody could answer
	}
	if _, err := o.Store.ByID(ctx, own); !errors.Is(err, pool.ErrNotFound) {
		return "", errors.Join(err, pool.ErrDuplicate)
	}
	if s, ok := o.Store.(rememberer); ok {
		if seen, err := s.Seen(ctx, own); err != nil || seen {
			return fresh, err
		}
	}
	return own, nil
}

// A rememberer is a store that knows what it had.
type rememberer interface {
	Seen(ctx context.Context, id pool.MessageID) (bool, error)
}

// carried checks that a public post goes to at least one group that is carried
// here, and to none that readers may not post to. It returns the moderated ones.
func (o *Office) carried(ctx context.Context, groups []pool.Group) (moderated []pool.Group, err error) {
	known := 0
	for _, name := range groups {
		if name == Sent {
			return nil, ErrSent
		}
		info, err := o.Store.Group(ctx, name)
		switch {
		case errors.Is(err, pool.ErrNoGroup):
			continue
		case err != nil:
			return nil, err
		case info.Posting == pool.PostingModerated:
			moderated = append(moderated, name)
		case info.Posting != pool.PostingAllowed:
			return nil, ErrClosedGroup
		}
		known++
	}
	if known == 0 {
		return nil, ErrUnknown
	}
	return moderated, nil
}

// followup is the Followup-To field of a public post. A card is answered in
// private; what else the sender wrote stays, but for "poster", since nobody can
// be reached by address here.
func followup(post *article.Article, groups []pool.Group) string {
	if slices.Contains(groups, Cards) {
		return string(Reply)
	}
	var kept []pool.Group
	for name := range strings.SplitSeq(post.Get("Followup-To"), ",") {
		g, err := pool.ParseGroup(strings.TrimSpace(name))
		if err == nil && !strings.EqualFold(string(g), "poster") {
			kept = append(kept, g)
		}
	}
	return join(kept)
}

func join(groups []pool.Group) string {
	names := make([]string, len(groups))
	for i, g := range groups {
		names[i] = string(g)
	}
	return strings.Join(names, ",")
}

// messageID is what the sender's article is called: one of her tokens, by which
// she can be answered, or a random one.
func (o *Office) messageID(from *Mailbox) (pool.MessageID, error) {
	if from == nil {
		return o.randomID(), nil
	}
	epoch, seal := o.Keys.Mint()
	t, err := token.Mint(seal, o.Domain, epoch, from.box)
	if err != nil {
		return "", err
	}
	return pool.MessageID(t.MessageID(o.Domain)), nil
}

// A recipient is the mailbox in an opened token.
type recipient struct {
	id  identity.ID
	key identity.ReplyKey
}

// destination opens the token that a private message answers or, where it
// answers nothing, the one in its To field. When it answers an article that
// has no token, no other token is tried: the message would reach the wrong
// person.
func (o *Office) destination(post *article.Article) (recipient, pool.MessageID, error) {
	answered, ok := post.Parent()
	if !ok {
		answered, ok = addressee(post.Get("To"))
		if !ok {
			return recipient{}, "", ErrNobody
		}
	}
	t, domain, err := token.Parse(string(answered))
	switch {
	case err != nil:
		return recipient{}, "", ErrNotToken
	case !strings.EqualFold(domain, o.Domain):
		return recipient{}, answered, foreign{strings.ToLower(domain)}
	}
	to, err := o.open(t)
	return to, answered, err
}

// foreign is a token of another gateway.
type foreign struct{ domain string }

func (foreign) Error() string { return ErrForeign.Error() }

// Unwrap returns [ErrForeign].
func (foreign) Unwrap() error { return ErrForeign }

func (o *Office) open(t token.Token) (recipient, error) {
	epoch, err := t.Epoch(o.Keys.Honoured())
	if err != nil {
		return recipient{}, ErrExpired
	}
	key, err := o.Keys.Seal(epoch)
	if err != nil {
		return recipient{}, ErrExpired
	}
	id, reply, err := t.Open(key, o.Domain, epoch)
	if err != nil {
		return recipient{}, ErrForged
	}
	return recipient{id, reply}, nil
}

// addressee is the token in a To field, written as an address or as a
// message-id.
func addressee(to string) (pool.MessageID, bool) {
	if address, err := mail.ParseAddress(to); err == nil {
		to = address.Address
	}
	id, err := pool.ParseMessageID("<" + strings.Trim(to, "<> \t") + ">")
	return id, err == nil
}

// A deposit is one submission on its way into the queue.
type deposit struct {
	office   *Office
	booking  *batch.Booking
	payloads [][]byte          // for the booked entries
	posts    [][]byte          // the texts for the booked public posts
	handle   *[handleSize]byte // of the message's fragments; nil: a random one
}

func (o *Office) deposit() *deposit { return &deposit{office: o, booking: o.Queue.Begin()} }

// seal books the entries that a content takes, and seals it for a mailbox. For
// one that has no room left it does the same work, but seals a notice for the
// owner and nothing that is kept else: neither the answer nor its time may tell
// how full a mailbox is.
func (d *deposit) seal(kind envelope.Kind, content []byte, to recipient) error {
	fragments, err := envelope.Split(kind, content)
	if d.handle != nil && err == nil {
		fragments, err = envelope.SplitAs(kind, *d.handle, content)
	}
	if err != nil || len(fragments) > d.office.Queue.Longest() {
		return ErrTooLarge
	}
	slots, dropped, err := d.booking.Entries(len(fragments), d.office.blinder(to.id))
	if err != nil {
		return err
	}
	notice, err := d.office.notice(dropped)
	if err != nil {
		return err
	}
	if dropped > 0 {
		fragments[0] = notice
	}
	for i, slot := range slots {
		payload, err := envelope.Seal(to.key, slot.Blind, slot.Tag.MessageID(d.office.Domain), fragments[i])
		if err != nil {
			return err
		}
		d.payloads = append(d.payloads, payload)
	}
	return nil
}

// receipt seals a receipt for the sender, if she is logged in.
func (d *deposit) receipt(sent *article.Article, destination string, from *Mailbox) error {
	if from == nil {
		return nil
	}
	content, err := receipt(sent, destination)
	if err != nil {
		return err
	}
	return d.seal(envelope.KindReceipt, content, recipient{from.box.ID(), from.box.ReplyKey()})
}
