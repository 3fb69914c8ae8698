package privacy

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/restante/restante/crypto/identity"
	"github.com/restante/restante/test/harness"
)

func TestMain(m *testing.M) { os.Exit(harness.Main(m)) }

const (
	aliceHandle = "zephyrine-of-the-attic"
	bobHandle   = "barnabas-by-the-weir"

	cardWords   = "saffron pigeons welcome here" // public: the search must find it
	replyWords  = "quicksilver marmalade at noon"
	answerWords = "bring the obsidian spoon"
	longWords   = "twelve hundred paper lanterns"
	subjectWord = "Re: umbrella clockwork"
	traceWords  = "barnabas.weir@cottage.example"
)

// TestStory_leavesNothingThatNamesAnyone plays the whole story against the real
// program, and searches its data folder, its log and the public pool: while
// deposits wait, after they have left, and once it has stopped.
func TestStory_leavesNothingThatNamesAnyone(t *testing.T) {
	g := harness.Start(t, harness.Setting{Key: "batch_interval", Value: `"3s"`})
	alicePass, bobPass := harness.Passphrase(t), harness.Passphrase(t)
	secrets := append(secretsOf(aliceHandle, alicePass), secretsOf(bobHandle, bobPass)...)
	for _, words := range []string{replyWords, answerWords, longWords, subjectWord, traceWords} {
		secrets = append(secrets, secret{"what was written in private", []byte(words)})
	}
	look := func(when string, entries int) {
		t.Helper()
		places := files(t, g.Data)
		opened := payloads(places)
		if len(opened) < entries {
			t.Errorf("%s: only %d pool entries decoded, want %d or more", when, len(opened), entries)
		}
		octets := 0
		for _, p := range places {
			octets += len(p.octets)
		}
		found := search(append(places, opened...), secrets)
		for _, f := range found {
			t.Errorf("%s: %s", when, f)
		}
		t.Logf("%s: %d hits in %d files and %d octets of the data folder", when, len(found), len(places)/2, octets)
	}

	alice := g.Dial()
	alice.Login(aliceHandle, alicePass)
	card := alice.Post("Newsgroups: restante.cards\nFrom: x\nSubject: card\n\n" + cardWords + "\n")
	bob := g.Dial()
	bob.Login(bobHandle, bobPass)
	bob.Post(fmt.Sprintf("Newsgroups: restante.reply\nFrom: Barnabas <%s>\nSubject: %s\nReferences: %s\n\n%s\n", traceWords, subjectWord, card, replyWords))
	look("with deposits waiting", 0) // perhaps no batch has left yet
	header, _ := alice.Await("restante.inbox", replyWords)
	answer := fmt.Sprintf("Newsgroups: restante.reply\nFrom: x\nSubject: %s\nReferences: %s\n\n%s\n", subjectWord, header.Get("Message-ID"), answerWords)
	alice.Post(answer)
	alice.Post(answer + strings.Repeat(longWords+"\n", 2000))
	bob.Await("restante.inbox", answerWords)
	bob.Await("restante.inbox", longWords)
	alice.Await("restante.sent", answerWords)
	look("with the batches out", 16)
	g.Stop()
	look("after the stop", 16)

	if len(search(files(t, g.Data), []secret{{"the public card", []byte(cardWords)}})) == 0 {
		t.Error("the search does not even find what is public")
	}
	logged, err := os.ReadFile(g.Log)
	if err != nil {
		t.Fatal(err)
	}
	if len(logged) == 0 {
		t.Error("the log is empty: there was nothing to search")
	}
	loggable := append(secrets,
		secret{"a token", []byte(strings.Trim(card, "<>")[:40])}, secret{"a message-id", []byte("@" + harness.Domain + ">")},
		secret{"an address", []byte("127.0.0.1")}, secret{"a command", []byte("AUTHINFO")})
	for _, f := range search([]place{{"the log", logged}}, loggable) {
		t.Error(f)
	}
	if standsIn(logged, g.Port) {
		t.Error("a port in the log")
	}
	t.Logf("%d octets of log at debug level searched", len(logged))
}

// standsIn says whether a number stands in a text, and not as digits of another one,
// such as of how long something took.
func standsIn(text []byte, number string) bool {
	return regexp.MustCompile(`(^|[^0-9.])` + number + `([^0-9.]|$)`).Match(text)
}

func TestStandsIn_isTheNumberItself(t *testing.T) {
	for text, want := range map[string]bool{
		"12345": true, `{"port":12345}`: true, "at [::1]:12345 it": true, "112345": false, "123456": false, "7.12345": false, "12345.6": false,
	} {
		if standsIn([]byte(text), "12345") != want {
			t.Errorf("12345 in %q: %v", text, !want)
		}
	}
}

// secretsOf is everything that follows from a handle and a passphrase.
func secretsOf(handle, passphrase string) []secret {
	seed := identity.FromPassphrase(harness.Domain, handle, passphrase)
	box := seed.Mailbox(0)
	private, err := box.PrivateKey().Bytes()
	if err != nil {
		panic(err) // an X25519 key always has octets
	}
	return []secret{
		{"a handle", []byte(handle)},
		{"a passphrase", []byte(passphrase)},
		{"a seed", seed.Bytes()},
		{"a mailbox ID", box.ID().AppendTo(nil)},
		{"a reply key", box.ReplyKey().Bytes()},
		{"a reply key's private half", private},
	}
}

// payloads decodes the base64 bodies in the places, whose lines would hide a
// word that stands across two of them.
func payloads(places []place) []place {
	var out []place
	for _, p := range places {
		for _, block := range bytes.Split(p.octets, []byte("\r\n\r\n")) {
			body, _, _ := bytes.Cut(block, []byte("\r\n."))
			packed := bytes.ReplaceAll(body, []byte("\r\n"), nil)
			decoded, err := base64.StdEncoding.DecodeString(string(packed))
			if err == nil && len(decoded) > 1000 {
				out = append(out, place{"a body in " + p.name, decoded})
			}
		}
	}
	return out
}
