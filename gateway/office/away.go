package office

import (
	"context"
	"errors"
	"time"

	"github.com/restante/restante/crypto/envelope"
	"github.com/restante/restante/crypto/token"
	"github.com/restante/restante/pool"
	"github.com/restante/restante/pool/article"
	"github.com/restante/restante/pool/entry"
)

// Away is what the office knows of other gateways.
type Away interface {
	// Seal returns the seal key of a gateway for now, and its epoch. It returns
	// [ErrConvicted] for one that has contradicted itself, and another error for
	// one that is not known.
	Seal(domain string, now time.Time) (epoch uint64, key token.SealPublic, err error)
}

// sendAway seals a private message to the gateway of the token that it answers.
// It leaves with the next batch, as public posts do, in one article for each
// fragment (docs/protocol.md, section 11), all of them or none. Nothing of it rests
// here in the clear.
func (o *Office) sendAway(ctx context.Context, post *article.Article, answered pool.MessageID, domain string, from *Mailbox) (pool.MessageID, error) {
	if o.Away == nil {
		return "", ErrForeign
	}
	epoch, key, err := o.Away.Seal(domain, time.Now())
	if errors.Is(err, ErrConvicted) {
		return "", ErrConvicted
	} else if err != nil {
		return "", ErrForeign
	}
	id, err := o.messageID(from)
	if err != nil {
		return "", err
	}
	if _, ok := post.Parent(); !ok { // the token was in To
		if err := post.Set("References", string(answered)); err != nil {
			return "", err
		}
	}
	message, err := o.write(post, letter{groups: string(Reply), id: id, date: time.Now().Truncate(time.Minute)})
	if err != nil {
		return "", err
	}
	fragments, err := envelope.Split(envelope.KindMessage, message.Text())
	if err != nil {
		return "", ErrTooLarge
	}
	sealed := make([]*entry.Submission, len(fragments)) // before anything is booked: batches wait for that
	for i, f := range fragments {
		payload, err := envelope.SealSubmission(key, domain, epoch, f)
		if err != nil {
			return "", err
		}
		sealed[i] = &entry.Submission{To: domain, Epoch: epoch, Payload: payload}
	}
	d := o.deposit()
	defer d.booking.Drop()
	if err := d.receipt(message, string(answered), from); err != nil {
		return "", err
	}
	for _, s := range sealed {
		if _, err := d.submission(s); err != nil {
			return "", err
		}
	}
	return id, d.booking.Deposit(ctx, d.payloads, d.posts...)
}

// submission lets one sealed submission leave with the next batch, once it is
// deposited, and returns its Message-ID.
func (d *deposit) submission(s *entry.Submission) (pool.MessageID, error) {
	date, err := d.booking.Post(maxHeader + 2*len(s.Payload))
	if err != nil {
		return "", err
	}
	public, err := s.Article(date)
	if err != nil {
		return "", err
	}
	if err := public.Set("Path", d.office.Domain+"!.POSTED!not-for-mail"); err != nil {
		return "", err
	}
	d.posts = append(d.posts, public.Text())
	return public.ID()
}

// relay lets a submission that somebody has sealed herself leave with the next
// batch. Of what her newsreader wrote only the gateway's name and the payload
// stay. One to a gateway that has contradicted itself is refused: who sealed it
// may not know that yet, nor whose key she used.
func (o *Office) relay(ctx context.Context, post *article.Article) (pool.MessageID, error) {
	s, err := entry.ReadSubmission(post)
	if err != nil {
		return "", ErrSubmission
	}
	if o.Away != nil {
		if _, _, err := o.Away.Seal(s.To, time.Now()); errors.Is(err, ErrConvicted) {
			return "", ErrConvicted
		}
	}
	d := o.deposit()
	defer d.booking.Drop()
	id, err := d.submission(s)
	if err != nil {
		return "", err
	}
	return id, d.booking.Deposit(ctx, nil, d.posts...)
}

// TakeSealed takes an article that was submitted sealed, as [Office.Submit] takes
// one from nobody known, except that its Message-ID stays where it is a reply
// token of any gateway: it is where the sender wants to be answered. The same
// name makes the same message of it, which mailboxes show once. What the sender
// could mend comes back as a [*pool.Refusal], though she does not hear of it.
func (o *Office) TakeSealed(ctx context.Context, text []byte, name [32]byte) error {
	post, err := article.Parse(text)
	if err != nil {
		return err
	}
	if err := checkProto(post); err != nil {
		return refuse(err)
	}
	groups, err := post.Newsgroups()
	if err != nil {
		return err
	}
	for _, g := range groups {
		if !isPrivate(g) { // anybody can post in public, and need not seal that
			return refuse(ErrMixed)
		}
	}
	to, _, err := o.destination(post)
	if err != nil {
		return refuse(err)
	}
	id := o.randomID()
	if _, _, err := token.Parse(post.Get("Message-ID")); err == nil {
		id = pool.MessageID(post.Get("Message-ID"))
	}
	message, err := o.write(post, letter{groups: string(Inbox), id: id, date: time.Now().Truncate(time.Minute)})
	if err != nil {
		return refuse(err)
	}
	d := o.deposit()
	defer d.booking.Drop()
	d.handle = (*[handleSize]byte)(name[:handleSize])
	if err := d.seal(envelope.KindMessage, message.Text(), to); err != nil {
		return unlessFull(err)
	}
	return d.booking.Deposit(ctx, d.payloads)
}

// unlessFull keeps what passes apart from what does not: a backlog does.
func unlessFull(err error) error {
	if errors.Is(err, ErrTooLarge) {
		return refuse(err)
	}
	return err
}
