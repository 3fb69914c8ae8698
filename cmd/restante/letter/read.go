package letter

import (
	"bytes"
	"encoding/base64"
	"errors"
	"io"
	"iter"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"slices"
	"strings"
	"unicode"

	"golang.org/x/text/encoding/htmlindex"

	"github.com/restante/restante/pool/article"
)

const (
	maxDepth = 8   // parts within parts
	maxParts = 500 // in all
)

// A Content is what a message says.
type Content struct {
	From        string // as the sender writes it, decoded; nobody has checked it
	Subject     string
	Text        string
	Attachments []Attachment
	Incomplete  bool // there is more, in parts that are malformed or too many: it is in none of the above
}

// Read reads an article, whoever made it: what is not understood comes as an
// attachment or as it stands, or is said to be there, and never is an error.
func Read(a *article.Article) Content {
	r := reader{parts: maxParts}
	r.read(a.Get("Content-Type"), a.Get("Content-Transfer-Encoding"), a.Get("Content-Disposition"), a.Body(), maxDepth)
	return Content{
		From: Header(a.Get("From")), Subject: Header(a.Get("Subject")),
		Text: strings.Join(r.texts, "\n"), Attachments: r.attachments, Incomplete: r.incomplete,
	}
}

// Header decodes a field's body for showing it (RFC 2047), without what could
// play tricks on a terminal.
func Header(value string) string {
	words := mime.WordDecoder{CharsetReader: func(charset string, r io.Reader) (io.Reader, error) {
		encoding, err := htmlindex.Get(charset)
		if err != nil {
			return nil, err
		}
		return encoding.NewDecoder().Reader(r), nil
	}}
	decoded, err := words.DecodeHeader(value)
	if err != nil {
		decoded = value
	}
	return Printable(strings.Join(strings.Fields(decoded), " "))
}

// Printable puts a mark in place of characters that a terminal would obey, or
// that turn the direction of writing; line feeds and tabs stay.
func Printable(s string) string {
	return strings.Map(func(c rune) rune {
		if c == '\n' || c == '\t' || unicode.IsPrint(c) {
			return c
		}
		return unicode.ReplacementChar
	}, strings.ToValidUTF8(s, "\uFFFD"))
}

// BaseName makes of a file's name, wherever it comes from, one that leads out of
// no folder.
func BaseName(name string) string {
	name = Printable(name[strings.LastIndexAny(name, `/\`)+1:])
	name = strings.Map(func(c rune) rune {
		if c < ' ' || strings.ContainsRune(`<>:"|?*`, c) {
			return '_'
		}
		return c
	}, name)
	name = strings.TrimLeft(strings.TrimSpace(name), ".") // none that is hidden
	if len(name) > 200 {
		name = strings.ToValidUTF8(name[:200], "")
	}
	if name == "" {
		return "attachment"
	}
	return name
}

// A reader gathers the parts of a message.
type reader struct {
	parts       int // that may still be read
	texts       []string
	attachments []Attachment
	incomplete  bool // there are others
}

func (r *reader) read(kind, encoding, disposition string, body []byte, depth int) {
	if r.parts--; r.parts < 0 {
		r.incomplete = true
		return
	}
	media, parameters, err := mime.ParseMediaType(kind)
	if err != nil {
		media, parameters = "text/plain", nil
	}
	where, named, _ := mime.ParseMediaType(disposition)
	if strings.HasPrefix(media, "multipart/") && depth > 0 && r.multipart(parameters["boundary"], body, depth) {
		return
	}
	octets := decode(encoding, body)
	if media == "text/plain" && where != "attachment" {
		text := decodeCharset(parameters["charset"], octets)
		r.texts = append(r.texts, strings.ReplaceAll(string(text), "\r\n", "\n"))
		return
	}
	name := named["filename"]
	if name == "" {
		name = parameters["name"]
	}
	r.attachments = append(r.attachments, Attachment{BaseName(Header(name)), octets})
}

// multipart reads the parts of a body, and says whether there were any.
func (r *reader) multipart(boundary string, body []byte, depth int) bool {
	if boundary == "" {
		return false
	}
	some := false
	for parts := multipart.NewReader(bytes.NewReader(body), boundary); ; {
		p, err := parts.NextRawPart()
		if err != nil {
			r.incomplete = r.incomplete || some && !errors.Is(err, io.EOF) // where the last part has no end, all of it came
			return some
		}
		inner, err := io.ReadAll(p)
		if err != nil && len(inner) == 0 {
			return some
		}
		some = true
		r.read(p.Header.Get("Content-Type"), p.Header.Get("Content-Transfer-Encoding"), p.Header.Get("Content-Disposition"), inner, depth-1)
	}
}

// decode takes off a transfer encoding; what does not decode stays as it is.
func decode(encoding string, body []byte) []byte {
	switch strings.ToLower(strings.TrimSpace(encoding)) {
	case "base64":
		packed := bytes.Map(func(c rune) rune {
			if c == '\r' || c == '\n' || c == ' ' || c == '\t' {
				return -1
			}
			return c
		}, body)
		if octets, err := base64.StdEncoding.AppendDecode(nil, packed); err == nil {
			return octets
		}
	case "quoted-printable":
		if octets, err := io.ReadAll(quotedprintable.NewReader(bytes.NewReader(body))); err == nil {
			return octets
		}
	}
	return body
}

// decodeCharset makes UTF-8 of a text. One in a charset that is unknown, or that
// nobody named, stays as it is.
func decodeCharset(charset string, text []byte) []byte {
	switch strings.ToLower(charset) {
	case "", "utf-8", "us-ascii":
		return text
	}
	encoding, err := htmlindex.Get(charset)
	if err != nil {
		return text
	}
	decoded, err := encoding.NewDecoder().Bytes(text)
	if err != nil {
		return text
	}
	return decoded
}

func chunks(octets []byte, size int) iter.Seq[[]byte] { return slices.Chunk(octets, size) }
