package newsreader

import (
	"testing"

	"github.com/restante/restante/test/bridge"
)

// Alice with tin and Bob with slrn, each at her and his own bridge. They share no
// gateway, and read from none.
func TestTinAndSlrn_writeThroughTheirBridges(t *testing.T) {
	w := bridge.NewWorld(t)
	her, his := w.Alice(t), w.Bob(t)
	her.Run("sync")
	card := her.Run("card")
	a, b := her.Bridge("--every", "2s"), his.Bridge("--every", "2s")
	alice := newPerson(t, "Alice Liddell", "alice@home.example", "", "")
	bob := newPerson(t, "Bob Marley", "bob@work.example", "", "")

	at := startTin(t, a.Gateway, alice, "restante.cards")
	at.posts(cardSubject, cardWords+"\n\n"+card)
	at.quits()
	b.Dial().Await("restante.cards", cardWords)

	bs := startSlrn(t, b.Gateway, bob, "restante.cards")
	bs.opens("restante.cards", cardSubject)
	hides(t, bs.reads(cardWords, "Followup-To: restante.reply"), alice.name, alice.address)
	bs.follows(replyWords)
	bs.leaves()
	bs.quits()
	a.Dial().Await("restante.inbox", replyWords)

	at = startTin(t, a.Gateway, alice, "restante.inbox")
	at.opens(1, "restante.inbox")
	// What was written stands behind the card that both quote, on another page.
	hides(t, at.reads("Re: "+cardSubject, "Followup-To: restante.reply"), bob.name, bob.address)
	at.follows(backWords)
	at.leaves()
	at.quits()
	if header, _ := b.Dial().Await("restante.inbox", backWords); header.Get("Restante-Sealed") != "end-to-end" {
		t.Error("the answer is not sealed end-to-end")
	}
	bs = startSlrn(t, b.Gateway, bob, "restante.inbox")
	bs.opens("restante.inbox", cardSubject)
	hides(t, bs.reads("Re: "+cardSubject), alice.name, alice.address)
	bs.leaves()
	bs.quits()
}
