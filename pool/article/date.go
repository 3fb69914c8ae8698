package article

import "time"

// Date writes a moment as the body of a Date header field (RFC 5322, Section
// 3.3): in UTC and always of the same length, so that it says nothing but the
// time.
func Date(t time.Time) string { return t.UTC().Format("Mon, 02 Jan 2006 15:04:05 -0700") }
