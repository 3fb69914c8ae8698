// Package session is one connection of a newsreader or a peer: its state, the one table
// of its commands, and the one table that turns errors into replies. What
// CAPABILITIES and HELP say is made from the table of commands.
//
// It refuses to know how articles are stored, what becomes of one that is posted
// or fed, and how a mailbox is opened: its callers plug in a [pool.Reader], an
// [Office] and [Feeds]. It reads no clock but for DATE and deadlines, listens on nothing,
// and logs nothing that tells one client from another.
package session
