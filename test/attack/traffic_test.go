package attack

import (
	"math/rand/v2"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/restante/restante/crypto/identity"
	"github.com/restante/restante/gateway"
)

const observedBatches = 30

// TestTraffic_mailOrNoMailIsTheSameToWatch watches three gateways from the same
// moment of their clocks on, with all that a reader can ask for, every minute:
// one without any mail, one with far more than fits its batches, and as a
// control one whose batches have an entry more.
func TestTraffic_mailOrNoMailIsTheSameToWatch(t *testing.T) {
	quiet, n := watch(t, 0)
	busy, posts := watch(t, 12)
	if diff := cmp.Diff(quiet, busy); diff != "" {
		t.Errorf("mail shows in the traffic (-quiet +busy):\n%.4000s", diff)
	}
	other, _ := watch(t, 0, func(s *gateway.Settings) { s.Batches.Size++ })
	if cmp.Equal(quiet, other) {
		t.Error("the watcher does not even see batches of another size")
	}
	t.Logf("%d lines watched over %d batches with %d and with %d posts: all the same", len(quiet), observedBatches, n, posts)
}

// watch writes down what anybody sees of a gateway in some batches, into each of
// which so many private messages are posted, and how many were posted in all.
func watch(t *testing.T, mail int, changes ...func(*gateway.Settings)) (seen []string, posted int) {
	t.Helper()
	inBubble(t, func(t *testing.T) {
		g := newBubbleTarget(t, changes...)
		watcher, nobody, alice := g.dial(), g.dial(), g.dial()
		if mail > 0 {
			alice.login("alice", alicePassphrase)
		}
		boxes := []*identity.Mailbox{identity.NewSeed().Mailbox(0), identity.NewSeed().Mailbox(0), identity.NewSeed().Mailbox(1)}
		since := time.Now()
		for range observedBatches {
			for range mail {
				from := nobody
				if rand.IntN(2) == 0 {
					from = alice
				}
				from.post(letterTo(g.token(boxes[rand.IntN(len(boxes))])))
				posted++
			}
			g.nextBatch()
			seen = append(seen, watcher.everything(since)...)
			since = time.Now()
		}
	})
	return seen, posted
}

// random is what is drawn at random in an article of the gateway's own, and may
// differ from one run to the next.
var random = regexp.MustCompile(`(?m)^[A-Za-z0-9+/]{20,}={0,2}$|<[A-Za-z0-9_-]{32}@|Restante-Signature: .*|[A-Za-z0-9_-]{43}( |$)|^[A-Za-z0-9_-]{32} |— gw.example .*`)

// everything is what a reader is told of the groups that the gateway fills, what
// came since a moment, and all of that itself; with random octets as dots.
func (l *line) everything(since time.Time) []string {
	l.t.Helper()
	var out []string
	block := func(code, format string, args ...any) []string {
		l.t.Helper()
		l.say(code, format, args...)
		lines, err := l.conn.ReadDotLines()
		if err != nil {
			l.t.Fatal(err)
		}
		return lines
	}
	at := since.UTC().Format("20060102 150405")
	out = append(out, l.say("111", "DATE"))
	out = append(out, block("215", "LIST ACTIVE restante.*")...)
	out = append(out, block("215", "LIST COUNTS restante.*")...)
	out = append(out, block("231", "NEWGROUPS %s GMT", at)...)
	var news []string
	for _, id := range block("230", "NEWNEWS restante.* %s GMT", at) {
		article := block("220", "ARTICLE %s", id)
		news = append(news, strings.Join(article, "\n"))
		out = append(out, strings.Join(block("225", "HDR Xref %s", id), "\n"))
	}
	for _, group := range []string{"restante.pool", "restante.manifest", "restante.keys", "restante.reply"} {
		out = append(out, l.say("211", "GROUP %s", group))
		if group != "restante.reply" {
			out = append(out, block("224", "OVER 1-")...)
		}
	}
	out = append(out, news...)
	for i := range out {
		out[i] = random.ReplaceAllStringFunc(out[i], func(s string) string { return strings.Repeat(".", len(s)) })
	}
	return out
}
