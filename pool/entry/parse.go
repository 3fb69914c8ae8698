package entry

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/restante/restante/crypto/blind"
	"github.com/restante/restante/crypto/envelope"
	"github.com/restante/restante/crypto/note"
	"github.com/restante/restante/pool"
	"github.com/restante/restante/pool/article"
)

// ErrForm is an article that has not exactly the form that a gateway gives it.
var ErrForm = errors.New("not of the form that a gateway gives it")

// Parse reads the pool entry of another gateway. Only Path and Xref may differ
// from what that gateway posts: what is not signed could carry a mark otherwise.
// It returns [ErrForm] for anything else. The signature is for [Entry.Verify].
func Parse(a *article.Article, group pool.Group) (e *Entry, signature string, err error) {
	name, domain, ok := splitID(a.Get("Message-ID"))
	tag, errTag := blind.ParseTag(name)
	date, errDate := article.ParseDate(a.Get("Date"))
	payload, okPayload := unpack(a.Body())
	if !ok || errTag != nil || errDate != nil || !okPayload {
		return nil, "", ErrForm
	}
	e = &Entry{Domain: domain, Group: group, Tag: tag, Date: date, Payload: payload}
	signature = a.Get(signatureField)
	want, err := header(e.fields(signature))
	if err != nil || !bytes.Equal(lasting(a), lasting(want)) {
		return nil, "", ErrForm
	}
	return e, signature, nil
}

// unpack is the inverse of encode for one payload: ok is false for anything that
// encode would not make. So nothing has to be encoded again to compare.
func unpack(body []byte) (payload []byte, ok bool) {
	const perLine = columns / 4 * 3
	strict := base64.StdEncoding.Strict() // no two texts for one payload
	payload = make([]byte, 0, envelope.PayloadSize+perLine)
	for left := envelope.PayloadSize; left > 0; left -= perLine {
		want := min(left, perLine)
		size := base64.StdEncoding.EncodedLen(want)
		if len(body) < size+len("\r\n") || body[size] != '\r' || body[size+1] != '\n' {
			return nil, false
		}
		n, err := strict.Decode(payload[len(payload):cap(payload)], body[:size])
		if err != nil || n != want { // it passes over line ends: fewer octets come of them
			return nil, false
		}
		payload, body = payload[:len(payload)+n], body[size+len("\r\n"):]
	}
	return payload, len(body) == 0
}

// Verify checks the signature of a gateway over an entry, which may be by any of the
// keys given. It returns [ErrEntry].
func (e *Entry) Verify(signature string, keys ...*note.Verifier) error {
	id, date, sum := string(e.MessageID()), article.Date(e.Date), sha256.Sum256(e.Payload)
	err := note.ErrSignature
	for _, v := range keys {
		if err = v.VerifyEntry(id, string(e.Group), date, sum, signature); err == nil {
			return nil
		}
	}
	return fmt.Errorf("%w: %w", ErrEntry, err)
}

// ParseNote reads the article of another gateway's note: its domain, its date
// and the signed note. Which gateway signed it, and what it says, is for package
// note. It returns [ErrForm] for anything that [Note] would not make.
func ParseNote(a *article.Article, group pool.Group) (domain string, date time.Time, signed []byte, err error) {
	_, domain, ok := splitID(a.Get("Message-ID"))
	date, errDate := article.ParseDate(a.Get("Date"))
	if !ok || errDate != nil {
		return "", time.Time{}, nil, ErrForm
	}
	signed = bytes.ReplaceAll(a.Body(), []byte("\r\n"), []byte("\n"))
	want, err := Note(domain, group, pool.MessageID(a.Get("Message-ID")), a.Get("Subject"), date, signed)
	if err != nil || !alike(a, want) {
		return "", time.Time{}, nil, ErrForm
	}
	return domain, date, signed, nil
}

// splitID takes a Message-ID apart.
func splitID(id string) (local, domain string, ok bool) {
	inner, ok1 := strings.CutPrefix(id, "<")
	inner, ok2 := strings.CutSuffix(inner, ">")
	local, domain, ok3 := strings.Cut(inner, "@")
	return local, domain, ok1 && ok2 && ok3 && domain != ""
}

// alike says whether two articles are the same but for what servers on the way
// change.
func alike(a, b *article.Article) bool {
	return bytes.Equal(a.Body(), b.Body()) && bytes.Equal(lasting(a), lasting(b))
}

func lasting(a *article.Article) []byte {
	var out []byte
	for _, f := range a.Fields() {
		if strings.EqualFold(f.Name(), "Path") || strings.EqualFold(f.Name(), "Xref") {
			continue
		}
		out = append(append(append(append(out, f.Name()...), ':'), f.Raw()...), '\n')
	}
	return out
}

// ManifestID is the Message-ID of a batch's manifest.
func ManifestID(domain string, batch uint64) pool.MessageID {
	return pool.MessageID(fmt.Sprintf("<m.%d@%s>", batch, domain))
}

// ManifestSubject is its Subject.
func ManifestSubject(batch uint64) string { return fmt.Sprintf("manifest %d", batch) }

// DirectoryID is the Message-ID of a directory.
func DirectoryID(domain string, epoch, serial uint64) pool.MessageID {
	return pool.MessageID(fmt.Sprintf("<k.%d.%d@%s>", epoch, serial, domain))
}

// ParseDirectoryID returns the serial number in a Message-ID that the gateway of
// that domain gives a directory; ok is false for any other.
func ParseDirectoryID(id pool.MessageID, domain string) (serial uint64, ok bool) {
	var epoch uint64
	_, err := fmt.Sscanf(string(id), "<k.%d.%d@", &epoch, &serial)
	return serial, err == nil && id == DirectoryID(domain, epoch, serial)
}

// DirectorySubject is its Subject.
func DirectorySubject(epoch, serial uint64) string {
	return fmt.Sprintf("directory %d of epoch %d", serial, epoch)
}
