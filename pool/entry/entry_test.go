package entry

import (
	"bytes"
	"crypto/rand"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/restante/restante/crypto/blind"
	"github.com/restante/restante/crypto/envelope"
	"github.com/restante/restante/crypto/note"
	"github.com/restante/restante/pool"
	"github.com/restante/restante/pool/article"
)

const (
	domain = "gw.example"
	group  = pool.Group("restante.pool")
)

func newSigner(t *testing.T) *note.Signer {
	t.Helper()
	s, err := note.NewSigner(domain, note.GenerateSeed())
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func newEntry(t *testing.T) *Entry {
	t.Helper()
	payload := make([]byte, envelope.PayloadSize)
	if _, err := rand.Read(payload); err != nil {
		t.Fatal(err)
	}
	return &Entry{Domain: domain, Group: group, Tag: blind.RandomTag(), Date: time.Unix(1_800_000_000, 0), Payload: payload}
}

// rest is an entry as a store keeps it.
func rest(t *testing.T, a *article.Article, n pool.Number) *pool.Stored {
	t.Helper()
	filed, err := a.File([]pool.Group{group}, time.Now(), 1)
	if err != nil {
		t.Fatal(err)
	}
	return article.Render(filed, "mirror.example", []pool.Location{{Group: group, Number: n}})
}

func signed(t *testing.T, e *Entry, s *note.Signer) *article.Article {
	t.Helper()
	a, err := e.Article(s)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func TestArticle_hasTheFormOfThePage(t *testing.T) {
	e := newEntry(t)
	text := string(signed(t, e, newSigner(t)).Text())
	header, body, _ := strings.Cut(text, "\r\n\r\n")
	lines := strings.Split(header, "\r\n")
	for i, want := range []string{
		"Path: gw.example!not-for-mail",
		"From: Restante <pool@gw.example>",
		"Newsgroups: restante.pool",
		"Subject: restante",
		"Date: Fri, 15 Jan 2027 08:00:00 +0000",
		"Message-ID: <" + e.Tag.String() + "@gw.example>",
		"MIME-Version: 1.0",
		"Content-Type: application/octet-stream",
		"Content-Transfer-Encoding: base64",
	} {
		if lines[i] != want {
			t.Errorf("line %d is %q, want %q", i+1, lines[i], want)
		}
	}
	if name, value, _ := strings.Cut(lines[9], ": "); len(lines) != 10 || name != "Restante-Signature" || len(value) != 86 {
		t.Errorf("the last line is %q", lines[len(lines)-1])
	}
	for line := range strings.SplitSeq(strings.TrimSuffix(body, "\r\n"), "\r\n") {
		if len(line) > 76 {
			t.Errorf("a body line of %d columns", len(line))
		}
	}
}

func TestPayload_comesBack(t *testing.T) {
	e := newEntry(t)
	s := rest(t, signed(t, e, newSigner(t)), 12345)
	got, err := Payload(s)
	if err != nil || !bytes.Equal(got, e.Payload) {
		t.Errorf("another payload came back, %v", err)
	}
}

func TestVerify_noticesEveryChange(t *testing.T) {
	signer := newSigner(t)
	e := newEntry(t)
	if err := Verify(rest(t, signed(t, e, signer), 1), signer.Verifier()); err != nil {
		t.Fatal(err)
	}
	other := newEntry(t)
	for name, change := range map[string]func(a *article.Article) error{
		"date":       func(a *article.Article) error { return a.Set("Date", article.Date(e.Date.Add(time.Second))) },
		"newsgroups": func(a *article.Article) error { return a.Set("Newsgroups", "misc.test") },
		"message-id": func(a *article.Article) error { return a.Set("Message-ID", string(other.MessageID())) },
		"swapped":    func(a *article.Article) error { return a.SetBody(encode(other.Payload)) },
		"short":      func(a *article.Article) error { return a.SetBody(encode(e.Payload[:100])) },
		"not base64": func(a *article.Article) error { return a.SetBody([]byte("hello\r\n")) },
		"unsigned":   func(a *article.Article) error { a.Del(signatureField); return nil },
		"one bit":    func(a *article.Article) error { p := bytes.Clone(e.Payload); p[9000] ^= 4; return a.SetBody(encode(p)) },
		"another key": func(a *article.Article) error {
			return a.Set(signatureField, signed(t, e, newSigner(t)).Get(signatureField))
		},
	} {
		a := signed(t, e, signer)
		if err := change(a); err != nil {
			t.Fatal(err)
		}
		if err := Verify(rest(t, a, 1), signer.Verifier()); !errors.Is(err, ErrEntry) {
			t.Errorf("%s: got %v, want ErrEntry", name, err)
		}
	}
}

// A body says its payload in one way alone: what could be written otherwise could
// carry a mark.
func TestParse_bodyHasOneForm(t *testing.T) {
	s := newSigner(t)
	good := string(signed(t, newEntry(t), s).Text())
	at := strings.Index(good, "\r\n\r\n") + 4
	lines := strings.SplitAfter(good[at:], "\r\n")
	last := len(lines) - 2 // behind it is nothing
	with := func(change func(lines []string)) string {
		changed := slices.Clone(lines)
		change(changed)
		return good[:at] + strings.Join(changed, "")
	}
	for why, text := range map[string]string{
		"a line more":            good + "AAAA\r\n",
		"an empty line more":     good + "\r\n",
		"a line less":            with(func(l []string) { l[5] = "" }),
		"the last line less":     with(func(l []string) { l[last] = "" }),
		"lines of other lengths": with(func(l []string) { l[3], l[4] = l[3][:72]+"\r\n", l[3][72:76]+l[4] }),
		"two lines in one":       with(func(l []string) { l[3] = strings.TrimSuffix(l[3], "\r\n") }),
		"a line cut in two":      with(func(l []string) { l[3] = l[3][:40] + "\r\n" + l[3][40:] }),
		"a line end in a line":   with(func(l []string) { l[3] = l[3][:37] + "\r\n" + l[3][38:] }),
		"a space in a line":      with(func(l []string) { l[3] = " " + l[3][1:] }),
		"padding in the middle":  with(func(l []string) { l[3] = l[3][:75] + "=\r\n" }),
		"no padding at the end":  with(func(l []string) { l[last] = strings.TrimRight(l[last], "=\r\n") + "\r\n" }),
		"another octet in what the padding leaves": with(func(l []string) {
			k := strings.IndexByte(l[last], '=') - 1 // of its six bits some are no octet's
			const digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
			l[last] = l[last][:k] + string(digits[strings.IndexByte(digits, l[last][k])^1]) + l[last][k+1:]
		}),
	} {
		a, err := article.Parse([]byte(text))
		if err != nil {
			continue // not even an article
		}
		if _, _, err := Parse(a, group); !errors.Is(err, ErrForm) {
			t.Errorf("%s: %v", why, err)
		}
	}
	a, err := article.Parse([]byte(good))
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := Parse(a, group); err != nil {
		t.Error(err)
	}
}

func TestNote_comesBackOctetForOctet(t *testing.T) {
	signer := newSigner(t)
	want, err := note.Sign("a text\n.with a dot\n\n..and two\n", signer)
	if err != nil {
		t.Fatal(err)
	}
	a, err := Note(domain, group, "<m.1@gw.example>", "manifest 1", time.Now(), want)
	if err != nil {
		t.Fatal(err)
	}
	if got := Signed(rest(t, a, 1)); !bytes.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}
