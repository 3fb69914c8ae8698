package letter

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/restante/restante/pool/article"
)

func TestRead_givesBackWhatWasWritten(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l := Letter{
			Name: rapid.StringMatching(`[A-Za-zäöü ."]{1,20}x`).Draw(t, "name"), Subject: rapid.StringMatching(`x[a-zäß ]{0,30}x`).Draw(t, "subject"),
			Date: time.Now(), Text: "x" + rapid.StringMatching(`([a-zü.\n]{0,900})`).Draw(t, "text") + "x",
		}
		for range rapid.IntRange(0, 3).Draw(t, "attachments") {
			l.Attachments = append(l.Attachments, Attachment{
				rapid.StringMatching(`[a-zé]{1,9}\.[a-z]{3}`).Draw(t, "file"), rapid.SliceOfN(rapid.Byte(), 1, 300).Draw(t, "octets"),
			})
		}
		a, err := l.Article()
		if err != nil {
			t.Fatal(err)
		}
		if a, err = article.Parse(a.Text()); err != nil {
			t.Fatal(err)
		}
		got := Read(a)
		if strings.TrimRight(got.Text, "\n") != l.Text || strings.Join(strings.Fields(got.Subject), " ") != strings.Join(strings.Fields(l.Subject), " ") {
			t.Fatalf("%q: %q", got.Subject, got.Text)
		}
		if len(got.Attachments) != len(l.Attachments) {
			t.Fatalf("%d attachments of %d", len(got.Attachments), len(l.Attachments))
		}
		for i, f := range got.Attachments {
			if f.Name != l.Attachments[i].Name || !bytes.Equal(f.Octets, l.Attachments[i].Octets) {
				t.Fatalf("attachment %q for %q", f.Name, l.Attachments[i].Name)
			}
		}
	})
}

// slrn shows the parts of a message with attachments as they stand there.
func TestArticle_longLinesStayReadable(t *testing.T) {
	for _, c := range []struct{ why, text, encoding string }{
		{"short lines", strings.Repeat("Grüße\n", 500), "8bit"},
		{"a long paragraph", strings.Repeat("Grüße, all in one paragraph = ", 100) + " \n\nThe end.", "quoted-printable"},
		{"NUL", strings.Repeat("Not quite text. ", 9) + "\x00", "quoted-printable"},
		{"hardly a letter of ASCII", strings.Repeat("привет", 100), "base64"},
	} {
		a, err := (&Letter{Text: c.text}).Article()
		if err != nil {
			t.Fatal(err)
		}
		if got := a.Get("Content-Transfer-Encoding"); got != c.encoding {
			t.Errorf("%s: %s, want %s", c.why, got, c.encoding)
		}
		for line := range bytes.Lines(a.Body()) {
			if len(line) > maxLine+len("\r\n") {
				t.Errorf("%s: a line of %d octets", c.why, len(line))
			}
		}
		if got := strings.TrimRight(Read(a).Text, "\n"); got != strings.TrimRight(c.text, "\n") {
			t.Errorf("%s: %q is read as %q", c.why, c.text, got)
		}
	}
}

func TestArticle_saysWhatAFileIsByItsOctets(t *testing.T) {
	for _, c := range []struct{ why, octets, kind string }{
		{"a picture", "\xff\xd8\xff\xe0", "image/jpeg"},
		{"a paper", "%PDF-1.7", "application/pdf"},
		{"a page, which would be shown with what it loads", "<!DOCTYPE html>", "application/octet-stream"},
		{"a text in who knows what charset", "hello", "application/octet-stream"},
		{"nothing", "", "application/octet-stream"},
	} {
		a, err := (&Letter{Text: "x", Attachments: []Attachment{{"x.jpg", []byte(c.octets)}}}).Article()
		if err != nil {
			t.Fatal(err)
		}
		if body := string(a.Body()); !strings.Contains(body, "Content-Type: "+c.kind+"\r\n") {
			t.Errorf("%s is no %s: %s", c.why, c.kind, body)
		}
	}
}

func TestArticle_refuses(t *testing.T) {
	if _, err := (&Letter{Text: " \n"}).Article(); !errors.Is(err, ErrEmpty) {
		t.Errorf("nothing: %v", err)
	}
	if _, err := (&Letter{Text: "\xff"}).Article(); !errors.Is(err, ErrText) {
		t.Errorf("not UTF-8: %v", err)
	}
}

