package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/restante/restante/cmd/restante/bridge"
	"github.com/restante/restante/cmd/restante/letter"
	"github.com/restante/restante/cmd/restante/mailbox"
	"github.com/restante/restante/pool/article"
)

// malformed is a message with a part that nobody can take apart.
const malformed = "From: x\r\nSubject: x\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nshown\r\n--b\r\nno field\r\n\r\nhidden\r\n--b--\r\n"

func TestRead_saysHowToSeeTheRest(t *testing.T) {
	m := &mailbox.Message{Number: 7, Group: mailbox.Inbox}
	printed := func(text string, asJSON, raw bool) string {
		var out bytes.Buffer
		if err := show(&out, m, []byte(text), asJSON, raw, ""); err != nil {
			t.Fatal(err)
		}
		return out.String()
	}
	if got := printed(malformed, false, false); !strings.Contains(got, "shown") || !strings.Contains(got, "restante read --raw 7") {
		t.Errorf("it prints %q", got)
	}
	if got := printed(malformed, false, true); !strings.Contains(got, "hidden") {
		t.Errorf("--raw prints %q", got)
	}
	whole := strings.Replace(malformed, "no field", "X-Field: x", 1)
	if got := printed(whole, false, false); !strings.Contains(got, "hidden") || strings.Contains(got, "--raw") {
		t.Errorf("of a whole one it prints %q", got)
	}
	for text, want := range map[string]bool{malformed: true, whole: false} {
		var out struct{ Incomplete *bool }
		if err := json.Unmarshal([]byte(printed(text, true, false)), &out); err != nil || out.Incomplete == nil || *out.Incomplete != want {
			t.Errorf("--json has %v, %v", out.Incomplete, err)
		}
	}
}

// What the user's newsreader has sent is not sealed in part.
func TestSeal_refusesWhatItWouldCut(t *testing.T) {
	a, err := article.Parse([]byte(malformed))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := new(bridgeDesk).Seal(bridge.Letter{Article: a, To: "bob"}); !errors.Is(err, letter.ErrIncomplete) {
		t.Errorf("it answers: %v", err)
	}
}
