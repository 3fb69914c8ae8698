// Package control is what a server does about control messages and Supersedes
// (RFC 5537, Section 5): where they are filed, and whether they may withdraw the
// article that they name, which only the key to its Cancel-Lock allows (RFC
// 8315). It obeys nothing else, and it knows neither who sent an article nor how
// it came.
package control

import (
	"context"
	"errors"
	"strings"

	"github.com/restante/restante/pool"
	"github.com/restante/restante/pool/article"
)

// ErrSyntax is a Control or Supersedes header field that is malformed, or both
// at once (RFC 5536, Section 3.2.3).
var ErrSyntax = errors.New("not a control message")

// A Request is what an article asks servers to do besides keeping it.
type Request struct {
	Verb   string         // of the Control header field, in lower case; "" for an ordinary article
	Target pool.MessageID // the article to be withdrawn, by a cancel or by Supersedes; or ""
	Keys   string         // the Cancel-Key header field
}

// verbCancel is the one verb that is obeyed.
const verbCancel = "cancel"

// Parse reads what an article asks for. A Subject that starts with "cmsg", or a
// newsgroup ending in ".ctl", means nothing (RFC 5537, Section 5).
func Parse(a *article.Article) (Request, error) {
	r := Request{Keys: a.Get("Cancel-Key")}
	controls, supersedes := a.Count("Control"), a.Count("Supersedes")
	if controls+supersedes > 1 {
		return Request{}, ErrSyntax
	}
	var target string
	switch {
	case controls > 0:
		words := strings.Fields(a.Get("Control"))
		if len(words) == 0 || !isVerb(words[0]) {
			return Request{}, ErrSyntax
		}
		r.Verb = strings.ToLower(words[0])
		if r.Verb != verbCancel {
			return r, nil
		}
		if len(words) != 2 {
			return Request{}, ErrSyntax
		}
		target = words[1]
	case supersedes > 0:
		target = a.Get("Supersedes")
	default:
		return r, nil
	}
	id, err := pool.ParseMessageID(target)
	if err != nil {
		return Request{}, ErrSyntax
	}
	r.Target = id
	return r, nil
}

// isVerb says whether a word may be part of a newsgroup's name, as all verbs in
// use may.
func isVerb(word string) bool {
	_, err := pool.ParseGroup(word)
	return err == nil && !strings.Contains(word, ".")
}

// AboutGroups says whether the request is one to make or remove newsgroups.
func (r Request) AboutGroups() bool {
	switch r.Verb {
	case "newgroup", "rmgroup", "checkgroups":
		return true
	}
	return false
}

// Group returns the newsgroup in which a control message is filed, instead of
// those that it names (RFC 5537, Section 3.7): "control." and its verb, or
// "control", whichever is carried, or "" when neither is.
func (r Request) Group(ctx context.Context, store pool.Reader) (pool.Group, error) {
	for _, name := range [...]pool.Group{pool.Group("control." + r.Verb), "control"} {
		_, err := store.Group(ctx, name)
		if err == nil {
			return name, nil
		}
		if !errors.Is(err, pool.ErrNoGroup) {
			return "", err
		}
	}
	return "", nil
}

// Opens says whether the request has the key to an article at rest.
func (r Request) Opens(target *pool.Stored) bool {
	lock, ok := article.HeaderField(target.Head(), "Cancel-Lock")
	return ok && Opens(r.Keys, lock)
}

// Obey withdraws the article that the request names, if it is here and the
// request has the key. It says whether the article is now gone: false for one
// that never came, and for a key that does not fit. It may be called again.
func (r Request) Obey(ctx context.Context, store pool.Store) (bool, error) {
	if r.Target == "" || r.Keys == "" {
		return false, nil
	}
	target, err := store.ByID(ctx, r.Target)
	switch {
	case errors.Is(err, pool.ErrNotFound):
		return store.Seen(ctx, r.Target)
	case errors.Is(err, pool.ErrCorrupt):
		return false, nil
	case err != nil:
		return false, err
	case !r.Opens(target):
		return false, nil
	}
	return true, store.Cancel(ctx, r.Target)
}
