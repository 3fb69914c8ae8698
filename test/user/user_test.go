package user

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/restante/restante/test/harness"
)

func TestMain(m *testing.M) { os.Exit(harness.MainWithUsers(m)) }

// program builds the tool.
func program(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "restante")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", path, "github.com/restante/restante/cmd/restante").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return path
}

// A person has the tool and a profile.
type person struct {
	t             *testing.T
	program, home string
}

// newPerson makes a profile with a mailbox at a gateway. The pool is taken from,
// and messages are posted at, other servers where they are given.
func newPerson(t *testing.T, program, name, domain string, gateway *harness.Gateway, fetch, submit string) *person {
	t.Helper()
	p := &person{t, program, t.TempDir()}
	if err := os.WriteFile(filepath.Join(p.home, "pass"), []byte("acrobat zebra umbrella canyon velvet\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	p.must("", "init")
	p.must("", "setup", "--name", name, "--gateway", domain, "--address", gateway.Address, "--security", "none", "--fetch", fetch, "--submit", submit)
	path := filepath.Join(p.home, "default", "restante.toml")
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	text = bytes.ReplaceAll(text, []byte(`security = "tls"`), []byte(`security = "none"`))
	text = bytes.ReplaceAll(text, []byte(`late = "1h"`), []byte(`late = "10m"`))
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return p
}

// run runs the tool and returns what it printed and its exit code.
func (p *person) run(stdin string, args ...string) (out, errors string, code int) {
	p.t.Helper()
	c := exec.CommandContext(p.t.Context(), p.program, append([]string{"--home", p.home, "--passphrase-file", filepath.Join(p.home, "pass")}, args...)...)
	var stdout, stderr bytes.Buffer
	c.Stdin, c.Stdout, c.Stderr = strings.NewReader(stdin), &stdout, &stderr
	_ = c.Run()
	return stdout.String(), stderr.String(), c.ProcessState.ExitCode()
}

func (p *person) must(stdin string, args ...string) string {
	p.t.Helper()
	out, said, code := p.run(stdin, args...)
	if code != 0 {
		p.t.Fatalf("restante %s: exit code %d\n%s\n%s", args[0], code, out, said)
	}
	return out
}

// A mail is what read --json prints.
type mail struct {
	Number                                   int
	Sealed, Contact, Subject, Text, From, ID string
	Attachments                              []struct {
		Name   string
		Octets []byte
	}
}

// patience is how long what is on its way may take.
const patience = 3 * time.Minute

// await syncs until a message says words, and returns it.
func (p *person) await(words string) mail {
	p.t.Helper()
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(time.Second) {
		p.must("", "sync")
		for line := range strings.Lines(p.must("", "inbox", "--json")) {
			var m mail
			if err := json.Unmarshal([]byte(line), &m); err != nil {
				p.t.Fatal(err)
			}
			if err := json.Unmarshal([]byte(p.must("", "read", fmt.Sprint(m.Number), "--json")), &m); err != nil {
				p.t.Fatal(err)
			}
			if strings.Contains(m.Text, words) {
				return m
			}
		}
	}
	p.t.Fatal(errors.New("it did not come"))
	return mail{}
}

// two starts two gateways that mirror each other's pools by pulling.
func two(t *testing.T) (a, b *harness.Gateway) {
	t.Helper()
	start := func(domain string, more ...harness.Setting) *harness.Gateway {
		return harness.Start(t, append([]harness.Setting{
			{Key: "domain", Value: fmt.Sprintf("%q", domain)}, {Key: "unknown", Value: `"learn"`}, {Key: "every", Value: `"1s"`},
		}, more...)...)
	}
	peer := func(domain, address string) harness.Setting {
		return harness.Setting{Key: "[[peer]]", Value: fmt.Sprintf(
			"name = %q\naddresses = [\"127.0.0.1\"]\n[peer.read]\naddress = %q\nsecurity = \"none\"\npull = \"restante.*\"\nevery = \"1s\"\n", domain, address)}
	}
	a = start("a.example")
	b = start("b.example", peer("a.example", a.Address))
	feed, err := os.ReadFile(a.Config)
	if err != nil {
		t.Fatal(err)
	}
	feed = fmt.Appendf(feed, "\n[[peer]]\n%s", peer("b.example", b.Address).Value)
	if err := os.WriteFile(a.Config, feed, 0o600); err != nil {
		t.Fatal(err)
	}
	a.Restart()
	return a, b
}

// Alice has her mailbox at one gateway and Bob at the other; each takes the pool
// from the other's and posts there.
func TestConversation_goesFromEndToEndOverTwoGateways(t *testing.T) {
	a, b := two(t)
	tool := program(t)
	alice := newPerson(t, tool, "Alice", "a.example", a, b.Address, b.Address)
	bob := newPerson(t, tool, "Bob", "b.example", b, a.Address, a.Address)
	alice.must("", "sync")
	for end := time.Now().Add(patience); ; time.Sleep(time.Second) { // until Alice's gateway is known there
		bob.must("", "sync")
		bob.must(alice.must("", "card"), "add")
		if _, said, code := bob.run("ahoy walnut", "send", "Alice", "--subject", "one"); code == 0 {
			break
		} else if time.Now().After(end) {
			t.Fatal(said)
		}
	}
	first := alice.await("ahoy walnut")
	if first.Sealed != "end-to-end" || first.Contact != "Bob" || first.Subject != "one" {
		t.Fatalf("first: %+v", first)
	}
	file := make([]byte, 40000)
	_, _ = rand.Read(file)
	path := filepath.Join(alice.home, "photo.jpg")
	if err := os.WriteFile(path, file, 0o600); err != nil {
		t.Fatal(err)
	}
	alice.must("answer with a photo", "reply", fmt.Sprint(first.Number), "--attach", path)
	second := bob.await("answer with a photo")
	if second.Sealed != "end-to-end" || second.Contact != "Alice" || second.Subject != "Re: one" ||
		len(second.Attachments) != 1 || !slices.Equal(second.Attachments[0].Octets, file) {
		t.Fatalf("second: %s %s %s, %d files", second.Sealed, second.Contact, second.Subject, len(second.Attachments))
	}
	bob.must("thanks, almond", "reply", fmt.Sprint(second.Number))
	third := alice.await("thanks, almond")
	if third.Sealed != "end-to-end" || third.Contact != "Bob" || third.ID == first.ID {
		t.Fatalf("third: %+v", third)
	}
	for _, g := range []*harness.Gateway{a, b} {
		g.MustNotLog("walnut", "almond", "photo", first.ID, second.ID, "Alice", "Bob")
	}
}

// Somebody without the tool writes with a newsreader and is answered.
func TestConversation_withSomebodyWhoHasANewsreaderAlone(t *testing.T) {
	g := harness.Start(t)
	alice := newPerson(t, program(t), "Alice", harness.Domain, g, "", "")
	alice.must("", "sync")
	var card struct{ Token string }
	if err := json.Unmarshal([]byte(alice.must("", "card", "--post", "--json")), &card); err != nil {
		t.Fatal(err)
	}
	r := g.Dial()
	r.Login("carol", harness.Passphrase(t))
	shown, _ := r.Await("restante.cards", "BEGIN RESTANTE CARD")
	if got := shown.Get("Message-ID"); got != card.Token || shown.Get("Followup-To") != "restante.reply" {
		t.Errorf("the card is called %s, and a followup goes to %s", got, shown.Get("Followup-To"))
	}
	r.Post("Newsgroups: restante.reply\nFrom: c@home.example\nSubject: hello\nReferences: " + shown.Get("Message-ID") + "\n\nplain walnut\n")
	m := alice.await("plain walnut")
	if m.Sealed != "gateway" || m.Contact != "" {
		t.Fatalf("%+v", m)
	}
	out, said, code := alice.run("plain almond", "reply", fmt.Sprint(m.Number))
	if code != 0 || !strings.Contains(out, "by the gateway, which has seen it") {
		t.Fatalf("%d %s %s", code, out, said)
	}
	header, _ := r.Await("restante.inbox", "plain almond")
	r.Post("Newsgroups: restante.reply\nFrom: c@home.example\nSubject: Re: hello\nReferences: " + header.Get("Message-ID") + "\n\nonce more\n")
	if again := alice.await("once more"); again.Contact == "" {
		t.Fatalf("the answer is from nobody known: %+v", again)
	}
}
