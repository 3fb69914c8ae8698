package bridge

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"io"
	"math/rand/v2"
	"mime"
	"mime/multipart"
	"net/mail"
	"os"
	"strings"
	"testing"

	"github.com/restante/restante/test/harness"
)

func TestMain(m *testing.M) { os.Exit(harness.MainWithUsers(m)) }

// Two people who share no server but through others, and read from no gateway,
// write ten messages to each other through their bridges.
func TestConversation_arrivesIntactAndUnseen(t *testing.T) {
	w := NewWorld(t)
	alice, bob := w.Alice(t), w.Bob(t)
	alice.Run("sync")
	card := alice.Run("card")
	a, b := alice.Bridge("--every", "2s"), bob.Bridge("--every", "2s")

	const cardWords = "Write to me about violins."
	a.Dial().Post("From: Alice <alice@home.example>\nNewsgroups: restante.cards\nSubject: Alice\n\n" + cardWords + "\n\n" + card + "\n")
	header, _ := b.Dial().Await("restante.cards", cardWords)

	people := []*harness.Bridge{b, a}
	answers := header.Get("Message-ID")
	var secrets []string
	for n := range 10 {
		from, to := people[n%2], people[(n+1)%2]
		words := fmt.Sprintf("Under the stair number %d is the violin.", n)
		secrets = append(secrets, words)
		text, file := words+"\n", []byte(nil)
		kind := "Content-Type: text/plain; charset=utf-8\n"
		if n == 5 {
			file = octets(1 << 20)
			kind, text = attached(words, file)
		}
		said := from.Dial().Post("From: Me <me@home.example>\nNewsgroups: restante.reply\nSubject: Re: violins\nReferences: " + answers +
			"\nUser-Agent: mine\nMIME-Version: 1.0\n" + kind + "\n" + text)
		header, body := to.Dial().Await("restante.inbox", words)
		if header.Get("Message-ID") != said {
			t.Errorf("message %d: the sender was told another Message-ID than arrived", n)
		}
		if got := sealing(header); got != "end-to-end" {
			t.Errorf("message %d is sealed %q", n, got)
		}
		if all := fmt.Sprint(header); strings.Contains(all, "home.example") || strings.Contains(all, "mine") {
			t.Errorf("message %d shows its sender: %s", n, all)
		}
		if file != nil && !bytes.Equal(attachment(t, header, body), file) {
			t.Errorf("message %d: the attachment is another one", n)
		}
		answers = header.Get("Message-ID")
	}
	for _, bridge := range people {
		r := bridge.Dial()
		if in, out := len(r.Bodies("restante.inbox")), len(r.Bodies("restante.sent")); in != 5 || out != 5 {
			t.Errorf("%d messages in the inbox and %d sent", in, out)
		}
		bridge.Stop()
	}
	unseen(t, w, secrets, alice, bob)
}

// sealing is between whom a message was sealed.
func sealing(h mail.Header) string { return h.Get("Restante-Sealed") }

// octets are ones that can't be made smaller.
func octets(n int) []byte {
	out := make([]byte, n)
	_, _ = rand.NewChaCha8([32]byte{1}).Read(out) // it never fails
	return out
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
