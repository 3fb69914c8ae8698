package disk

import (
	"fmt"
	"testing"

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
