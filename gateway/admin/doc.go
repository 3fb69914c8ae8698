// Package admin is the operator's view of a gateway: what needs doing, and
// figures for monitoring, over HTTP. It owns the page, the JSON and the metrics,
// and refuses to know anything about people: it holds no more than the tables of
// [Condition] and [Figure] that it is made from, of which every word is fixed
// when the program is built.
//
// # What is not here, and why
//
// Metrics are scraped every few seconds and kept for years, often on another
// machine. Whoever gets at them could lay them beside what is known from
// elsewhere: when a person was online, when a message was sent. So no figure says
// how much private mail there is or when it comes:
//
//   - no deposits, posts, logins, pickups, receipts or waiting entries, neither
//     counted nor timed; that the queue is nearly full is a condition, since it
//     needs the operator.
//   - connections as tenths of the limit: one more or less does not show.
//   - free space in steps of 256 MiB: one deposit is 22 KiB.
//   - no CPU time and no memory of the process: a login takes a fifth of a second
//     and 64 MiB, and would stand out.
//
// What peers bring is counted, as all of it is public and other servers saw it.
package admin
