package feed

import (
	"strings"

	"github.com/restante/restante/gateway/nntp"
	"github.com/restante/restante/pool"
)

// A Subscription says which articles a peer wants by their groups: those with
// at least one group that the wildmat chooses, and none that is poisoned.
type Subscription struct {
	wanted, poison nntp.Wildmat
}

// ParseSubscription reads a wildmat in which a pattern may have '@' in front:
// articles in a group that matches it are not sent at all, whatever other
// groups they are in. The rightmost pattern that matches a group counts. It
// returns [nntp.ErrWildmat].
func ParseSubscription(s string) (Subscription, error) {
	var wanted, poison []string
	for pattern := range strings.SplitSeq(s, ",") {
		name, poisoned := strings.CutPrefix(pattern, "@")
		switch bare := strings.TrimPrefix(name, "!"); {
		case strings.Contains(bare, "@"):
			return Subscription{}, nntp.ErrWildmat
		case poisoned:
			wanted, poison = append(wanted, "!"+bare), append(poison, bare)
		default:
			// What is chosen later in the row is poisoned no more.
			wanted, poison = append(wanted, name), append(poison, "!"+bare)
		}
	}
	var out Subscription
	var err error
	if out.wanted, err = nntp.ParseWildmat(strings.Join(wanted, ",")); err != nil {
		return Subscription{}, err
	}
	out.poison, err = nntp.ParseWildmat(strings.Join(poison, ","))
	return out, err
}

// Group says whether articles in a group may be wanted.
func (s Subscription) Group(g pool.Group) bool { return s.wanted.Match(string(g)) }

// Article says whether an article with these Newsgroups is wanted.
func (s Subscription) Article(groups []pool.Group) bool {
	wanted := false
	for _, g := range groups {
		if s.poison.Match(string(g)) {
			return false
		}
		wanted = wanted || s.wanted.Match(string(g))
	}
	return wanted
}
