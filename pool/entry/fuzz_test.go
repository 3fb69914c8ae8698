package entry

import (
	"bytes"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/restante/restante/crypto/envelope"
	"github.com/restante/restante/crypto/note"
	"github.com/restante/restante/pool"
	"github.com/restante/restante/pool/article"
)

// Of what anybody may post under a gateway's name that is taken alone which is octet
// for octet what a gateway posts, but for what servers on the way change.
func FuzzParse(f *testing.F) {
	signer, err := note.NewSigner("gw.example", bytes.Repeat([]byte{1}, 32))
	if err != nil {
		f.Fatal(err)
	}
	payload := bytes.Repeat([]byte{7}, envelope.PayloadSize)
	day := time.Unix(1_800_000_000, 0).UTC()
	own, err := (&Entry{Domain: "gw.example", Group: "restante.pool", Date: day, Payload: payload}).Article(signer)
	if err != nil {
		f.Fatal(err)
	}
	manifest, err := Note("gw.example", "restante.pool", ManifestID("gw.example", 7), ManifestSubject(7), day, []byte("a note\n.\n\n— gw.example x\n"))
	if err != nil {
		f.Fatal(err)
	}
	submission, err := (&Submission{To: "gw.example", Epoch: 2945, Payload: payload}).Article(day)
	if err != nil {
		f.Fatal(err)
	}
	// A payload is too long for a fuzzer to find anything in: what stands before and
	// behind it is what varies.
	for a, whole := range map[*article.Article]bool{own: true, manifest: false, submission: true} {
		head, body, _ := strings.Cut(string(a.Text()), "\r\n\r\n")
		if whole {
			body = ""
		}
		f.Add(head, body, whole)
		f.Add("Path: a!b\r\nXref: a x:1\r\n"+head+"\r\nX-Mark: 1", body, whole)
		f.Add(head, body+"AAAA\r\n", !whole)
	}
	f.Fuzz(func(t *testing.T, head, body string, whole bool) {
		if whole {
			body = string(encode(payload)) + body
		}
		text := head + "\r\n\r\n" + body
		a, err := article.Parse([]byte(text))
		if err != nil {
			return
		}
		if e, signature, err := Parse(a, "restante.pool"); err == nil {
			if len(e.Payload) != envelope.PayloadSize || string(e.MessageID()) != a.Get("Message-ID") {
				t.Errorf("%q: %+v", text, e)
			}
			if e.Verify(signature, signer.Verifier()) == nil && !alike(a, own) {
				t.Errorf("another entry under the gateway's signature: %q", text)
			}
			if want, err := build(encode(e.Payload), e.fields(signature)); err != nil || !alike(a, want) {
				t.Errorf("a gateway posts it otherwise: %q, %v", text, err)
			}
		}
		if domain, _, signed, err := ParseNote(a, "restante.pool"); err == nil && (domain == "" || bytes.Contains(signed, []byte("\r\n"))) {
			t.Errorf("%q: %q, %q", text, domain, signed)
		}
		if s, err := ParseSubmission(a); err == nil {
			got, err := s.Article(day)
			if err != nil || !bytes.Equal(got.Body(), a.Body()) || got.Get(toField) != a.Get(toField) {
				t.Errorf("another submission comes of it: %q, %v", text, err)
			}
		}
		_ = NamesItself(a)
		id := pool.MessageID(a.Get("Message-ID"))
		if serial, ok := ParseDirectoryID(id, "gw.example"); ok && !strings.HasSuffix(string(id), "."+strconv.FormatUint(serial, 10)+"@gw.example>") {
			t.Errorf("%q is number %d", id, serial)
		}
	})
}
