package mirror

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/restante/restante/crypto/note"
	"github.com/restante/restante/gateway/nntp"
	"github.com/restante/restante/test/harness"
)

// stolen is a gateway's signing key as a thief has it.
func stolen(t *testing.T, g *harness.Gateway, domain string) *note.Signer {
	t.Helper()
	line, err := os.ReadFile(filepath.Join(g.Data, "keys", "sign"))
	if err != nil {
		t.Fatal(err)
	}
	words := strings.Fields(string(line))
	seed, err := base64.RawURLEncoding.DecodeString(words[len(words)-1])
	if err != nil {
		t.Fatal(err)
	}
	signer, err := note.NewSigner(domain, seed)
	if err != nil {
		t.Fatal(err)
	}
	return signer
}

// unread is a gateway with a message in each of two mailboxes: that of Alice, who logs
// in, and that of a user with a program of her own, who takes the pool from fetch.
func unread(t *testing.T, a *harness.Gateway, fetch string) (pass string, user *harness.User) {
	t.Helper()
	pass, user = harness.Passphrase(t), harness.NewUser(t)
	user.Set(fmt.Sprintf("name = \"Carol\"\n[[gateway]]\ndomain = \"a.example\"\naddress = %q\nsecurity = \"none\"\n[fetch]\naddress = %q\nsecurity = \"none\"\nlate = \"5m\"\n", a.Address, fetch))
	_, _, _ = user.Try("sync") // for the keys; there is no pool yet
	var card struct{ Token string }
	if err := json.Unmarshal([]byte(user.Run("card", "--json")), &card); err != nil {
		t.Fatal(err)
	}
	alice, bob := a.Dial(), a.Dial()
	alice.Login("alice", pass)
	alice.Post("Newsgroups: restante.cards\nFrom: x@y.example\nSubject: card of Alice\n\nWrite to me.\n")
	public, _ := bob.Await("restante.cards", "Write to me.")
	for to, words := range map[string]string{public.Get("Message-ID"): "Hello Alice.", card.Token: "Hello Carol."} {
		bob.Post("Newsgroups: restante.reply\nFrom: x@y.example\nSubject: hello\nReferences: " + to + "\n\n" + words + "\n")
	}
	alice.Await("restante.inbox", "Hello Alice.")
	return pass, user
}

// A gateway replaces its signing key. A mirror that begins afterwards takes what the
// old one had signed; so does a user who takes the pool from there, and the gateway
// itself once it has lost its disk. Who has stolen the old key signs nothing new.
func TestReplaced_whatTheOldKeySignedStaysGood(t *testing.T) {
	t.Parallel()
	a, b := gateway(t, "a.example"), gateway(t, "b.example")
	pass, carol := unread(t, a, b.Address)
	thief := stolen(t, a, "a.example")
	a.Stop()
	if said := a.Run("keys", "rotate", "--sign"); !strings.Contains(said, "Signing key replaced") {
		t.Fatalf("keys rotate: %s", said)
	}
	if said := a.Run("keys", "list"); !strings.Contains(said, thief.Verifier().Line()) {
		t.Errorf("keys list does not name the key that was replaced:\n%s", said)
	}
	a.Restart()

	connect(t, b, link{domain: "a.example", to: a, reads: true})
	leaves(t, a, "a.example", 3) // under the new key
	follows(t, b, a, "a.example", 20)
	if told, _ := b.TryRun("verify", "--batches", "100", "--json"); !regexp.MustCompile(`"held": ?[1-9]`).MatchString(told) || regexp.MustCompile(`"bad": ?[1-9]`).MatchString(told) { // batches before it began are missing
		t.Errorf("verify says %s", told)
	}
	if said, problems, code := carol.Try("sync", "--json"); code != 0 || !strings.Contains(carol.Run("inbox"), "hello") {
		t.Errorf("sync ends with %d: %s%s", code, said, problems)
	}

	connect(t, a, link{domain: "b.example", to: b, reads: true})
	a.Kill()
	lose(t, a)
	a.Restart()
	reads(t, a, pass)
	oneHistory(t, a, b)

	forger := &rogue{t: t, domain: "a.example", signer: thief, epoch: epoch(time.Now())}
	r := newReader(t, b.Address)
	forged := forger.entry(time.Now().Add(-time.Second))
	if code := r.take(forged.Get("Message-ID"), forged.Text()); code != nntp.CodeStreamRejected {
		t.Errorf("an entry of today under the old key is answered %d", code)
	}
	if directory := forger.directory(1, func(d *note.Directory) { d.Serial = 1000 }); r.take(directory.Get("Message-ID"), directory.Text()) != nntp.CodeStreamRejected {
		t.Error("a directory under the old key is taken")
	}
}
