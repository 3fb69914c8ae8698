package mirror

import (
	"bytes"
	"errors"
	"io/fs"
	"net/textproto"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/restante/restante/test/harness"
)

// Alice and Bob have a gateway each, and answer one another where they are.
func TestPostAnywhere_aConversationAcrossGateways(t *testing.T) {
	const words = "The violin is under the stair"
	a := gateway(t, "a.example")
	b := gateway(t, "b.example")
	connect(t, a, link{domain: "b.example", to: b, feeds: true})
	connect(t, b, link{domain: "a.example", to: a, feeds: true})

	alicePass, bobPass := harness.Passphrase(t), harness.Passphrase(t)
	alice, bob := a.Dial(), b.Dial()
	alice.Login("alice", alicePass)
	bob.Login("bob", bobPass)
	alice.Post("Newsgroups: restante.cards\nFrom: x@y.example\nSubject: card of Alice\n\nWrite to me.\n")
	card, _ := bob.Await("restante.cards", "Write to me.")
	follows(t, b, a, "a.example", 1) // so that B knows A's keys
	bob.Post("Newsgroups: restante.reply\nFrom: x@y.example\nSubject: Re: card\nReferences: " + card.Get("Message-ID") + "\n\n" + words + ".\n")

	letter, _ := alice.Await("restante.inbox", words)
	if letter.Get("References") != card.Get("Message-ID") || !strings.HasSuffix(letter.Get("Message-ID"), "@b.example>") {
		t.Errorf("the letter has not Bob's token for its Message-ID, or not the card's for its reference")
	}
	follows(t, a, b, "b.example", 1)
	alice.Post("Newsgroups: restante.reply\nFrom: x@y.example\nSubject: Re: card\nReferences: " + letter.Get("Message-ID") + "\n\nThank you. " + strings.Repeat("It was a long way. ", 3000) + "\n")
	bob.Await("restante.inbox", "Thank you.")
	if sent, _ := bob.Await("restante.sent", words); sent == nil {
		t.Error("Bob has no receipt")
	}
	witnessed(t, a, "b.example")
	witnessed(t, b, "a.example")
	for _, g := range []*harness.Gateway{a, b} {
		mustNotHold(t, g.Data, words)
	}
}

// witnessed waits until a gateway's directory bears another one's signature.
func witnessed(t *testing.T, g *harness.Gateway, by string) {
	t.Helper()
	await(t, by+" has signed the directory", func() bool {
		c, err := textproto.Dial("tcp", g.Address)
		if err != nil {
			t.Fatal(err)
		}
		_, _, err = c.ReadCodeLine(200)
		if err == nil {
			err = c.PrintfLine("XKEYS")
		}
		if err == nil {
			_, _, err = c.ReadCodeLine(290)
		}
		if err != nil {
			t.Fatal(err)
		}
		signed, err := c.ReadDotBytes()
		_ = c.Close()
		if err != nil {
			t.Fatal(err)
		}
		return bytes.Contains(signed, []byte("\n— "+by+" "))
	})
}

// mustNotHold searches a folder.
func mustNotHold(t *testing.T, folder, words string) {
	t.Helper()
	err := filepath.WalkDir(folder, func(path string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) || err == nil && d.IsDir() {
			return nil // some are gone meanwhile
		}
		octets, err := os.ReadFile(path)
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err == nil && bytes.Contains(octets, []byte(words)) {
			t.Errorf("%s holds a private message in the clear", filepath.Base(path))
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}
