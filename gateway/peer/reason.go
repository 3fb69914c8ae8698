package peer

import (
	"errors"

	"github.com/restante/restante/gateway/nntp"
	"github.com/restante/restante/pool"
)

// A Reason is why an article was rejected. It is the cause of the
// [pool.Refusal], for errors.Is.
type Reason int

// The reasons.
const (
	Malformed  Reason = iota // no article by its form (RFC 5536, Section 2)
	TooLarge                 // larger than is taken
	Duplicate                // seen before
	Field                    // a header field is missing, empty, there twice or invalid
	OtherID                  // its Message-ID is not the one that it was announced with
	TooNew                   // dated more than 24 hours ahead
	TooOld                   // dated before the cutoff
	Looped                   // it was here before, by its Path
	Unwanted                 // in no newsgroup that is carried and that the peer may feed
	OwnGroup                 // in a newsgroup that the gateway fills itself
	OwnID                    // under a Message-ID of the gateway's own domain
	Gateway                  // of a gateway of which nothing is taken
	Convicted                // of a gateway that has contradicted itself
	Form                     // in a gateway's group, and not of the form that a gateway gives it
	Unsigned                 // without the signature of the gateway that it is said to be of
	Window                   // of a batch that has not left yet, or has expired
	Excess                   // of a gateway of which so much is not taken
	Forked                   // a directory that contradicts the gateway's earlier one
	Reserved                 // elsewhere, under a Message-ID as a gateway gives its entries, manifests and directories
	Unapproved               // in a moderated newsgroup without approval
	Control                  // a malformed control message or Supersedes
	Withdrawn                // cancelled before it came
	reasons                  // how many there are
)

// String is the reason's name in metrics.
func (r Reason) String() string {
	return [...]string{
		"malformed", "too_large", "duplicate", "field", "other_id", "too_new", "too_old", "looped",
		"unwanted", "own_group", "own_id", "gateway", "convicted", "form", "unsigned", "window", "excess", "forked", "reserved", "unapproved", "control", "withdrawn",
	}[r]
}

// Error makes a reason a cause.
func (r Reason) Error() string { return r.String() }

// sentence is what the peer is told.
func (r Reason) sentence() string {
	return [...]string{
		Malformed:  "The article is malformed",
		TooLarge:   "The article is larger than this server takes",
		Duplicate:  "This server had an article with that Message-ID before",
		Field:      "A header field is missing, empty, there twice or invalid",
		OtherID:    "The article's Message-ID is not the one announced",
		TooNew:     "The article's date is more than 24 hours in the future",
		TooOld:     "The article is older than this server's cutoff",
		Looped:     "The article was here before: its Path names this server",
		Unwanted:   "None of its newsgroups is wanted from you here",
		OwnGroup:   "It names a newsgroup that only this server fills",
		OwnID:      "Its Message-ID is one that only this server gives",
		Gateway:    "Nothing is taken of the gateway that it is of",
		Convicted:  "The gateway that it is of has contradicted itself: nothing is taken of it any more",
		Form:       "It is not of the form that a gateway gives it, or in other newsgroups too",
		Unsigned:   "The gateway's signature is missing or wrong",
		Window:     "It is of a batch that has not left yet, or has expired",
		Excess:     "It is more of its gateway than is taken: a batch is full, a day's share is used up, or it would be one gateway too many",
		Forked:     "It contradicts a directory that the gateway has signed before",
		Reserved:   "Its Message-ID is one that only a gateway gives, in newsgroups of its own",
		Unapproved: "It is not approved, and a newsgroup that it names is moderated",
		Control:    "Its Control or Supersedes header field is malformed",
		Withdrawn:  "The article was cancelled by its author",
	}[r]
}

func refuse(r Reason) error { return &pool.Refusal{Sentence: r.sentence(), Cause: r} }

// refuseField refuses an article for one header field, which it names: that is
// one of ours, not a word of the peer's.
func refuseField(name, what string) error {
	return &pool.Refusal{Sentence: "The header field " + name + " " + what, Cause: Field}
}

// Reasons returns the names of all reasons.
func Reasons() []string {
	out := make([]string, reasons)
	for r := range reasons {
		out[r] = r.String()
	}
	return out
}

// ReasonOf is the name of a refusal's reason.
func ReasonOf(refusal error) string {
	reason, _ := reasonOf(refusal)
	return reason.String()
}

// reasonOf returns the reason of an error that stands for good, and false for
// one that may be over later.
func reasonOf(err error) (Reason, bool) {
	var reason Reason
	var refusal *pool.Refusal
	switch {
	case errors.As(err, &reason):
		return reason, true
	case errors.Is(err, pool.ErrDuplicate):
		return Duplicate, true
	case errors.Is(err, nntp.ErrBlockTooLarge):
		return TooLarge, true
	case errors.As(err, &refusal), errors.Is(err, nntp.ErrBlockMalformed):
		return Malformed, true
	case errors.Is(err, pool.ErrGroupFull):
		return Unwanted, true
	}
	return 0, false
}
