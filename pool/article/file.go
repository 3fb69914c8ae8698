package article

import (
	"strings"
	"time"
	"unicode/utf8"

	"github.com/restante/restante/pool"
)

// File makes of the article what a store takes: its wire form without Xref, and
// its overview. A foreign Xref is left out (RFC 5537, Section 3.6). The result
// shares memory with the article. Refused are an article without a message-id
// ([pool.ErrMessageID]) or groups to file it in ([ErrNoGroups]).
func (a *Article) File(groups []pool.Group, arrived time.Time, epoch uint64) (*pool.Article, error) {
	f := new(pool.Article)
	if err := a.FileAs(f, groups, arrived, epoch); err != nil {
		return nil, err
	}
	return f, nil
}

// FileAs is [Article.File] into what may have been another article: the memory of its
// Head is used again. After an error it is as it was.
func (a *Article) FileAs(f *pool.Article, groups []pool.Group, arrived time.Time, epoch uint64) error {
	id, err := a.ID()
	if err != nil {
		return err
	}
	if len(groups) == 0 {
		return refuse(ErrNoGroups, "The article names no newsgroup: fill in Newsgroups and send again")
	}
	head, body := a.appendHeader(f.Head[:0], "Xref"), a.body.Text
	overview := a.overview(id, groups, len(head))
	if a.dotted() > 0 {
		head = Stuff(head)
	}
	if a.body.Dots > 0 {
		body = Stuff(body)
	}
	*f = pool.Article{
		ID:       id,
		Groups:   groups,
		Arrived:  arrived,
		Epoch:    epoch,
		Head:     head,
		Body:     body,
		Overview: overview,
	}
	return nil
}

// dotted counts the lines of the header that start with a dot. Only the first one
// of a field may: the others start with white space.
func (a *Article) dotted() int {
	n := 0
	for i := range a.fields {
		if a.fields[i].line[0] == '.' {
			n++
		}
	}
	return n
}

// Longest overview fields, in octets. They leave room for a message-id, the
// last reference, a server's name and one group's in [pool.MaxOverviewLine].
const (
	maxSubject = 500
	maxFrom    = 250
	maxDate    = 64
	// numberRoom is what may stand for a number, :bytes or :lines.
	numberRoom = len("4294967295")
	// serverRoom is what the server's name in Xref may need.
	serverRoom = 255
)

func (a *Article) overview(id pool.MessageID, groups []pool.Group, headSize int) pool.Overview {
	o := pool.Overview{
		Subject: cut(a.flat("Subject"), maxSubject),
		From:    cut(a.flat("From"), maxFrom),
		Date:    cut(a.flat("Date"), maxDate),
		Bytes:   headSize + len("\r\n") + len(a.body.Text),
		Lines:   a.body.Lines,
	}
	taken := len(o.Subject) + len(o.From) + len(o.Date) + len(id) +
		3*numberRoom + len("\t\t\t\t\t\t\t\tXref: \r\n") + serverRoom
	for _, g := range groups {
		taken += len(" :") + len(g) + numberRoom
	}
	o.References = trimReferences(a.flat("References"), pool.MaxOverviewLine-taken)
	return o
}

// flat returns the field's body as an overview line has it.
func (a *Article) flat(name string) string {
	if i := a.index(name); i >= 0 {
		return Flatten(a.fields[i].Raw())
	}
	return ""
}

// trimReferences brings the value of References down to room octets. It takes
// away from the second message-id on, so that the first and the last ones stay
// (RFC 5537, Section 3.4.4), and the first before the last.
func trimReferences(value string, room int) string {
	if len(value) <= room {
		return value
	}
	ids := messageIDs(value)
	size := -1
	for _, id := range ids {
		size += len(id) + len(" ")
	}
	from := 1
	for from < len(ids)-1 && size > room {
		size -= len(ids[from]) + len(" ")
		from++
	}
	var out []string
	if len(ids) > 1 && size <= room {
		out = append(out, string(ids[0]))
	}
	if len(ids) == 1 {
		from = 0
	}
	for _, id := range ids[min(from, len(ids)):] {
		out = append(out, string(id))
	}
	if joined := strings.Join(out, " "); len(joined) <= room {
		return joined
	}
	return ""
}

// cut cuts s down to n octets, and no UTF-8 character in two.
func cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	end := n
	for end > n-utf8.UTFMax && !utf8.RuneStart(s[end]) {
		end--
	}
	if end == n-utf8.UTFMax { // not UTF-8
		end = n
	}
	return s[:end]
}
