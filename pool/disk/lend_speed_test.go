package disk

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"testing"

	"github.com/restante/restante/pool"
	"github.com/restante/restante/pool/pooltest"
)

// sized makes an article of about so many octets, half a KiB of which its header.
func sized(tb testing.TB, name string, size int) *pool.Article {
	a := pooltest.Article(tb, name, "a")
	const line = "Some seventy octets a line is what people write, and some words more.\r\n"
	a.Body = bytes.Repeat([]byte(line), max(1, (size-512)/len(line)))
	return a
}

// BenchmarkStore_Lend sends one of a thousand articles over a loopback
// connection: as ByID reads it, and as LendByID lends it. CPU time is that of
// both ends.
func BenchmarkStore_Lend(b *testing.B) {
	for _, kib := range []int{2, 22, 64, 128, 256, 1024} {
		b.Run(fmt.Sprintf("%dKiB", kib), func(b *testing.B) {
			s := mustOpen(b, b.TempDir(), Options{ServerName: pooltest.Server})
			b.Cleanup(func() { mustClose(b, s) })
			if err := s.SetGroup(b.Context(), pool.GroupInfo{Name: "a"}); err != nil {
				b.Fatal(err)
			}
			articles := min(1000, 64<<10/kib)
			for i := range articles {
				if _, err := s.Append(b.Context(), sized(b, fmt.Sprint(i), kib<<10)); err != nil {
					b.Fatal(err)
				}
			}
			for _, way := range []string{"ByID", "LendByID"} {
				b.Run(way, func(b *testing.B) {
					conn := drained(b)
					b.ReportAllocs()
					before := cpuTime(b)
					n := 0
					for b.Loop() {
						id := pooltest.ID(fmt.Sprint(n * 7919 % articles))
						n++
						var loan pool.Loan
						var err error
						if way == "ByID" {
							loan, err = pool.Hold(s.ByID(b.Context(), id))
						} else {
							loan, err = s.LendByID(b.Context(), id)
						}
						if err == nil {
							err = loan.WritePart(conn, pool.Whole)
						}
						if err != nil {
							b.Fatal(err)
						}
						loan.Return()
					}
					b.ReportMetric(float64((cpuTime(b)-before).Nanoseconds())/1e3/float64(b.N), "cpu-µs/op")
				})
			}
		})
	}
}

// drained returns a connection whose other end takes everything.
func drained(tb testing.TB) net.Conn {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	conn, err := net.Dial("tcp", listener.Addr().String())
	if err != nil {
		tb.Fatal(err)
	}
	other, err := listener.Accept()
	if err != nil {
		tb.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		buf := make([]byte, 256<<10)
		for {
			if _, err := other.Read(buf); err != nil {
				return
			}
		}
	}()
	tb.Cleanup(func() {
		_ = conn.Close()
		<-done
		_ = other.Close()
	})
	return conn
}

var _ io.ReaderFrom = (*net.TCPConn)(nil) // or nothing of this is measured
