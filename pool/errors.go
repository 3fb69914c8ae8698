package pool

import "errors"

// The errors of a [Reader] and a [Store]. Test for them with errors.Is.
var (
	ErrMessageID = errors.New("not a message-id")
	ErrGroupName = errors.New("not a newsgroup name")
	ErrNoGroup   = errors.New("no such newsgroup")
	ErrNotFound  = errors.New("no such article")
	ErrDuplicate = errors.New("article seen before")
	ErrGroupFull = errors.New("newsgroup has used up its article numbers")
	ErrNumber    = errors.New("article number was given before")
	ErrDiskFull  = errors.New("disk nearly full")
	ErrReadOnly  = errors.New("store takes no writes after a failed one")
	ErrCorrupt   = errors.New("article is damaged on disk")
	ErrClosed    = errors.New("store is closed")
)

// A Refusal is an article that can't be taken, with a sentence for whoever
// sent it. The sentence says what is wrong and what to do; it never repeats
// anything of the article, and fits one line of printable ASCII.
type Refusal struct {
	Sentence string
	Cause    error // for errors.Is; never shown to a peer
}

func (r *Refusal) Error() string { return "refused: " + r.Sentence }

// Unwrap returns the cause.
func (r *Refusal) Unwrap() error { return r.Cause }
