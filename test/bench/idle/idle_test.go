package idle

import (
	"bufio"
	"compress/flate"
	"crypto/tls"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
)

const (
	readers  = 10000
	warm     = 200 // connections that come and go first, so that the server has grown what it keeps
	together = 64  // that are opened at a time
)

// BenchmarkIdle opens 10,000 connections, lets each do what a newsreader does at
// its start, and reports what the server has resident for each while all are
// idle. The figure is of one run; time is not what is measured:
//
//	go test -run '^$' -bench Idle -benchtime 1x ./test/bench/idle
func BenchmarkIdle(b *testing.B) {
	for _, kind := range []struct {
		name string
		dial func(*testing.B, *server) (net.Conn, error)
		most float64 // KiB for each that the server may take; 0: none is set
	}{
		{"plain", dialPlain, 6},
		{"tls", dialTLS, 16},
		{"compressed", dialCompressed, 0},
	} {
		b.Run(kind.name, func(b *testing.B) {
			for b.Loop() {
				s := startServer(b)
				for _, conn := range open(b, s, warm, kind.dial) {
					_ = conn.Close()
				}
				before := s.resident()
				conns := open(b, s, readers, kind.dial)
				each := float64(s.resident()-before) / readers / 1024
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

// open opens connections and leaves them idle.
func open(b *testing.B, s *server, n int, dial func(*testing.B, *server) (net.Conn, error)) []net.Conn {
	b.Helper()
	conns := make([]net.Conn, n)
	turns := make(chan struct{}, together)
	var wg sync.WaitGroup
	for i := range conns {
		turns <- struct{}{}
		wg.Go(func() {
			defer func() { <-turns }()
			var err error
			if conns[i], err = dial(b, s); err != nil {
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

func dialPlain(_ *testing.B, s *server) (net.Conn, error) {
	conn, err := net.Dial("tcp", s.plain)
	if err != nil {
		return nil, err
	}
	return conn, talk(bufio.NewReaderSize(conn, 512), conn, true)
}

func dialTLS(b *testing.B, s *server) (net.Conn, error) {
	conn, err := net.Dial("tcp", s.secure)
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

func dialCompressed(_ *testing.B, s *server) (net.Conn, error) {
	conn, err := net.Dial("tcp", s.plain)
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
