package bridge

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/mail"
	"os"
	"strings"
	"testing"

	"github.com/restante/restante/test/harness"
)

func TestMain(m *testing.M) { os.Exit(harness.MainWithUsers(m)) }

// subject is what they write about. It is nobody else's business.
const subject = "About violins under stairs"

// Two people who share no server but through others, and read from no gateway,
// write ten messages to each other through their bridges. One of them has a second
// correspondent. Whatever the gateways see is written down and searched.
func TestConversation_arrivesIntactAndUnseen(t *testing.T) {
	w := newWorld(t, curious(t))
	alice, bob, carol := w.Alice(t), w.Bob(t), w.Carol(t)
	alice.Run("sync")
	card := alice.Run("card")
	a, b, c := alice.Bridge("--every", "2s"), bob.Bridge("--every", "2s"), carol.Bridge("--every", "2s")

	const cardWords = "Write to me about violins."
	a.Dial().Post("From: Alice <alice@home.example>\nNewsgroups: restante.cards\nSubject: Alice\n\n" + cardWords + "\n\n" + card + "\n")
	header, _ := b.Dial().Await("restante.cards", cardWords)

	s := newSearched(t, w, alice, bob, carol)
	people := []*harness.Bridge{b, a}
	answers := header.Get("Message-ID")
	for n := range 10 {
		from, to := people[n%2], people[(n+1)%2]
		words := fmt.Sprintf("Under the stair number %d is the violin.", n)
		file := []byte(nil)
		if n == 5 {
			file = Octets(1 << 20)
			s.secrets.add("the attachment", file[1000:1100])
		}
		answers = writes(t, from, to, answers, words, file)
		s.answer(t, w, answers)
		s.secrets.add("what was written", []byte(words))
	}
	for _, bridge := range people {
		r := bridge.Dial()
		if in, out := len(r.Bodies("restante.inbox")), len(r.Bodies("restante.sent")); in != 5 || out != 5 {
			t.Errorf("%d messages in the inbox and %d sent", in, out)
		}
	}
	header, _ = c.Dial().Await("restante.cards", cardWords)
	answers = header.Get("Message-ID")
	for n, way := range [][2]*harness.Bridge{{c, a}, {a, c}, {c, a}, {a, c}} {
		words := fmt.Sprintf("There are %d violins, and nobody plays.", n)
		answers = writes(t, way[0], way[1], answers, words, nil)
		s.answer(t, w, answers)
		s.secrets.add("what was written", []byte(words))
	}
	s.secrets.add("the subject", []byte(subject))
	for _, bridge := range []*harness.Bridge{a, b, c} {
		bridge.Stop()
	}
	dave := visits(t, w.A)

	w.SpeakToTheirOwn(t, alice, bob)
	w.PostApart(t, 14, alice, bob, carol)
	w.TakeAllAlike(t, alice, bob, carol)
	w.AskGatewaysForBlindingAlone(t, alice, bob, carol)
	seen := map[*harness.Gateway][]sight{w.A: sights(t, w.A), w.B: sights(t, w.B)}
	unseen(t, w, s, seen)
	showsALogin(t, seen[w.A], dave)
	unlinked(t, seen[w.A], s)
}

// writes has somebody answer an article with her bridge, and waits until it came as
// it was written. It returns its Message-ID.
func writes(t *testing.T, from, to *harness.Bridge, answers, words string, file []byte) (id string) {
	t.Helper()
	kind, text := "Content-Type: text/plain; charset=utf-8\n", words+"\n"
	if file != nil {
		kind, text = attached(words, file)
	}
	said := from.Dial().Post("From: Me <me@home.example>\nNewsgroups: restante.reply\nSubject: " + subject + "\nReferences: " + answers +
		"\nUser-Agent: mine\nMIME-Version: 1.0\n" + kind + "\n" + text)
	header, body := to.Dial().Await("restante.inbox", words)
	if header.Get("Message-ID") != said {
		t.Errorf("%s: the sender was told another Message-ID than arrived", words)
	}
	if got := header.Get("Restante-Sealed"); got != "end-to-end" {
		t.Errorf("%s: it is sealed %q", words, got)
	}
	if all := fmt.Sprint(header); strings.Contains(all, "home.example") || strings.Contains(all, "mine") {
		t.Errorf("%s: it shows its sender: %s", words, all)
	}
	if file != nil && !bytes.Equal(attachment(t, header, body), file) {
		t.Errorf("%s: the attachment is another one", words)
	}
	return said
}

// attached is the Content-Type and the body of a message with a file.
func attached(words string, file []byte) (kind, body string) {
	var out strings.Builder
	out.WriteString("--frontier\nContent-Type: text/plain\n\n" + words + "\n--frontier\n" +
		"Content-Type: application/octet-stream\nContent-Transfer-Encoding: base64\nContent-Disposition: attachment; filename=violin.jpg\n\n")
	for packed := base64.StdEncoding.EncodeToString(file); packed != ""; {
		n := min(76, len(packed))
		out.WriteString(packed[:n] + "\n")
		packed = packed[n:]
	}
	out.WriteString("--frontier--\n")
	return "Content-Type: multipart/mixed; boundary=frontier\n", out.String()
}

// attachment is the file in a message.
func attachment(t *testing.T, h mail.Header, body string) []byte {
	t.Helper()
	_, parameters, err := mime.ParseMediaType(h.Get("Content-Type"))
	if err != nil {
		t.Fatal(err)
	}
	for parts := multipart.NewReader(strings.NewReader(body), parameters["boundary"]); ; {
		p, err := parts.NextPart()
		if err != nil {
			t.Fatal(err)
		}
		if p.FileName() != "violin.jpg" {
			continue
		}
		file, err := io.ReadAll(base64.NewDecoder(base64.StdEncoding, p))
		if err != nil {
			t.Fatal(err)
		}
		return file
	}
}
