package peer

import (
	"strings"
	"testing"
	"time"

	"github.com/restante/restante/gateway/nntp"
	"github.com/restante/restante/pool"
	"github.com/restante/restante/pool/article"
	"github.com/restante/restante/pool/memory"
)

// The checks of an ordinary article of 2 KiB, up to its turn in the store.
func BenchmarkFeed_bring(b *testing.B) {
	store := memory.New("gw.example")
	if err := store.SetGroup(b.Context(), pool.GroupInfo{Name: "misc.test", Posting: pool.PostingAllowed}); err != nil {
		b.Fatal(err)
	}
	groups, err := nntp.ParseWildmat("*")
	if err != nil {
		b.Fatal(err)
	}
	desk := New(Options{Domain: "gw.example", Store: store, Cutoff: time.Hour, Own: []pool.Group{"restante.pool", "restante.manifest", "restante.keys"}})
	feed := desk.feed(&Peer{Name: "a", Path: "a.example", Groups: groups})
	text := []byte(strings.Join([]string{
		"Path: a.example!b.example!not-for-mail",
		"From: Some Body <somebody@bench.example>",
		"Newsgroups: misc.test",
		"Subject: An article of some octets",
		"Date: " + time.Now().UTC().Format("Mon, 02 Jan 2006 15:04:05 +0000"),
		"Message-ID: <1@bench.example>",
		"References: <first@bench.example> <second@bench.example>",
		"Content-Type: text/plain; charset=UTF-8",
		"", strings.Repeat("Some seventy octets a line is what people write, and some words more.\r\n", 25),
	}, "\r\n"))
	b.ReportAllocs()
	for b.Loop() {
		checked, err := article.Check(text)
		if err != nil {
			b.Fatal(err)
		}
		d := desk.drafts.take()
		if err := d.read.Read(checked); err != nil {
			b.Fatal(err)
		}
		if _, err := feed.bring(b.Context(), "<1@bench.example>", d, true); err != nil {
			b.Fatal(err)
		}
		desk.drafts.give(d)
	}
}
