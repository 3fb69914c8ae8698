package session

import (
	"context"
	"errors"

	"github.com/restante/restante/gateway/nntp"
	"github.com/restante/restante/pool"
)

// What an [Office] or a [Feed] fails with, beside the errors of pool.
var (
	ErrBusy     = errors.New("too many logins or pickups under way")
	ErrInFlight = errors.New("another connection is bringing that article")
)

// What a [Pickup] fails with, beside [ErrBusy].
var (
	ErrElement = errors.New("not an element that can be evaluated")
	ErrEpoch   = errors.New("no blinding key of that epoch")
	ErrSealed  = errors.New("nothing sealed to a current key")
)

// What commands fail with, beside the errors of pool and nntp.
var (
	errUnknown       = errors.New("unknown command")
	errVariant       = errors.New("unknown variant of a command")
	errSyntax        = errors.New("wrong arguments")
	errNoGroup       = errors.New("no newsgroup selected")
	errNoCurrent     = errors.New("current article number is invalid")
	errNoNext        = errors.New("no next article")
	errNoPrevious    = errors.New("no previous article")
	errNoNumber      = errors.New("no article with that number")
	errLoginFirst    = errors.New("login required")
	errLoggedIn      = errors.New("logged in already")
	errLoginSequence = errors.New("no AUTHINFO USER before AUTHINFO PASS")
	errInsecure      = errors.New("connection is not private")
	errExposed       = errors.New("a sealed id would be seen on its way")
	errNoPickup      = errors.New("no pickup by command here")
	errBase64URL     = errors.New("not base64url")
	errSecured       = errors.New("TLS is active already")
	errNoTLS         = errors.New("no TLS here")
	errCompressed    = errors.New("compression is active already")
	errAlgorithm     = errors.New("unknown compression algorithm")
	errNoCompression = errors.New("no compression just now")
	errMechanism     = errors.New("unknown SASL mechanism")
	errSASL          = errors.New("SASL message malformed")
	errEncoding      = errors.New("not base64")
	errGivenUp       = errors.New("client gave up its login")
	errCredentials   = errors.New("handle or passphrase can't be used")
	errTooMuch       = errors.New("more articles than one command may look at")
	errTooMany       = errors.New("too many failed commands in a row")
	errPosting       = errors.New("posting not allowed")
	errNotKept       = errors.New("list not kept")
	errNoArrivals    = errors.New("arrivals of articles not known")
	errField         = errors.New("unknown metadata item")
	errNotPeer       = errors.New("client is no peer")
	errStopping      = errors.New("server stops")
	errHungUp        = errors.New("client hung up")
	errQuiet         = errors.New("nothing comes for a while")
)

// A verdict is what an error is told as.
type verdict struct {
	err error
	nntp.Reply
	post  string // the sentence after 441 and the like, where the error refuses an article
	final bool   // a peer need not send that article again
	ends  error  // why the session is over, if it is
}

// later is said of what is our own fault and may be over soon.
const later = "The article could not be taken just now, please try again later"

