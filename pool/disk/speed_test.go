package disk

import (
	"fmt"
	"testing"

	"golang.org/x/sync/errgroup"

	"github.com/restante/restante/pool"
)

func BenchmarkStore_Groups(b *testing.B) {
	s, err := Open(b.TempDir(), Options{ServerName: "news.example"})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := s.Close(); err != nil {
			b.Error(err)
		}
	})
	for i := range 1000 {
		name := pool.Group(fmt.Sprintf("misc.test.%d", i*7919%1000))
		if err := s.SetGroup(b.Context(), pool.GroupInfo{Name: name, Posting: pool.PostingAllowed}); err != nil {
			b.Fatal(err)
		}
	}
	for b.Loop() {
		if _, err := s.Groups(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
}

// Ids that are known, of which some thousands are asked for by several peers.
func BenchmarkStore_Seen(b *testing.B) {
	s, err := Open(b.TempDir(), Options{ServerName: "news.example"})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := s.Close(); err != nil {
			b.Error(err)
		}
	})
	if err := s.SetGroup(b.Context(), pool.GroupInfo{Name: "misc.test", Posting: pool.PostingAllowed}); err != nil {
		b.Fatal(err)
	}
	const ids = 5000
	id := func(n int) pool.MessageID { return pool.MessageID(fmt.Sprintf("<%d@speed.example>", n%ids)) }
	var group errgroup.Group
	group.SetLimit(256)
	for n := range ids {
		group.Go(func() error {
			_, err := s.Append(b.Context(), &pool.Article{ID: id(n), Groups: []pool.Group{"misc.test"}, Head: []byte("Subject: x\r\n")})
			return err
		})
	}
	if err := group.Wait(); err != nil {
		b.Fatal(err)
	}
	n := 0
	for b.Loop() {
		n++
		if seen, err := s.Seen(b.Context(), id(n*7919)); err != nil || !seen {
			b.Fatal(seen, err)
		}
	}
}
