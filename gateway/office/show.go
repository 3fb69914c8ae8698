package office

import (
	"context"
	"errors"

	"github.com/restante/restante/crypto/envelope"
	"github.com/restante/restante/pool"
	"github.com/restante/restante/pool/article"
)

// errNotShown is a message whose content is no article.
var errNotShown = errors.New("no article to show")

// show opens a message and makes of it the article that a newsreader sees: as
// it was sent, but filed in the group of this login, so that followup goes
// where it should.
func (m *Mailbox) show(ctx context.Context, msg *message) (*pool.Stored, error) {
	fragments := make([]envelope.Fragment, len(msg.parts))
	var last *pool.Stored
	for i, p := range msg.parts {
		stored, err := m.office.Store.ByID(ctx, p.id)
		if err != nil {
			return nil, err
		}
		if fragments[i], err = m.open(stored, p.epoch); err != nil {
			return nil, err
		}
		if stored.In(m.office.Group) == msg.number {
			last = stored
		}
	}
	content, err := envelope.Join(fragments)
	if err != nil || last == nil {
		return nil, errNotShown
	}
	filed, err := file(content, msg.group, last)
	if err != nil {
		return nil, errNotShown
	}
	return article.Render(filed, m.office.Domain, []pool.Location{{Group: msg.group, Number: msg.number}}), nil
}

// file makes the article that is shown in group. It arrived when the entry did
// that completed it.
func file(content []byte, group pool.Group, completed *pool.Stored) (*pool.Article, error) {
	inner, err := article.Parse(content)
	if err != nil {
		return nil, err
	}
	if err := inner.Set("Newsgroups", string(group)); err != nil {
		return nil, err
	}
	inner.Del("Followup-To")
	if group == Inbox { // a followup to a receipt would go to its owner: she is refused it
		if err := inner.Set("Followup-To", string(Reply)); err != nil {
			return nil, err
		}
	}
	return inner.File([]pool.Group{group}, completed.Arrived, completed.Epoch)
}
