package pool

import (
	"context"
	"time"
)

// A Reader is what a newsreader needs of a set of groups. A whole store is one,
// and so is one person's opened mailbox.
//
// All methods may be called at the same time from many goroutines. They return
// ctx's error when it ends first.
type Reader interface {
	// Groups returns every group, sorted by name.
	Groups(ctx context.Context) ([]GroupInfo, error)

	// Group returns one group. It returns ErrNoGroup when there is none.
	Group(ctx context.Context, name Group) (GroupInfo, error)

	// Scan calls yield for each article of the group whose number lies in r,
	// in ascending order, with its overview line from the subject on, until
	// yield returns false. The line is only valid during the call. Nothing is
	// gathered in memory first, and articles filed meanwhile may be left out.
	// It returns ErrNoGroup when there is no such group.
	Scan(ctx context.Context, name Group, r Range, yield func(n Number, overview []byte) bool) error

	// ByNumber returns one article of a group. It returns ErrNoGroup or
	// ErrNotFound, and ErrCorrupt for one that is damaged where it is kept.
	ByNumber(ctx context.Context, name Group, n Number) (*Stored, error)

	// ByID returns the article with that message-id. It returns ErrNotFound,
	// and ErrCorrupt as ByNumber does.
	ByID(ctx context.Context, id MessageID) (*Stored, error)
}

// A Store keeps articles.
//
// What Append has returned without an error is on stable storage: it is there
// again, octet for octet and under the same numbers, after a kill of the
// process or the loss of power at any later moment. A store in memory keeps
// every other promise.
type Store interface {
	Reader

	// Append numbers an article in each of its groups, adds Xref, and files it
	// on stable storage before it returns. Calls made at the same time share
	// one sync. An article that brings Numbers is filed under those; they may
	// leave gaps, which are never filled. Errors:
	//
	//   - ErrDuplicate: the message-id was seen before, be it now expired.
	//     Nothing changed; calling again gives the same answer.
	//   - ErrNoGroup: one of the groups is unknown. Nothing changed.
	//   - ErrGroupFull: a group has used up its numbers. Nothing changed.
	//   - ErrNumber: a number that the article brings is not above its group's
	//     high water mark, so that it may have been another's. Nothing changed.
	//   - ErrDiskFull: no space. Nothing changed; the same call may be tried
	//     again later.
	//   - ErrReadOnly: an earlier write failed, and the store takes no more
	//     until it is opened again. Whether this article is kept is unknown
	//     until then.
	Append(ctx context.Context, a *Article) ([]Location, error)

	// Cancel withdraws the article with that message-id from all its groups.
	// Its numbers are not used again, and the message-id stays seen as that of
	// an expired article does. For one that was withdrawn or has expired already it does nothing. On stable
	// storage on return. It returns ErrNotFound for a message-id that was never
	// seen, ErrDiskFull and ErrReadOnly as Append does, and ErrCorrupt, having
	// changed nothing, for an article that is damaged where it is kept.
	Cancel(ctx context.Context, id MessageID) error

	// Remember makes a message-id that was never seen count as seen, without an
	// article. On stable storage on return. It returns ErrDuplicate for one that
	// was seen before, and ErrDiskFull and ErrReadOnly as Append does.
	Remember(ctx context.Context, id MessageID) error

	// Seen says whether the message-id was ever appended or remembered, even if
	// the article has expired since. A store may be told to forget what expired
	// a given time ago. For a message-id never seen it touches no
	// disk.
	Seen(ctx context.Context, id MessageID) (bool, error)

	// Since calls yield for each article held that arrived at t or later, in
	// order of arrival, until yield returns false (RFC 3977, Section 7.4).
	Since(ctx context.Context, t time.Time, yield func(id MessageID, at []Location) bool) error

	// SetGroup makes a group, or changes the description and posting status
	// of one that is there. Name, Description, Posting and, for a new group,
	// Created are taken from info. Water marks are never taken: a group that
	// was there before goes on where it stopped. On stable storage on return.
	SetGroup(ctx context.Context, info GroupInfo) error

	// RemoveGroup hides a group and its articles' numbers there, also in what
	// ByID and Since return. SetGroup brings it back with the articles that it
	// still has, and no number is used twice. It returns ErrNoGroup when there
	// is none.
	RemoveGroup(ctx context.Context, name Group) error

	// DropBefore drops every article whose Epoch is neither 0 nor epoch or
	// later. Water marks and the memory of their message-ids stay.
	DropBefore(ctx context.Context, epoch uint64) error

	// Expire takes articles out of groups, the lowest numbers of each first,
	// until what a group has left is within its Keep. Groups that there are not
	// are passed over. An article in no group any more has expired: nothing
	// leads to it, and its message-id stays seen. Low water marks never fall, and
	// no number comes back. Appending and reading go on meanwhile. On stable
	// storage on return; after an error any part of it may be. It returns
	// ErrDiskFull and ErrReadOnly as Append does.
	Expire(ctx context.Context, keep map[Group]Keep) error

	// Close ends the store. Calls under way finish first; later ones return
	// ErrClosed.
	Close() error
}

// A Keep is how much is kept of a group. Zero values set no bound. An article
// that is still due to be kept keeps those with higher numbers, whenever they
// arrived.
type Keep struct {
	Since    time.Time // what arrived at that time or later
	Articles int       // so many at most
	Octets   int64     // so many octets at most, as overview lines count them
}

// A Beginner is a Store whose Append comes in two steps, so that one goroutine
// can bring many articles that share a sync.
type Beginner interface {
	// Begin is the first step: when it returns, the article has its turn. Of
	// two articles begun one after the other, the first one gets the lower
	// numbers. The second step is to wait for what it returns. a must not be
	// changed until then, and its memory may be used for another one afterwards.
	Begin(ctx context.Context, a *Article) Begun
}

// Begun is an article that has its turn in a store.
type Begun interface {
	// Known says whether Wait would return at once.
	Known() bool
	// Wait returns when, and what, Append would. It must be called once.
	Wait() ([]Location, error)
}

// Begin is the first step of appending to any store, which for one that is no
// [Beginner] is all of it.
func Begin(ctx context.Context, s Store, a *Article) Begun {
	if b, ok := s.(Beginner); ok {
		return b.Begin(ctx, a)
	}
	at, err := s.Append(ctx, a)
	return Outcome{at, err}
}

// An Outcome is a [Begun] that is known.
type Outcome struct {
	At  []Location
	Err error
}

// Known implements [Begun].
func (Outcome) Known() bool { return true }

// Wait implements [Begun].
func (o Outcome) Wait() ([]Location, error) { return o.At, o.Err }

// A SetHigher is a Store whose water marks can go on where another server's
// stopped.
type SetHigher interface {
	// SetHigh raises a group's high water mark, so that the next article's
	// number is the one behind it. It never lowers it. On stable storage on
	// return. It returns ErrNoGroup, and ErrGroupFull for more than MaxNumber.
	SetHigh(ctx context.Context, name Group, high Number) error
}
