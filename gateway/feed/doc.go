// Package feed sends articles on to other news servers: it knows which ones a
// peer wants, offers each once, sends those that are taken, and remembers on
// disk how far it has come (RFC 3977, Section 6.3.2; RFC 4644; RFC 5537,
// Section 3.6).
//
// The store is the backlog. Articles are numbered in each group in the order in
// which they were filed, so one number for each group says what a peer has still
// to be offered, however long it was away: nothing else is written for it, and
// what has expired by then is lost to it and counted. A crash has some articles
// offered twice, which costs a line each.
//
// It refuses to know why an article is in the store, and logs no name, address
// or Message-ID.
package feed
