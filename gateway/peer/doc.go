// Package peer takes what other servers feed: it says who may feed, keeps two of
// them from sending the same article at once, and does the duties of a relaying
// and of a serving agent (RFC 5537, Sections 3.6 and 3.7) before an article is
// filed. It changes Path and Xref and no other octet.
//
// It refuses to know commands and response codes, how articles rest, and what
// becomes of them afterwards. It remembers no peer's address and logs nothing.
package peer
