package attack

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/restante/restante/crypto/blind"
	"github.com/restante/restante/crypto/identity"
	"github.com/restante/restante/gateway"
	"github.com/restante/restante/gateway/keyring"
	"github.com/restante/restante/gateway/nntp"
	"github.com/restante/restante/gateway/peer"
	"github.com/restante/restante/pool/article"
)

// TestSquat_nobodyTakesTheNameOfWhatIsToCome lets an attacker, who is a peer
// besides, put articles under the names of coming manifests, directories and
// entries, and under names that follow from a mailbox, as if keys had leaked.
// Everything must still come at its time. A Message-ID of another domain shows
// that what is attacked is the name: that one is taken, and blocks.
func TestSquat_nobodyTakesTheNameOfWhatIsToCome(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		g := newBubbleTarget(t, withPeer(t), func(s *gateway.Settings) {
			s.Batches.Calendar.EpochLength, s.Batches.Backlog = time.Hour, 60 // no longer than an epoch, as config has it
		})
		ring, err := keyring.Open(gateway.KeyDir(g.data), domain, g.policy)
		if err != nil {
			t.Fatal(err)
		}
		box := identity.FromPassphrase(domain, "alice", alicePassphrase).Mailbox(0)
		calendar := g.policy.Calendar
		first := calendar.Batch(time.Now())
		entries := map[string]bool{}
		var names []string
		for b := first + 1; b <= first+60; b++ {
			names = append(names, fmt.Sprintf("<m.%d@%s>", b, domain))
			tag := blinded(t, ring, box, calendar.EpochOf(b)).Tag(b, 0).MessageID(domain)
			names, entries[tag] = append(names, tag), true
		}
		next := fmt.Sprintf("<k.%d.%d@%s>", calendar.Epoch(time.Now())+1, ring.Directory().Serial+1, domain)
		names = append(names, next, strings.ToUpper(next))

		alice := g.dial()
		alice.login("alice", alicePassphrase)
		card := alice.post("Newsgroups: restante.cards\nSubject: card\n\nWrite to me.\n")
		attacker := g.dial()
		tries := 0
		for _, id := range names {
			tries += attacker.squat(id)
		}
		const elsewhere = "<m.1@elsewhere.example>"
		if got := attacker.ask("TAKETHIS %s\r\n%s.", elsewhere, fed(elsewhere)); !strings.HasPrefix(got, "239") {
			t.Fatalf("the attacker is no peer: %q", got)
		}
		if got := attacker.ask("CHECK %s", elsewhere); !strings.HasPrefix(got, "438") {
			t.Errorf("a name that is taken does not block: %q", got)
		}

		const replies = 50
		for range replies {
			g.dial().post("Newsgroups: restante.reply\nSubject: Re: card\nReferences: " + card + "\n\nHello.\n")
			g.nextBatch()
		}
		for range 12 {
			g.nextBatch()
		}
		alice.await("restante.inbox", replies)
		found := 0
		for id := range alice.ids("restante.pool") {
			if entries[id] {
				found++
			}
		}
		if found < replies {
			t.Errorf("only %d entries have a name that was squatted on: the attack was on others", found)
		}
		manifests, keys := alice.ids("restante.manifest"), alice.ids("restante.keys")
		for b := first + 1; b <= first+60; b++ {
			if !manifests[fmt.Sprintf("<m.%d@%s>", b, domain)] {
				t.Errorf("manifest %d was displaced", b-first)
			}
		}
		if !keys[next] {
			t.Error("the directory of the next epoch was displaced")
		}
		t.Logf("%d tries to take %d names: 0 manifests of 60, 0 entries of %d, 0 directories displaced", tries, len(names), found)
	})
}

// squat tries every way of filing an article under a name, and returns how many
// they are.
func (l *line) squat(id string) int {
	l.t.Helper()
	refused := func(way, got string, codes ...string) {
		l.t.Helper()
		for _, code := range codes {
			if strings.HasPrefix(got, code) {
				return
			}
		}
		l.t.Errorf("%s is answered %q", way, got)
	}
	refused("CHECK", l.ask("CHECK %s", id), "438")
	refused("IHAVE", l.ask("IHAVE %s", id), "435")
	refused("TAKETHIS", l.ask("TAKETHIS %s\r\n%s.", id, fed(id)), "439")
	refused("TAKETHIS of a cancel", l.ask("TAKETHIS %s\r\nControl: cancel <1@x.example>\r\n%s.", id, fed(id)), "439")
	l.say("340", "POST")
	got := l.say("240", "%s.", fmt.Sprintf("Newsgroups: restante.cards\r\nSubject: x\r\nFrom: x@x.example\r\nMessage-ID: %s\r\n\r\nx\r\n", id))
	if strings.Contains(got, id) {
		l.t.Error("POST takes a message-id as it comes")
	}
	return 5
}

// fed is an article as a peer brings it.
func fed(id string) string {
	return "Path: peer.example!not-for-mail\r\nFrom: a@peer.example\r\nNewsgroups: restante.cards\r\nSubject: x\r\n" +
		"Date: " + article.Date(time.Now()) + "\r\nMessage-ID: " + id + "\r\n\r\nx\r\n"
}

// withPeer lets whoever is on this machine feed.
func withPeer(t *testing.T) func(*gateway.Settings) {
	t.Helper()
	every, err := nntp.ParseWildmat("*")
	if err != nil {
		t.Fatal(err)
	}
	return func(s *gateway.Settings) {
		s.Cutoff = 240 * time.Hour
		s.Peers = []peer.Peer{{Name: "a", Path: "peer.example", Addresses: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}, Groups: every}}
	}
}

// blinded is a mailbox's server-blinded ID, by the gateway's own keys.
func blinded(t *testing.T, ring *keyring.Ring, box *identity.Mailbox, epoch uint64) *blind.Blinded {
	t.Helper()
	key, err := ring.Blind(epoch)
	if err != nil {
		t.Fatal(err)
	}
	b, err := key.Evaluate(box.ID())
	if err != nil {
		t.Fatal(err)
	}
	return b
}
