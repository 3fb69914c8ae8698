package nntp

import (
	"errors"
	"time"
)

// ErrTime is an argument that is not a date and time.
var ErrTime = errors.New("not a date and time")

// Lengths of the arguments of NEWGROUPS and NEWNEWS, in digits.
const (
	shortDate = 6
	longDate  = 8
	clockLen  = 6
)

// ParseTime reads the date and time of NEWGROUPS and NEWNEWS (RFC 3977, Section
// 7.3.2): yyyymmdd or yymmdd, and hhmmss, in zone. The century of a date of
// six digits is now's if that does not make the year later than now's, and the
// one before otherwise. It returns [ErrTime] when there is no such moment in
// the calendar; second 60 is the next minute's first.
func ParseTime(date, clock string, zone *time.Location, now time.Time) (time.Time, error) {
	if len(date) != shortDate && len(date) != longDate || len(clock) != clockLen {
		return time.Time{}, ErrTime
	}
	d, err := ParseNumber(date)
	if err != nil {
		return time.Time{}, ErrTime
	}
	c, err := ParseNumber(clock)
	if err != nil {
		return time.Time{}, ErrTime
	}
	year, month, day := int(d/10000), time.Month(d/100%100), int(d%100)
	if len(date) == shortDate {
		year = inCentury(year, now.In(zone).Year())
	}
	hour, minute, second := int(c/10000), int(c/100%100), int(c%100)
	if hour > 23 || minute > 59 || second > 60 {
		return time.Time{}, ErrTime
	}
	if y, m, dd := time.Date(year, month, day, 0, 0, 0, 0, time.UTC).Date(); y != year || m != month || dd != day {
		return time.Time{}, ErrTime
	}
	return time.Date(year, month, day, hour, minute, second, 0, zone), nil
}

// inCentury gives a year of two digits its first two.
func inCentury(yy, now int) int {
	year := now - now%100 + yy
	if year > now {
		year -= 100
	}
	return year
}

// AppendDate appends the moment as DATE answers it (RFC 3977, Section 7.1):
// yyyymmddhhmmss in UTC.
func AppendDate(dst []byte, t time.Time) []byte {
	return t.UTC().AppendFormat(dst, "20060102150405")
}
