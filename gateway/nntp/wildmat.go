package nntp

import (
	"errors"
	"strings"
	"unicode/utf8"
)

// ErrWildmat is an argument that is not a wildmat.
var ErrWildmat = errors.New("not a wildmat")

// A Wildmat chooses among names (RFC 3977, Section 4). The zero value matches
// nothing. It may be used from many goroutines at the same time.
type Wildmat struct{ terms []term }

type term struct {
	negated bool
	glob    glob
}

// ParseWildmat reads a wildmat as RFC 3977, Section 4.1 has it. It returns
// [ErrWildmat] for an empty pattern, for '[', ']' and '\', for '!' anywhere but
// in front of a pattern, and for anything that is not UTF-8 of printable
// characters. A '!' in front of the first pattern is taken too, as it has a
// clear meaning and some newsreaders send it.
func ParseWildmat(s string) (Wildmat, error) {
	if !utf8.ValidString(s) || strings.ContainsAny(s, `[]\`) || strings.ContainsFunc(s, control) {
		return Wildmat{}, ErrWildmat
	}
	var w Wildmat
	for pattern := range strings.SplitSeq(s, ",") {
		pattern, negated := strings.CutPrefix(pattern, "!")
		if pattern == "" || strings.Contains(pattern, "!") {
			return Wildmat{}, ErrWildmat
		}
		compiled, err := compile(pattern)
		if err != nil {
			return Wildmat{}, err
		}
		w.terms = append(w.terms, term{negated, compiled})
	}
	return w, nil
}

func control(r rune) bool { return r <= ' ' || r == 0x7f }

// Match says whether the wildmat chooses name: the rightmost pattern that
// matches decides (RFC 3977, Section 4.2). It takes time in proportion to the
// length of name.
func (w Wildmat) Match(name string) bool {
	for i := len(w.terms) - 1; i >= 0; i-- {
		if w.terms[i].glob.match(name) {
			return !w.terms[i].negated
		}
	}
	return false
}

// A Pattern is one pattern of XPAT: an older sort of wildmat, with sets and
// with '\' to quote the next character (RFC 2980, Section 3.3), in which ','
// and '!' mean themselves. It may be used from many goroutines at the same
// time.
type Pattern struct{ glob glob }

// ParsePattern reads a pattern of XPAT. It returns [ErrWildmat] when it is
// empty or not UTF-8, when a set has no end, or when nothing follows a '\'.
func ParsePattern(s string) (Pattern, error) {
	if s == "" || !utf8.ValidString(s) {
		return Pattern{}, ErrWildmat
	}
	compiled, err := compile(s)
	return Pattern{compiled}, err
}

// Match says whether the whole of value matches. It takes time in proportion
// to the length of value.
func (p Pattern) Match(value string) bool { return p.glob.match(value) }
