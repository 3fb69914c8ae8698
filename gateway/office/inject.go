package office

import (
	"context"
	"errors"

	"github.com/restante/restante/pool"
	"github.com/restante/restante/pool/article"
	"github.com/restante/restante/pool/control"
)

// checkProto checks what an injecting agent must of a proto-article (RFC 5537,
// Section 3.5). Message-ID, Date and Path may be absent, but not malformed (RFC
// 5537, Section 3.4.1). So may From: the gateway writes it anew anyhow, and
// whoever leaves her name out shall not be kept from posting. A Date far off is
// taken too, although RFC 5537, Section 3.5 would have it refused: it is not
// kept, and a wrong clock should bar nobody.
func checkProto(post *article.Article) error {
	if post.Get("Subject") == "" {
		return ErrNoSubject
	}
	if len(post.Body()) == 0 {
		return ErrEmpty // allowed, but never what somebody meant to send
	}
	for _, name := range [...]string{
		"From", "Subject", "Newsgroups", "Message-ID", "Date", "Path", "Approved", "Control", "Supersedes",
		"References", "In-Reply-To", "To", "Followup-To",
	} {
		if post.Count(name) > 1 {
			return ErrRepeated // which one goes must not be a guess
		}
	}
	if post.Has("Injection-Info") || post.Has("Xref") {
		return ErrInjected
	}
	if post.Has("Path") {
		if path, err := article.ParsePath(post.Get("Path")); err == nil && path.Posted() {
			return ErrInjected
		}
	}
	if post.Has("Message-ID") {
		if _, err := post.ID(); err != nil {
			return err
		}
	}
	if post.Has("Date") {
		if _, err := article.ParseDate(post.Get("Date")); err != nil {
			return ErrDate
		}
	}
	return nil
}

// injected adds to a letter what an injecting agent adds to a public article,
// the same to all. Privacy decides where RFC 5537, Section 3.5 leaves a choice:
//
//   - Path has a POSTED diagnostic, but no host behind it.
//   - Injection-Info names the gateway and nothing of the sender: no host, no
//     account, no mail address.
//   - Injection-Date is always there, and is the Date. Item 11 asks for it where
//     Message-ID or Date was missing, and forbids it where both came, lest the
//     copies of an article posted at several servers differ. No copy of ours is
//     anybody else's, since each gets a Message-ID of its own; and the field's
//     absence would tell one newsreader from another.
//   - Cancel-Lock is there for a sender with a login. Its key follows from her
//     mailbox and the Message-ID (RFC 8315, Section 4), so that the locks of two
//     articles have nothing in common. A lock that she supplied is not kept.
func (o *Office) injected(l letter, approved bool, from *Mailbox) letter {
	l.path = "!.POSTED!not-for-mail"
	l.extra = append(l.extra, [2]string{"Injection-Info", o.Domain}, [2]string{"Injection-Date", article.Date(l.date)})
	if approved {
		l.extra = append(l.extra, [2]string{"Approved", "moderator@" + o.Domain})
	}
	if from != nil {
		l.extra = append(l.extra, [2]string{"Cancel-Lock", control.Lock(from.box.CancelKey(string(l.id)))})
	}
	return l
}

// request makes the fields by which a public article withdraws another one:
// what its sender wrote, and the key, which only the author's login has. A
// target that is not here may still wait for its batch; it is checked again when
// it has left.
func (o *Office) request(ctx context.Context, post *article.Article, from *Mailbox) ([][2]string, error) {
	r, err := control.Parse(post)
	if err != nil || r.Verb != "" && r.Target == "" {
		return nil, ErrControl
	}
	if r.Target == "" {
		return nil, nil
	}
	if from == nil {
		return nil, ErrCancelLogin
	}
	r.Keys = control.Key(from.box.CancelKey(string(r.Target)))
	target, err := o.Store.ByID(ctx, r.Target)
	switch {
	case err == nil && !r.Opens(target):
		return nil, ErrNotAuthor
	case err != nil && !errors.Is(err, pool.ErrNotFound):
		return nil, err
	}
	field := [2]string{"Supersedes", string(r.Target)}
	if r.Verb != "" {
		field = [2]string{"Control", r.Verb + " " + string(r.Target)}
	}
	return [][2]string{field, {"Cancel-Key", r.Keys}}, nil
}
