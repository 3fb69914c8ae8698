package nntp

import (
	"errors"
	"math"
	"strings"
)

// ErrRange is an argument that is not a range of article numbers.
var ErrRange = errors.New("not a range")

// maxDigits is the longest article number, in digits (RFC 3977, Section 9.8).
const maxDigits = 16

// A Range is the article numbers from First to Last, both included. It is
// empty when First is larger than Last (RFC 3977, Section 6.1.2.2). Numbers may
// be larger than any article's: 16 digits.
type Range struct{ First, Last uint64 }

// ParseRange reads "n", "n-" or "n-m" (RFC 3977, Section 6.1.2.2). The Last of
// "n-" is the largest number there is. It returns [ErrRange] for anything else.
func ParseRange(s string) (Range, error) {
	from, to, dashed := strings.Cut(s, "-")
	first, err := ParseNumber(from)
	if err != nil {
		return Range{}, err
	}
	switch {
	case !dashed:
		return Range{first, first}, nil
	case to == "":
		return Range{first, math.MaxUint64}, nil
	}
	last, err := ParseNumber(to)
	if err != nil {
		return Range{}, err
	}
	return Range{first, last}, nil
}

// ParseNumber reads an article number of 1 to 16 digits. It returns [ErrRange]
// for anything else.
func ParseNumber(s string) (uint64, error) {
	if s == "" || len(s) > maxDigits {
		return 0, ErrRange
	}
	n := uint64(0)
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return 0, ErrRange
		}
		n = n*10 + uint64(s[i]-'0')
	}
	return n, nil
}
