// Package entry gives the gateway's own articles their form: pool entries,
// manifests and directories (docs/protocol.md, sections 6 to 8); and says what a
// contact card is called. It owns which octets stand in them and how a signature is
// made and checked; it knows neither who an entry is for nor when it leaves.
package entry

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"time"

	"github.com/restante/restante/crypto/blind"
	"github.com/restante/restante/crypto/envelope"
	"github.com/restante/restante/crypto/note"
	"github.com/restante/restante/pool"
	"github.com/restante/restante/pool/article"
)

// ErrEntry is an article that has not the form of a pool entry.
var ErrEntry = errors.New("not a pool entry")

// columns is the width of a body line (RFC 2045, Section 6.8).
const columns = 76

// signatureField is the header field that carries the gateway's signature.
const signatureField = "Restante-Signature"

// An Entry is one pool entry.
type Entry struct {
	Domain  string     // the gateway's
	Group   pool.Group // the pool's group
	Tag     blind.Tag
	Date    time.Time // the batch's start
	Payload []byte    // [envelope.PayloadSize] octets
}

// MessageID is the entry's message-id.
func (e *Entry) MessageID() pool.MessageID { return pool.MessageID(e.Tag.MessageID(e.Domain)) }

// Article signs the entry and gives it its article form. All entries of one
// gateway have the same header fields in the same order, and the same size.
func (e *Entry) Article(signer *note.Signer) (*article.Article, error) {
	id, date := string(e.MessageID()), article.Date(e.Date)
	return build(encode(e.Payload), e.fields(signer.SignEntry(id, string(e.Group), date, sha256.Sum256(e.Payload))))
}

// fields is the header of the entry with that signature.
func (e *Entry) fields(signature string) [][2]string {
	id, date := string(e.MessageID()), article.Date(e.Date)
	return [][2]string{
		{"Path", e.Domain + "!not-for-mail"},
		{"From", "Restante <pool@" + e.Domain + ">"},
		{"Newsgroups", string(e.Group)},
		{"Subject", "restante"},
		{"Date", date},
		{"Message-ID", id},
		{"MIME-Version", "1.0"},
		{"Content-Type", "application/octet-stream"},
		{"Content-Transfer-Encoding", "base64"},
		{signatureField, signature},
	}
}

// Payload returns the payload of an entry at rest. It returns [ErrEntry] when
// the body is not exactly one payload; it does not check the signature.
func Payload(s *pool.Stored) ([]byte, error) {
	return decode(s.Body())
}

// decode reads a payload out of a body's lines.
func decode(body []byte) ([]byte, error) {
	packed := bytes.ReplaceAll(body, []byte("\r\n"), nil)
	payload, err := base64.StdEncoding.AppendDecode(make([]byte, 0, envelope.PayloadSize+columns), packed)
	if err != nil || len(payload) != envelope.PayloadSize {
		return nil, ErrEntry
	}
	return payload, nil
}

// Verify checks that an article at rest is a pool entry that the gateway of
// that verifier signed. It returns [ErrEntry] otherwise.
func Verify(s *pool.Stored, v *note.Verifier) error {
	payload, err := Payload(s)
	if err != nil {
		return err
	}
	field := func(name string) string {
		value, _ := article.HeaderField(s.Head(), name)
		return value
	}
	err = v.VerifyEntry(string(s.ID), field("Newsgroups"), field("Date"), sha256.Sum256(payload), field(signatureField))
	if err != nil {
		return fmt.Errorf("%w: %w", ErrEntry, err)
	}
	return nil
}

// Note gives a signed note (a manifest or a directory) its article form.
func Note(domain string, group pool.Group, id pool.MessageID, subject string, date time.Time, signed []byte) (*article.Article, error) {
	return build(bytes.ReplaceAll(signed, []byte("\n"), []byte("\r\n")), [][2]string{
		{"Path", domain + "!not-for-mail"},
		{"From", "Restante <pool@" + domain + ">"},
		{"Newsgroups", string(group)},
		{"Subject", subject},
		{"Date", article.Date(date)},
		{"Message-ID", string(id)},
		{"MIME-Version", "1.0"},
		{"Content-Type", "text/plain; charset=utf-8"},
		{"Content-Transfer-Encoding", "8bit"},
	})
}

// Signed returns the signed note in the body of an article at rest.
func Signed(s *pool.Stored) []byte {
	return bytes.ReplaceAll(article.Unstuff(s.Body()), []byte("\r\n"), []byte("\n"))
}

func build(body []byte, fields [][2]string) (*article.Article, error) {
	a, err := header(fields)
	if err != nil {
		return nil, err
	}
	if err := a.SetBody(body); err != nil {
		return nil, err
	}
	return a, nil
}

// header is an article without a body.
func header(fields [][2]string) (*article.Article, error) {
	a := article.New()
	for _, f := range fields {
		if err := a.Add(f[0], f[1]); err != nil {
			return nil, err
		}
	}
	return a, nil
}

// encode is payload as base64 in lines.
func encode(payload []byte) []byte {
	packed := base64.StdEncoding.AppendEncode(nil, payload)
	out := make([]byte, 0, len(packed)+len(packed)/columns*2+4)
	for len(packed) > 0 {
		n := min(columns, len(packed))
		out = append(append(out, packed[:n]...), '\r', '\n')
		packed = packed[n:]
	}
	return out
}
