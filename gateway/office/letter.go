package office

import (
	"crypto/rand"
	"encoding/base64"
	"net/mail"
	"strings"
	"time"

	"github.com/restante/restante/pool"
	"github.com/restante/restante/pool/article"
)

// Bounds on what a letter keeps of a submission's header.
const (
	maxHeader = 8 << 10 // octets of all fields together; a receipt must hold them in one entry
	maxNym    = 32      // octets of a chosen name
)

// A letter is what an article is made of once its sender's traces are gone.
type letter struct {
	groups string // the Newsgroups field
	id     pool.MessageID
	date   time.Time
	follow string      // the Followup-To field, or nothing
	path   string      // behind our identity in the Path field; "!not-for-mail" if nothing
	extra  [][2]string // fields of its own, behind the others
}

// write builds the article: fields in an order of its own and none that is not
// named here, so that nothing else of the sender's newsreader, machine or time
// zone is left in the header. The body is the sender's, octet for octet.
func (o *Office) write(post *article.Article, l letter) (*article.Article, error) {
	out := article.New()
	path := "!not-for-mail"
	if l.path != "" {
		path = l.path
	}
	for _, field := range append([][2]string{
		{"Path", o.Domain + path},
		{"From", o.from(post.Get("From"))},
		{"Newsgroups", l.groups},
		{"Subject", post.Get("Subject")},
		{"Date", article.Date(l.date)},
		{"Message-ID", string(l.id)},
		{"References", article.Thread(post.Ancestors())},
		{"Followup-To", l.follow},
		{"Keywords", post.Get("Keywords")},
		{"Summary", post.Get("Summary")},
		{"MIME-Version", post.Get("MIME-Version")},
		{"Content-Type", post.Get("Content-Type")},
		{"Content-Transfer-Encoding", post.Get("Content-Transfer-Encoding")},
		{"Content-Disposition", post.Get("Content-Disposition")},
	}, l.extra...) {
		if field[1] == "" {
			continue
		}
		if err := out.Add(field[0], field[1]); err != nil {
			return nil, err
		}
	}
	if err := out.SetBody(post.Body()); err != nil {
		return nil, err
	}
	if size := out.Size(); size > o.MaxArticle || size-len(out.Body())-len("\r\n") > maxHeader {
		return nil, ErrTooLarge
	}
	return out, nil
}

// from is the From field: nobody, unless the sender wrote a name at this
// gateway's own domain, which no newsreader does by itself.
func (o *Office) from(written string) string {
	nobody := "Anonymous <nobody@" + o.Domain + ">"
	address, err := mail.ParseAddress(written)
	if err != nil {
		return nobody
	}
	name, domain, _ := strings.Cut(address.Address, "@")
	name = strings.ToLower(name)
	if !strings.EqualFold(domain, o.Domain) || !isNym(name) {
		return nobody
	}
	return name + " <" + name + "@" + o.Domain + ">"
}

// isNym says whether anyone may write under that name: letters, digits, '-'
// and '_', and not a name that would pass for the gateway itself.
func isNym(name string) bool {
	if name == "" || len(name) > maxNym || strings.ContainsFunc(name, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '-' && r != '_'
	}) {
		return false
	}
	switch name {
	case "pool", "nobody", "restante", "root", "admin", "abuse", "news", "usenet", "postmaster", "newsmaster", "moderator":
		return false
	}
	return true
}

// randomID is a message-id that is no token, so that nobody can answer it.
func (o *Office) randomID() pool.MessageID {
	var octets [16]byte
	_, _ = rand.Read(octets[:]) // it never fails
	return pool.MessageID("<" + base64.RawURLEncoding.EncodeToString(octets[:]) + "@" + o.Domain + ">")
}
