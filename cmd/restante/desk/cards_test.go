package desk

import (
	"strings"
	"testing"
	"time"

	"github.com/restante/restante/crypto/contact"
	"github.com/restante/restante/crypto/identity"
	"github.com/restante/restante/crypto/token"
	"github.com/restante/restante/gateway/remote"
)

// A card is posted under its token, and says where a followup goes to only where
// there is that group: INN's nnrpd refuses it otherwise.
func TestPostCard_isCalledByItsToken(t *testing.T) {
	key, err := token.NewSealKey()
	if err != nil {
		t.Fatal(err)
	}
	seed := identity.NewSeed()
	minted, err := token.Mint(key.Public(), "gw.example", 1, seed.Mailbox(0))
	if err != nil {
		t.Fatal(err)
	}
	card, err := contact.NewCard("Alice", minted.MessageID("gw.example"), identity.NewE2EPublic(seed.E2EKey(0)))
	if err != nil {
		t.Fatal(err)
	}
	for _, gateway := range []bool{true, false} {
		server := newTaker(t, "<none@")
		server.isGateway = gateway
		d := New(Options{Submit: remote.Server{Address: server.address, Security: remote.Plain}, Now: time.Now})
		if err := d.PostCard(t.Context(), card); err != nil {
			t.Fatal(err)
		}
		post := <-server.posts
		if !strings.Contains(post, "Newsgroups: restante.cards\n") || !strings.Contains(post, "Message-ID: "+card.Token+"\n") {
			t.Errorf("posted:\n%s", post)
		}
		if got := strings.Contains(post, "Followup-To: restante.reply\n"); got != gateway {
			t.Errorf("with the group %v, Followup-To %v", gateway, got)
		}
	}
}
