package mailbox

import (
	"context"

	"github.com/restante/restante/pool"
	"github.com/restante/restante/pool/article"
)

// serverName stands in Xref. It is nobody's (RFC 2606, Section 2).
const serverName = "restante.invalid"

// SealingField is the header field that says between whom a message was sealed.
const SealingField = "Restante-Sealed"

// A Reader shows the mailbox as the groups [Inbox] and [Sent] of a news server.
type Reader struct{ *Mailbox }

var _ pool.Reader = Reader{}

// Groups implements [pool.Reader].
func (r Reader) Groups(context.Context) ([]pool.GroupInfo, error) {
	return []pool.GroupInfo{r.group(Inbox), r.group(Sent)}, nil
}

// Group implements [pool.Reader].
func (r Reader) Group(_ context.Context, name pool.Group) (pool.GroupInfo, error) {
	if name != Inbox && name != Sent {
		return pool.GroupInfo{}, pool.ErrNoGroup
	}
	return r.group(name), nil
}

func (r Reader) group(name pool.Group) pool.GroupInfo {
	info := pool.GroupInfo{Name: name, Description: "What came for you, opened on this machine", Posting: pool.PostingAllowed, Low: 1}
	if name == Sent {
		info.Description, info.Posting = "What you sent", pool.PostingDenied
	}
	all := r.Messages(name)
	if len(all) > 0 {
		info.Low, info.High, info.Count = all[0].Number, all[len(all)-1].Number, len(all)
	}
	return info
}

// Scan implements [pool.Reader].
func (r Reader) Scan(ctx context.Context, name pool.Group, within pool.Range, yield func(pool.Number, []byte) bool) error {
	if _, err := r.Group(ctx, name); err != nil {
		return err
	}
	for _, m := range r.Messages(name) {
		if !within.Contains(m.Number) {
			continue
		}
		s, err := r.stored(&m)
		if err != nil {
			continue // the others are to be seen all the same
		}
		if ctx.Err() != nil || !yield(m.Number, s.Overview) {
			return ctx.Err()
		}
	}
	return nil
}

// ByNumber implements [pool.Reader].
func (r Reader) ByNumber(ctx context.Context, name pool.Group, n pool.Number) (*pool.Stored, error) {
	if _, err := r.Group(ctx, name); err != nil {
		return nil, err
	}
	m, err := r.Message(n)
	if err != nil || m.Group != name {
		return nil, pool.ErrNotFound
	}
	return r.stored(&m)
}

// ByID implements [pool.Reader].
func (r Reader) ByID(_ context.Context, id pool.MessageID) (*pool.Stored, error) {
	m, err := r.Mailbox.ByID(id)
	if err != nil {
		return nil, pool.ErrNotFound
	}
	return r.stored(&m)
}

// stored makes of a message the article that a newsreader sees.
func (r Reader) stored(m *Message) (*pool.Stored, error) {
	text, err := r.Article(m.Number)
	if err != nil {
		return nil, pool.ErrCorrupt
	}
	a, err := article.Parse(text)
	if err != nil {
		return nil, pool.ErrCorrupt
	}
	a.Del("Followup-To")
	if m.Group == Inbox {
		if err := a.Set("Followup-To", "restante.reply"); err != nil {
			return nil, err
		}
	}
	for _, f := range [][2]string{{"Newsgroups", string(m.Group)}, {"Message-ID", string(m.ID)}, {SealingField, string(m.Sealing)}} {
		if err := a.Set(f[0], f[1]); err != nil {
			return nil, pool.ErrCorrupt
		}
	}
	if a.Get("Path") == "" {
		if err := a.Set("Path", serverName+"!not-for-mail"); err != nil {
			return nil, err
		}
	}
	filed, err := a.File([]pool.Group{m.Group}, m.Arrived, 0)
	if err != nil {
		return nil, pool.ErrCorrupt
	}
	return article.Render(filed, serverName, []pool.Location{{Group: m.Group, Number: m.Number}}), nil
}
