package bench

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/restante/restante/crypto/blind"
	"github.com/restante/restante/crypto/envelope"
	"github.com/restante/restante/crypto/note"
	"github.com/restante/restante/pool"
	poolentry "github.com/restante/restante/pool/entry"
)

// A press makes articles that no server has seen.
type press struct {
	run  string // differs from process to process
	made atomic.Uint64
}

func newPress() *press {
	var run [8]byte
	_, _ = rand.Read(run[:]) // never fails
	return &press{run: hex.EncodeToString(run[:])}
}

// id returns a new message-id. All of them have one length.
func (p *press) id() string { return p.name(p.made.Add(1)) }

func (p *press) name(n uint64) string {
	const width = 1e12
	return "<" + p.run + "." + strconv.FormatUint(width+n%width, 10)[1:] + "@bench.example>"
}

// A form is an article that is printed again and again with other message-ids,
// so that making articles takes next to no time.
type form struct {
	wire []byte // without the terminating line
	at   int    // of the message-id
}

const hole = "<message-id>"

// newForm returns an article for group of about size octets.
func newForm(p *press, group string, size int) *form {
	head := strings.Join([]string{
		"Path: bench.example!not-for-mail",
		"From: Some Body <somebody@bench.example>",
		"Newsgroups: " + group,
		"Subject: An article of " + fmt.Sprint(size) + " octets",
		"Date: " + time.Now().UTC().Format("Mon, 02 Jan 2006 15:04:05 +0000"),
		"Message-ID: " + hole,
		"References: <first@bench.example> <second@bench.example>",
		"Content-Type: text/plain; charset=UTF-8",
		"", "",
	}, "\r\n")
	id := p.id()
	at := strings.Index(head, hole)
	wire := []byte(strings.Replace(head, hole, id, 1))
	const line = "Some seventy octets a line is what people write, and some words more.\r\n"
	wire = append(wire, bytes.Repeat([]byte(line), max(1, (size-len(wire))/len(line)))...)
	return &form{wire: wire, at: at}
}

// newEntry is newForm for what has the octets of a pool entry (docs/protocol.md,
// section 6), but for its group and Message-ID.
func newEntry(b *testing.B, p *press, group string) *form {
	b.Helper()
	signer, err := note.NewSigner("bench.example", note.GenerateSeed())
	if err != nil {
		b.Fatal(err)
	}
	e := poolentry.Entry{Domain: "bench.example", Group: pool.Group(group), Tag: blind.RandomTag(), Date: time.Now().UTC(), Payload: make([]byte, envelope.PayloadSize)}
	_, _ = rand.Read(e.Payload) // never fails
	a, err := e.Article(signer)
	if err != nil {
		b.Fatal(err)
	}
	id := p.id()
	text := strings.Replace(string(a.Text()), string(e.MessageID()), id, 1)
	return &form{wire: []byte(text), at: strings.Index(text, id)}
}

// print puts a message-id into the article and returns it whole.
func (f *form) print(id string) []byte {
	copy(f.wire[f.at:], id)
	return f.wire
}
