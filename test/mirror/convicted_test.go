package mirror

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/restante/restante/test/harness"
)

// rewrite puts another line into a gateway's configuration, in place of those that
// have the key, or at its end.
func rewrite(t *testing.T, g *harness.Gateway, key, line string) {
	t.Helper()
	text, err := os.ReadFile(g.Config)
	if err != nil {
		t.Fatal(err)
	}
	old := regexp.MustCompile(`(?m)^` + key + ` *=.*$`)
	if old.Match(text) {
		text = old.ReplaceAllLiteral(text, []byte(line))
	} else {
		text = append(text, "\n"+line+"\n"...)
	}
	if err := os.WriteFile(g.Config, text, 0o600); err != nil {
		t.Fatal(err)
	}
}

// A gateway that is brought back from an old copy signs a second history. Its
// mirror catches it, until the mirror's operator forgives that.
func TestConvicted_nothingIsTakenUntilTheOperatorPardons(t *testing.T) {
	t.Parallel()
	a := gateway(t, "a.example")
	b := gateway(t, "b.example")
	pass := harness.Passphrase(t)
	alice := a.Dial()
	alice.Login("alice", pass)
	alice.Post("Newsgroups: restante.cards\nFrom: x@y.example\nSubject: card of Alice\n\nWrite to me.\n")
	card, _ := alice.Await("restante.cards", "Write to me.")
	answer := "Newsgroups: restante.reply\nFrom: x@y.example\nSubject: Re: card\nReferences: " + card.Get("Message-ID") + "\n\nHello Alice.\n"
	connect(t, b, link{domain: "a.example", to: a, reads: true})
	connect(t, a, link{domain: "b.example", to: b, feeds: true})
	a.Stop()
	first := filepath.Join(t.TempDir(), "keys")
	if err := os.CopyFS(first, os.DirFS(filepath.Join(a.Data, "keys"))); err != nil {
		t.Fatal(err)
	}
	rewrite(t, a, "retention", "retention = 5") // which makes a second directory
	a.Restart()
	await(t, "the second directory comes to the mirror", func() bool { return len(bodiesIn(t, b, "restante.keys", "a.example")) >= 2 })
	b.Dial().Post(answer)

	// The copy knows nothing of the second one, and no server that it could ask. What
	// has the name of one that the mirror holds is not looked at there; what follows is.
	// There are two such names where the hour has turned meanwhile.
	a.Stop()
	if err := os.RemoveAll(a.Data); err != nil {
		t.Fatal(err)
	}
	if err := os.CopyFS(filepath.Join(a.Data, "keys"), os.DirFS(first)); err != nil {
		t.Fatal(err)
	}
	before := 0
	for _, retention := range []string{"6", "7", "8"} {
		rewrite(t, a, "retention", "retention = "+retention)
		a.Restart()
		await(t, "another directory", func() bool { return len(bodiesIn(t, a, "restante.keys", "a.example")) > before })
		before = len(bodiesIn(t, a, "restante.keys", "a.example"))
	}
	said := ""
	await(t, "the gateway is convicted", func() bool {
		said = b.Run("gateways")
		return strings.Contains(said, "convicted")
	})
	if id, reply := try(t, b, answer); id != "" || !strings.Contains(reply, "different keys") {
		t.Errorf("a reply to a convicted gateway is answered %q", reply)
	}
	if proof := b.Run("gateways", "--proof", "a.example"); strings.Count(proof, "restante directory v1") != 2 {
		t.Errorf("the proof is\n%s", proof)
	}
	entries := -1
	await(t, "the last that came is filed, and nothing is taken any more", func() bool {
		before := entries
		entries = len(bodiesIn(t, b, "restante.pool", "a.example"))
		return entries == before
	})
	b.Restart()
	if got := len(bodiesIn(t, b, "restante.pool", "a.example")); got != entries {
		t.Errorf("of %d entries %d are left", entries, got)
	}

	pardon := regexp.MustCompile(`pardon = \d+`).FindString(said)
	rewrite(t, b, "nothing", "[[gateway]]\ndomain = \"a.example\"\n"+pardon)
	b.Reload()
	await(t, "its entries come again", func() bool { return len(bodiesIn(t, b, "restante.pool", "a.example")) > entries+4 })
	if id, reply := try(t, b, answer); id == "" {
		t.Errorf("a reply to a pardoned gateway is answered %q", reply)
	}
	if said := b.Run("gateways"); !strings.Contains(said, "pardoned") {
		t.Errorf("the list says\n%s", said)
	}
}

// try posts an article, and returns the answer, and its Message-ID if it was taken.
func try(t *testing.T, g *harness.Gateway, article string) (id, reply string) {
	t.Helper()
	r := newReader(t, g.Address)
	if said := r.ask("POST"); said.Code != 340 {
		t.Fatalf("POST: %d", said.Code)
	}
	r.w.Text([]byte(strings.ReplaceAll(article, "\n", "\r\n")))
	r.w.End()
	if err := r.w.Flush(); err != nil {
		t.Fatal(err)
	}
	said := r.reply()
	if said.Code == 240 {
		id = said.Text
	}
	return id, said.Text
}
