// Package desk is what a user does with her mail, for whatever shows it to her:
// she has a card, keeps contacts, writes, and brings mail up to date. Commands and
// the bridge stand on it.
//
// It refuses to know command lines and newsreaders.
package desk

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/restante/restante/cmd/restante/collect"
	"github.com/restante/restante/cmd/restante/mailbox"
	"github.com/restante/restante/cmd/restante/route"
	"github.com/restante/restante/crypto/contact"
	"github.com/restante/restante/crypto/identity"
	"github.com/restante/restante/crypto/note"
	"github.com/restante/restante/crypto/token"
	"github.com/restante/restante/gateway/remote"
	"github.com/restante/restante/pool"
)

// The errors of a desk. What they say is meant for its user.
var (
	ErrNoKeys   = errors.New("the keys of that gateway are not known yet: run restante sync first. Where it is not one of yours, its directory comes from restante.keys at the server of [fetch]")
	ErrForked   = errors.New("that gateway contradicts itself (restante sync says how): nothing is sealed to it")
	ErrNoToken  = errors.New("that message has no reply token: whoever sent it can't be answered")
	ErrUnposted = errors.New("it was not posted yet, and is kept: restante sync posts it")
)

// Options are what a desk is made of.
type Options struct {
	Name     string // on cards
	Seed     *identity.Seed
	Mail     *mailbox.Mailbox
	Gateways []collect.Gateway // at least one; new mailboxes are at the first
	Fetch    []remote.Server   // where the pool is taken from
	Submit   remote.Server     // where submissions are posted
	Group    pool.Group        // the pool's
	Late     time.Duration     // as in [collect.Options]
	Route    route.Policy
	Now      func() time.Time // nil: the system's
}

// A Desk is one user's. Its methods are for one goroutine at a time.
type Desk struct {
	Options
}

// New returns a desk.
func New(o Options) *Desk {
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Desk{o}
}

// Sync posts what waits to be, and brings the mail up to date.
func (d *Desk) Sync(ctx context.Context, matching bool, progress func(done, all int)) (collect.Report, error) {
	if progress == nil {
		progress = func(int, int) {}
	}
	errPost := d.Flush(ctx)
	report, err := collect.Run(ctx, collect.Options{
		Seed: d.Seed, Mail: d.Mail, Gateways: d.Gateways, Fetch: d.Fetch, Group: d.Group, Late: d.Late,
		Matching: matching, Now: d.Now, Purpose: d.Route.Purpose, Progress: progress,
	})
	return report, errors.Join(err, errPost)
}

// Card makes the card that is for everybody, of mailbox 0, with a fresh token.
func (d *Desk) Card() (*contact.Card, error) { return d.card(d.Gateways[0].Domain, 0) }

// card makes a card of a mailbox.
func (d *Desk) card(gateway string, box uint32) (*contact.Card, error) {
	id, err := d.mint(gateway, box)
	if err != nil {
		return nil, err
	}
	return contact.NewCard(d.Name, id, identity.NewE2EPublic(d.Seed.E2EKey(box)))
}

// mint makes a reply token of a mailbox of the user's.
func (d *Desk) mint(gateway string, box uint32) (string, error) {
	epoch, key, err := d.sealKey(gateway)
	if err != nil {
		return "", err
	}
	t, err := token.Mint(key, gateway, epoch, d.Seed.Mailbox(box))
	if err != nil {
		return "", err
	}
	return t.MessageID(gateway), nil
}

// sealKey returns the key that something is sealed to for a gateway now.
func (d *Desk) sealKey(gateway string) (epoch uint64, key token.SealPublic, err error) {
	book, ok := d.Mail.Book(gateway)
	if !ok {
		return 0, key, fmt.Errorf("%s: %w", gateway, ErrNoKeys)
	}
	if book.ForkA != nil {
		return 0, key, fmt.Errorf("%s: %w", gateway, ErrForked)
	}
	directory, err := note.PeekDirectory(book.Signed)
	if err != nil {
		return 0, key, err
	}
	current := uint64(d.Now().Unix()) / uint64(directory.EpochLength/time.Second)
	found := false
	for _, k := range directory.Seal {
		if k.Epoch <= current && (!found || k.Epoch >= epoch) {
			if key, err = token.ParseSealPublic(k.Key[:]); err != nil {
				return 0, key, err
			}
			epoch, found = k.Epoch, true
		}
	}
	if !found || epoch+directory.TokenLife < current {
		return 0, key, fmt.Errorf("%s: %w", gateway, ErrNoKeys)
	}
	return epoch, key, nil
}

// Add makes a contact of a card. Where the key on it is known the contact gets its
// new token; name, where it is not empty, is what the user calls the contact.
func (d *Desk) Add(card *contact.Card, name string) (mailbox.Contact, error) {
	c := mailbox.Contact{Name: card.Name, Since: d.Now().UTC().Truncate(time.Second)}
	for _, known := range d.Mail.Contacts() {
		if k, err := contact.ParseCard(known.Card); err == nil && k.Key.Equal(card.Key) {
			c, c.Was = known, known.Name
			break
		}
	}
	if name != "" {
		c.Name = name
	}
	if _, err := d.Mail.Contact(c.Name); err == nil && c.Was != c.Name {
		return c, fmt.Errorf("%w: %q", ErrTaken, c.Name)
	}
	c.Card, c.Token = card.Text(), card.Token
	return c, d.Mail.Put(mailbox.Event{Contact: &c})
}

// ErrTaken is a name that somebody else has.
var ErrTaken = errors.New("there is another contact of that name: give this one another with --as")
