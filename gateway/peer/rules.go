package peer

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/restante/restante/pool"
	"github.com/restante/restante/pool/article"
	"github.com/restante/restante/pool/control"
	"github.com/restante/restante/pool/entry"
)

// tolerance is how far a date may lie in the future (RFC 5537, Sections 3.6 and
// 3.7).
const tolerance = 24 * time.Hour

// The header fields that are looked for, each of which may be there once only. Those
// in front of required must be.
const (
	fieldDate = iota
	fieldFrom
	fieldMessageID
	fieldNewsgroups
	fieldPath
	fieldSubject
	required
	fieldInjectionDate = required
	fields             = required + 15
)

func fieldNames() [fields]string {
	return [fields]string{
		fieldDate: "Date", fieldFrom: "From", fieldMessageID: "Message-ID", fieldNewsgroups: "Newsgroups", fieldPath: "Path", fieldSubject: "Subject",
		fieldInjectionDate: "Injection-Date",
		"Approved", "Archive", "Cancel-Key", "Cancel-Lock", "Control", "Distribution", "Expires", "Followup-To",
		"Injection-Info", "Organization", "References", "Summary", "Supersedes", "User-Agent",
	}
}

// checkHeader checks the header of an article that was announced as id. It returns
// the article's Path.
func (d *Desk) checkHeader(a *article.Article, id pool.MessageID, now time.Time) (article.Path, error) {
	path, err := d.checkFields(a, now)
	switch {
	case err != nil:
		return article.Path{}, err
	case a.Get("Message-ID") != string(id):
		return article.Path{}, refuse(OtherID)
	case d.ownID(id) && !entry.NamesItself(a):
		return article.Path{}, refuse(OwnID)
	case path.Passed(d.opts.Domain):
		return article.Path{}, refuse(Looped)
	}
	return path, nil
}

// checkFields checks what a serving agent must in the header alone (RFC 5537,
// Section 3.7, and RFC 5536, Section 3). It returns the article's Path.
func (d *Desk) checkFields(a *article.Article, now time.Time) (article.Path, error) {
	var found [fields]article.Found
	a.Find(d.names, found[:])
	for i := range found {
		switch f := &found[i]; {
		case f.Count > 1:
			return article.Path{}, refuseField(fieldNames()[i], "is there twice")
		case i >= required:
		case f.Count == 0:
			return article.Path{}, refuseField(fieldNames()[i], "is missing")
		case f.Value() == "":
			return article.Path{}, refuseField(fieldNames()[i], "is empty")
		}
	}
	if err := d.checkDates(a, found[fieldDate], found[fieldInjectionDate], now); err != nil {
		return article.Path{}, err
	}
	path, err := article.ParsePath(found[fieldPath].Value())
	if err != nil {
		return article.Path{}, refuseField("Path", "is invalid")
	}
	return path, nil
}

// checkDates goes by Injection-Date where there is one, and else by Date (RFC
// 5537, Section 3.3).
func (d *Desk) checkDates(a *article.Article, written, injected article.Found, now time.Time) error {
	date, err := article.ParseDate(written.Value())
	if err != nil {
		return refuseField("Date", "is invalid")
	}
	if injected.Count > 0 {
		if date, err = article.ParseDate(injected.Value()); err != nil {
			return refuseField("Injection-Date", "is invalid")
		}
	}
	switch {
	case date.After(now.Add(tolerance)):
		return refuse(TooNew)
	case d.opts.Cutoff > 0 && date.Before(now.Add(-d.opts.Cutoff)) && !d.gatewaysOwn(a):
		return refuse(TooOld)
	}
	return nil
}

// route finds the newsgroups in which an article is filed: of those it names
// the ones that are carried here and that the peer may feed, or for a control
// message its own, which may be none. Newsgroups are never made by an article
// (RFC 5537, Section 3.7).
func (f *Feed) route(ctx context.Context, named []pool.Group, approved bool, r control.Request) ([]pool.Group, error) {
	var groups []pool.Group
	allowed := false
	for _, name := range named {
		if f.desk.own(name) {
			return nil, refuse(OwnGroup)
		}
		mayFeed := f.peer.Groups.Match(string(name))
		allowed = allowed || mayFeed
		info, err := f.desk.opts.Store.Group(ctx, name)
		switch {
		case errors.Is(err, pool.ErrNoGroup):
			continue
		case err != nil:
			return nil, err
		case info.Posting == pool.PostingModerated && !approved:
			return nil, refuse(Unapproved)
		}
		if mayFeed {
			groups = append(groups, info.Name)
		}
	}
	// One that makes a newsgroup names one that is not there yet (RFC 5537,
	// Section 3.6).
	if len(groups) == 0 && (!allowed || !r.AboutGroups()) {
		return nil, refuse(Unwanted)
	}
	if r.Verb == "" {
		return groups, nil
	}
	group, err := r.Group(ctx, f.desk.opts.Store)
	if err != nil || group == "" {
		return nil, err
	}
	return []pool.Group{group}, nil
}

// stamp puts our identity in front of the article's Path, and says whether the latest one in
// it is the peer's (RFC 5537, Section 3.2.1).
func (f *Feed) stamp(a *article.Article, path article.Path) error {
	if strings.EqualFold(path.Latest(), f.peer.Path) {
		return a.Prepend("Path", f.desk.opts.Domain, "!!")
	}
	return a.Prepend("Path", f.desk.opts.Domain+"!.MISMATCH."+f.peer.Path, "!")
}
