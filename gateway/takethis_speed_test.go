package gateway

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/restante/restante/gateway/nntp"
	"github.com/restante/restante/gateway/office"
	"github.com/restante/restante/gateway/peer"
	"github.com/restante/restante/gateway/session"
	"github.com/restante/restante/pool"
	"github.com/restante/restante/pool/article"
	"github.com/restante/restante/pool/memory"
)

// A forgetful store has filed each article at once, and keeps none.
type forgetful struct{ *memory.Store }

func (forgetful) Begin(_ context.Context, a *pool.Article) pool.Begun { return pool.Outcome{} }

// A flood is the connection of a peer that sends the same command again and again.
type flood struct {
	net.Conn // never used
	command  []byte
	at, left int // left to be sent
	n        int
}

func (f *flood) Read(p []byte) (int, error) {
	if f.left == 0 {
		return 0, io.EOF
	}
	n := copy(p[:min(len(p), f.left)], f.command[f.at:])
	f.at, f.left = (f.at+n)%len(f.command), f.left-n
	return n, nil
}

func (f *flood) Write(p []byte) (int, error) {
	f.n += bytes.Count(p, []byte("239 "))
	return len(p), nil
}

func (*flood) SetReadDeadline(time.Time) error  { return nil }
func (*flood) SetWriteDeadline(time.Time) error { return nil }
func (*flood) Close() error                     { return nil }
func (*flood) RemoteAddr() net.Addr {
	return net.TCPAddrFromAddrPort(netip.MustParseAddrPort("127.0.0.1:1"))
}

// What TAKETHIS costs but for the connection and the store (RFC 4644, Section 2.5).
func BenchmarkFeed_takeThis(b *testing.B) {
	store := forgetful{memory.New("gw.example")}
	if err := store.SetGroup(b.Context(), pool.GroupInfo{Name: "misc.test", Posting: pool.PostingAllowed}); err != nil {
		b.Fatal(err)
	}
	every, err := nntp.ParseWildmat("*")
	if err != nil {
		b.Fatal(err)
	}
	desk := peer.New(peer.Options{
		Domain: "gw.example", Store: store, Cutoff: 240 * time.Hour,
		Own:   []pool.Group{"restante.pool", "restante.manifest", "restante.keys"},
		Peers: []peer.Peer{{Name: "a", Path: "a.example", Addresses: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}, Groups: every}},
	})
	server := session.New(session.Options{
		Store: store, Office: front{fault: func() {}, Office: new(office.Office)}, Feeds: feeds{desk}, Name: "gw.example", Version: "1",
		MaxArticle: 1 << 20, Limits: session.Limits{Idle: time.Minute}, Logger: zerolog.Nop(),
	})
	const id = "<0123456789abcdef.000000000001@bench.example>"
	one := fmt.Sprintf("TAKETHIS %s\r\nPath: a.example!not-for-mail\r\nFrom: Some Body <somebody@bench.example>\r\nNewsgroups: misc.test\r\n"+
		"Subject: An article of some octets\r\nDate: %s\r\nMessage-ID: %s\r\nReferences: <first@bench.example> <second@bench.example>\r\n"+
		"Content-Type: text/plain; charset=UTF-8\r\n\r\n%s.\r\n", id, article.Date(time.Now()), id,
		strings.Repeat("Some seventy octets a line is what people write, and some words more.\r\n", 25))
	f := &flood{command: []byte(strings.Repeat(one, 40)), left: b.N * len(one)}
	b.ReportAllocs()
	b.ResetTimer()
	if err := server.Serve(b.Context(), f); err != nil {
		b.Fatal(err)
	}
	if f.n != b.N {
		b.Fatalf("%d of %d taken", f.n, b.N)
	}
}
