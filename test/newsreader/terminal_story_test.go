package newsreader

import (
	"os"
	"strings"
	"testing"

	"github.com/restante/restante/test/harness"
)

func TestMain(m *testing.M) { os.Exit(harness.MainWithUsers(m)) }

// What the two write to each other.
const (
	cardSubject = "Postlagernd für Ærøskøbing"
	cardWords   = "I collect letters that nobody came for."
	replyWords  = "The violin is under the third stair."
	backWords   = "What did she play on it?"
)

func TestTinAndSlrn_writeToEachOther(t *testing.T) {
	t.Parallel()
	tinAndSlrnWrite(t, harness.Start(t))
}

// The gateway takes no login without TLS, so every private message here shows
// that both newsreaders speak it.
func TestTinAndSlrn_writeToEachOtherOverTLS(t *testing.T) {
	t.Parallel()
	tinAndSlrnWrite(t, harness.StartTLS(t))
}

func tinAndSlrnWrite(t *testing.T, g *harness.Gateway) {
	t.Helper()
	alice := newPerson(t, "Alice Liddell", "alice@home.example", "alice", harness.Passphrase(t))
	bob := newPerson(t, "Bob Marley", "bob@work.example", "bob", harness.Passphrase(t))

	a := startTin(t, g, alice, "restante.cards")
	a.posts(cardSubject, cardWords)
	a.quits()
	g.Dial().Await("restante.cards", cardWords)

	b := startSlrn(t, g, bob, "restante.cards")
	b.opens("restante.cards", cardSubject)
	card := b.reads(cardWords, "From: Anonymous <nobody@gw.example>", "Subject: "+cardSubject, "Followup-To: restante.reply")
	hides(t, card, alice.name, alice.address)
	b.follows(replyWords, "")
	b.leaves()
	b.quits()
	aliceReads(t, g, alice, bob)

	b = startSlrn(t, g, bob, "restante.inbox")
	b.opens("restante.inbox", cardSubject)
	back := b.reads(backWords, "From: Anonymous <nobody@gw.example>", "Subject: Re: "+cardSubject)
	hides(t, back, alice.name, alice.address)
	b.leaves()
	b.quits()
	g.MustNotLog(alice.passphrase, bob.passphrase, "alice", "bob", cardWords, replyWords, backWords)
}

// aliceReads looks for Bob's reply and her receipt with tin, and answers back.
func aliceReads(t *testing.T, g *harness.Gateway, alice, bob *person) {
	t.Helper()
	awaitMail(g, alice, replyWords)
	a := startTin(t, g, alice, "restante.inbox", "restante.sent")
	groups := a.sees("Your private mail; log in to read it", "Receipts of what you posted")
	for _, group := range []string{"restante.inbox", "restante.sent"} {
		if line := strings.Join(strings.Fields(lineWith(t, groups, group)), " "); !strings.Contains(line, " 1 "+group) {
			t.Errorf("want 1 unread in %q", line)
		}
	}
	a.opens(2, "restante.sent")
	a.reads(cardWords, cardSubject, "Restante-Destination: restante.cards")
	a.leaves()
	a.opens(1, "restante.inbox")
	reply := a.reads(replyWords, "Anonymous <nobody@gw.example>", "Re: "+cardSubject, "Followup-To: restante.reply")
	hides(t, reply, bob.name, bob.address)
	a.follows(backWords)
	a.leaves()
	a.quits()
	awaitMail(g, bob, backWords)
}

// awaitMail waits until somebody's inbox has a message that says words.
func awaitMail(g *harness.Gateway, p *person, words string) {
	r := g.Dial()
	r.Login(p.handle, p.passphrase)
	r.Await("restante.inbox", words)
}

func TestSlrnAndTin_writeToEachOther(t *testing.T) {
	t.Parallel()
	slrnAndTinWrite(t, harness.Start(t))
}

func TestSlrnAndTin_writeToEachOtherOverTLS(t *testing.T) {
	t.Parallel()
	slrnAndTinWrite(t, harness.StartTLS(t))
}

