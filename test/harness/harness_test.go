package harness

import (
	"errors"
	"net/textproto"
	"os"
	"testing"
	"time"

	"github.com/restante/restante/pool"
)

func TestMain(m *testing.M) { os.Exit(Main(m)) }

func TestGateway_keepsWhatItAcceptedThroughAKill(t *testing.T) {
	t.Parallel()
	g := Start(t)
	alice := Passphrase(t)
	r := g.Dial()
	r.Login("alice", alice)
	card := r.Post("Newsgroups: restante.cards\nFrom: a@home.example\nSubject: card\n\nWrite to me.\n")
	g.Dial().Post("Newsgroups: restante.reply\nFrom: b@work.example\nSubject: Re: card\nReferences: " + card + "\n\nHere I am.\n")
	g.Kill()
	g.Restart()
	g.Dial().Await("restante.cards", "Write to me.")
	r = g.Dial()
	r.Login("alice", alice)
	r.Await("restante.inbox", "Here I am.")
	g.MustNotLog("alice", alice, card)
}

func TestGateway_restartsAfterACleanStop(t *testing.T) {
	t.Parallel()
	g := Start(t, Setting{"batch_size", "2"})
	g.Dial().Post("Newsgroups: misc.test\nFrom: a@home.example\nSubject: hello\n\n.Dots and all.\n")
	g.Restart()
	g.Dial().Await("misc.test", ".Dots and all.")
}

func TestGateway_takesLoginsOverTLSOnly(t *testing.T) {
	t.Parallel()
	g := StartTLS(t)
	alice := Passphrase(t)
	g.Dial().Login("alice", alice)
	plain := *g
	plain.Certificate = ""
	_, err := plain.Dial().client.Authenticate("alice", alice)
	var said *textproto.Error
	if !errors.As(err, &said) || said.Code != 483 { // RFC 4643, Section 2.3.2: a secure layer is needed
		t.Errorf("without TLS: %v, want 483", err)
	}
}

func TestNeed_takesWhatIsThere(t *testing.T) {
	if Need(t, "go") == "" {
		t.Error("got no path")
	}
}

func TestEpochLength_noEpochEndsSoon(t *testing.T) {
	t.Parallel()
	for at := range 100 * 24 * 60 {
		now := time.Unix(1_800_000_000, 0).Add(time.Duration(at) * time.Minute)
		c := pool.Calendar{EpochLength: epochLength(now)}
		if c.Epoch(now) != c.Epoch(now.Add(20*time.Minute-time.Second)) || c.EpochLength > 4*time.Hour {
			t.Fatalf("%v is the length at %v", c.EpochLength, now)
		}
	}
}
