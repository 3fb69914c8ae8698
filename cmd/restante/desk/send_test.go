package desk

import (
	"testing"

	"github.com/restante/restante/cmd/restante/mailbox"
	"github.com/restante/restante/crypto/envelope"
	"github.com/restante/restante/crypto/identity"
	"github.com/restante/restante/pool"
)

// Newsreaders make a thread of what an inbox holds, where every second message of a
// conversation lacks: the grandparent must be named. Nobody is told more than what
// went between her and the user, and no gateway more than the token.
func TestReferences_nameTheThreadToWhomItIsKnown(t *testing.T) {
	mail, err := mailbox.Open(t.TempDir(), identity.NewSeed())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = mail.Close() })
	const thread = "<first@a.example> <second@b.example>"
	for id, m := range map[pool.MessageID]mailbox.Message{
		"<sealed@a.example>":  {Group: mailbox.Inbox, Sealing: mailbox.EndToEnd, Contact: "bob"},
		"<sent@a.example>":    {Group: mailbox.Sent, Sealing: mailbox.EndToEnd, Contact: "bob"},
		"<carol@a.example>":   {Group: mailbox.Inbox, Sealing: mailbox.EndToEnd, Contact: "carol"},
		"<gateway@a.example>": {Group: mailbox.Inbox, Sealing: mailbox.ByGateway, Contact: "bob"},
	} {
		m.ID, m.Kind = id, envelope.KindMessage
		if err := mail.Put(mailbox.Event{Message: &m, Octets: []byte("References: " + thread + "\r\n\r\nx\r\n")}); err != nil {
			t.Fatal(err)
		}
	}
	d := New(Options{Mail: mail})
	known := mailbox.Contact{Name: "bob", Card: "a card", Token: "<token@b.example>"}
	plain := mailbox.Contact{Name: "bob", Token: "<token@b.example>"}
	for _, c := range []struct {
		why     string
		answers pool.MessageID
		to      mailbox.Contact
		want    string
	}{
		{"hers", "<sealed@a.example>", known, thread + " <sealed@a.example>"},
		{"the user's own to her", "<sent@a.example>", known, thread + " <sent@a.example>"},
		{"somebody else's", "<carol@a.example>", known, "<carol@a.example>"},
		{"a gateway could read it", "<gateway@a.example>", known, "<gateway@a.example>"},
		{"a public article, or a card", "<public@a.example>", known, "<public@a.example>"},
		{"nothing is answered", "", known, "<token@b.example>"},
		{"a gateway can read the answer", "<sealed@a.example>", plain, "<sealed@a.example> <token@b.example>"},
		{"the token itself, and a gateway can read it", "<token@b.example>", plain, "<token@b.example>"},
	} {
		if got := d.references(c.answers, &c.to); got != c.want {
			t.Errorf("%s: %q, want %q", c.why, got, c.want)
		}
	}
}
