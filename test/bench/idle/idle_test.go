package idle

import (
	"bufio"
	"compress/flate"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/textproto"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/restante/restante/test/harness"
)

func TestMain(m *testing.M) { os.Exit(harness.Main(m)) }

const (
	readers  = 10000
	warm     = 200 // connections that come and go first, so that the gateway has grown what it keeps
	together = 64  // that are opened at a time
	articles = 100 // in the group
	settle   = 30 * time.Second
)

// BenchmarkIdle opens 10,000 connections, lets each do what a newsreader does at
// its start, and reports what the gateway has resident for each half a minute
// after the last one fell silent. The figure is of one run; time is not what is
// measured:
//
//	go test -run '^$' -bench Idle -benchtime 1x ./test/bench/idle
func BenchmarkIdle(b *testing.B) {
	for _, kind := range []struct {
		name string
		dial func(*testing.B, *harness.Gateway) (net.Conn, error)
		most float64 // KiB for each that the gateway may take; 0: none is set
	}{
		{"plain", dialPlain, 6},
		{"tls", dialTLS, 16},
		{"compressed", dialCompressed, 0},
	} {
		b.Run(kind.name, func(b *testing.B) {
			enoughFiles(b)
			for b.Loop() {
				g := start(b)
				for _, conn := range open(b, g, warm, kind.dial) {
					_ = conn.Close()
				}
				time.Sleep(settle)
				before := resident(b, g)
				conns := open(b, g, readers, kind.dial)
				time.Sleep(settle)
				each := float64(resident(b, g)-before) / readers
				b.ReportMetric(each, "KiB/connection")
				if kind.most > 0 {
					b.ReportMetric(kind.most, "KiB-allowed")
				}
				for _, conn := range conns {
					_ = conn.Close()
				}
			}
		})
	}
}

// enoughFiles stops where this process, or one that it starts, can't have a file
// for each connection. Go itself raises the soft limit to the hard one.
func enoughFiles(b *testing.B) {
	b.Helper()
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		b.Fatal(err)
	}
	if limit.Cur < readers+500 {
		b.Skipf("%d open files are allowed, and it takes %d: ulimit -n", limit.Cur, readers+500)
	}
}

// start starts a gateway that releases no batch meanwhile, with some articles.
func start(b *testing.B) *harness.Gateway {
	b.Helper()
	g := harness.StartTLS(b,
		harness.Setting{Key: "epoch_length", Value: `"168h"`},
		harness.Setting{Key: "batch_interval", Value: `"30m"`},
		harness.Setting{Key: "connections", Value: strconv.Itoa(readers + warm)},
		harness.Setting{Key: "compressed", Value: strconv.Itoa(readers + warm)},
		harness.Setting{Key: "[[peer]]", Value: "name = \"bench.example\"\naddresses = [\"127.0.0.1\"]"},
	)
	peer, err := textproto.Dial("tcp", g.Address)
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = peer.Close() }()
	if _, _, err := peer.ReadCodeLine(20); err != nil {
		b.Fatal(err)
	}
	for i := range articles {
		id := fmt.Sprintf("<%d@bench.example>", i)
		text := "Path: bench.example!not-for-mail\r\nFrom: a@example.com\r\nNewsgroups: misc.test\r\nSubject: x\r\nDate: " +
			time.Now().UTC().Format(time.RFC1123Z) + "\r\nMessage-ID: " + id + "\r\n\r\n" + strings.Repeat("body ", 12) + "\r\n."
		for _, step := range []struct {
			line string
			code int
		}{{"IHAVE " + id, 335}, {text, 235}} {
			if err := peer.PrintfLine("%s", step.line); err != nil {
				b.Fatal(err)
			}
			if _, _, err := peer.ReadCodeLine(step.code); err != nil {
				b.Fatal(err)
			}
		}
	}
	return g
}

// resident is what the gateway has in memory, in KiB.
func resident(b *testing.B, g *harness.Gateway) int {
	b.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", g.PID()))
	if err != nil {
		b.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(status), "VmRSS:")
	var kib int
	if _, err := fmt.Sscan(rest, &kib); err != nil {
		b.Fatal(err)
	}
	return kib
}

// open opens connections and leaves them idle.
func open(b *testing.B, g *harness.Gateway, n int, dial func(*testing.B, *harness.Gateway) (net.Conn, error)) []net.Conn {
	b.Helper()
	conns := make([]net.Conn, n)
	turns := make(chan struct{}, together)
	var wg sync.WaitGroup
	for i := range conns {
		turns <- struct{}{}
		wg.Go(func() {
			defer func() { <-turns }()
			var err error
			if conns[i], err = dial(b, g); err != nil {
				b.Error(err)
			}
		})
	}
	wg.Wait()
	if b.Failed() {
		b.FailNow()
	}
	return conns
}

func dialPlain(_ *testing.B, g *harness.Gateway) (net.Conn, error) {
	conn, err := net.Dial("tcp", g.Address)
	if err != nil {
		return nil, err
	}
	return conn, talk(bufio.NewReaderSize(conn, 512), conn, true)
}

func dialTLS(b *testing.B, g *harness.Gateway) (net.Conn, error) {
	conn, err := net.Dial("tcp", net.JoinHostPort(g.Host, g.SecurePort))
	if err != nil {
		return nil, err
	}
	secured := tls.Client(conn, &tls.Config{InsecureSkipVerify: true})
	if err := secured.HandshakeContext(b.Context()); err != nil {
		return nil, err
	}
	// What TLS keeps at this end is garbage then; the connection stays.
	return conn, talk(bufio.NewReaderSize(secured, 512), secured, true)
}

func dialCompressed(_ *testing.B, g *harness.Gateway) (net.Conn, error) {
	conn, err := net.Dial("tcp", g.Address)
	if err != nil {
		return nil, err
	}
	r := bufio.NewReaderSize(conn, 512)
	for _, command := range []string{"", "COMPRESS DEFLATE\r\n"} {
		if _, err := io.WriteString(conn, command); err != nil {
			return nil, err
		}
		if _, err := r.ReadString('\n'); err != nil {
			return nil, err
		}
	}
	w, err := flate.NewWriter(conn, flate.HuffmanOnly)
	if err != nil {
		return nil, err
	}
	return conn, talk(bufio.NewReaderSize(flate.NewReader(r), 512), flushing{w}, false)
}

type flushing struct{ *flate.Writer }

func (f flushing) Write(p []byte) (int, error) {
	n, err := f.Writer.Write(p)
	if err == nil {
		err = f.Flush()
	}
	return n, err
}

// talk says what newsreaders say at first.
func talk(r *bufio.Reader, w io.Writer, greeted bool) error {
	commands := []string{"CAPABILITIES", "MODE READER", "LIST", "GROUP misc.test", "OVER 1-", "ARTICLE 5"}
	if greeted {
		if _, err := r.ReadString('\n'); err != nil {
			return err
		}
	}
	for _, command := range commands {
		if _, err := io.WriteString(w, command+"\r\n"); err != nil {
			return err
		}
		line, err := r.ReadString('\n')
		if err != nil {
			return err
		}
		if strings.HasPrefix(line, "200") || strings.HasPrefix(line, "201") || strings.HasPrefix(line, "211") {
			continue
		}
		for line != ".\r\n" {
			if line, err = r.ReadString('\n'); err != nil {
				return err
			}
		}
	}
	return nil
}
