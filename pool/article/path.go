package article

import (
	"errors"
	"iter"
	"strings"
)

// ErrPath is the body of a Path header field that is none.
var ErrPath = errors.New("not a path")

// A Path is the way that an article took, the latest server first (RFC 5536,
// Section 3.1.5).
type Path struct {
	value string // of entries between delimiters, the last one the tail entry; diagnostics start with a dot, or are empty
}

// ParsePath reads the body of a Path header field. It takes names that the
// grammar does not, as long as they are printable, since many old ones are on
// the way. It returns [ErrPath] for anything else.
func ParsePath(value string) (Path, error) {
	for entry := range strings.SplitSeq(value, "!") {
		entry = trimFolds(entry)
		for j := range len(entry) {
			if entry[j] <= ' ' || entry[j] > '~' {
				return Path{}, ErrPath
			}
		}
	}
	if tail := value[strings.LastIndexByte(value, '!')+1:]; trimFolds(tail) == "" {
		return Path{}, ErrPath
	}
	return Path{value}, nil
}

// entries yields the entries before the tail entry.
func (p Path) entries() iter.Seq[string] {
	return func(yield func(string) bool) {
		for entry, rest, ok := strings.Cut(p.value, "!"); ok; entry, rest, ok = strings.Cut(rest, "!") {
			if !yield(trimFolds(entry)) {
				return
			}
		}
	}
}

// Latest returns the identity of the server that had the article last, or ""
// when the path names none.
func (p Path) Latest() string {
	for entry := range p.entries() {
		if strings.HasPrefix(entry, ".") {
			return ""
		}
		return entry
	}
	return ""
}

// Passed says whether the article was at the server of that identity, which is
// compared without regard to case (RFC 5537, Section 3.2). What stands behind a
// POSTED diagnostic, and the tail entry, name no servers (RFC 5537, Section
// 3.6).
func (p Path) Passed(identity string) bool {
	for e := range p.entries() {
		if isPosted(e) {
			return false
		}
		if strings.EqualFold(e, identity) {
			return true
		}
	}
	return false
}

// Posted says whether there is a POSTED diagnostic: the article was injected.
func (p Path) Posted() bool {
	for e := range p.entries() {
		if isPosted(e) {
			return true
		}
	}
	return false
}

func isPosted(entry string) bool {
	const posted = ".POSTED"
	return len(entry) >= len(posted) && strings.EqualFold(entry[:len(posted)], posted) &&
		(len(entry) == len(posted) || entry[len(posted)] == '.')
}
