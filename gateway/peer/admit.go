package peer

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/restante/restante/pool"
	"github.com/restante/restante/pool/article"
	"github.com/restante/restante/pool/control"
)

// Admit checks an article of an archive as one that a peer brings, and says
// where it is filed: of the newsgroups in, or where there are none of those that
// it names, in those that are carried and wanted. Its Path stays as it is, and
// may name this server, where it perhaps was before. What it asks for as a
// control message, or by Supersedes, is not done. Posts of this server come back,
// but not under the Message-ID of a manifest or directory. It returns a [*pool.Refusal]
// for an article that is not taken.
func (d *Desk) Admit(ctx context.Context, text []byte, in []pool.Group, wanted func(pool.Group) bool, arrived time.Time) (*pool.Article, error) {
	a, err := article.Parse(text)
	if err != nil {
		return nil, err
	}
	if _, err := d.checkFields(a, time.Now()); err != nil {
		return nil, err
	}
	if d.coming(a.Get("Message-ID")) {
		return nil, refuse(OwnID)
	}
	request, err := control.Parse(a)
	if err != nil {
		return nil, refuse(Control)
	}
	named, err := a.Newsgroups()
	if err != nil {
		return nil, err
	}
	if len(in) == 0 {
		in = named
		if request.Verb != "" {
			group, err := request.Group(ctx, d.opts.Store)
			if err != nil {
				return nil, err
			}
			in = []pool.Group{group}
		}
	}
	groups, err := d.shelve(ctx, slices.Concat(named, in), in, wanted, a.Has("Approved"))
	if err != nil {
		return nil, err
	}
	filed, err := a.File(named, arrived, 0)
	if err == nil {
		filed.Groups = groups
	}
	return filed, err
}

// coming says whether a Message-ID is one that a manifest or a directory of
// this server has or will have (docs/protocol.md, sections 7 and 8).
func (d *Desk) coming(id string) bool {
	return d.ownID(pool.MessageID(id)) && (strings.HasPrefix(id, "<m.") || strings.HasPrefix(id, "<k."))
}

// shelve returns the newsgroups in which an article is filed. One that belongs
// to the gateway, be it only named, has it refused.
func (d *Desk) shelve(ctx context.Context, all, in []pool.Group, wanted func(pool.Group) bool, approved bool) ([]pool.Group, error) {
	for _, name := range all {
		if d.own(name) {
			return nil, refuse(OwnGroup)
		}
	}
	var groups []pool.Group
	for _, name := range in {
		if !wanted(name) {
			continue
		}
		info, err := d.opts.Store.Group(ctx, name)
		switch {
		case errors.Is(err, pool.ErrNoGroup):
		case err != nil:
			return nil, err
		case info.Posting == pool.PostingModerated && !approved:
			return nil, refuse(Unapproved)
		default:
			groups = append(groups, name)
		}
	}
	if len(groups) == 0 {
		return nil, refuse(Unwanted)
	}
	return groups, nil
}
