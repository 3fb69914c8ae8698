package office

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/restante/restante/crypto/envelope"
	"github.com/restante/restante/crypto/token"
	"github.com/restante/restante/pool"
	"github.com/restante/restante/pool/article"
)

// newsgroupsField says where a post was to go that its moderator is to see
// first.
const newsgroupsField = "Restante-Newsgroups"

// moderator opens the token of a group's moderator. It returns ErrModerator when
// there is none, or it can't be opened here any more.
func (o *Office) moderator(group pool.Group) (recipient, error) {
	t, domain, err := token.Parse((*o.moderators.Load())[group])
	if err != nil || !strings.EqualFold(domain, o.Domain) {
		return recipient{}, ErrModerator
	}
	to, err := o.open(t)
	if err != nil {
		return recipient{}, ErrModerator
	}
	return to, nil
}

// forward brings an unapproved post to the moderator of the leftmost moderated
// group, as a private message (RFC 5537, Section 3.5.1): the article as it would
// be published, but for what injection adds, under the Message-ID that it keeps
// once it is approved. A moderator with a mail address is beyond a gateway that
// sends no mail, so the sender is told the address.
func (o *Office) forward(ctx context.Context, post *article.Article, groups []pool.Group, group pool.Group, from *Mailbox) (pool.MessageID, error) {
	if address := (*o.moderators.Load())[group]; strings.Contains(address, "@") && !strings.HasPrefix(address, "<") {
		return "", &pool.Refusal{
			Sentence: "That newsgroup is moderated, and this server sends no mail: write to its moderator at " + address,
			Cause:    ErrModerator,
		}
	}
	to, err := o.moderator(group)
	if err != nil {
		return "", err
	}
	request, err := o.request(ctx, post, from)
	if err != nil {
		return "", err
	}
	id, err := o.messageID(from)
	if err != nil {
		return "", err
	}
	names := join(groups)
	l := letter{groups: string(Inbox), id: id, date: time.Now().Truncate(time.Minute), extra: append(request, [2]string{newsgroupsField, names})}
	message, err := o.write(post, l)
	if err != nil {
		return "", err
	}
	d := o.deposit()
	defer d.booking.Drop()
	if err := d.receipt(message, names, from); err != nil { // first, as in deliver
		return "", err
	}
	if err := d.seal(envelope.KindMessage, message.Text(), to); err != nil {
		return "", err
	}
	return id, d.booking.Deposit(ctx, d.payloads)
}

// approved checks that an approved post comes from the login of the moderator of
// each group, and returns its message-id: the one that it was forwarded under,
// if it still has it, so that replies go to its author (RFC 5537, Section 3.9),
// and else fresh.
func (o *Office) approved(ctx context.Context, post *article.Article, groups []pool.Group, fresh pool.MessageID, from *Mailbox) (pool.MessageID, error) {
	for _, g := range groups {
		if from == nil {
			return "", ErrApproved
		}
		if to, err := o.moderator(g); err != nil || !to.id.Equal(from.box.ID()) {
			return "", ErrApproved
		}
	}
	id, err := post.ID()
	if err != nil {
		return fresh, nil //nolint:nilerr // it has none of its own
	}
	t, domain, err := token.Parse(string(id))
	if err != nil || !strings.EqualFold(domain, o.Domain) {
		return fresh, nil //nolint:nilerr // one that this gateway did not give
	}
	if _, err := o.open(t); err != nil {
		return fresh, nil //nolint:nilerr // one that nobody could answer
	}
	if _, err := o.Store.ByID(ctx, id); !errors.Is(err, pool.ErrNotFound) {
		return "", errors.Join(err, pool.ErrDuplicate)
	}
	return id, nil
}
