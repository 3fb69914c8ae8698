package bench

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/restante/restante/test/harness"
	"github.com/restante/restante/test/inn"
)

// A sink is a news server that wants and takes everything, and keeps nothing.
type sink struct {
	address string
	taken   atomic.Int64
	first   atomic.Int64 // when it was first spoken to, in nanoseconds since 1970
}

func newSink(b *testing.B) *sink {
	b.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = l.Close() })
	s := &sink{address: l.Addr().String()}
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go s.serve(conn)
		}
	}()
	return s
}

func (s *sink) serve(conn net.Conn) {
	defer func() { _ = conn.Close() }()
	r, w := bufio.NewReaderSize(conn, 1<<20), bufio.NewWriter(conn)
	fmt.Fprint(w, "200 sink\r\n")
	for {
		if r.Buffered() == 0 && w.Flush() != nil {
			return
		}
		line, err := r.ReadString('\n')
		if err != nil {
			return
		}
		verb, id, _ := strings.Cut(strings.TrimRight(line, "\r\n"), " ")
		switch verb {
		case "CHECK":
			s.first.CompareAndSwap(0, time.Now().UnixNano())
			fmt.Fprintf(w, "238 %s\r\n", id)
		case "TAKETHIS":
			s.first.CompareAndSwap(0, time.Now().UnixNano())
			for {
				line, err := r.ReadSlice('\n')
				if err != nil {
					return
				}
				if string(line) == ".\r\n" {
					break
				}
			}
			fmt.Fprintf(w, "239 %s\r\n", id)
			s.taken.Add(1)
		case "MODE":
			fmt.Fprint(w, "203 go on\r\n")
		default:
			fmt.Fprint(w, "205 bye\r\n")
		}
	}
}

// BenchmarkFeed sends what a server holds to another one (RFC 4644): the gateway,
// or INN's innxmit from a batch file. An operation is all of the articles.
func BenchmarkFeed(b *testing.B) {
	if outside() {
		b.Skip("the server must be started here")
	}
	for _, size := range []int{2, 22} {
		b.Run(fmt.Sprintf("%dKiB", size), func(b *testing.B) {
			for range b.N {
				if os.Getenv("NEWS_BENCH_SERVER") == "inn" {
					feedINN(b, size<<10)
				} else {
					feedGateway(b, size<<10)
				}
			}
		})
	}
}

func (t *target) feedIn(b *testing.B, size int) {
	b.Helper()
	if err := t.dialPeer(b).takeThis(t.press, newForm(t.press, t.group, size), t.articles); err != nil {
		b.Fatal(err)
	}
}

// outcome reports how fast the sink got all, and the sender's CPU time for each.
func (s *sink) outcome(b *testing.B, n int, cpu time.Duration) {
	b.Helper()
	took := time.Since(time.Unix(0, s.first.Load()))
	b.ReportMetric(float64(n)/took.Seconds(), "articles/s")
	b.ReportMetric(micros(cpu)/float64(n), "server-µs/article")
}

func feedGateway(b *testing.B, size int) {
	b.Helper()
	t := &target{group: "misc.test", segment: ethernet, press: newPress(), articles: number(b, "NEWS_BENCH_ARTICLES", 10_000)}
	g := harness.Start(b,
		harness.Setting{Key: "[[peer]]", Value: "name = \"bench.example\"\naddresses = [\"127.0.0.1\"]"})
	t.reader, t.feed, t.processes = g.Address, g.Address, processes{g.PID()}
	t.feedIn(b, size)

	s := newSink(b)
	text, err := os.ReadFile(g.Config)
	if err != nil {
		b.Fatal(err)
	}
	text = fmt.Appendf(text, "\n[[peer]]\nname = \"sink.example\"\n[peer.feed]\naddress = %q\nsecurity = \"none\"\ngroups = \"misc.test\"\nbackfill = true\n", s.address)
	if err := os.WriteFile(g.Config, text, 0o600); err != nil {
		b.Fatal(err)
	}
	before, err := t.processes.cpu()
	if err != nil {
		b.Fatal(err)
	}
	if err := syscall.Kill(g.PID(), syscall.SIGHUP); err != nil {
		b.Fatal(err)
	}
	for end := time.Now().Add(patience); s.taken.Load() < int64(t.articles); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			b.Fatalf("only %d articles came", s.taken.Load())
		}
	}
	after, err := t.processes.cpu()
	if err != nil {
		b.Fatal(err)
	}
	s.outcome(b, t.articles, after-before)
	g.Stop()
}

func feedINN(b *testing.B, size int) {
	b.Helper()
	t := &target{group: "misc.test", segment: ethernet, press: newPress(), articles: number(b, "NEWS_BENCH_ARTICLES", 10_000)}
	server := inn.StartBatching(b, []inn.Group{{Name: t.group, Posting: 'y', Created: time.Now()}}, inn.Login{Name: "nobody", Password: "secret"})
	t.reader, t.feed, t.processes = server.Reader, server.Transit, server.PIDs
	t.feedIn(b, size)
	s := newSink(b)
	cpu := server.Transmit(s.address)
	if n := s.taken.Load(); n != int64(t.articles) {
		b.Fatalf("%d articles came", n)
	}
	s.outcome(b, t.articles, cpu)
}
