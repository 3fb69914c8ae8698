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

// BenchmarkFeed sends articles on to another server (RFC 4644), all in one run: the
// gateway what it holds and what comes in just then, INN what it holds by innxmit
// and what comes in by innfeed. An operation is all of the articles. sender-µs is
// the CPU time of innxmit or innfeed alone; of the gateway, which is one process,
// that of all of it while it does nothing but send.
func BenchmarkFeed(b *testing.B) {
	if outside() || os.Getenv("NEWS_BENCH_SERVER") != "" {
		b.Skip("the servers must be started here")
	}
	for _, size := range []int{2, 22} {
		for _, c := range []struct {
			name string
			run  func(*testing.B, *target, *form)
		}{
			{"gateway/held", gatewayHeld},
			{"gateway/steady", gatewaySteady},
			{"innxmit/held", innxmitHeld},
			{"innfeed/steady", innfeedSteady},
		} {
			b.Run(fmt.Sprintf("%dKiB/%s", size, c.name), func(b *testing.B) {
				for range b.N {
					t := &target{group: "misc.test", press: newPress(), articles: number(b, "NEWS_BENCH_ARTICLES", 10_000)}
					f := newForm(t.press, t.group, size<<10)
					if size == 22 {
						f = newEntry(b, t.press, t.group)
					}
					c.run(b, t, f)
				}
			})
		}
	}
}

// take has the server take all articles.
func (t *target) take(b *testing.B, f *form) {
	b.Helper()
	if err := t.dialPeer(b).takeThis(t.press, f, t.articles); err != nil {
		b.Fatal(err)
	}
}

// startFeeder starts a gateway that is fed from here.
func (t *target) startFeeder(b *testing.B) *harness.Gateway {
	b.Helper()
	g := harness.Start(b,
		harness.Setting{Key: "epoch_length", Value: `"24h"`}, harness.Setting{Key: "batch_interval", Value: `"5m"`}, // no other work
		harness.Setting{Key: "[[peer]]", Value: "name = \"bench.example\"\naddresses = [\"127.0.0.1\"]"})
	t.reader, t.feed, t.processes = g.Address, g.Address, processes{g.PID()}
	return g
}

// feeds tells a gateway to feed the sink.
func feeds(b *testing.B, g *harness.Gateway, s *sink) {
	b.Helper()
	text, err := os.ReadFile(g.Config)
	if err != nil {
		b.Fatal(err)
	}
	text = fmt.Appendf(text, "\n[[peer]]\nname = \"sink.example\"\n[peer.feed]\naddress = %q\nsecurity = \"none\"\ngroups = \"misc.test\"\nbackfill = true\n", s.address)
	if err := os.WriteFile(g.Config, text, 0o600); err != nil {
		b.Fatal(err)
	}
	if err := syscall.Kill(g.PID(), syscall.SIGHUP); err != nil {
		b.Fatal(err)
	}
}

// await waits until the sink has n articles.
func (s *sink) await(b *testing.B, n int) {
	b.Helper()
	for end := time.Now().Add(2 * time.Minute); s.taken.Load() < int64(n); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			b.Fatalf("only %d articles came", s.taken.Load())
		}
	}
}

func (p processes) mustCPU(b *testing.B) time.Duration {
	b.Helper()
	cpu, err := p.cpu()
	if err != nil {
		b.Fatal(err)
	}
	return cpu
}

// quiet waits until the processes have no more work from before.
func (p processes) quiet(b *testing.B) {
	b.Helper()
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); {
		before := p.mustCPU(b)
		time.Sleep(500 * time.Millisecond)
		if p.mustCPU(b)-before <= tick {
			return
		}
	}
}

func gatewayHeld(b *testing.B, t *target, f *form) {
	b.Helper()
	g, s := t.startFeeder(b), newSink(b)
	t.take(b, f)
	t.processes.quiet(b)
	before := t.processes.mustCPU(b)
	feeds(b, g, s)
	s.await(b, t.articles)
	took := time.Since(time.Unix(0, s.first.Load()))
	report(b, "sender", t.articles, took, t.processes.mustCPU(b)-before)
	g.Stop()
}

func gatewaySteady(b *testing.B, t *target, f *form) {
	b.Helper()
	g, s := t.startFeeder(b), newSink(b)
	feeds(b, g, s)
	t.processes.quiet(b)
	before, begun := t.processes.mustCPU(b), time.Now()
	t.take(b, f)
	s.await(b, t.articles)
	report(b, "server", t.articles, time.Since(begun), t.processes.mustCPU(b)-before)
	g.Stop()
}

func innxmitHeld(b *testing.B, t *target, f *form) {
	b.Helper()
	server := inn.StartBatching(b, t.innGroups(), inn.Login{Name: "nobody", Password: "secret"})
	t.reader, t.feed, t.processes = server.Reader, server.Transit, server.PIDs
	t.take(b, f)
	s := newSink(b)
	cpu := server.Transmit(s.address)
	took := time.Since(time.Unix(0, s.first.Load()))
	if n := s.taken.Load(); n != int64(t.articles) {
		b.Fatalf("%d articles came", n)
	}
	report(b, "sender", t.articles, took, cpu)
}

func innfeedSteady(b *testing.B, t *target, f *form) {
	b.Helper()
	s := newSink(b)
	server := inn.StartBufferedFeeding(b, t.innGroups(), inn.Login{Name: "nobody", Password: "secret"}, inn.Downstream{Name: "sink.example", Address: s.address})
	t.reader, t.feed, t.processes = server.Reader, server.Transit, server.PIDs
	t.processes.quiet(b)
	sender := processes{server.Feeder()}
	sent, all, begun := sender.mustCPU(b), t.processes.mustCPU(b), time.Now()
	t.take(b, f)
	s.await(b, t.articles)
	report(b, "server", t.articles, time.Since(begun), t.processes.mustCPU(b)-all)
	b.ReportMetric(micros(sender.mustCPU(b)-sent)/float64(t.articles), "sender-µs/article")
}

func (t *target) innGroups() []inn.Group {
	return []inn.Group{{Name: t.group, Posting: 'y', Created: time.Now()}}
}

// report reports how fast n articles went, and the CPU time for each.
func report(b *testing.B, whose string, n int, took, cpu time.Duration) {
	b.Helper()
	b.ReportMetric(float64(n)/took.Seconds(), "articles/s")
	b.ReportMetric(micros(cpu)/float64(n), whose+"-µs/article")
}