// verdictTable is every error that has a reply of its own. Replies repeat
// nothing that a client sent, but for the message-id where a peer's command wants
// it (RFC 4644, Section 2).
func verdictTable() []verdict {
	say := func(code nntp.Code, text string) nntp.Reply { return nntp.Reply{Code: code, Text: text} }
	return []verdict{
		{err: nntp.ErrLineTooLong, Reply: say(nntp.CodeSyntax, "Line longer than 512 octets")},
		{err: nntp.ErrLineMalformed, Reply: say(nntp.CodeSyntax, "Line holds NUL, or CR or LF alone")},
		{err: errUnknown, Reply: say(nntp.CodeUnknownCommand, "Unknown command, try HELP")},
		{err: errVariant, Reply: say(nntp.CodeSyntax, "Unknown variant, try HELP")},
		{err: errSyntax, Reply: say(nntp.CodeSyntax, "Wrong arguments, try HELP")},
		{err: nntp.ErrRange, Reply: say(nntp.CodeSyntax, "Not an article number, range or message-id")},
		{err: nntp.ErrWildmat, Reply: say(nntp.CodeSyntax, "Not a wildmat")},
		{err: nntp.ErrTime, Reply: say(nntp.CodeSyntax, "Not a date and time")},
		{err: pool.ErrMessageID, Reply: say(nntp.CodeSyntax, "Not a message-id"), post: "A message-id in the article is malformed", final: true},
		{err: errField, Reply: say(nntp.CodeNotSupported, "No such metadata item")},
		{err: errNoArrivals, Reply: say(nntp.CodeNotSupported, "It is not known here when articles came")},
		{err: errNotKept, Reply: say(nntp.CodeNotSupported, "No such list is kept here")},

		{err: pool.ErrGroupName, Reply: say(nntp.CodeNoSuchGroup, "No such newsgroup"), post: "A newsgroup name in the article is malformed", final: true},
		{err: pool.ErrNoGroup, Reply: say(nntp.CodeNoSuchGroup, "No such newsgroup"), post: "This server does not carry that newsgroup"},
		{err: errNoGroup, Reply: say(nntp.CodeNoGroup, "No newsgroup selected")},
		{err: errNoCurrent, Reply: say(nntp.CodeNoCurrent, "Current article number is invalid")},
		{err: errNoNext, Reply: say(nntp.CodeNoNext, "No next article in this newsgroup")},
		{err: errNoPrevious, Reply: say(nntp.CodeNoPrevious, "No previous article in this newsgroup")},
		{err: errNoNumber, Reply: say(nntp.CodeNoSuchNumber, "No article with that number")},
		{err: pool.ErrNotFound, Reply: say(nntp.CodeNoSuchArticle, "No article with that message-id"), post: later},

		{err: errLoginFirst, Reply: say(nntp.CodeLoginRequired, "Log in to open your mailbox")},
		{err: errLoggedIn, Reply: say(nntp.CodeNotPermitted, "Logged in already")},
		{err: errLoginSequence, Reply: say(nntp.CodeLoginSequence, "Send AUTHINFO USER first")},
		{err: errInsecure, Reply: say(nntp.CodePrivacyRequired, "Log in over TLS only")},
		{err: errSecured, Reply: say(nntp.CodeNotPermitted, "TLS is active already")},
		{err: errNoTLS, Reply: say(nntp.CodeNoTLS, "This server has no certificate")},
		{err: errCompressed, Reply: say(nntp.CodeNotPermitted, "Compression is active already")},
		{err: errAlgorithm, Reply: say(nntp.CodeNotSupported, "No such compression algorithm, use DEFLATE")},
		{err: errNoCompression, Reply: say(nntp.CodeInternalFault, "No compression just now, go on without")},
		{err: errMechanism, Reply: say(nntp.CodeNotSupported, "No such mechanism, use PLAIN")},
		{err: errSASL, Reply: say(nntp.CodeLoginSequence, "Not a message of that mechanism")},
		{err: errEncoding, Reply: say(nntp.CodeEncodingError, "Not base64")},
		{err: errGivenUp, Reply: say(nntp.CodeLoginFailed, "Login given up as you wished")},
		{err: errCredentials, Reply: say(nntp.CodeLoginFailed, "That handle or passphrase can't be used")},
		{err: errTooMuch, Reply: say(nntp.CodeNotSupported, "Too many articles for one command, ask for a smaller part")},
		{err: errTooMany, Reply: say(nntp.CodeUnavailable, "Too many failed commands in a row, closing"), ends: ErrFaults},
		{err: ErrBusy, Reply: say(nntp.CodeInternalFault, "Too many logins or pickups under way, please try again shortly"), post: later},

		{err: errNoPickup, Reply: say(nntp.CodeNotSupported, "No pickup by command here")},
		{err: errExposed, Reply: say(nntp.CodePrivacyRequired, "Over TLS only: whoever sees that line can use it again")},
		{err: errBase64URL, Reply: say(nntp.CodeSyntax, "Not base64url without padding")},
		{err: ErrElement, Reply: say(nntp.CodeSyntax, "Not 1 to 9 elements, each canonical and not the identity")},
		{err: ErrEpoch, Reply: say(nntp.CodeNoEpoch, "No blinding key of that epoch, see XKEYS")},
		{err: ErrSealed, Reply: say(nntp.CodeNotSealed, "Not an ID sealed to a current key, see XKEYS")},

		{err: errNotPeer, Reply: say(nntp.CodeNotPermitted, "You may not feed articles here")},
		{err: ErrInFlight, Reply: say(nntp.CodeInternalFault, "Another connection is bringing that article"), post: "Another connection is bringing that article"},
		{err: errPosting, Reply: say(nntp.CodePostingDenied, "Posting not allowed")},
		{err: nntp.ErrBlockMalformed, Reply: say(nntp.CodeSyntax, "Block holds NUL, or CR or LF alone"), post: "The article holds NUL, or CR or LF alone, which no line may", final: true},
		{err: nntp.ErrBlockTooLarge, Reply: say(nntp.CodeSyntax, "Block too large"), post: "The article is larger than this server takes", final: true},
		{err: nntp.ErrBlockEndless, Reply: say(nntp.CodeUnavailable, "Far too much sent, closing"), ends: ErrFlood},
		{err: pool.ErrDuplicate, Reply: say(nntp.CodeInternalFault, "Article seen before"), post: "This server had an article with that Message-ID before", final: true},
		{err: pool.ErrGroupFull, Reply: say(nntp.CodeInternalFault, "Newsgroup is full"), post: "That newsgroup has used up its article numbers", final: true},
		{err: pool.ErrNumber, Reply: say(nntp.CodeInternalFault, "Article number was given before"), post: later}, // articles of sessions bring none
		{err: pool.ErrDiskFull, Reply: say(nntp.CodeInternalFault, "No room just now, please try again later"), post: later},
		{err: pool.ErrReadOnly, Reply: say(nntp.CodeInternalFault, "Nothing can be stored just now, please try again later"), post: later},
		{err: pool.ErrCorrupt, Reply: say(nntp.CodeInternalFault, "That article is damaged here, another server may have it"), post: later},

		{err: pool.ErrClosed, Reply: say(nntp.CodeUnavailable, "Server stops, please come back later"), ends: errHungUp},
		{err: errStopping, Reply: say(nntp.CodeUnavailable, "Server stops, please come back later"), ends: errHungUp},
		{err: context.Canceled, Reply: say(nntp.CodeInternalFault, "Given up, please try again later"), post: later},
		{err: context.DeadlineExceeded, Reply: say(nntp.CodeInternalFault, "Took too long, please try again later"), post: later},
	}
}

