package feed

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/restante/restante/gateway/remote"
	"github.com/restante/restante/pool"
	"github.com/restante/restante/pool/article"
	"github.com/restante/restante/pool/disk"
)

// swallow is a news server that wants everything, streams, and keeps nothing. It
// returns its address and how much it has taken.
func swallow(b *testing.B) (address string, taken *atomic.Int64) {
	b.Helper()
	taken = new(atomic.Int64)
	return listen(b, func(conn net.Conn) { swallowFrom(conn, taken) }), taken
}

func swallowFrom(conn net.Conn, taken *atomic.Int64) {
	defer func() { _ = conn.Close() }()
	r, w := bufio.NewReaderSize(conn, 1<<20), bufio.NewWriter(conn)
	fmt.Fprint(w, "200 hello\r\n")
	for {
		if r.Buffered() == 0 && w.Flush() != nil {
			return
		}
		line, err := r.ReadString('\n')
		if err != nil {
			return
		}
		verb, id, _ := strings.Cut(strings.TrimSpace(line), " ")
		switch verb {
		case "MODE":
			fmt.Fprint(w, "203 go on\r\n")
		case "CHECK":
			fmt.Fprintf(w, "238 %s\r\n", id)
		case "TAKETHIS":
			for line := []byte(nil); !bytes.Equal(line, []byte(".\r\n")); {
				if line, err = r.ReadSlice('\n'); err != nil {
					return
				}
			}
			fmt.Fprintf(w, "239 %s\r\n", id)
			taken.Add(1)
		default:
			fmt.Fprint(w, "205 bye\r\n")
		}
	}
}

// BenchmarkFeed_Send sends what a store on disk holds.
func BenchmarkFeed_Send(b *testing.B) {
	for _, size := range []int{2 << 10, 22 << 10} {
		b.Run(fmt.Sprintf("%dKiB", size>>10), func(b *testing.B) {
			s, err := disk.Open(b.TempDir(), disk.Options{ServerName: "us.example"})
			if err != nil {
				b.Fatal(err)
			}
			defer func() { _ = s.Close() }()
			if err := s.SetGroup(b.Context(), pool.GroupInfo{Name: "a.one", Posting: pool.PostingAllowed}); err != nil {
				b.Fatal(err)
			}
			stock(b, s, size)
			address, taken := swallow(b)
			groups, err := ParseSubscription("*")
			if err != nil {
				b.Fatal(err)
			}
			f := New(b.TempDir(), s, []Peer{{
				Name: "k", Path: "k.example", Server: remote.Server{Address: address}, Groups: groups, Backfill: true,
			}}, zerolog.Nop())
			ctx, cancel := context.WithCancel(b.Context())
			var running sync.WaitGroup
			b.SetBytes(int64(size))
			b.ReportAllocs()
			b.ResetTimer()
			running.Go(func() { _ = f.Run(ctx) })
			for taken.Load() < int64(b.N) {
				time.Sleep(time.Millisecond)
			}
			b.StopTimer()
			cancel()
			running.Wait()
		})
	}
}

// stock files b.N articles of about that size.
func stock(b *testing.B, s *disk.Store, size int) {
	b.Helper()
	body := strings.Repeat(strings.Repeat("x", 76)+"\r\n", size/78)
	var waits []pool.Begun
	settle := func() {
		for _, begun := range waits {
			if _, err := begun.Wait(); err != nil {
				b.Fatal(err)
			}
		}
		waits = waits[:0]
	}
	for i := range b.N {
		a, err := article.Parse(fmt.Appendf(nil, "Path: x.example!not-for-mail\r\nFrom: a@x\r\nNewsgroups: a.one\r\nSubject: x\r\nDate: Fri, 01 Mar 2024 12:00:00 +0000\r\nMessage-ID: <%d@x>\r\n\r\n%s", i, body))
		if err != nil {
			b.Fatal(err)
		}
		filed, err := a.File([]pool.Group{"a.one"}, time.Now(), 0)
		if err != nil {
			b.Fatal(err)
		}
		if waits = append(waits, s.Begin(b.Context(), filed)); len(waits) == 256 {
			settle()
		}
	}
	settle()
}
