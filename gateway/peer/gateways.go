package peer

import (
	"errors"
	"slices"
	"time"

	"github.com/restante/restante/gateway/mirror"
	"github.com/restante/restante/pool"
	"github.com/restante/restante/pool/article"
)

// gateways checks an article of another gateway, and that no other article takes
// the name of one. It returns the epoch that the article is dropped with.
func (d *Desk) gateways(a *article.Article, id pool.MessageID, named []pool.Group, now time.Time) (epoch uint64, err error) {
	p := d.opts.Gateways
	switch {
	case p == nil:
		return 0, nil
	case slices.ContainsFunc(named, p.Covers):
		epoch, err := p.Check(a, named, now)
		return epoch, reasonFor(err)
	case p.Reserved(id):
		return 0, refuse(Reserved)
	}
	return 0, nil
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
		{mirror.ErrFork, Forked},
	} {
		if errors.Is(err, c.cause) {
			return refuse(c.reason)
		}
	}
	return err
}
