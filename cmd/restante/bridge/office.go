package bridge

import (
	"context"
	"errors"
	"net/mail"
	"strings"

	"github.com/restante/restante/crypto/contact"
	"github.com/restante/restante/gateway/session"
	"github.com/restante/restante/pool"
	"github.com/restante/restante/pool/article"
)

// A Letter is a private message as a newsreader wrote it, and whom it is for. One
// of the last three is set, or two.
type Letter struct {
	Article *article.Article // with the newsreader's traces: only subject, text and attachments may be used
	Answers pool.MessageID   // the last of References; "": nothing is answered
	To      string           // where nothing is answered: what stands in To, a contact's name or a reply token
	Card    *contact.Card    // of whoever is answered, where it was found with what she wrote; or nil
}

// Sealed is a message that was sealed and is kept until it is posted.
type Sealed struct {
	ID       pool.MessageID
	EndToEnd bool // so that no gateway can read it
}

// A Desk seals, keeps and fetches mail. Of Seal and Sync one at a time is called.
type Desk interface {
	// Seal seals a message and keeps it to be posted, on stable storage. It uses no
	// network. It returns a [*pool.Refusal] for what the user can mend.
	Seal(l Letter) (Sealed, error)

	// Flush posts what waits to be. What could not be posted waits on.
	Flush(ctx context.Context) error

	// Sync posts what waits to be, and brings the mail up to date. It can be ended
	// at any time, and goes on from there when it is called again.
	Sync(ctx context.Context) error
}

// refusals, as RFC 3977, Section 6.3.1 has it: a sentence for the user.
func refusal(sentence string) error { return &pool.Refusal{Sentence: sentence, Cause: errRefused} }

var errRefused = errors.New("article refused")

// An office is what a session posts to.
type office struct {
	*Bridge
}

var _ session.Office = office{}

// Private implements [session.Office]. No group needs a login: the key was opened
// when the bridge was started.
func (office) Private() []pool.GroupInfo { return nil }

// Login implements [session.Office]: some newsreaders want to log in. Whatever they
// say is taken, and changes nothing.
func (office) Login(context.Context, string, string) (session.Mailbox, error) { return nothing{}, nil }

// Submit implements [session.Office].
func (o office) Submit(ctx context.Context, text []byte, _ session.Mailbox) (session.Posted, error) {
	post, err := article.Parse(text)
	if err != nil {
		return session.Posted{}, err
	}
	if err := checkPost(post); err != nil {
		return session.Posted{}, err
	}
	groups, err := post.Newsgroups()
	if err != nil {
		return session.Posted{}, err
	}
	private := 0
	for _, g := range groups {
		if own(g) {
			private++
		}
		if strings.EqualFold(string(g), string(sent)) {
			return session.Posted{}, refusal("Nothing can be posted to restante.sent: to answer, follow up in restante.inbox")
		}
	}
	switch private {
	case 0:
		return o.publish(ctx, post)
	case len(groups):
		return o.seal(ctx, post)
	}
	return session.Posted{}, refusal("A private message can't be public too: take the other newsgroups out")
}

func checkPost(post *article.Article) error {
	switch {
	case post.Get("Subject") == "":
		return refusal("The article has no subject")
	case len(strings.TrimSpace(string(post.Body()))) == 0:
		return refusal("The article is empty")
	}
	for _, name := range [...]string{"Subject", "Newsgroups", "Message-ID", "References", "In-Reply-To", "To", "Followup-To"} {
		if post.Count(name) > 1 {
			return refusal("A header field stands there twice: which one goes must not be a guess")
		}
	}
	return nil
}

// seal seals a private message. Whom it is for is never guessed: what is answered
// says it, or To where nothing is.
func (o office) seal(ctx context.Context, post *article.Article) (session.Posted, error) {
	if post.Has("Control") || post.Has("Supersedes") {
		return session.Posted{}, refusal("A private message can't take another one back")
	}
	l := Letter{Article: post}
	parent, answers := post.Parent()
	switch {
	case answers && parent == "":
		return session.Posted{}, refusal("What this message answers can't be made out: follow up to it once more")
	case answers:
		l.Answers = parent
		l.Card = o.card(ctx, post, parent)
	default:
		if l.To = addressee(post.Get("To")); l.To == "" {
			return session.Posted{}, refusal("This message is for nobody: follow up to a message or a card, or write a contact's name or a reply token in To")
		}
	}
	sealed, err := o.turns.post(ctx, func() (Sealed, error) { return o.desk.Seal(l) })
	if err != nil {
		return session.Posted{}, err
	}
	o.wake()
	how := "sealed to the gateway, which can read it,"
	if sealed.EndToEnd {
		how = "sealed end-to-end"
	}
	return session.Posted{ID: sealed.ID, How: how}, nil
}

// card is the contact card of whoever is answered: of the token that leads to her,
// quoted in the answer, in her article or in her post to the group of cards.
func (o office) card(ctx context.Context, post *article.Article, parent pool.MessageID) *contact.Card {
	if card, err := contact.ParseCard(string(post.Body())); err == nil && card.Token == string(parent) {
		return card
	}
	if card := o.groups.shown.get(parent); card != nil {
		return card
	}
	stored, err := o.groups.ByID(ctx, parent)
	if err != nil {
		return nil // away, or nothing that was public
	}
	return cardIn(stored)
}

// addressee is what stands in a To field: the local part or the whole of an
// address that is a token, or a name.
func addressee(to string) string {
	to = strings.TrimSpace(to)
	if address, err := mail.ParseAddress(to); err == nil {
		return "<" + address.Address + ">"
	}
	return to
}

// nothing is the mailbox of a login: empty, since all there is is shown without
// one.
type nothing struct{}

var _ session.Mailbox = nothing{}

func (nothing) Groups(context.Context) ([]pool.GroupInfo, error) { return nil, nil }
func (nothing) Group(context.Context, pool.Group) (pool.GroupInfo, error) {
	return pool.GroupInfo{}, pool.ErrNoGroup
}

func (nothing) Scan(context.Context, pool.Group, pool.Range, func(pool.Number, []byte) bool) error {
	return pool.ErrNoGroup
}

func (nothing) ByNumber(context.Context, pool.Group, pool.Number) (*pool.Stored, error) {
	return nil, pool.ErrNoGroup
}

func (nothing) ByID(context.Context, pool.MessageID) (*pool.Stored, error) {
	return nil, pool.ErrNotFound
}
func (nothing) Refresh(context.Context) error { return nil }
