package mirror

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/restante/restante/test/harness"
)

// lose takes from a gateway that does not run everything but its keys and what is
// named.
func lose(t *testing.T, g *harness.Gateway, but ...string) {
	t.Helper()
	rooms, err := os.ReadDir(g.Data)
	if err != nil {
		t.Fatal(err)
	}
	for _, room := range rooms {
		if room.Name() == "keys" || slices.Contains(but, room.Name()) {
			continue
		}
		if err := os.RemoveAll(filepath.Join(g.Data, room.Name())); err != nil {
			t.Fatal(err)
		}
	}
}

// mirrored is a gateway with mail for Alice, and its mirror, which has all of it.
// The gateway reads from the mirror, which it does not trust.
func mirrored(t *testing.T) (a, b *harness.Gateway, pass string) {
	t.Helper()
	a, b = gateway(t, "a.example"), gateway(t, "b.example")
	connect(t, b, link{domain: "a.example", to: a, reads: true})
	connect(t, a, link{domain: "b.example", to: b, reads: true})
	pass = harness.Passphrase(t)
	alice, bob := a.Dial(), a.Dial()
	alice.Login("alice", pass)
	alice.Post("Newsgroups: restante.cards\nFrom: x@y.example\nSubject: card of Alice\n\nWrite to me.\n")
	card, _ := bob.Await("restante.cards", "Write to me.")
	bob.Post("Newsgroups: restante.reply\nFrom: x@y.example\nSubject: Re: card\nReferences: " + card.Get("Message-ID") + "\n\nHello Alice.\n")
	alice.Await("restante.inbox", "Hello Alice.")
	follows(t, b, a, "a.example", 10)
	return a, b, pass
}

// reads waits until Alice can read her mail again. A login finds what is there when
// it begins, and what comes new.
func reads(t *testing.T, a *harness.Gateway, pass string) {
	t.Helper()
	await(t, "Alice's mail is back", func() bool {
		alice := a.Dial()
		defer alice.Close()
		alice.Login("alice", pass)
		for _, body := range alice.Bodies("restante.inbox") {
			if strings.Contains(body, "Hello Alice.") {
				return true
			}
		}
		return false
	})
}

// oneHistory checks what both hold of a gateway's manifests: the same, and one
// chain. A batch that nobody had taken yet when it was lost is lacking in it.
func oneHistory(t *testing.T, a, b *harness.Gateway) {
	t.Helper()
	ours, theirs := bodiesIn(t, a, "restante.manifest", "a.example"), bodiesIn(t, b, "restante.manifest", "a.example")
	texts := make(map[int]string)
	for id, body := range theirs {
		if own, ok := ours[id]; ok && own != body {
			t.Error("there are two manifests of one batch")
		}
		n, err := strconv.Atoi(id[len("<m."):strings.IndexByte(id, '@')])
		if err != nil {
			t.Fatal(err)
		}
		texts[n], _, _ = strings.Cut(strings.ReplaceAll(body, "\r\n", "\n"), "\n\n")
		texts[n] += "\n"
	}
	before, last := "", 0
	for _, n := range slices.Sorted(maps.Keys(texts)) {
		sum := sha256.Sum256([]byte(before))
		want := "\nprevious " + base64.RawURLEncoding.EncodeToString(sum[:]) + "\n"
		if n == last+1 && !strings.Contains(texts[n], want) {
			t.Errorf("batch %d does not follow from the one before", n)
		}
		before, last = texts[n], n
	}
}

// A gateway whose disk is lost gets its users' mail back from its mirror, and says
// nothing twice.
func TestLost_mailComesBackFromTheMirror(t *testing.T) {
	t.Parallel()
	a, b, pass := mirrored(t)
	for what, kept := range map[string][]string{"all but the keys": nil, "all but the keys and the queue": {"queue"}, "the queue": {"segments", "history", "index", "groups", "gateways.json"}} {
		a.Kill()
		lose(t, a, kept...)
		a.Restart()
		reads(t, a, pass)
		leaves(t, a, "a.example", 3)
		follows(t, b, a, "a.example", 10)
		oneHistory(t, a, b)
		if t.Failed() {
			t.Fatalf("lost: %s", what)
		}
	}
}

