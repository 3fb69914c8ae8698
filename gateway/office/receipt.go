package office

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"strconv"

	"github.com/restante/restante/crypto/envelope"
	"github.com/restante/restante/pool/article"
)

// The header fields that a receipt adds to those of what was sent.
const (
	destinationField = "Restante-Destination" // the token answered, or the public groups
	sizeField        = "Restante-Size"        // octets of what was sent
	digestField      = "Restante-Digest"      // its SHA-256 as base64
)

// receipt is the content of a receipt: what was sent with its header whole, the
// fields above, and as much of the body as fits one entry.
func receipt(sent *article.Article, destination string) ([]byte, error) {
	text := sent.Text()
	r, err := article.Parse(text)
	if err != nil {
		return nil, err
	}
	digest := sha256.Sum256(text)
	for _, field := range [...][2]string{
		{destinationField, destination},
		{sizeField, strconv.Itoa(len(text))},
		{digestField, "sha-256=" + base64.StdEncoding.EncodeToString(digest[:])},
	} {
		if err := r.Add(field[0], field[1]); err != nil {
			return nil, err
		}
	}
	room := envelope.MaxContent - len(r.Header()) - len("\r\n")
	if err := r.SetBody(shorten(r.Body(), room)); err != nil {
		return nil, err
	}
	return r.Text(), nil
}

// shorten cuts a body to whole lines that fit into room octets together with a
// line that says so.
func shorten(body []byte, room int) []byte {
	if len(body) <= room {
		return body
	}
	const said = "[Restante: this receipt keeps the first %d of %d octets]\r\n"
	end := room - len(fmt.Sprintf(said, len(body), len(body)))
	end = bytes.LastIndex(body[:end], []byte("\r\n")) + 1
	if end > 0 {
		end++
	}
	return append(body[:end:end], fmt.Sprintf(said, end, len(body))...)
}
