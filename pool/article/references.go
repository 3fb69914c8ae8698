package article

import (
	"slices"
	"strings"

	"github.com/restante/restante/pool"
)

// References returns the message-ids of the References header field in order.
// White space inside the angle brackets is removed, since some newsreaders fold
// a long message-id in its middle. What is no message-id is left out.
func (a *Article) References() []pool.MessageID { return messageIDs(a.Get("References")) }

// Parent returns the message-id of the article that this one answers: the last
// of References or, where there is no such field, the last of In-Reply-To. ok
// says whether it answers anything. The message-id is "" when it does, but the
// last thing named is no whole message-id: who goes by an earlier one then, goes
// by another article's.
func (a *Article) Parent() (id pool.MessageID, ok bool) {
	for _, name := range [...]string{"References", "In-Reply-To"} {
		if value := a.Get(name); value != "" {
			return lastID(value), true
		}
	}
	return "", false
}

// Ancestors returns the message-ids that References names in order, and what
// In-Reply-To names where there is none: some newsreaders write only that.
func (a *Article) Ancestors() []pool.MessageID {
	ids := a.References()
	if len(ids) == 0 {
		if parent, _ := a.Parent(); parent != "" {
			ids = []pool.MessageID{parent}
		}
	}
	return ids
}

// maxReferences is how many message-ids [Thread] keeps.
const maxReferences = 8

// Thread returns the value of References in an article that answers the last of
// ids: the first and the last seven of them (RFC 5537, Section 3.4.4).
func Thread(ids []pool.MessageID) string {
	if len(ids) > maxReferences {
		ids = append(ids[:1:1], ids[len(ids)-maxReferences+1:]...)
	}
	words := make([]string, len(ids))
	for i, id := range ids {
		words[i] = string(id)
	}
	return strings.Join(words, " ")
}

// lastID returns the message-id that a field ends with, or "".
func lastID(value string) pool.MessageID {
	start := strings.LastIndexByte(value, '<')
	if start < 0 {
		return ""
	}
	id, err := pool.ParseMessageID(withoutSpace(value[start:]))
	if err != nil {
		return ""
	}
	return id
}

func messageIDs(value string) []pool.MessageID {
	var ids []pool.MessageID
	for {
		before, rest, ok := strings.Cut(value, ">")
		if !ok {
			return ids
		}
		if start := strings.LastIndexByte(before, '<'); start >= 0 {
			mended := withoutSpace(before[start:]) + ">"
			if id, err := pool.ParseMessageID(mended); err == nil {
				ids = append(ids, id)
			}
		}
		value = rest
	}
}

func withoutSpace(s string) string {
	return strings.Map(func(r rune) rune {
		if r == ' ' || r == '\t' {
			return -1
		}
		return r
	}, s)
}

// Newsgroups returns the groups that the Newsgroups header field names, each
// once, in order. It refuses, with [ErrNoGroups] as cause, an article that names
// none, and with [pool.ErrGroupName] one that names something else.
func (a *Article) Newsgroups() ([]pool.Group, error) {
	value := a.Get("Newsgroups")
	if value == "" {
		return nil, refuse(ErrNoGroups, "The article names no newsgroup: fill in Newsgroups and send again")
	}
	var groups []pool.Group
	for name := range strings.SplitSeq(value, ",") {
		g, err := pool.ParseGroup(trimSpace(name))
		if err != nil {
			return nil, refuse(err, "Newsgroups holds something that is not a newsgroup's name; mend it and send again")
		}
		groups = append(groups, g)
	}
	return distinct(groups), nil
}

// distinct keeps of equal groups the first one.
func distinct(groups []pool.Group) []pool.Group {
	if len(groups) == 1 {
		return groups
	}
	seen := make(map[pool.Group]bool, len(groups))
	return slices.DeleteFunc(groups, func(g pool.Group) bool {
		again := seen[g]
		seen[g] = true
		return again
	})
}

// ID returns the article's message-id. It refuses, with [pool.ErrMessageID] as
// cause, an article that has none or a wrong one.
func (a *Article) ID() (pool.MessageID, error) {
	id, err := pool.ParseMessageID(a.Get("Message-ID"))
	if err != nil {
		return "", refuse(err, "The article's Message-ID is missing or malformed; leave it out or mend it, and send again")
	}
	return id, nil
}
