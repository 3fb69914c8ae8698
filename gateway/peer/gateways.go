package peer

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/restante/restante/gateway/mirror"
	"github.com/restante/restante/pool"
	"github.com/restante/restante/pool/article"
	"github.com/restante/restante/pool/control"
)

// gateways checks an article of another gateway, and that no other article takes
// the name of one. It returns its passage. What is repeated must use up nothing of
// what is taken of its gateway: so one that was not asked for is looked for first.
func (d *Desk) gateways(ctx context.Context, a *article.Article, id pool.MessageID, named []pool.Group, asked bool, now time.Time) (mirror.Passage, error) {
	p := d.opts.Gateways
	switch {
	case p == nil:
		return mirror.Passage{}, nil
	case slices.ContainsFunc(named, p.Covers):
		if !asked {
			if seen, err := d.opts.Store.Seen(ctx, id); err != nil {
				return mirror.Passage{}, err
			} else if seen {
				return mirror.Passage{}, pool.ErrDuplicate
			}
		}
		passage, err := p.Check(a, named, now)
		return passage, reasonFor(err)
	case p.Reserved(id):
		return mirror.Passage{}, refuse(Reserved)
	}
	return mirror.Passage{}, nil
}

// takeBack checks an article of our own that comes back, and gives it the place and
// the Path that it had when it left.
func (f *Feed) takeBack(ctx context.Context, id pool.MessageID, a *article.Article, now time.Time) (brought, error) {
	d := f.desk
	if d.opts.Gateways == nil {
		return brought{}, refuse(OwnID)
	}
	if _, err := d.checkFields(a, now); err != nil {
		return brought{}, err
	}
	if a.Get("Message-ID") != string(id) {
		return brought{}, refuse(OtherID)
	}
	named, err := a.Newsgroups()
	if err != nil {
		return brought{}, err
	}
	epoch, err := d.opts.Gateways.CheckOwn(ctx, a, named, now)
	if err := reasonFor(err); err != nil {
		return brought{}, err
	}
	groups, err := f.route(ctx, named, false, control.Request{})
	if err != nil {
		return brought{}, err
	}
	if err := a.Set("Path", d.opts.Domain+"!not-for-mail"); err != nil {
		return brought{}, err
	}
	filed, err := a.File(named, now, epoch)
	if err != nil {
		return brought{}, err
	}
	filed.Groups = groups
	return brought{article: filed}, nil
}

// gatewaysOwn says whether an article is in a gateway's group, for which that
// gateway's own times hold in place of the cutoff.
func (d *Desk) gatewaysOwn(a *article.Article) bool {
	named, err := a.Newsgroups()
	return err == nil && d.opts.Gateways != nil && slices.ContainsFunc(named, d.opts.Gateways.Covers)
}

// reasonFor makes of what the policy says a refusal. Any other error is ours.
func reasonFor(err error) error {
	for _, c := range [...]struct {
		cause  error
		reason Reason
	}{
		{mirror.ErrUnknown, Gateway},
		{mirror.ErrConvicted, Convicted},
		{mirror.ErrForm, Form},
		{mirror.ErrMixed, Form},
		{mirror.ErrSignature, Unsigned},
		{mirror.ErrWindow, Window},
		{mirror.ErrExcess, Excess},
		{mirror.ErrFork, Forked},
	} {
		if errors.Is(err, c.cause) {
			return refuse(c.reason)
		}
	}
	return err
}
