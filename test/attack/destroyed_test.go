package attack

import (
	"encoding/base64"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/restante/restante/crypto/blind"
	"github.com/restante/restante/crypto/identity"
	"github.com/restante/restante/gateway"
)

// TestGuess_theKeysOfTodaySayNothingOfAPastEpoch is whoever seizes the machine,
// knows the right ID, and kept every entry while it was public. Each 32 octets in
// the folder of the keys, at every place, as they stand and out of base64, are
// tried as the root of an epoch, of one before it, or of one after. They must
// find the mail of the epochs in force, and nothing of the one whose root was
// destroyed. That it is nowhere else either shows in test/privacy.
func TestGuess_theKeysOfTodaySayNothingOfAPastEpoch(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		g := newBubbleTarget(t, func(s *gateway.Settings) {
			c := &s.Batches.Calendar
			c.EpochLength, c.Retention, c.TokenLife, s.Batches.Backlog = time.Hour, 1, 2, 50
		})
		calendar := g.policy.Calendar
		box := identity.NewSeed().Mailbox(0)
		l := g.dial()
		kept := map[string]bool{} // every Message-ID that was ever in the pool
		began, before := calendar.Epoch(time.Now()), g.values()
		for calendar.Epoch(time.Now()) < began+2 {
			l.post("Newsgroups: restante.reply\nSubject: x\nReferences: " + g.token(box) + "\n\nx\n")
			g.nextBatch()
			for id := range l.ids("restante.pool") {
				kept[id] = true
			}
			time.Sleep(9 * time.Minute)
		}
		atStake := 0
		for _, octets := range before {
			atStake = max(atStake, g.entries(asRoot(t, octets), box, began, kept))
		}
		if atStake < 4 {
			t.Fatalf("the keys of the first epoch find %d entries of it: there is nothing at stake", atStake)
		}
		values := g.values()
		found := map[uint64]int{}
		for _, octets := range values {
			root := asRoot(t, octets)
			for epoch := began; epoch <= began+2; epoch++ {
				found[epoch] = max(found[epoch], g.entries(root, box, epoch, kept))
				if next := root.Next(); epoch > began {
					found[epoch] = max(found[epoch], g.entries(next, box, epoch, kept))
				}
			}
		}
		if found[began] != 0 {
			t.Errorf("%d entries of the epoch whose root was destroyed are found", found[began])
		}
		if found[began+1] < 4 {
			t.Errorf("the root in force finds %d entries of its epoch: the search can't fail", found[began+1])
		}
		t.Logf("%d values of the key folder, %d entries kept: %d of %d of the destroyed epoch found, %d of the oldest in force", len(values), len(kept), found[began], atStake, found[began+1])
	})
}

func asRoot(t *testing.T, octets [32]byte) blind.Root {
	t.Helper()
	root, err := blind.RootFromBytes(octets[:])
	if err != nil {
		t.Fatal(err)
	}
	return root
}

// values is every 32 octets that stand in a file of the keys, each once.
func (g *target) values() map[[32]byte][32]byte {
	g.t.Helper()
	names, err := filepath.Glob(filepath.Join(gateway.KeyDir(g.data), "*"))
	if err != nil {
		g.t.Fatal(err)
	}
	out := map[[32]byte][32]byte{}
	for _, name := range names {
		text, err := os.ReadFile(name)
		if err != nil {
			g.t.Fatal(err)
		}
		for i := range text {
			if i+32 <= len(text) {
				out[[32]byte(text[i:])] = [32]byte(text[i:])
			}
			if i+43 > len(text) {
				continue
			}
			for _, encoding := range []*base64.Encoding{base64.RawURLEncoding, base64.RawStdEncoding} {
				if octets, err := encoding.DecodeString(string(text[i : i+43])); err == nil && len(octets) == 32 {
					out[[32]byte(octets)] = [32]byte(octets)
				}
			}
		}
	}
	return out
}

// entries counts the entries of a mailbox in an epoch that a root finds.
func (g *target) entries(root blind.Root, box *identity.Mailbox, epoch uint64, kept map[string]bool) int {
	g.t.Helper()
	key, err := root.Key(domain)
	if err != nil {
		g.t.Fatal(err)
	}
	secret, err := key.Evaluate(box.ID())
	if err != nil {
		g.t.Fatal(err)
	}
	found, tagger := 0, secret.Tagger()
	for b := g.policy.Calendar.FirstBatch(epoch); b < g.policy.Calendar.FirstBatch(epoch+1); b++ {
		if kept[tagger.Tag(b, 0).MessageID(domain)] {
			found++
		}
	}
	return found
}
