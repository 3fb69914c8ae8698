package entry

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"strconv"
	"strings"
	"time"

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

	idSize = 24 // octets at random in the Message-ID
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
	id := make([]byte, idSize)
	_, _ = rand.Read(id) // never fails: the process ends instead
	return s.article(id, date)
}

func (s *Submission) article(id []byte, date time.Time) (*article.Article, error) {
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

// ReadSubmission reads what somebody posts as a submission: of its header only
// Restante-To counts, since newsreaders add to it. It returns [ErrSubmission].
func ReadSubmission(a *article.Article) (*Submission, error) {
	domain, number, ok := strings.Cut(a.Get(toField), " ")
	epoch, err := strconv.ParseUint(number, 10, 32)
	payload, errPayload := decode(a.Body())
	if !ok || err != nil || errPayload != nil || domain == "" {
		return nil, ErrSubmission
	}
	return &Submission{To: domain, Epoch: epoch, Payload: payload}, nil
}

// ParseSubmission reads a submission. It returns [ErrSubmission] for anything
// that [Submission.Article] would not make, but for what the server adds at which
// it was posted, and the order of fields, which some servers change. Whether it
// opens shows only at its gateway.
func ParseSubmission(a *article.Article) (*Submission, error) {
	s, err := ReadSubmission(a)
	id, errID := base64.RawURLEncoding.Strict().DecodeString(strings.TrimSuffix(strings.TrimPrefix(a.Get("Message-ID"), "<"), "@"+nowhere+">"))
	date, errDate := article.ParseDate(a.Get("Date"))
	if err != nil || errID != nil || errDate != nil || len(id) != idSize {
		return nil, ErrSubmission
	}
	want, err := s.article(id, date)
	if err != nil || !bytes.Equal(a.Body(), want.Body()) || !injected(a, want) {
		return nil, ErrSubmission
	}
	return s, nil
}

// maxAdded is how many octets servers may add to a submission's header.
const maxAdded = 4096

// injected says whether the header of a has every field of posted once, as it
// stands there, and besides these only what a server adds to what is posted at it.
func injected(a, posted *article.Article) bool {
	own, added := 0, 0
	for _, f := range a.Fields() {
		switch {
		case posted.Has(f.Name()):
			own++
			if a.Count(f.Name()) != 1 || a.Get(f.Name()) != posted.Get(f.Name()) {
				return false
			}
		case addedByServers(f.Name()):
			added += len(f.Name()) + len(f.Raw())
		default:
			return false
		}
	}
	return own == len(posted.Fields()) && added <= maxAdded
}

// addedByServers says whether servers give a field to articles that are posted at
// them, or that they pass on: RFC 5537, Section 3.5, and what was usual before it.
// None of them makes a server do anything, but for the lock by which a server can
// withdraw what it could have kept to itself as well.
func addedByServers(name string) bool {
	switch strings.ToLower(name) {
	case "path", "xref", "injection-date", "injection-info", "cancel-lock", "organization", "sender", "lines", "bytes",
		"distribution", "nntp-posting-host", "nntp-posting-date", "nntp-posting-user":
		return true
	}
	return strings.HasPrefix(strings.ToLower(name), "x-")
}
