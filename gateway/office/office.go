// Package office is the post office: it takes what people post, removes what
// would name them, seals replies for the mailbox in their token, and opens a
// mailbox for whoever brings its passphrase (docs/protocol.md, sections 9 and
// 10). It keeps no list of people; what it learns of a mailbox is gone when the
// call, or the login, ends.
package office

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/restante/restante/crypto/blind"
	"github.com/restante/restante/crypto/identity"
	"github.com/restante/restante/crypto/token"
	"github.com/restante/restante/gateway/batch"
	"github.com/restante/restante/pool"
	"github.com/restante/restante/pool/entry"
)

// The groups that the office itself fills or empties.
const (
	Reply pool.Group = "restante.reply" // a post here goes to the mailbox of the token it answers
	Inbox pool.Group = "restante.inbox" // what came for the mailbox of this login
	Sent  pool.Group = "restante.sent"  // receipts of what this login posted
	Cards            = entry.Cards      // public contact cards
)

// ErrBusy is a login or a pickup that would have to wait too long for its turn.
var ErrBusy = errors.New("too many logins or pickups at once")

// Keys is what the office needs of the gateway's keys.
type Keys interface {
	// Blind returns an epoch's blinding key.
	Blind(epoch uint64) (*blind.Key, error)
	// Seal returns an epoch's seal key.
	Seal(epoch uint64) (*token.SealKey, error)
	// Mint returns the epoch and the seal key that new tokens are made with.
	Mint() (epoch uint64, seal token.SealPublic)
	// Honoured returns the oldest and the newest epoch whose tokens are taken.
	Honoured() (oldest, newest uint64)
	// Retained returns the oldest and the newest epoch whose entries are found.
	Retained() (oldest, newest uint64)
}

// Options is what an office works with.
type Options struct {
	Domain     string
	Group      pool.Group // the pool's
	Calendar   pool.Calendar
	Slots      int // most entries of one mailbox in a batch
	Keys       Keys
	Queue      *batch.Queue
	Store      pool.Reader
	MaxArticle int           // largest article built, in octets
	MinBits    float64       // weakest passphrase taken
	Logins     int           // passphrases checked at a time
	Pickups    int           // calls of Evaluate and Find worked on at a time; 0 stands for 1
	LoginWait  time.Duration // how long a login or a pickup may wait for its turn; 0: until its context ends

	// Moderators is where an unapproved post to a moderated group goes, by
	// group: a token as a message-id, or a mail address. SetModerators changes
	// them.
	Moderators map[pool.Group]string

	Away Away // nil: no other gateway is known
}

// An Office serves all sessions of a gateway.
type Office struct {
	Options

	logins     chan struct{} // holds one value for each passphrase being checked
	pickups    chan struct{} // and one for each pickup being worked on
	repeats    *repeats
	moderators atomic.Pointer[map[pool.Group]string]
}

// New returns an office.
func New(o Options) *Office {
	office := &Office{
		Options: o, repeats: newRepeats(),
		logins: make(chan struct{}, o.Logins), pickups: make(chan struct{}, max(o.Pickups, 1)),
	}
	office.SetModerators(o.Moderators)
	return office
}

// SetModerators changes where unapproved posts go, from the next one on. The map
// must not be changed afterwards.
func (o *Office) SetModerators(m map[pool.Group]string) { o.moderators.Store(&m) }

// Private describes the groups that exist in a login only.
func (o *Office) Private() []pool.GroupInfo {
	return []pool.GroupInfo{
		{Name: Inbox, Description: "Your private mail; log in to read it", Posting: pool.PostingAllowed, Low: 1},
		{Name: Sent, Description: "Receipts of what you posted; log in to read them", Posting: pool.PostingDenied, Low: 1},
	}
}

// Login opens the mailbox of a handle and a passphrase. Nothing is compared
// with anything: a wrong passphrase opens an empty mailbox. It returns a
// [*pool.Refusal] for a passphrase too weak to stand alone, and [ErrBusy] when
// its turn does not come in time.
func (o *Office) Login(ctx context.Context, handle, passphrase string) (*Mailbox, error) {
	if err := identity.Judge(handle, passphrase, o.MinBits); err != nil {
		return nil, &pool.Refusal{
			Sentence: "That passphrase is too easy to guess, and it alone protects your mail; \"restanted passphrase\" makes a good one",
			Cause:    err,
		}
	}
	seed, err := o.seed(ctx, handle, passphrase)
	if err != nil {
		return nil, err
	}
	m := newMailbox(o, seed.Mailbox(0))
	if err := m.Refresh(ctx); err != nil {
		return nil, err
	}
	return m, nil
}

// seed takes a turn at deriving a seed, which costs 64 MiB of memory.
func (o *Office) seed(ctx context.Context, handle, passphrase string) (*identity.Seed, error) {
	done, err := o.turn(ctx, o.logins)
	if err != nil {
		return nil, err
	}
	defer done()
	return identity.FromPassphrase(o.Domain, handle, passphrase), nil
}

// turn waits until turns has room for one more, who then calls done. It returns
// [ErrBusy] when that takes too long.
func (o *Office) turn(ctx context.Context, turns chan struct{}) (done func(), err error) {
	if o.LoginWait > 0 {
		var stop context.CancelFunc
		ctx, stop = context.WithTimeout(ctx, o.LoginWait)
		defer stop()
	}
	select {
	case turns <- struct{}{}:
		return func() { <-turns }, nil
	case <-ctx.Done():
		return nil, fmt.Errorf("%w: %w", ErrBusy, ctx.Err())
	}
}

// blinder returns the function that blinds one ID in any epoch.
func (o *Office) blinder(id identity.ID) batch.Blinder {
	known := make(map[uint64]*blind.Blinded)
	return func(epoch uint64) (*blind.Blinded, error) {
		if b := known[epoch]; b != nil {
			return b, nil
		}
		key, err := o.Keys.Blind(epoch)
		if err != nil {
			return nil, err
		}
		b, err := key.Evaluate(id)
		if err != nil {
			return nil, err
		}
		known[epoch] = b
		return b, nil
	}
}
