package nntp

import (
	"errors"
	"math"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"pgregory.net/rapid"
)

func TestParseRange_forms(t *testing.T) {
	for _, tt := range []struct {
		in   string
		want Range
		err  error
	}{
		{"1", Range{1, 1}, nil},
		{"0", Range{0, 0}, nil},
		{"3-", Range{3, math.MaxUint64}, nil},
		{"3-7", Range{3, 7}, nil},
		{"7-3", Range{7, 3}, nil}, // empty, not wrong
		{"0000000000000042", Range{42, 42}, nil},
		{"9999999999999999", Range{9999999999999999, 9999999999999999}, nil},
		{"00000000000000042", Range{}, ErrRange}, // 17 digits
		{"", Range{}, ErrRange},
		{"-", Range{}, ErrRange},
		{"-3", Range{}, ErrRange},
		{"1-2-3", Range{}, ErrRange},
		{"1-+2", Range{}, ErrRange},
		{"1 ", Range{}, ErrRange},
		{"٣", Range{}, ErrRange},
	} {
		if got, err := ParseRange(tt.in); got != tt.want || !errors.Is(err, tt.err) {
			t.Errorf("ParseRange(%q) = %v, %v; want %v, %v", tt.in, got, err, tt.want, tt.err)
		}
	}
}

func FuzzParseRange(f *testing.F) {
	f.Add("1-5")
	f.Fuzz(func(t *testing.T, s string) {
		if _, err := ParseRange(s); err == nil && strings.Trim(s, "0123456789-") != "" {
			t.Errorf("ParseRange(%q) took more than digits and a dash", s)
		}
	})
}

func TestParseTime_forms(t *testing.T) {
	now := time.Date(2026, 7, 1, 0, 0, 0, 0, time.UTC)
	for _, tt := range []struct{ date, clock, want string }{
		{"20240229", "235959", "2024-02-29T23:59:59Z"},
		{"20240101", "000060", "2024-01-01T00:01:00Z"}, // leap second
		{"260101", "000000", "2026-01-01T00:00:00Z"},   // this year: this century
		{"261231", "000000", "2026-12-31T00:00:00Z"},   // later this year: still this century
		{"270101", "000000", "1927-01-01T00:00:00Z"},   // beyond: the last century
		{"991231", "000000", "1999-12-31T00:00:00Z"},
		{"20230229", "000000", ""},
		{"20241301", "000000", ""}, // month 13
		{"20240001", "000000", ""},
		{"20240100", "000000", ""},
		{"20240101", "240000", ""},
		{"20240101", "006000", ""},
		{"20240101", "000061", ""},
		{"2024011", "000000", ""},
		{"20240101", "0000", ""},
		{"2024-1-1", "000000", ""},
		{"20240101", "+00000", ""},
	} {
		got, err := ParseTime(tt.date, tt.clock, time.UTC, now)
		if tt.want == "" {
			if !errors.Is(err, ErrTime) {
				t.Errorf("ParseTime(%q, %q) = %v, %v; want ErrTime", tt.date, tt.clock, got, err)
			}
			continue
		}
		if err != nil || got.Format(time.RFC3339) != tt.want {
			t.Errorf("ParseTime(%q, %q) = %v, %v; want %s", tt.date, tt.clock, got, err, tt.want)
		}
	}
}

func TestParseTime_zoneWithoutGMT(t *testing.T) {
	zone := time.FixedZone("", 3*60*60)
	got, err := ParseTime("20240101", "010000", zone, time.Now())
	if want := time.Date(2023, 12, 31, 22, 0, 0, 0, time.UTC); err != nil || !got.Equal(want) {
		t.Errorf("got %v, %v, want %v", got, err, want)
	}
}

func FuzzParseTime(f *testing.F) {
	f.Add("20240229", "235960")
	f.Add("700101", "000000")
	now := time.Date(2026, 7, 1, 0, 0, 0, 0, time.UTC)
	f.Fuzz(func(t *testing.T, date, clock string) {
		got, err := ParseTime(date, clock, time.UTC, now)
		if err == nil && len(date) == longDate && !strings.HasSuffix(clock, "60") && string(AppendDate(nil, got)) != date+clock {
			t.Errorf("%q %q came back as %q", date, clock, AppendDate(nil, got))
		}
	})
}

func TestWildmat_examplesOfTheRFC(t *testing.T) {
	for _, tt := range []struct {
		pattern  string
		yes, not []string
	}{
		{"abc", []string{"abc"}, []string{"ab", "abcd", ""}},
		{"abc,def", []string{"abc", "def"}, []string{"abcdef", "abc,def"}},
		{"£", []string{"£"}, []string{"\xc2", "\xa3"}},
		{"a*", []string{"a", "abc"}, []string{"ba"}},
		{"a*b", []string{"ab", "axb", "abab"}, []string{"abx", "a"}},
		{"a*,*b", []string{"ax", "xb"}, []string{"xx"}},
		{"a*,!*b", []string{"ax"}, []string{"ab", "xb", "xx"}},
		{"a*,!*b,c*", []string{"ax", "cb", "cx"}, []string{"ab"}},
		{"a*,c*,!*b", []string{"ax", "cx"}, []string{"ab", "cb"}},
		{"a*,!*b,*c*", []string{"aaa", "ccb"}, []string{"abb", "xxx"}},
		{"?a*", []string{"ba", "£ax"}, []string{"a", "ab"}},
		{"??a*", []string{"xxa"}, []string{"xa"}},
		{"*a?", []string{"ab", "xa£"}, []string{"a"}},
		{"*a??", []string{"abc"}, []string{"ab"}},
		{"*", []string{"", "anything"}, nil},
		{"!a,*", []string{"a"}, nil}, // the rightmost match decides
		{"*,!restante.*", []string{"misc"}, []string{"restante.pool"}},
	} {
		w, err := ParseWildmat(tt.pattern)
		if err != nil {
			t.Errorf("ParseWildmat(%q): %v", tt.pattern, err)
			continue
		}
		for _, name := range tt.yes {
			if !w.Match(name) {
				t.Errorf("%q does not match %q", tt.pattern, name)
			}
		}
		for _, name := range tt.not {
			if w.Match(name) {
				t.Errorf("%q matches %q", tt.pattern, name)
			}
		}
	}
}

