// Package bridge is a news server for one user's own newsreader, on her own
// machine: her mail are groups in it, what she posts in private is sealed before
// it leaves, and all other groups are those of a news server behind it.
//
// It owns the port that it listens on, which nobody beyond the machine reaches,
// the connections to the server behind, and when mail is brought up to date. It
// refuses to know keys, how mail is kept and sealed, and by which way servers are
// reached. It logs nothing.
package bridge
