// Package bench measures a news server from outside, over its sockets: how fast
// it takes articles from peers, how fast readers get them back, and what a
// connection costs that does nothing. The same commands measure any server, so
// that two of them can be put side by side on one machine. It knows nothing of
// how a server works inside.
//
//	go test -run '^$' -bench . ./test/bench
//
// starts a gateway of its own from this tree and measures that. With
// NEWS_BENCH_SERVER=inn in the environment it starts INN where that is
// installed, with a file for each article (tradspool) and the overview method
// tradindexed; NEWS_BENCH_SERVER=cnfs starts it with CNFS and buffindexed. Feed, of
// articles sent on, starts both by itself, and only where none of this is set. These
// variables choose a server that runs already:
//
//	NEWS_BENCH_READER    host:port for newsreaders
//	NEWS_BENCH_FEED      host:port for peers; the client must be one there
//	NEWS_BENCH_PID       the server's processes, with commas between, where it
//	                     runs on this machine: their CPU time and memory are
//	                     measured, with those of their children
//
// And these say what is done:
//
//	NEWS_BENCH_GROUP     the newsgroup used, misc.test by default
//	NEWS_BENCH_ARTICLES  articles that are read, 10000 by default; what the group
//	                     has less of them is fed first
//	NEWS_BENCH_IDLE      idle connections opened, 10000 by default
//	NEWS_BENCH_SEGMENT   the largest TCP segment in octets, 1460 by default as over
//	                     Ethernet; 0 leaves it at what the interface has
//
// Where only one of the two addresses is given it stands for both. What needs
// articles taken by TAKETHIS is skipped where the server takes none from here.
// The benchmarks leave articles behind in the group.
//
// Beside the usual figures the benchmarks report, per article, line or command,
// the CPU time that the server took (server-µs) and that this process took
// (client-µs): the first is what to compare where both share a machine, the
// second says whether it was the client that was slow.
package bench
