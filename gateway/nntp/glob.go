package nntp

import (
	"strings"
	"unicode/utf8"
)

// A glob is one compiled pattern: an automaton that is in many states at once,
// a bit each. State i means that the first i items have matched. Each
// character of a name moves all states in one step, so that there is nothing to
// go back to, and no pattern makes matching slow.
type glob struct {
	items   int           // items other than '*'
	stay    bits          // states that a '*' keeps alive
	any     bits          // states before a '?'
	exact   map[rune]bits // states before that very character, and those of any
	sets    []set         // what stands in brackets
	literal string        // the pattern itself when it has no wild item, or what is before its only one, a '*' at the end
	prefix  bool          // whether it is the latter
	wild    bool          // whether it is neither
}

// bits is a set of states.
type bits []uint64

const wordBits = 64

func (b bits) set(i int)      { b[i/wordBits] |= 1 << (i % wordBits) }
func (b bits) has(i int) bool { return b[i/wordBits]&(1<<(i%wordBits)) != 0 }

// A set is the characters between brackets, and the state before them.
type set struct {
	state   int
	negated bool
	spans   []span
}

type span struct{ from, to rune }

func (s *set) has(r rune) bool {
	for _, span := range s.spans {
		if span.from <= r && r <= span.to {
			return !s.negated
		}
	}
	return s.negated
}

// compile reads '*', '?', '[…]' and '\' as wild, and the rest as itself.
func compile(pattern string) (glob, error) {
	switch at := strings.IndexAny(pattern, `*?[\`); {
	case at < 0:
		return glob{literal: pattern}, nil
	case at == len(pattern)-1 && pattern[at] == '*': // as most are
		return glob{literal: pattern[:at], prefix: true}, nil
	}
	words := len(pattern)/wordBits + 1 // no pattern has more items than octets
	g := glob{wild: true, stay: make(bits, words), any: make(bits, words), exact: map[rune]bits{}}
	for len(pattern) > 0 {
		r, size := utf8.DecodeRuneInString(pattern)
		pattern = pattern[size:]
		switch r {
		case '*':
			g.stay.set(g.items)
			continue
		case '?':
			g.any.set(g.items)
		case '[':
			s, rest, err := parseSet(pattern)
			if err != nil {
				return glob{}, err
			}
			s.state, pattern = g.items, rest
			g.sets = append(g.sets, s)
		case '\\':
			if pattern == "" {
				return glob{}, ErrWildmat
			}
			r, size = utf8.DecodeRuneInString(pattern)
			pattern = pattern[size:]
			g.addExact(r, words)
		default:
			g.addExact(r, words)
		}
		g.items++
	}
	for _, states := range g.exact {
		for i := range states {
			states[i] |= g.any[i]
		}
	}
	return g, nil
}

func (g *glob) addExact(r rune, words int) {
	if g.exact[r] == nil {
		g.exact[r] = make(bits, words)
	}
	g.exact[r].set(g.items)
}

// parseSet reads what follows a '[' up to its ']'. A ']' that comes first is
// in the set itself, '^' in front turns the set round, and a '-' between two
// characters makes a span (RFC 2980, Section 3.3).
func parseSet(s string) (set, string, error) {
	s, negated := strings.CutPrefix(s, "^")
	out := set{negated: negated}
	for first := true; ; first = false {
		if s == "" {
			return set{}, "", ErrWildmat
		}
		from, size := utf8.DecodeRuneInString(s)
		s = s[size:]
		if from == ']' && !first {
			return out, s, nil
		}
		to := from
		if len(s) > 1 && s[0] == '-' && s[1] != ']' {
			to, size = utf8.DecodeRuneInString(s[1:])
			s = s[1+size:]
		}
		out.spans = append(out.spans, span{from, to})
	}
}

// stackWords is the size of the state set that needs no memory of its own: a
// command line holds no pattern with more.
const stackWords = MaxLine/wordBits + 1

// match says whether the whole of name matches.
func (g *glob) match(name string) bool {
	if g.prefix {
		return strings.HasPrefix(name, g.literal)
	}
	if !g.wild {
		return g.literal != "" && g.literal == name
	}
	var room [2][stackWords]uint64
	now, hit := bits(room[0][:]), bits(room[1][:])
	if len(g.stay) > stackWords {
		now, hit = make(bits, len(g.stay)), make(bits, len(g.stay))
	}
	now, hit = now[:len(g.stay)], hit[:len(g.stay)]
	now.set(0)
	for _, r := range name {
		g.hits(hit, r)
		alive, carry := uint64(0), uint64(0)
		for i := range now {
			moved := now[i] & hit[i]
			now[i] = moved<<1 | carry | now[i]&g.stay[i]
			carry = moved >> (wordBits - 1)
			alive |= now[i]
		}
		if alive == 0 {
			return false
		}
	}
	return now.has(g.items)
}

// hits sets dst to the states from which r leads on.
func (g *glob) hits(dst bits, r rune) {
	states, ok := g.exact[r]
	if !ok {
		states = g.any
	}
	copy(dst, states)
	for i := range g.sets {
		if g.sets[i].has(r) {
			dst.set(g.sets[i].state)
		}
	}
}