func TestLost_nothingLeavesBeforeAMirrorAnswers(t *testing.T) {
	t.Parallel()
	a, b, pass := mirrored(t)
	b.Stop()
	a.Kill()
	lose(t, a)
	a.Restart()
	if _, reply := try(t, a, "Newsgroups: misc.test\nFrom: x@y.example\nSubject: too early\n\nx\n"); !strings.Contains(reply, "could not be taken") {
		t.Errorf("a post is answered %q", reply)
	}
	asks := func(times int) {
		await(t, "it asks its mirror", func() bool {
			log, err := os.ReadFile(a.Log)
			if err != nil {
				t.Fatal(err)
			}
			return strings.Count(string(log), "other servers must be asked what has left here before") >= times
		})
		time.Sleep(2 * time.Second) // batches would leave
	}
	asks(1)
	a.Restart() // which forgets nothing
	asks(2)
	if n := len(bodiesIn(t, a, "restante.manifest", "a.example")) + len(bodiesIn(t, a, "restante.keys", "a.example")); n > 0 {
		t.Errorf("%d articles have left", n)
	}
	b.Restart()
	reads(t, a, pass)
	await(t, "posts are taken again", func() bool {
		id, _ := try(t, a, "Newsgroups: misc.test\nFrom: x@y.example\nSubject: late enough\n\nx\n")
		return id != ""
	})
	follows(t, b, a, "a.example", 10)
	oneHistory(t, a, b)

	// Without any server to ask it goes on at once.
	a.Stop()
	b.Stop()
	lose(t, a)
	text, err := os.ReadFile(a.Config)
	if err != nil {
		t.Fatal(err)
	}
	rest, _, _ := strings.Cut(string(text), "\n[[peer]]\nname")
	if err := os.WriteFile(a.Config, []byte(rest), 0o600); err != nil {
		t.Fatal(err)
	}
	a.Restart()
	await(t, "batches leave", func() bool { return len(bodiesIn(t, a, "restante.manifest", "a.example")) > 1 })
}

// What was restored from an old snapshot does not leave a second time.
func TestLost_anOldSnapshotContradictsNothing(t *testing.T) {
	t.Parallel()
	a, b, pass := mirrored(t)
	a.Stop()
	snapshot := filepath.Join(t.TempDir(), "data")
	if err := os.CopyFS(snapshot, os.DirFS(a.Data)); err != nil {
		t.Fatal(err)
	}
	rewrite(t, a, "retention", "retention = 5")
	a.Restart()
	leaves(t, a, "a.example", 3)
	follows(t, b, a, "a.example", 20)
	kept := 0
	for what, keys := range map[string]string{"everything": "", "the keys alone": "keys"} {
		a.Stop()
		if err := os.RemoveAll(a.Data); err != nil {
			t.Fatal(err)
		}
		if err := os.CopyFS(filepath.Join(a.Data, keys), os.DirFS(filepath.Join(snapshot, keys))); err != nil {
			t.Fatal(err)
		}
		rewrite(t, a, "retention", fmt.Sprintf("retention = %d", 6+len(keys)))
		a.Restart()
		reads(t, a, pass)
		if n := len(bodiesIn(t, b, "restante.pool", "a.example")); n < kept {
			t.Errorf("restored: %s: of %d entries the mirror has %d", what, kept, n)
		} else {
			kept = n
		}
		await(t, "the mirror has what leaves, and the gateway what had left", func() bool {
			return len(bodiesIn(t, b, "restante.pool", "a.example")) > kept+8 && len(bodiesIn(t, a, "restante.pool", "a.example")) > kept
		})
		oneHistory(t, a, b)
		if said := b.Run("gateways"); !regexp.MustCompile(`a\.example +\d+ +learnt`).MatchString(said) {
			t.Errorf("restored: %s: the mirror says\n%s", what, said)
		}
	}
}
