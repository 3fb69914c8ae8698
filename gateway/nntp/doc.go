// Package nntp is the wire of RFC 3977, for server and client alike: command
// lines, replies, dot-stuffed blocks, ranges, wildmats, dates and the numbers
// of the response codes. It turns octets into these and back, with a limit on
// everything that a peer can make long.
//
// It refuses to know what a command means, what an article is, and who is at
// the other end. It starts no goroutine, sets no deadline and logs nothing; its
// errors never repeat what a peer sent.
package nntp
