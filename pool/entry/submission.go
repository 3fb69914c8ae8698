package entry

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/restante/restante/crypto/envelope"
	"github.com/restante/restante/pool"
	"github.com/restante/restante/pool/article"
)

// ErrSubmission is an article that has not the form of a sealed submission.
var ErrSubmission = errors.New("not a sealed submission")

// Submit is the group of sealed submissions.
const Submit pool.Group = "restante.submit"

const (
	// toField says which gateway a submission is for, and in which epoch it was
	// sealed.
	toField = "Restante-To"

	// nowhere is the domain in what every submission has in common: it names
	// neither where it was posted nor where it goes, and can be nobody's (RFC
	// 2606, Section 2).
	nowhere = "submit.invalid"
)

// A Submission is one article of [Submit] (docs/protocol.md, section 11).
type Submission struct {
	To      string // the gateway's domain
	Epoch   uint64 // of the seal key
	Payload []byte // [envelope.PayloadSize] octets
}

// Article gives the submission its article form, under a random Message-ID. But
// for that, Restante-To, the date and the payload all of them are the same,
// whoever posts them. There is no Path: who injects it adds one.
func (s *Submission) Article(date time.Time) (*article.Article, error) {
	id := make([]byte, 24)
	_, _ = rand.Read(id) // never fails: the process ends instead
	return build(encode(s.Payload), [][2]string{
		{"From", "Restante <nobody@" + nowhere + ">"},
		{"Newsgroups", string(Submit)},
		{"Subject", "restante"},
		{"Date", article.Date(date)},
		{"Message-ID", "<" + base64.RawURLEncoding.EncodeToString(id) + "@" + nowhere + ">"},
		{toField, s.To + " " + strconv.FormatUint(s.Epoch, 10)},
		{"MIME-Version", "1.0"},
		{"Content-Type", "application/octet-stream"},
		{"Content-Transfer-Encoding", "base64"},
	})
}

// ParseSubmission reads a submission at rest. It returns [ErrSubmission] for
// anything else. Whether it opens shows only at its gateway.
func ParseSubmission(stored *pool.Stored) (*Submission, error) {
	value, ok := article.HeaderField(stored.Head(), toField)
	domain, number, ok2 := strings.Cut(value, " ")
	epoch, err := strconv.ParseUint(number, 10, 32)
	if !ok || !ok2 || err != nil || domain == "" || strconv.FormatUint(epoch, 10) != number {
		return nil, ErrSubmission
	}
	payload, err := Payload(stored)
	if err != nil || len(payload) != envelope.PayloadSize {
		return nil, ErrSubmission
	}
	return &Submission{To: domain, Epoch: epoch, Payload: payload}, nil
}
