package bridge

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/restante/restante/pool"
	"github.com/restante/restante/pool/article"
)

// The groups that are the bridge's own, whatever the server behind carries.
const (
	inbox pool.Group = "restante.inbox"
	sent  pool.Group = "restante.sent"
	reply pool.Group = "restante.reply"
	cards pool.Group = "restante.cards"
)

// own says whether a group is never asked for at the server behind. Somebody who
// misspells the case of one is not let out into public.
func own(name pool.Group) bool {
	for _, g := range [...]pool.Group{inbox, sent, reply} {
		if strings.EqualFold(string(g), string(name)) {
			return true
		}
	}
	return false
}

// groups is what a session reads: the mail on this machine, and the groups of the
// server behind. What is the mail's is never asked for there.
type groups struct {
	mail  pool.Reader // of inbox and sent
	news  pool.Reader
	shown *rack // the cards among what came from news
}

var _ pool.Reader = groups{}

// replyGroup is always empty: what is posted to it goes to one person.
func replyGroup() pool.GroupInfo {
	return pool.GroupInfo{Name: reply, Description: "Private answers; always empty", Posting: pool.PostingAllowed, Low: 1}
}

// Groups implements [pool.Reader]. Without the server behind, the mail is there.
func (g groups) Groups(ctx context.Context) ([]pool.GroupInfo, error) {
	list, err := g.mail.Groups(ctx)
	if err != nil {
		return nil, err
	}
	list = append(list, replyGroup())
	behind, err := g.news.Groups(ctx)
	if ctx.Err() != nil {
		return nil, err
	}
	for _, info := range behind {
		if !own(info.Name) {
			list = append(list, info)
		}
	}
	slices.SortFunc(list, func(a, b pool.GroupInfo) int { return cmp.Compare(a.Name, b.Name) })
	return list, nil
}

// Group implements [pool.Reader].
func (g groups) Group(ctx context.Context, name pool.Group) (pool.GroupInfo, error) {
	switch {
	case name == reply:
		return replyGroup(), nil
	case own(name):
		return g.mail.Group(ctx, name)
	}
	return g.news.Group(ctx, name)
}

// Scan implements [pool.Reader].
func (g groups) Scan(ctx context.Context, name pool.Group, r pool.Range, yield func(pool.Number, []byte) bool) error {
	switch {
	case name == reply:
		return nil
	case own(name):
		return g.mail.Scan(ctx, name, r, yield)
	}
	return g.news.Scan(ctx, name, r, yield)
}

// ByNumber implements [pool.Reader].
func (g groups) ByNumber(ctx context.Context, name pool.Group, n pool.Number) (*pool.Stored, error) {
	switch {
	case name == reply:
		return nil, pool.ErrNotFound
	case own(name):
		return g.mail.ByNumber(ctx, name, n)
	}
	return g.public(g.news.ByNumber(ctx, name, n))
}

// ByID implements [pool.Reader]. Only what is no mail is asked for at the server
// behind, which would otherwise learn who has it.
func (g groups) ByID(ctx context.Context, id pool.MessageID) (*pool.Stored, error) {
	stored, err := g.mail.ByID(ctx, id)
	if !errors.Is(err, pool.ErrNotFound) {
		return stored, err
	}
	return g.public(g.news.ByID(ctx, id))
}

// public is an article of the server behind, as it is shown.
func (g groups) public(stored *pool.Stored, err error) (*pool.Stored, error) {
	if err != nil {
		return stored, err
	}
	g.shown.put(stored)
	return answeredInPrivate(stored), nil
}

// answeredInPrivate adds to an article in the group of cards the field by which a
// followup goes to its author alone. Gateways write it (docs/protocol.md, section
// 9), and some servers take no article with it.
func answeredInPrivate(stored *pool.Stored) *pool.Stored {
	names, _ := article.HeaderField(stored.Head(), "Newsgroups")
	if _, has := article.RawField(stored.Head(), "Followup-To"); has || names != string(cards) {
		return stored
	}
	const field = "Followup-To: " + string(reply) + "\r\n"
	shown := *stored
	shown.Wire = slices.Insert(slices.Clone(stored.Wire), stored.HeadSize, []byte(field)...)
	shown.HeadSize += len(field)
	return &shown
}
