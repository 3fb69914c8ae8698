package entry

import (
	"crypto/rand"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/restante/restante/crypto/envelope"
	"github.com/restante/restante/pool/article"
)

func parse(t *testing.T, text string) *article.Article {
	t.Helper()
	a, err := article.Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func TestSubmission_comesBack(t *testing.T) {
	s := &Submission{To: "gw.example", Epoch: 2945, Payload: make([]byte, envelope.PayloadSize)}
	_, _ = rand.Read(s.Payload)
	a, err := s.Article(time.Unix(1_800_000_000, 0))
	if err != nil {
		t.Fatal(err)
	}
	text := string(a.Text())
	got, err := ParseSubmission(parse(t, "Path: there.example!not-for-mail\r\n"+text))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(s, got); diff != "" {
		t.Error(diff)
	}
	for why, change := range map[string][2]string{
		"no gateway":     {"Restante-To: gw.example 2945", "Restante-To: 2945"},
		"no epoch":       {"gw.example 2945", "gw.example"},
		"a second form":  {"2945", "02945"},
		"beyond 32 bits": {"2945", "4294967296"},
		"a sign":         {"2945", "+2945"},
		"no field":       {"Restante-To", "X-To"},
		"a short body":   {"\r\n\r\n", "\r\n\r\nAAAA\r\n"},
		"another From":   {"Restante <nobody", "Somebody <nobody"},
		"somebody's":     {"MIME-Version", "User-Agent: mine\r\nMIME-Version"},
		"a command":      {"MIME-Version", "Control: cancel <1@x>\r\nMIME-Version"},
		"another's end":  {"MIME-Version", "Supersedes: <1@x>\r\nMIME-Version"},
		"too much":       {"MIME-Version", strings.Repeat("X-Trace: "+strings.Repeat("x", 900)+"\r\n", maxAdded/900+1) + "MIME-Version"},
		"a field twice":  {"MIME-Version: 1.0", "MIME-Version: 1.0\r\nMIME-Version: 1.0"},
		"a field less":   {"MIME-Version: 1.0\r\n", ""},
		"a telling name": {"@submit.invalid>\r\nRestante", "@there.example>\r\nRestante"},
	} {
		changed := strings.Replace(text, change[0], change[1], 1)
		if changed == text {
			t.Fatalf("%s: nothing to change", why)
		}
		if _, err := ParseSubmission(parse(t, changed)); !errors.Is(err, ErrSubmission) {
			t.Errorf("%s: %v", why, err)
		}
	}
}

// As INN 2.7's nnrpd hands on what is posted at it.
func TestSubmission_comesBackFromAServerThatAddsToIt(t *testing.T) {
	s := &Submission{To: "gw.example", Epoch: 2945, Payload: make([]byte, envelope.PayloadSize)}
	a, err := s.Article(time.Unix(1_800_000_000, 0))
	if err != nil {
		t.Fatal(err)
	}
	text := strings.Replace(string(a.Text()), "Restante-To: gw.example 2945\r\n", "", 1)
	text = strings.Replace(text, "MIME-Version", "Organization: Nobody\r\nMIME-Version", 1)
	text = strings.Replace(text, "\r\n\r\n", "\r\nInjection-Info: news.example; posting-host=\"host.example:192.0.2.1\";\r\n"+
		"\tlogging-data=\"4914\"; mail-complaints-to=\"usenet@news.example\"\r\nCancel-Lock: sha1:QUFB\r\nX-Trace: 1\r\n"+
		"Restante-To: gw.example 2945\r\nXref: news.example restante.submit:2\r\n\r\n", 1)
	got, err := ParseSubmission(parse(t, "Path: news.example!.POSTED.host.example!not-for-mail\r\n"+text))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(s, got); diff != "" {
		t.Error(diff)
	}
}

func TestSubmission_tellsNothingOfWhoPosted(t *testing.T) {
	var heads []string
	for range 2 {
		s := &Submission{To: "gw.example", Epoch: 2945, Payload: make([]byte, envelope.PayloadSize)}
		a, err := s.Article(time.Unix(1_800_000_000, 0))
		if err != nil {
			t.Fatal(err)
		}
		head, _, _ := strings.Cut(string(a.Text()), "\r\n\r\n")
		before, rest, ok := strings.Cut(head, "Message-ID: <")
		_, after, ok2 := strings.Cut(rest, "@submit.invalid>")
		if !ok || !ok2 {
			t.Fatalf("no Message-ID in\n%s", head)
		}
		heads = append(heads, before+after)
	}
	if diff := cmp.Diff(heads[0], heads[1]); diff != "" {
		t.Error(diff)
	}
}
