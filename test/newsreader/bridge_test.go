package newsreader

import (
	"fmt"
	"strings"
	"testing"

	"github.com/restante/restante/test/bridge"
	"github.com/restante/restante/test/harness"
)

// Alice has Gnus, Bob has slrn and tin, and each a bridge of her or his own. They
// share neither gateway nor server, and nobody reads from a gateway. They write ten
// letters, each of which answers the one before, and send pictures along: Gnus by
// MIME, slrn and tin within the text. Each shows on the other's screen as it was
// written.
func TestGnusSlrnAndTin_writeThroughTheirBridges(t *testing.T) {
	w := bridge.NewWorld(t)
	hers, his := w.Alice(t), w.Bob(t)
	hers.Run("sync")
	card := hers.Run("card")
	a, b := hers.Bridge("--every", "2s"), his.Bridge("--every", "2s")
	alice := newPerson(t, "Alice Liddell", "alice@home.example", "", "")
	bob := newPerson(t, "Bob Marley", "bob@work.example", "", "")

	postsWithGnus(t, a.Gateway, alice, "restante.cards", cardSubject, cardWords+"\n\n"+card)
	asked, _ := b.Dial().Await("restante.cards", cardWords)
	c := conversation{t: t, last: cardWords, ids: []string{asked.Get("Message-ID")}}
	small, large := picture(1<<15), picture(1<<20)
	toAlice, toBob := side{b, bob, a, alice}, side{a, alice, b, bob}
	c.turn(toAlice, withSlrn, nil)
	c.turn(toBob, withGnus, nil)
	c.turn(toAlice, withTin, small)
	c.turn(toBob, withGnus, large)
	c.turn(toAlice, withTin, nil)
	c.turn(toBob, withGnus, small)
	c.turn(toAlice, withSlrn, small)
	c.turn(toBob, withGnus, nil)
	c.turn(toAlice, withTin, nil)
	shown := c.turn(toBob, withGnus, nil)
	// Of a thread, Gnus tells what it is about once.
	if n, threads := strings.Count(shown, ": Bob  "), strings.Count(shown, "] Re: "+cardSubject); n != 5 || threads != 1 {
		t.Errorf("Gnus shows %d messages in %d threads:\n%s", n, threads, boxed(shown))
	}
	hides(t, withSlrn(t, b.Gateway, bob, letter{group: "restante.inbox", words: c.last}), alice.name, alice.address)
	seesOneThread(t, b.Gateway, newPerson(t, bob.name, bob.address, "", ""))

	a.Stop()
	b.Stop()
	w.SpeakToTheirOwn(t, hers, his)
	w.PostApart(t, 10, hers, his)
	w.TakeAllAlike(t, hers, his)
	w.AskGatewaysForBlindingAlone(t, hers, his)
}

// picture is a JPEG file, as far as newsreaders look.
func picture(n int) []byte {
	file := bridge.Octets(n)
	copy(file, "\xff\xd8\xff\xe0")
	return file
}

// seesOneThread has somebody who has read nothing yet look for the five messages of
// Alice's.
func seesOneThread(t *testing.T, g *harness.Gateway, p *person) {
	t.Helper()
	s := startSlrn(t, g, p, "restante.inbox")
	s.opens("restante.inbox", "]  5 Re: "+cardSubject)
	s.leaves()
	s.quits()
	r := startTin(t, g, p, "restante.inbox")
	r.opens(1, "restante.inbox")
	r.press("l")
	if tree := r.sees("List Thread (1 of 1)", "z=mark unread"); strings.Count(tree, "`->") != 4 {
		t.Errorf("tin does not show who answers what:\n%s", boxed(tree))
	}
	r.leaves()
	r.quits()
}

// A side is who writes, and to whom.
type side struct {
	from *harness.Bridge
	who  *person
	to   *harness.Bridge
	whom *person
}

// A conversation is how far two people have come with their letters.
type conversation struct {
	t       *testing.T
	last    string   // words of the last letter
	picture []byte   // came with it
	ids     []string // Message-IDs: of the card, and of all letters
}

// turn has one of them read the last letter with a newsreader and answer it, and
// waits until the answer came. It returns what the newsreader showed.
func (c *conversation) turn(s side, with correspondent, enclosed []byte) string {
	c.t.Helper()
	n := len(c.ids)
	l := letter{group: "restante.inbox", words: c.last, picture: c.picture, enclosed: enclosed}
	if n == 1 {
		l.group = "restante.cards"
	}
	l.answer = fmt.Sprintf("Letter %d: Grüße nach Ærøskøbing.\n.\n..two dots\nFrom here on, it is about letter %[1]d.", n)
	shown := with(c.t, s.from.Gateway, s.who, l)
	hides(c.t, shown, s.whom.name, s.whom.address)
	header, _ := s.to.Dial().Await("restante.inbox", fmt.Sprintf("Letter %d:", n))
	if got := header.Get("Restante-Sealed"); got != "end-to-end" {
		c.t.Errorf("letter %d is sealed %q", n, got)
	}
	if got, want := header.Get("References"), strings.Join(c.ids[max(0, n-7):], " "); !strings.HasSuffix(got, want) {
		c.t.Errorf("letter %d answers %q, not %q", n, got, want)
	}
	c.last, c.picture, c.ids = l.answer, enclosed, append(c.ids, header.Get("Message-ID"))
	return shown
}
