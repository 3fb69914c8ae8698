package session

import (
	"errors"
	"strings"
	"testing"

	"github.com/restante/restante/pool"
)

func TestPost_taken(t *testing.T) {
	opts := newOptions(t)
	office := newOffice(t)
	opts.Office = office
	c := dial(t, opts)
	c.talk("> POST", "340 Send the article",
		"> Subject: x", "> ", "> ..dot", "> .", "240 Article received <new@news.example>")
	if got := string(office.posted); got != "Subject: x\r\n\r\n.dot\r\n" || office.from != nil {
		t.Errorf("the office got %q from %v", got, office.from)
	}
	c.talk("> AUTHINFO USER a", "~381 ", "> AUTHINFO PASS b", "~281 ", "> POST", "~340 ", "> x", "> .", "~240 ")
	if office.from != Mailbox(office.box) {
		t.Error("the office did not get the sender's mailbox")
	}
	office.how = "sealed"
	c.talk("> POST", "~340 ", "> x", "> .", "240 Article sealed <new@news.example>")
}

func TestPost_refusals(t *testing.T) {
	for _, tt := range []struct {
		name string
		err  error
		want string
	}{
		{"a sentence for the sender", &pool.Refusal{Sentence: "The token has expired", Cause: pool.ErrNotFound}, "441 The token has expired"},
		{"no room", pool.ErrDiskFull, "441 " + later},
		{"read only", pool.ErrReadOnly, "441 " + later},
		{"unknown group", pool.ErrNoGroup, "441 This server does not carry that newsgroup"},
		{"duplicate", pool.ErrDuplicate, "~441 This server had"},
		{"a fault of ours", errors.New("secret detail"), "441 " + later},
	} {
		t.Run(tt.name, func(t *testing.T) {
			opts := newOptions(t)
			office := newOffice(t)
			office.postErr = tt.err
			opts.Office = office
			dial(t, opts).talk("> POST", "~340 ", "> x", "> .", tt.want, "> DATE", "~111 ")
		})
	}
}

// RFC 3977, Section 3.1.1: a bad block is refused once it was read to its true
// end, so that nothing in it is taken for a command.
func TestPost_badBlocks(t *testing.T) {
	for name, block := range map[string]string{
		"LF dot LF":            "x\n.\nQUIT\r\n",
		"LF dot CRLF":          "x\n.\r\nQUIT\r\n",
		"CRLF dot LF":          "x\r\n.\nQUIT\r\n",
		"CR dot CR":            "x\r.\rQUIT\r\n",
		"NUL":                  "x\x00\r\n",
		"too large":            strings.Repeat("x", 1001) + "\r\n",
		"larger than a buffer": strings.Repeat("x\r\n", 1100),
	} {
		t.Run(name, func(t *testing.T) {
			c := dial(t, newOptions(t))
			c.talk("> POST", "~340 ")
			c.send(block + "\r\n.\r\n")
			c.talk("~441 The article ", "> DATE", "~111 ")
		})
	}
}

func TestPost_endlessBlockEndsTheSession(t *testing.T) {
	c := dial(t, newOptions(t))
	c.talk("> POST", "~340 ")
	c.send(strings.Repeat("x", 4001))
	c.talk("~400 ")
	c.outcome(ErrFlood)
}

func TestPost_hangingUpWithinTheArticle(t *testing.T) {
	opts := newOptions(t)
	office := newOffice(t)
	opts.Office = office
	c := dial(t, opts)
	c.talk("> POST", "~340 ", "> half an article")
	if err := c.conn.Close(); err != nil {
		t.Fatal(err)
	}
	c.outcome(nil)
	if office.posted != nil {
		t.Error("half an article was submitted")
	}
}

func TestPost_notAllowed(t *testing.T) {
	play(t, []dialogue{{"440, 201, and not announced", []string{
		"> POST", "~440 ", "> MODE READER", "~201 ",
		"> CAPABILITIES", "~101 ", "VERSION 2", "~IMPLEMENTATION ", "READER", "AUTHINFO USER SASL", "SASL PLAIN", "OVER MSGID", "HDR", "~LIST ", "NEWNEWS", ".",
	}}}, func(o *Options) { o.Posting = false })
}
