package attack

import (
	"encoding/base64"
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/restante/restante/crypto/envelope"
	"github.com/restante/restante/crypto/note"
	"github.com/restante/restante/crypto/token"
	"github.com/restante/restante/gateway"
	"github.com/restante/restante/gateway/keyring"
	"github.com/restante/restante/test/pipe"
)

// A restarted is a gateway that the attacker can make begin anew.
type restarted struct {
	*target
	settings gateway.Settings
	end      func()
}

func (g *restarted) restart() {
	g.t.Helper()
	if g.end != nil {
		g.end()
	}
	listener := pipe.Listen()
	g.connect = listener.Dial
	g.end = run(g.t, g.settings, listener)
}

// sealer seals submissions as anybody can with what XKEYS answers.
type sealer struct {
	epoch uint64
	key   token.SealPublic
}

func (g *target) sealer() sealer {
	g.t.Helper()
	l := g.dial()
	l.say("290", "XKEYS")
	signed, err := l.conn.ReadDotBytes()
	if err != nil {
		g.t.Fatal(err)
	}
	d, err := note.PeekDirectory(signed)
	if err != nil {
		g.t.Fatal(err)
	}
	key, err := token.ParseSealPublic(d.Seal[0].Key[:])
	if err != nil {
		g.t.Fatal(err)
	}
	return sealer{d.Seal[0].Epoch, key}
}

func (s sealer) seal(t *testing.T, to, words string) []byte {
	t.Helper()
	text := "Newsgroups: restante.reply\r\nSubject: hello\r\nReferences: " + to + "\r\n\r\n" + words + "\r\n"
	fragments, err := envelope.Split(envelope.KindMessage, []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	payload, err := envelope.SealSubmission(s.key, domain, s.epoch, fragments[0])
	if err != nil {
		t.Fatal(err)
	}
	return payload
}

// submit posts payloads, each under a Message-ID of its own.
func (g *target) submit(s sealer, payloads ...[]byte) {
	g.t.Helper()
	l := g.dial()
	for _, p := range payloads {
		packed := base64.StdEncoding.EncodeToString(p)
		var lines strings.Builder
		for len(packed) > 76 {
			lines.WriteString(packed[:76] + "\n")
			packed = packed[76:]
		}
		l.post("Newsgroups: restante.submit\nFrom: x@y.example\nSubject: restante\nRestante-To: " + domain + " " + strconv.FormatUint(s.epoch, 10) + "\n\n" + lines.String() + packed + "\n")
	}
}

// inbox is how many messages Alice has, once all that was posted has had the time
// to come: a batch for the submission, one for the entry, and time to spare.
func (g *target) inbox() int {
	g.t.Helper()
	for range 4 {
		g.nextBatch()
	}
	l := g.dial()
	l.login("alice", alicePassphrase)
	var held int
	if _, err := fmt.Sscanf(l.say("211", "GROUP restante.inbox"), "211 %d", &held); err != nil {
		g.t.Fatal(err)
	}
	return held
}

// A sealed submission is public. Whoever copies it, changes it, or sends it again
// after a restart, brings nothing about.
func TestReplay_sealedSubmissionsCountOnce(t *testing.T) { inBubble(t, replaySubmissions) }

func replaySubmissions(t *testing.T) {
	s := newSettings(t.TempDir())
	s.Batches.Posts = 16 << 20
	if err := keyring.Create(gateway.KeyDir(s.Data)); err != nil {
		t.Fatal(err)
	}
	g := &restarted{target: &target{t: t, data: s.Data, policy: s.KeyPolicy()}, settings: s}
	g.restart()
	t.Cleanup(func() { g.end() })

	l := g.dial()
	l.login("alice", alicePassphrase)
	card := l.post("Newsgroups: restante.cards\nFrom: a@b.example\nSubject: card\n\nWrite to me.\n")
	seals := g.sealer()
	sealed := seals.seal(t, card, "The violin is under the stair.")
	g.submit(seals, sealed)
	if n := g.inbox(); n != 1 {
		t.Fatalf("the submission itself brought %d messages", n)
	}

	const copies, flips = 5, 64
	var tries [][]byte
	for range copies {
		tries = append(tries, sealed)
	}
	for i := range flips {
		flipped := append([]byte(nil), sealed...)
		flipped[i*len(sealed)/flips] ^= 1 << (i % 8)
		tries = append(tries, flipped)
	}
	g.submit(seals, tries...)
	now := g.inbox()
	g.restart()
	g.submit(seals, tries[:copies]...)
	after := g.inbox()
	t.Logf("%d copies and %d with a flipped bit, %d copies after a restart: %d messages more", copies, flips, copies, after-1)
	if now != 1 || after != 1 {
		t.Errorf("%d messages before the restart and %d after it, want 1", now, after)
	}

	g.submit(seals, seals.seal(t, card, "The violin is under the stair."))
	if n := g.inbox(); n != 2 {
		t.Errorf("the same words sealed anew make %d messages: the test sees nothing", n)
	}
}
