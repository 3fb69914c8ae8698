package bridge

import (
	"context"
	"crypto/rand"
	"errors"
	"net/mail"
	"strings"
	"time"

	"github.com/restante/restante/crypto/contact"
	"github.com/restante/restante/gateway/nntp"
	"github.com/restante/restante/gateway/remote"
	"github.com/restante/restante/gateway/session"
	"github.com/restante/restante/pool"
	"github.com/restante/restante/pool/article"
)

// publish passes a public post to the server behind, without its sender's traces.
// It is not kept: her newsreader still has it where it could not be posted.
func (o office) publish(ctx context.Context, post *article.Article) (session.Posted, error) {
	if post.Has("Control") || post.Has("Supersedes") {
		return session.Posted{}, refusal("The bridge can't take an article back: its author is not told to the server, and so can't be proven")
	}
	public, id, err := o.anonymous(ctx, post)
	if err != nil {
		return session.Posted{}, err
	}
	at := id
	err = o.news.wires.use(ctx, "", func(w *wire) error {
		at, err = send(w, public.Text(), id)
		return err
	})
	if code, ok := errors.AsType[*remote.Refused](err); ok && code.Code != nntp.CodeUnavailable {
		return session.Posted{}, refusal("The news server behind the bridge does not let you post; [bridge] in restante.toml says which it is")
	}
	if r, ok := errors.AsType[*pool.Refusal](err); ok && r.Sentence == awaySentence {
		return session.Posted{}, refusal("The news server behind the bridge can't be reached: nothing was posted, please post it again later")
	}
	return session.Posted{ID: at, How: "passed on"}, err
}

// anonymous writes a post anew: the fields that others need, and none that is not
// named here, as a gateway does. The Message-ID is the bridge's, lest a post that is
// sent twice be taken twice, and belongs to nobody; but a contact card in the group
// of cards is called by its token, so that a followup reaches its owner.
func (o office) anonymous(ctx context.Context, post *article.Article) (*article.Article, pool.MessageID, error) {
	id := pool.MessageID("<" + rand.Text() + "@restante.invalid>")
	follow := post.Get("Followup-To")
	if post.Get("Newsgroups") == string(cards) {
		follow = ""
		if _, err := o.news.Group(ctx, reply); err == nil { // others refuse what leads to a group that they lack
			follow = string(reply)
		}
		if card, err := contact.ParseCard(string(post.Body())); err == nil {
			id = pool.MessageID(card.Token)
		}
	}
	out := article.New()
	for _, f := range [][2]string{
		{"From", o.from(post.Get("From"))},
		{"Newsgroups", post.Get("Newsgroups")},
		{"Subject", post.Get("Subject")},
		{"Date", article.Date(time.Now().UTC().Truncate(time.Minute))},
		{"Message-ID", string(id)},
		{"References", article.Thread(post.Ancestors())},
		{"Followup-To", follow},
		{"Keywords", post.Get("Keywords")},
		{"Summary", post.Get("Summary")},
		{"MIME-Version", post.Get("MIME-Version")},
		{"Content-Type", post.Get("Content-Type")},
		{"Content-Transfer-Encoding", post.Get("Content-Transfer-Encoding")},
		{"Content-Disposition", post.Get("Content-Disposition")},
	} {
		if f[1] == "" {
			continue
		}
		if err := out.Add(f[0], f[1]); err != nil {
			return nil, "", err
		}
	}
	return out, id, out.SetBody(post.Body())
}

// from is nobody, unless the user wrote a name at one of her gateways, which no
// newsreader does by itself. The gateway judges that.
func (o office) from(written string) string {
	if address, err := mail.ParseAddress(written); err == nil {
		name, domain, _ := strings.Cut(address.Address, "@")
		for _, d := range o.domains {
			if strings.EqualFold(d, domain) {
				return name + " <" + name + "@" + d + ">"
			}
		}
	}
	return "Anonymous <nobody@restante.invalid>"
}

// send posts an article, and returns the message-id that it got there, where the
// server says it. One that the server has already counts as posted. What the
// server says of one that it refuses is for the user.
func send(w *wire, text []byte, id pool.MessageID) (pool.MessageID, error) {
	if _, err := w.Ask("POST", nntp.CodeSendPost); err != nil {
		return id, err
	}
	w.Extend(len(text))
	w.W.Text(text)
	w.W.End()
	if w.W.Flush() != nil {
		return id, remote.ErrLost
	}
	said, err := w.Reply()
	if err != nil {
		return id, err
	}
	if said.Code == nntp.CodePosted {
		if at := strings.IndexByte(said.Text, '<'); at >= 0 {
			if got, err := pool.ParseMessageID(strings.Fields(said.Text[at:])[0]); err == nil {
				return got, nil
			}
		}
		return id, nil
	}
	if _, err := w.Ask("STAT "+string(id), nntp.CodeStat); err == nil {
		return id, nil
	}
	return id, &pool.Refusal{Sentence: "The news server says: " + printable(said.Text), Cause: errSaid}
}

// errSaid is that the server behind answered, and can be asked on.
var errSaid = errors.New("the server behind refused an article")

// printable keeps the printable ASCII of what a server says, within reason.
func printable(s string) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return '?'
		}
		return r
	}, s)
	return s[:min(len(s), 300)]
}
