package bridge

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/restante/restante/crypto/contact"
	"github.com/restante/restante/test/harness"
)

var told = regexp.MustCompile(`dropped since the last notice left: (\d+)\.`)

// More comes for two mailboxes than the coming batches hold: that of a login, and
// the first one of somebody with restante. Both are told how much of it was
// dropped, in the inbox that each reads, and somebody else's mail comes meanwhile.
func TestNotice_reachesTheOwnerOfAFloodedMailbox(t *testing.T) {
	const interval = 4 * time.Second
	g := harness.Start(t, harness.Setting{Key: "domain", Value: `"a.example"`}, harness.Setting{Key: "batch_interval", Value: fmt.Sprintf("%q", interval)},
		harness.Setting{Key: "backlog", Value: "2"})
	login, passphrase := g.Dial(), harness.Passphrase(t)
	login.Login("alice", passphrase)
	bob := harness.NewUser(t)
	bob.Set(fmt.Sprintf("name = \"Bob\"\n[[gateway]]\ndomain = \"a.example\"\naddress = %q\nsecurity = \"none\"\n", g.Address))
	bob.Run("sync")
	card, err := contact.ParseCard(bob.Run("card"))
	if err != nil {
		t.Fatal(err)
	}
	stranger := g.Dial()
	send := func(to, words string) {
		stranger.Post("Newsgroups: restante.reply\nSubject: flood\nReferences: " + to + "\n\n" + words + "\n")
	}
	token := login.Post("Newsgroups: restante.cards\nSubject: card\n\nWrite to me.\n")
	// A batch has room for four entries of either. However slow the machine, more comes
	// than those which leave meanwhile can take.
	flood := 0
	for begun := time.Now(); flood < 40 || flood < 4*(int(time.Since(begun)/interval)+6); flood++ {
		send(token, fmt.Sprint("to the login ", flood))
		send(card.Token, fmt.Sprint("to restante ", flood))
	}
	other := g.Dial()
	other.Login("carol", harness.Passphrase(t))
	send(other.Post("Newsgroups: restante.cards\nSubject: card\n\nMe too.\n"), "to somebody else")
	other.Await("restante.inbox", "to somebody else")

	header, _ := login.Await("restante.inbox", "dropped since the last notice left: ")
	if from := header.Get("From"); from != "Restante <pool@a.example>" {
		t.Errorf("the notice is from %q", from)
	}
	b := bob.Bridge("--every", "1s")
	reader := b.Dial()
	reader.Await("restante.inbox", "dropped since the last notice left: ")
	all(t, login, "to the login", flood)
	all(t, reader, "to restante", flood)
	b.Stop()
	n := ""
	for line := range strings.Lines(bob.Run("inbox")) {
		if f := strings.Fields(line); strings.Contains(line, "Messages dropped: ") {
			n = strings.Trim(f[0], "*")
		}
	}
	if said := bob.Run("read", n); !told.MatchString(said) {
		t.Errorf("restante shows %q", said)
	}
}

// all waits until what came to an inbox, and what notices there say was dropped,
// is all that was sent.
func all(t *testing.T, r *harness.Reader, words string, sent int) {
	t.Helper()
	came, dropped := 0, 0
	for end := time.Now().Add(3 * time.Minute); time.Now().Before(end); time.Sleep(time.Second) {
		came, dropped = 0, 0
		for _, body := range r.Bodies("restante.inbox") {
			if strings.HasPrefix(body, words) {
				came++
			} else if n := told.FindStringSubmatch(body); n != nil {
				one, _ := strconv.Atoi(n[1])
				dropped += one
			}
		}
		if came+dropped >= sent {
			break
		}
	}
	if came+dropped != sent || dropped == 0 {
		t.Errorf("of %d messages %d came, and notices tell of %d", sent, came, dropped)
	}
	t.Logf("of %d messages %d came, and notices tell of %d", sent, came, dropped)
}
