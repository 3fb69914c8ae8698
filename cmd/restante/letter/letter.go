// Package letter gives messages their form: it writes an article of a text and
// attachments (RFC 2045 to 2047), and reads the text and the attachments out of
// whatever article somebody sent. It refuses to know who writes to whom, and how
// it is sealed.
package letter

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net/http"
	"net/textproto"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/restante/restante/pool/article"
)

var (
	// ErrEmpty is a message that says nothing.
	ErrEmpty = errors.New("there is nothing to send: the text is empty, and nothing is attached")
	// ErrIncomplete is a message of which parts would be left out ([Content]).
	ErrIncomplete = errors.New("a part of the message is malformed, and would be left out. Nothing was sent: write it anew, or attach what is in it as a file")
	// ErrText is a text that is not UTF-8.
	ErrText = errors.New("the text is not UTF-8: send it as a file with --attach")
)

// An Attachment is a file that goes with a message.
type Attachment struct {
	Name   string // without a folder
	Octets []byte
}

// A Letter is a message before it is an article.
type Letter struct {
	Name        string // what the sender calls herself; "": nobody
	Subject     string
	Date        time.Time
	ID          string // a reply token of the sender's; "": she can't be answered
	References  string // what it answers last, or the token that leads to the recipient
	Text        string // UTF-8
	Attachments []Attachment
}

const (
	columns = 76
	maxLine = 900 // octets of a line that is sent as it is
)

// Article writes the article. Date is cut to the minute, in UTC. It returns
// [ErrEmpty] and [ErrText].
func (l *Letter) Article() (*article.Article, error) {
	if strings.TrimSpace(l.Text) == "" && len(l.Attachments) == 0 {
		return nil, ErrEmpty
	}
	if !utf8.ValidString(l.Text) {
		return nil, ErrText
	}
	kind, encoding, body, err := l.body()
	if err != nil {
		return nil, err
	}
	from := "Anonymous <nobody@restante.invalid>"
	if l.Name != "" {
		from = mime.QEncoding.Encode("utf-8", quote(l.Name)) + " <nobody@restante.invalid>"
	}
	subject := strings.TrimSpace(strings.Join(strings.Fields(l.Subject), " "))
	if subject == "" {
		subject = "(no subject)"
	}
	a := article.New()
	for _, f := range [][2]string{
		{"From", from},
		{"Newsgroups", "restante.reply"},
		{"Subject", mime.QEncoding.Encode("utf-8", subject)},
		{"Date", article.Date(l.Date.UTC().Truncate(time.Minute))},
		{"Message-ID", l.ID},
		{"References", l.References},
		{"MIME-Version", "1.0"},
		{"Content-Type", kind},
		{"Content-Transfer-Encoding", encoding},
	} {
		if f[1] == "" {
			continue
		}
		if err := a.Add(f[0], f[1]); err != nil {
			return nil, err
		}
	}
	return a, a.SetBody(body)
}

// quote writes a name as From has it where it has other than letters and the like.
func quote(name string) string {
	if strings.ContainsAny(name, `()<>[]:;@\,."`) {
		return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(name) + `"`
	}
	return name
}

func (l *Letter) body() (kind, encoding string, body []byte, err error) {
	const plain = "text/plain; charset=utf-8"
	text, textEncoding := encodeText(l.Text)
	if len(l.Attachments) == 0 {
		return plain, textEncoding, text, nil
	}
	var out bytes.Buffer
	w := multipart.NewWriter(&out)
	err = part(w, textproto.MIMEHeader{"Content-Type": {plain}, "Content-Transfer-Encoding": {textEncoding}}, text)
	for _, a := range l.Attachments {
		err = errors.Join(err, part(w, textproto.MIMEHeader{
			"Content-Type":              {kindOf(a.Octets)},
			"Content-Transfer-Encoding": {"base64"},
			"Content-Disposition":       {mime.FormatMediaType("attachment", map[string]string{"filename": BaseName(a.Name)})},
		}, encode(a.Octets)))
	}
	if err = errors.Join(err, w.Close()); err != nil {
		return "", "", nil, fmt.Errorf("write the message: %w", err)
	}
	return mime.FormatMediaType("multipart/mixed", map[string]string{"boundary": w.Boundary()}), "8bit", out.Bytes(), nil
}

// kindOf says what a file is, where newsreaders can show it: by its octets, and never
// by what the sender's machine or newsreader calls it, which would tell of them.
func kindOf(octets []byte) string {
	kind := http.DetectContentType(octets)
	for _, shown := range [...]string{"image/", "audio/", "video/", "application/pdf"} {
		if strings.HasPrefix(kind, shown) {
			return kind
		}
	}
	return "application/octet-stream"
}

func part(w *multipart.Writer, header textproto.MIMEHeader, body []byte) error {
	p, err := w.CreatePart(header)
	if err == nil {
		_, err = p.Write(body)
	}
	return err
}

// encodeText makes lines of a text, ended by CRLF: as they are where they can be. A
// long one is encoded so that it can be read by somebody whose newsreader decodes
// nothing in a message with attachments, unless that takes more octets.
func encodeText(text string) (body []byte, encoding string) {
	text = strings.TrimRight(strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(text), "\n") + "\n"
	long := func(line string) bool { return len(line) > maxLine || strings.ContainsRune(line, 0) }
	if !slices.ContainsFunc(strings.Split(text, "\n"), long) {
		return []byte(strings.ReplaceAll(text, "\n", "\r\n")), "8bit"
	}
	var printable bytes.Buffer
	w := quotedprintable.NewWriter(&printable)
	_, err := w.Write([]byte(text))
	if packed := encode([]byte(text)); errors.Join(err, w.Close()) != nil || len(packed) < printable.Len() {
		return packed, "base64"
	}
	return printable.Bytes(), "quoted-printable"
}

func encode(octets []byte) []byte {
	packed := base64.StdEncoding.AppendEncode(nil, octets)
	var out bytes.Buffer
	for line := range chunks(packed, columns) {
		out.Write(line)
		out.WriteString("\r\n")
	}
	if out.Len() == 0 {
		out.WriteString("\r\n")
	}
	return out.Bytes()
}
