package session

import (
	"testing"

	"github.com/restante/restante/gateway/nntp"
	"github.com/restante/restante/pool"
)

// The answer to a CHECK of a known article, the one that a peer with many
// neighbours gives most often.
func BenchmarkServer_replyTo(b *testing.B) {
	srv := New(newOptions(b))
	err := transitError{pool.ErrDuplicate, nntp.CodeStreamLater, nntp.CodeStreamUnwanted, "<1@x>"}
	b.ReportAllocs()
	for b.Loop() {
		if v := srv.replyTo(err); v.Code != nntp.CodeStreamUnwanted {
			b.Fatal(v.Code)
		}
	}
}