func TestBaseName_leadsNowhere(t *testing.T) {
	for in, want := range map[string]string{
		"a.txt": "a.txt", "../../etc/passwd": "passwd", `C:\x\y.exe`: "y.exe", "..": "attachment", "": "attachment",
		".bashrc": "bashrc", "a\x00b": "a\uFFFDb", "a\nb": "a_b", "a\u202etxt.exe": "a\uFFFDtxt.exe", "CON:": "CON_",
	} {
		if got := BaseName(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

func FuzzRead(f *testing.F) {
	a, err := (&Letter{Name: "Zoë", Subject: "x", Text: "hello", Attachments: []Attachment{{"a", []byte("b")}}}).Article()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(a.Text())
	f.Add([]byte("Content-Type: multipart/mixed; boundary=a\r\n\r\n--a\r\nContent-Type: multipart/mixed; boundary=a\r\n\r\n--a\r\n\r\nx\r\n--a--\r\n"))
	f.Add([]byte("Content-Type: text/plain; name=..\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n=\r\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		a, err := article.Parse(text)
		if err != nil {
			return
		}
		c := Read(a)
		if strings.ContainsAny(c.From+c.Subject, "\x1b\n\x00") {
			t.Fatal("a field that a terminal obeys")
		}
		for _, f := range c.Attachments {
			if strings.ContainsAny(f.Name, "/\\\x00") || f.Name == "" || f.Name[0] == '.' {
				t.Fatalf("a file's name %q", f.Name)
			}
		}
	})
}

// What can't be taken apart may be what matters: the reader hears that it is there.
func TestRead_saysWhereThereIsMore(t *testing.T) {
	const head = "Subject: x\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n"
	const first, last = "--b\r\nContent-Type: text/plain\r\n\r\nfirst\r\n", "--b\r\n\r\nlast\r\n"
	many := strings.Repeat("--b\r\n\r\nx\r\n", maxParts)
	for _, c := range []struct {
		why, body, text string
		attachments     int
		more            bool
	}{
		{"whole", first + last + "--b--\r\n", "first\nlast", 0, false},
		{"without its end", first + last, "first\nlast", 0, false},
		{"a part's header is malformed", first + "--b\r\nno field\r\n\r\nhidden\r\n" + last + "--b--\r\n", "first", 0, true},
		{"a malformed part within a part", first + "--b\r\nContent-Type: multipart/mixed; boundary=c\r\n\r\n--c\r\n\r\ninner\r\n--c\r\nno field\r\n\r\nhidden\r\n--c--\r\n" +
			last + "--b--\r\n", "first\ninner\nlast", 0, true},
		{"the first part is", "--b\r\nno field\r\n\r\nall of it\r\n--b--\r\n", "", 1, false},
		{"too many parts", many + last + "--b--\r\n", strings.TrimSuffix(strings.Repeat("x\n", maxParts-1), "\n"), 0, true},
	} {
		a, err := article.Parse([]byte(head + c.body))
		if err != nil {
			t.Fatal(err)
		}
		if got := Read(a); got.Text != c.text || len(got.Attachments) != c.attachments || got.Incomplete != c.more {
			t.Errorf("%s: there is more: %v; %d attachments; %q", c.why, got.Incomplete, len(got.Attachments), got.Text)
		}
	}
}

func TestRead_decodesTheCharset(t *testing.T) {
	for charset, text := range map[string]string{
		"iso-8859-1": "gr\xfc\xdfe", "ISO-8859-15": "gr\xfc\xdfe", `"utf-8"`: "grüße", "windows-1252": "gr\xfc\xdfe", "x-nobody-knows": "grüße", "koi8-r": "\xd0\xcf\xde\xd4\xc1",
	} {
		a, err := article.Parse([]byte("Subject: =?iso-8859-15?Q?=A4uro?=\r\nFrom: a\r\nContent-Type: text/plain; charset=" + charset + "\r\n\r\n" + text + "\r\n"))
		if err != nil {
			t.Fatal(err)
		}
		want := "grüße\n"
		if charset == "koi8-r" {
			want = "почта\n"
		}
		if got := Read(a); got.Text != want || got.Subject != "€uro" {
			t.Errorf("%s: %q, subject %q", charset, got.Text, got.Subject)
		}
	}
}
