package office

import (
	"errors"

	"github.com/restante/restante/gateway/batch"
	"github.com/restante/restante/pool"
)

// The errors of a submission that anyone could have told the sender (what
// depends on a mailbox is never told). Each has its sentence below.
var (
	ErrNoSubject   = errors.New("no subject")
	ErrEmpty       = errors.New("an empty body")
	ErrRepeated    = errors.New("a header field stands twice")
	ErrSent        = errors.New("an answer to one's own receipt")
	ErrUnknown     = errors.New("none of the newsgroups is carried")
	ErrClosedGroup = errors.New("a newsgroup that takes no posts")
	ErrMixed       = errors.New("private and public destinations at once")
	ErrNobody      = errors.New("private, but no token")
	ErrNotToken    = errors.New("the article replied to has no reply token")
	ErrForeign     = errors.New("a token of another gateway")
	ErrConvicted   = errors.New("a gateway that has contradicted itself")
	ErrSubmission  = errors.New("no sealed submission")
	ErrExpired     = errors.New("an expired token")
	ErrForged      = errors.New("a token that does not open")
	ErrTooLarge    = errors.New("too large")
	ErrInjected    = errors.New("injected already, by its header")
	ErrDate        = errors.New("the date is none")
	ErrControl     = errors.New("a control message that is malformed, or no cancel")
	ErrCancelLogin = errors.New("a cancel or Supersedes without a login")
	ErrNotAuthor   = errors.New("a cancel or Supersedes of somebody else's article")
	ErrTakeBack    = errors.New("a cancel or Supersedes of a private message")
	ErrModerator   = errors.New("a moderator who can not be reached")
	ErrApproved    = errors.New("approved by somebody who is not the moderator")
)

// sentence returns what a person is told of an error, or nothing when it is
// not one of the sender's making. Newsreaders show the first 55 characters or
// so: they say what is wrong.
func sentence(err error) string {
	for _, row := range []struct {
		err  error
		text string
	}{
		{ErrNoSubject, "The article has no subject: write one in the Subject line and post it again"},
		{ErrEmpty, "The article has no body: write something and send again"},
		{ErrRepeated, "A header line stands twice that may stand once: keep one of From, Newsgroups, Subject, References and the like, and post it again"},
		{ErrSent, "Your receipts can not be answered: to write to that person again, answer a message or a card of theirs"},
		{ErrUnknown, "This server carries none of those newsgroups: choose one from its list and post it again"},
		{ErrClosedGroup, "That newsgroup takes no posts from readers: choose another and post it again"},
		{ErrMixed, "A private reply can not go to public newsgroups too: keep only restante.reply in Newsgroups, or leave it out"},
		{ErrNobody, "Nobody to deliver to: press followup on an article of the person you write to, or put their reply token in the To line"},
		{ErrNotToken, "Nobody to reach: that article was posted without a login. Nothing was sent; answer one that has a reply token"},
		{ErrForeign, "That reply token belongs to a gateway unknown here: post your reply at the server named after its @ sign"},
		{ErrConvicted, "That person's gateway was caught showing different keys: nothing was sent. Ask its operator, or reach them elsewhere"},
		{ErrSubmission, "Only sealed submissions go to restante.submit, made by the restante tool: to answer somebody post to restante.reply"},
		{ErrExpired, "That reply token has expired: answer a newer article of the same person, or ask for a new card"},
		{ErrForged, "That reply token is damaged or forged: answer the article itself instead of copying its Message-ID"},
		{ErrTooLarge, "The article is too large for this server: shorten it or send it in parts"},
		{ErrInjected, "The article was injected elsewhere already: take Injection-Info, Xref and a POSTED Path out of its header and post it again"},
		{ErrDate, "The article's date is malformed: leave the Date line out or mend it, and post it again"},
		{ErrControl, "Of control messages only a cancel is taken, and it names one Message-ID: mend the Control or Supersedes line"},
		{ErrCancelLogin, "Only its author can cancel or replace an article: log in as you were when you posted it, and try again"},
		{ErrNotAuthor, "That article was not posted from this login, so it can not be cancelled or replaced from here"},
		{ErrTakeBack, "A private message can not be taken back: nobody but the one it is for can even tell which it is"},
		{ErrModerator, "The moderator of that newsgroup can not be reached from here just now: tell the operator of this server"},
		{ErrApproved, "Only its moderator's login can approve posts to that newsgroup: remove the Approved line and post it again"},
		{batch.ErrBacklog, "Too much mail is waiting to leave this server: try again in an hour"},
	} {
		if errors.Is(err, row.err) {
			return row.text
		}
	}
	return ""
}

// refuse gives an error its sentence, if it has one.
func refuse(err error) error {
	var refusal *pool.Refusal
	if err == nil || errors.As(err, &refusal) {
		return err
	}
	if text := sentence(err); text != "" {
		return &pool.Refusal{Sentence: text, Cause: err}
	}
	return err
}