// replyTo finds the verdict on an error. One that the table does not know is a
// fault of ours: the verdict's err is nil then.
func (srv *Server) replyTo(err error) verdict {
	ourFault := nntp.Reply{Code: nntp.CodeInternalFault, Text: "Something failed here, please try again later"}
	v := verdict{Reply: ourFault, post: later}
	for _, row := range srv.verdicts {
		if errors.Is(err, row.err) {
			v = row
			break
		}
	}
	refusal, refused := errors.AsType[*pool.Refusal](err)
	_, post := errors.AsType[postError](err)
	_, box := errors.AsType[mailboxError](err)
	switch {
	case post && v.ends == nil:
		v.Reply = nntp.Reply{Code: nntp.CodePostingRejected, Text: v.post}
		if v.post == "" {
			v.Text = later
		}
	case box && refused:
		v.Reply = nntp.Reply{Code: nntp.CodeLoginFailed}
	case box && v.ends == nil && v.Code != nntp.CodeInternalFault:
		v.Reply = ourFault
	}
	if refused {
		v.err, v.Text = refusal, refusal.Sentence
	}
	if transit, ok := errors.AsType[transitError](err); ok && v.ends == nil {
		v = transit.verdict(v, refused)
	}
	return v
}

// A postError is that an article was not taken.
type postError struct{ error }

func (e postError) Unwrap() error { return e.error }

// A transitError is that an article is not taken from a peer.
type transitError struct {
	error
	later, never nntp.Code // what the command answers
	id           string    // what the reply repeats of the command (RFC 4644, Section 2), or ""
}

func (e transitError) Unwrap() error { return e.error }

// verdict makes of the verdict on the error itself the one that a peer hears.
func (e transitError) verdict(v verdict, refused bool) verdict {
	text := v.post
	if refused {
		text = v.Text
	}
	if text == "" {
		text = later
	}
	v.Reply = nntp.Reply{Code: e.never, Text: text}
	if !v.final && !refused {
		v.Code = e.later
	}
	if v.Code == nntp.CodeUnavailable {
		v.ends = ErrPutOff
	} else if e.id != "" {
		v.Text = e.id + " " + text
	}
	return v
}

// A mailboxError is that a mailbox was not opened, or not looked through. What
// the command that needed it says of groups and articles does not apply.
type mailboxError struct{ error }

func (e mailboxError) Unwrap() error { return e.error }