func slrnAndTinWrite(t *testing.T, g *harness.Gateway) {
	t.Helper()
	alice := newPerson(t, "Alice Liddell", "alice@home.example", "alice", harness.Passphrase(t))
	bob := newPerson(t, "Bob Marley", "bob@work.example", "", "") // never logs in

	a := startSlrn(t, g, alice, "restante.cards")
	a.lists("restante.cards")
	a.posts("restante.cards", cardSubject, cardWords)
	a.quits()
	g.Dial().Await("restante.cards", cardWords)

	b := startTin(t, g, bob, "restante.cards", "misc.test")
	b.opens(1, "restante.cards")
	card := b.reads(cardWords, "Anonymous <nobody@gw.example>", cardSubject, "Followup-To: restante.reply")
	hides(t, card, alice.name, alice.address)
	b.follows(replyWords)
	b.leaves()
	b.quits()
	awaitMail(g, alice, replyWords)

	a = askedBySlrn(t, g, alice, "restante.inbox", "restante.sent")
	a.sees(slrnGroups, "1  restante.inbox", "1  restante.sent")
	a.opens("restante.inbox", cardSubject)
	reply := a.reads(replyWords, "From: Anonymous <nobody@gw.example>", "Subject: Re: "+cardSubject)
	hides(t, reply, bob.name, bob.address)
	a.leaves()
	a.press("Down")
	a.sees("->     1  restante.sent")
	a.opens("restante.sent", cardSubject)
	a.reads(cardWords, "Restante-Destination: restante.cards")
	a.leaves()
	a.quits()
	g.MustNotLog(alice.passphrase, "alice", cardWords, replyWords)
}

// A letter that nobody can be answered through, and what whoever tries is told.
const (
	plainWords = "Hello from nobody in particular."
	refused    = "Nobody to reach: that article was posted without a login. Nothing was sent; answer one that has a reply token"
)

// postPlainly posts an article without a login and waits for it.
func postPlainly(g *harness.Gateway) {
	g.Dial().Post("Newsgroups: misc.test\nFrom: somebody@home.example\nSubject: Hello\n\n" + plainWords + "\n")
	g.Dial().Await("misc.test", plainWords)
}

func TestTin_showsWhyAPostIsRefused(t *testing.T) {
	t.Parallel()
	g := harness.Start(t)
	postPlainly(g)
	bob := newPerson(t, "Bob Marley", "bob@work.example", "", "")
	r := startTin(t, g, bob, "misc.test")
	r.opens(1, "misc.test")
	r.reads(plainWords)
	r.writes(t, replyWords, elsewhere("restante.reply"))
	r.press("f")
	r.sends("Posting failed ("+refused+")", "q=quit, e=edit")
	r.press("q")
	r.sees(articleHelp)
	r.leaves()
	r.quits()
}

func TestSlrn_showsWhyAPostIsRefused(t *testing.T) {
	t.Parallel()
	g := harness.Start(t)
	postPlainly(g)
	bob := newPerson(t, "Bob Marley", "bob@work.example", "", "")
	r := startSlrn(t, g, bob, "misc.test")
	r.opens("misc.test", "Hello")
	r.reads(plainWords)
	r.writes(t, replyWords, elsewhere("restante.reply"))
	r.press("f")
	r.sees("Are you sure you want to followup?")
	r.press("y")
	r.sends("441 " + refused)
	r.sees("Select one: Repost, Edit, Cancel")
	r.press("c")
	r.flashes("Failed post saved in ")
	r.leaves()
	r.quits()
}

func TestTin_asksForALogin(t *testing.T) {
	t.Parallel()
	g := harness.Start(t)
	groups := []string{"restante.inbox", "misc.test"}
	weak := newPerson(t, "Alice Liddell", "alice@home.example", "alice", "password")
	refused := askedByTin(t, g, weak, groups...)
	refused.flashes("Authorization failed for user: alice")
	refused.ends(1)

	alice := newPerson(t, "Alice Liddell", "alice@home.example", "alice", harness.Passphrase(t))
	r := askedByTin(t, g, alice, groups...)
	r.flashes("Authorized for user: alice")
	r.showsGroups(groups)
	r.quits()
	g.MustNotLog("alice", alice.passphrase, weak.passphrase)
}

func TestTin_trustsTheCertificate(t *testing.T) {
	t.Parallel()
	g := harness.StartTLS(t)
	bob := newPerson(t, "Bob Marley", "bob@work.example", "", "")
	r := startTin(t, g, bob, "misc.test")
	r.sees("Group Selection (" + g.Host + "[T] ") // and [k] where tin did not check it
	r.quits()
}
