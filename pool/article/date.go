package article

import (
	"errors"
	"net/mail"
	"strings"
	"time"
)

// dateLayout is how nearly everybody writes a date.
const dateLayout = "Mon, 02 Jan 2006 15:04:05 -0700"

// ErrDate is the body of a Date header field that is none.
var ErrDate = errors.New("not a date")

// Date writes a moment as the body of a Date header field (RFC 5322, Section
// 3.3): in UTC and always of the same length, so that it says nothing but the
// time.
func Date(t time.Time) string { return t.UTC().Format(dateLayout) }

// ParseDate reads the body of a Date or Injection-Date header field (RFC 5536,
// Section 3.1.1), with the obsolete names of time zones (RFC 5322, Section 4.3)
// and with comments: the moment, in UTC. It returns [ErrDate] for anything else.
func ParseDate(value string) (time.Time, error) {
	if t, ok := plainDate(value); ok {
		return t, nil
	}
	value = strings.TrimSpace(value)
	if at := strings.IndexByte(value, '('); at > 0 {
		value = strings.TrimSpace(value[:at]) // a comment stands behind the zone
	}
	if at := strings.LastIndexAny(value, " \t"); at >= 0 && value[at+1:] != "" {
		if offset, ok := zone(value[at+1:]); ok {
			value = value[:at+1] + offset
		}
	}
	// mail.ParseDate goes by the same layout, after a dozen others.
	if t, err := time.Parse(dateLayout, value); err == nil {
		return t.UTC(), nil
	}
	t, err := mail.ParseDate(value)
	if err != nil {
		return time.Time{}, ErrDate
	}
	return t.UTC(), nil
}

// plainDate reads a date of just [dateLayout], as nearly all are. Any other it
// leaves to time.Parse, which takes ten times as long.
func plainDate(s string) (time.Time, bool) {
	if len(s) != len(dateLayout) || s[3:5] != ", " || s[7] != ' ' || s[11] != ' ' || s[16] != ' ' || s[19] != ':' || s[22] != ':' || s[25] != ' ' {
		return time.Time{}, false
	}
	weekday := index("SunMonTueWedThuFriSat", s[:3])
	month := time.Month(index("JanFebMarAprMayJunJulAugSepOctNovDec", s[8:11]) + 1)
	day, hour, minute, second := number(s[5:7]), number(s[17:19]), number(s[20:22]), number(s[23:25])
	century, year := number(s[12:14]), number(s[14:16])
	east, rest := number(s[27:29]), number(s[29:31])
	if weekday < 0 || month < 1 || min(century, year, rest) < 0 || uint(hour) > 23 || uint(minute) > 59 || uint(second) > 59 || uint(east) > 23 || rest > 59 {
		return time.Time{}, false
	}
	offset := east*3600 + rest*60
	switch s[26] {
	case '+':
	case '-':
		offset = -offset
	default:
		return time.Time{}, false
	}
	t := time.Date(century*100+year, month, day, hour, minute, second, 0, time.UTC)
	if t.Day() != day { // there is no such day in the month
		return time.Time{}, false
	}
	return t.Add(-time.Duration(offset) * time.Second), true
}

// index returns the place of a word in a list of words of three letters, or -1.
func index(words, word string) int {
	for i := 0; i < len(words); i += 3 {
		if words[i] == word[0] && words[i+1] == word[1] && words[i+2] == word[2] {
			return i / 3
		}
	}
	return -1
}

// number reads two digits. It returns -1 for anything else.
func number(s string) int {
	tens, ones := s[0]-'0', s[1]-'0'
	if tens > 9 || ones > 9 {
		return -1
	}
	return int(tens)*10 + int(ones)
}

// zone is the offset of an obsolete name of a time zone. One that is not known
// stands for UTC (RFC 5322, Section 4.3).
func zone(name string) (string, bool) {
	for i := range len(name) {
		if c := name[i] | 0x20; c < 'a' || c > 'z' {
			return "", false
		}
	}
	switch strings.ToUpper(name) {
	case "EDT":
		return "-0400", true
	case "EST", "CDT":
		return "-0500", true
	case "CST", "MDT":
		return "-0600", true
	case "MST", "PDT":
		return "-0700", true
	case "PST":
		return "-0800", true
	}
	return "+0000", true
}