func TestParseWildmat_refuses(t *testing.T) {
	for _, s := range []string{"", ",", "a,", ",a", "a,,b", "!", "a!b", "!!a", "[a]", "a]", `a\*`, "a b", "a\x7f", "\xff"} {
		if _, err := ParseWildmat(s); !errors.Is(err, ErrWildmat) {
			t.Errorf("ParseWildmat(%q) = %v, want ErrWildmat", s, err)
		}
	}
}

func TestPattern_setsAndQuotes(t *testing.T) {
	for _, tt := range []struct {
		pattern, value string
		want           bool
	}{
		{"*[Ff][Oo]o*", "a FOo b", true},
		{"*[Ff]oo*", "goo", false},
		{"[^]-]", "]", false},
		{"[^]-]", "-", false},
		{"[^]-]", "x", true},
		{"[]a]", "]", true},
		{"[0-9a-f]*", "e1", true},
		{"[0-9a-f]*", "g1", false},
		{`\*\[\\`, `*[\`, true},
		{`\*`, "x", false},
		{"a, b!", "a, b!", true},
		{"Re: *", "Re: hello", true},
	} {
		p, err := ParsePattern(tt.pattern)
		if err != nil || p.Match(tt.value) != tt.want {
			t.Errorf("%q on %q: %t, %v; want %t", tt.pattern, tt.value, p.Match(tt.value), err, tt.want)
		}
	}
	for _, s := range []string{"", "[", "[]", "[^", "[a-", `\`, `a\`, "\xff"} {
		if _, err := ParsePattern(s); !errors.Is(err, ErrWildmat) {
			t.Errorf("ParsePattern(%q) = %v, want ErrWildmat", s, err)
		}
	}
}

// slow matches by the definition of RFC 3977, Section 4.2.
func slow(pattern, name []rune) bool {
	switch {
	case len(pattern) == 0:
		return len(name) == 0
	case pattern[0] == '*':
		return slow(pattern[1:], name) || len(name) > 0 && slow(pattern, name[1:])
	}
	return len(name) > 0 && (pattern[0] == '?' || pattern[0] == name[0]) && slow(pattern[1:], name[1:])
}

func TestWildmat_matchesAsDefined(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		pattern := rapid.StringMatching(`[ab£*?]{1,8}`).Draw(t, "pattern")
		name := rapid.StringMatching(`[ab£]{0,10}`).Draw(t, "name")
		w, err := ParseWildmat(pattern)
		if err != nil {
			t.Fatal(err)
		}
		if got, want := w.Match(name), slow([]rune(pattern), []rune(name)); got != want {
			t.Errorf("%q on %q: %t, want %t", pattern, name, got, want)
		}
	})
}

// More items than fit one word of states, with carries between the words.
func TestWildmat_longPatterns(t *testing.T) {
	for _, n := range []int{63, 64, 65, 127, 128, 400, 2000} {
		name := strings.Repeat("ab", n/2) + strings.Repeat("c", n%2)
		for pattern, want := range map[string]bool{
			strings.Repeat("?", n):                true,
			strings.Repeat("?", n+1):              false,
			name + "*":                            true,
			"*" + name[:n-1] + "?":                true,
			"?" + name:                            false,
			"*" + strings.Repeat("*a", n/2) + "*": true,
		} {
			w, err := ParseWildmat(pattern)
			if err != nil || w.Match(name) != want {
				t.Errorf("%d characters, pattern %.12q…: %t, %v; want %t", n, pattern, !want, err, want)
			}
		}
	}
}

func FuzzWildmat(f *testing.F) {
	f.Add("a*,!*b,c?", "cb")
	f.Add("*a*a*a*a*a*b", "aaaaaaaaaaaaaaaaaaaaaaaa")
	f.Fuzz(func(t *testing.T, pattern, name string) {
		w, err := ParseWildmat(pattern)
		if p, err := ParsePattern(pattern); err == nil {
			p.Match(name)
		}
		if err != nil || len(pattern)*len(name) > 100 || !utf8.ValidString(name) {
			return
		}
		want := false
		for part := range strings.SplitSeq(pattern, ",") {
			part, negated := strings.CutPrefix(part, "!")
			if slow([]rune(part), []rune(name)) {
				want = !negated
			}
		}
		if w.Match(name) != want {
			t.Errorf("%q on %q: %t, want %t", pattern, name, !want, want)
		}
	})
}
