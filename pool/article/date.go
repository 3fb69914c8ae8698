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
// and with comments. It returns [ErrDate] for anything else.
func ParseDate(value string) (time.Time, error) {
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
		return t, nil
	}
	t, err := mail.ParseDate(value)
	if err != nil {
		return time.Time{}, ErrDate
	}
	return t, nil
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
