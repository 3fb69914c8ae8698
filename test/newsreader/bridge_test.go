package newsreader

import (
	"os/exec"
	"strings"
	"testing"

	"github.com/restante/restante/test/bridge"
	"github.com/restante/restante/test/harness"
)

// What Carol writes, and what she is answered.
const (
	gnusWords  = "May I have one of them?"
	gnusBack   = "Which of them, dear?"
	gnusThanks = "The one about the violin."
)

// Alice with tin, Bob with slrn and Carol with Gnus, each at a bridge of her or his
// own. Alice shares no gateway with Bob and no other server with either; nobody reads
// from a gateway.
func TestTinSlrnAndGnus_writeThroughTheirBridges(t *testing.T) {
	w := bridge.NewWorld(t)
	hers, his, third := w.Alice(t), w.Bob(t), w.Carol(t)
	hers.Run("sync")
	card := hers.Run("card")
	a, b, c := hers.Bridge("--every", "2s"), his.Bridge("--every", "2s"), third.Bridge("--every", "2s")
	alice := newPerson(t, "Alice Liddell", "alice@home.example", "", "")
	bob := newPerson(t, "Bob Marley", "bob@work.example", "", "")
	carol := newPerson(t, "Carol King", "carol@play.example", "", "")

	at := startTin(t, a.Gateway, alice, "restante.cards")
	at.posts(cardSubject, cardWords+"\n\n"+card)
	at.quits()
	b.Dial().Await("restante.cards", cardWords)

	answersWithGnus(t, c.Gateway, carol, "restante.cards", cardWords, gnusWords)
	a.Dial().Await("restante.inbox", gnusWords)
	at = startTin(t, a.Gateway, alice, "restante.inbox")
	at.opens(1, "restante.inbox")
	// What was written stands behind the card that all quote, on another page.
	hides(t, at.reads("Re: "+cardSubject, "Followup-To: restante.reply"), carol.name, carol.address)
	at.follows(gnusBack)
	at.leaves()
	at.quits()
	shown := answersWithGnus(t, c.Gateway, carol, "restante.inbox", gnusBack, gnusThanks)
	hides(t, shown, alice.name, alice.address)
	if lacking := without(shown, []string{"Restante-Sealed: end-to-end"}); len(lacking) > 0 {
		t.Errorf("Gnus is not shown %q", lacking)
	}
	sealed(t, a, gnusThanks)

	bs := startSlrn(t, b.Gateway, bob, "restante.cards")
	bs.opens("restante.cards", cardSubject)
	hides(t, bs.reads(cardWords, "Followup-To: restante.reply"), alice.name, alice.address)
	bs.follows(replyWords)
	bs.leaves()
	bs.quits()
	a.Dial().Await("restante.inbox", replyWords)
	at = startTin(t, a.Gateway, alice, "restante.inbox")
	at.opens(1, "restante.inbox")
	at.reads("Re: " + cardSubject)
	at.press("n") // Carol's second letter comes last
	hides(t, at.sees("Bob <"), bob.name, bob.address)
	at.follows(backWords)
	at.leaves()
	at.quits()
	sealed(t, b, backWords)
	bs = startSlrn(t, b.Gateway, bob, "restante.inbox")
	bs.opens("restante.inbox", cardSubject)
	hides(t, bs.reads("Re: "+cardSubject), alice.name, alice.address)
	bs.leaves()
	bs.quits()
}

// sealed waits until a message came, and fails the test unless nobody between its
// sender and its reader could read it.
func sealed(t *testing.T, to *harness.Bridge, words string) {
	t.Helper()
	if header, _ := to.Dial().Await("restante.inbox", words); header.Get("Restante-Sealed") != "end-to-end" {
		t.Errorf("%q is not sealed end-to-end", words)
	}
}

// answersWithGnus has somebody wait for an article with Gnus, in an Emacs without a
// terminal, and answer it. It returns the article as it came.
func answersWithGnus(t *testing.T, g *harness.Gateway, p *person, group, words, answer string) string {
	t.Helper()
	p.file(t, ".authinfo", "")
	emacs := exec.CommandContext(t.Context(), harness.Need(t, "emacs"), "-Q", "--batch",
		"-l", "testdata/bridge.el", g.Host, g.Port, "nntp-open-network-stream", group, words, answer)
	emacs.Env = append(emacs.Environ(), "HOME="+t.TempDir(), "LANG=C.UTF-8", "LC_ALL=C.UTF-8", "CAROL_HOME="+p.home)
	emacs.Stdin = strings.NewReader("y\n") // whether she really posts to restante.reply, a group that Gnus has never shown
	return ends(t, emacs)
}
