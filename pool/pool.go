// Package pool holds the words and contracts of a news server's articles: what
// a message-id, a group, a number and an article are, and what a [Store]
// promises. It knows no file, no socket and no key; implementations live
// beneath it.
package pool

import (
	"time"
	"unicode/utf8"
)

// A MessageID names an article for ever, angle brackets included. Only
// [ParseMessageID] makes one from outside input.
type MessageID string

// Sizes of a message-id in octets, brackets included (RFC 3977, Section 3.6).
const (
	minMessageID = 3
	maxMessageID = 250
)

// ParseMessageID checks that s is a message-id as RFC 3977, Section 3.6 has
// it: 3 to 250 octets of printable ASCII between angle brackets, none of them
// a further '>'. It returns [ErrMessageID] otherwise.
func ParseMessageID(s string) (MessageID, error) {
	if len(s) < minMessageID || len(s) > maxMessageID || s[0] != '<' || s[len(s)-1] != '>' {
		return "", ErrMessageID
	}
	for i := 1; i < len(s)-1; i++ {
		if s[i] <= ' ' || s[i] > '~' || s[i] == '>' {
			return "", ErrMessageID
		}
	}
	return MessageID(s), nil
}

// A Group is the name of a newsgroup.
type Group string

// maxGroup is the longest group name taken, in octets. It keeps GROUP and its
// answers inside a command line of 512 octets (RFC 3977, Section 3.1).
const maxGroup = 200

// ParseGroup checks that s is a newsgroup name as RFC 5536, Section 3.1.4 has
// it (components of letters, digits, '+', '-' and '_', between dots), with
// UTF-8 allowed as RFC 3977, Section 4.1 does. It returns [ErrGroupName]
// otherwise.
func ParseGroup(s string) (Group, error) {
	if s == "" || len(s) > maxGroup || !utf8.ValidString(s) {
		return "", ErrGroupName
	}
	empty := true // the component so far
	for i := range len(s) {
		switch c := s[i]; {
		case c == '.' && !empty:
			empty = true
		case inComponent(c):
			empty = false
		default:
			return "", ErrGroupName
		}
	}
	if empty {
		return "", ErrGroupName
	}
	return Group(s), nil
}

// inComponent says whether an octet of UTF-8 may be part of a component.
func inComponent(c byte) bool {
	switch {
	case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9':
		return true
	case c == '+', c == '-', c == '_':
		return true
	}
	return c >= utf8.RuneSelf
}

// A Number is an article's number in one group. Numbers start at 1, only grow,
// and are never used again (RFC 3977, Section 6).
type Number uint32

// MaxNumber is the largest number that every newsreader copes with.
const MaxNumber Number = 1<<31 - 1

// A Range is the numbers from From to To, both included. It is empty when From
// is larger than To.
type Range struct{ From, To Number }

// All is the range of every number.
var All = Range{1, MaxNumber} //nolint:gochecknoglobals // a constant, if Go had such ones

// Contains says whether n lies in r.
func (r Range) Contains(n Number) bool { return r.From <= n && n <= r.To }

// Posting says who may post to a group, with the letters of LIST ACTIVE
// (RFC 3977, Section 7.6.3).
type Posting byte

// The letters of LIST ACTIVE.
const (
	PostingAllowed   Posting = 'y'
	PostingDenied    Posting = 'n'
	PostingModerated Posting = 'm'
)

// GroupInfo is what is known of a group.
type GroupInfo struct {
	Name        Group
	Description string // one line of UTF-8
	Posting     Posting
	Created     time.Time
	Low, High   Number // water marks; in an empty group Low is High + 1
	Count       int    // articles held
}

// A Location is one article's place in one group.
type Location struct {
	Group  Group
	Number Number
}

// An Article is an article on its way into a [Store]: parsed, checked, and in
// wire form except for the Xref header and the terminator, which the store
// adds once it knows the numbers. Package article builds it.
type Article struct {
	ID       MessageID
	Groups   []Group   // where it is filed; at least one, each known to the store
	Numbers  []Number  // its number in each of Groups, kept from another server; nil for the next ones
	Arrived  time.Time // when this server took it; NEWNEWS goes by it
	Epoch    uint64    // the unit of expiry it goes with: [Store.DropBefore]; 0 is never dropped that way
	Head     []byte    // header lines in wire form, each ended by CRLF; no Xref, no empty line
	Body     []byte    // body lines in wire form (dot-stuffed), each ended by CRLF; no terminator
	Overview Overview
}

// NumberAt returns the number that the article gets in the group at index i of
// Groups, in which next is the first number never given. It returns ErrGroupFull
// or ErrNumber.
func (a *Article) NumberAt(i int, next Number) (Number, error) {
	n := next
	if i < len(a.Numbers) {
		n = a.Numbers[i]
	}
	switch {
	case n > MaxNumber:
		return 0, ErrGroupFull
	case n < next:
		return 0, ErrNumber
	}
	return n, nil
}

// A Stored is an article at rest. Its octets are the store's own: they must not
// be changed.
type Stored struct {
	ID        MessageID
	Arrived   time.Time
	Epoch     uint64
	Locations []Location
	Overview  []byte // the overview line from the subject on: no number, no line end
	Wire      []byte // the whole article in wire form, Xref and terminator (".\r\n") included
	HeadSize  int    // octets of Wire that are header lines; the empty line's CRLF follows
}

// Head is the header lines in wire form, without the empty line and without a
// terminator.
func (s *Stored) Head() []byte { return s.Wire[:s.HeadSize:s.HeadSize] }

// Body is the body lines in wire form, without a terminator.
func (s *Stored) Body() []byte {
	return s.Wire[s.HeadSize+len("\r\n") : len(s.Wire)-len(".\r\n")]
}

// In returns the article's number in g, or 0 when it is not filed there.
func (s *Stored) In(g Group) Number {
	for _, l := range s.Locations {
		if l.Group == g {
			return l.Number
		}
	}
	return 0
}
