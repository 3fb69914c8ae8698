package session

import (
	"bufio"
	"bytes"
	"compress/flate"
	"io"
	"net"
	"regexp"
	"runtime"
	"strings"
	"testing"
)

// A compressing connection is a client's end of RFC 8054. Each of its writes is
// one of the connection below, which has no buffer.
type compressing struct {
	net.Conn
	in     io.Reader
	gather *bytes.Buffer
	out    *flate.Writer
}

func (c *client) overCompression() {
	c.t.Helper()
	var gather bytes.Buffer
	w, err := flate.NewWriter(&gather, flate.DefaultCompression)
	if err != nil {
		c.t.Fatal(err)
	}
	c.conn = &compressing{c.conn, flate.NewReader(c.r), &gather, w}
	c.r = bufio.NewReader(c.conn)
}

func (c *compressing) Read(p []byte) (int, error) { return c.in.Read(p) }

func (c *compressing) Write(p []byte) (int, error) {
	if _, err := c.out.Write(p); err != nil {
		return 0, err
	}
	if err := c.out.Flush(); err != nil {
		return 0, err
	}
	_, err := c.gather.WriteTo(c.Conn)
	return len(p), err
}

// compress goes on compressed.
func (c *client) compress() {
	c.t.Helper()
	c.talk("> COMPRESS DEFLATE", "~206 ")
	c.overCompression()
}

func withCompression(o *Options) { o.Limits.Compressed = 2 }

func compressionOptions(t testing.TB) Options {
	opts := newOptions(t)
	withCompression(&opts)
	return opts
}

// RFC 8054, Section 2.2.
func TestCompress_afterIt(t *testing.T) {
	opts := tlsOptions(t)
	withCompression(&opts)
	opts.MayLogin = func(net.Conn) bool { return true }
	c := dial(t, opts)
	c.talk("> CAPABILITIES", "~101 ", "VERSION 2", "~IMPLEMENTATION ", "READER", "AUTHINFO USER SASL", "SASL PLAIN", "STARTTLS", "COMPRESS DEFLATE",
		"POST", "OVER MSGID", "HDR", "~LIST ", "NEWNEWS", ".", "> GROUP misc.test", "~211 ")
	c.compress()
	c.talk("> CAPABILITIES", "~101 ", "VERSION 2", "~IMPLEMENTATION ", "READER", "POST", "OVER MSGID", "HDR", "~LIST ", "NEWNEWS", ".",
		"> COMPRESS DEFLATE", "~502 ", "> COMPRESS X", "~502 ", "> COMPRESS", "~501 ", "> COMPRESS a!", "~501 ",
		"> STARTTLS", "~502 ", "> AUTHINFO USER a", "~502 ", "> AUTHINFO PASS a", "~502 ", "> AUTHINFO SASL PLAIN", "~502 ", "> AUTHINFO USER", "~501 ",
		"> STAT", "~223 1 ", "> BODY 4", "~222 ", "body of 4", "..dot", ".", "> POST", "~340 ", "> x", "> .", "~240 ", "> QUIT", "~205 ")
	c.outcome(nil)
}

func TestCompress_refusals(t *testing.T) {
	play(t, []dialogue{
		{"unknown algorithm: 503", []string{"> COMPRESS SHRINK", "~503 ", "> COMPRESS GZIP", "~503 ", "> DATE", "~111 "}},
		{"syntax: 501", []string{"> COMPRESS", "~501 ", "> COMPRESS DEFLATE now", "~501 ", "> COMPRESS de.flate", "~501 ", "> COMPRESS " + strings.Repeat("X", 21), "~501 "}},
	}, withCompression)
	c := dial(t, newOptions(t))
	c.talk("> COMPRESS DEFLATE", "~403 ", "> CAPABILITIES", "~101 ", "VERSION 2", "~IMPLEMENTATION ", "READER", "AUTHINFO USER SASL", "SASL PLAIN", "POST")
}

// RFC 8054, Section 2.2.2: 403 when there are no resources; an ended session
// gives its own back.
func TestCompress_atMostSoManySessions(t *testing.T) {
	opts := compressionOptions(t)
	opts.Limits.Compressed = 1
	srv := New(opts)
	first, second := dialAt(t, srv), dialAt(t, srv)
	first.compress()
	second.talk("> COMPRESS DEFLATE", "~403 ", "> DATE", "~111 ")
	first.talk("> QUIT", "~205 ")
	first.outcome(nil)
	second.compress()
	second.talk("> DATE", "~111 ")
}

// RFC 8054, Section 2.2.2: after a login it stays logged in, and what was
// listed for SASL stays listed.
func TestCompress_afterALogin(t *testing.T) {
	c := dial(t, compressionOptions(t))
	c.talk("> AUTHINFO USER a", "~381 ", "> AUTHINFO PASS b", "~281 ")
	c.compress()
	c.talk("> GROUP restante.inbox", "~211 ", "> CAPABILITIES", "~101 ", "VERSION 2", "~IMPLEMENTATION ", "READER", "SASL PLAIN", "POST")
}

// First compressed, then encrypted (RFC 8054, Section 2.2.2).
func TestCompress_aboveTLS(t *testing.T) {
	opts := tlsOptions(t)
	withCompression(&opts)
	c, _ := connectTLS(t, opts, trusting())
	c.compress()
	c.talk("> GROUP misc.test", "~211 ", "> OVER 1-", "~224 ", "~1\t", "~3\t", "~4\t", ".", "> QUIT", "~205 ")
	c.outcome(nil)
}

// What came behind COMPRESS in the clear is no command.
func TestCompress_throwsAwayWhatCameInTheClear(t *testing.T) {
	c := dial(t, compressionOptions(t))
	c.send("COMPRESS DEFLATE\r\nGROUP misc.test\r\n")
	c.expect("~206 ")
	c.overCompression()
	c.talk("> STAT", "~412 ")
}

// RFC 8054, Section 2.2.2: who receives corrupted data immediately closes the
// connection.
func TestCompress_corruptedData(t *testing.T) {
	c := dial(t, compressionOptions(t))
	c.talk("> COMPRESS DEFLATE", "~206 ")
	c.send("\xff\xff\xff\xff")
	if rest, err := io.ReadAll(c.r); err != nil || len(rest) > 0 {
		t.Errorf("it was answered with %q, %v", rest, err)
	}
	c.outcome(ErrLost)
}

// Every answer can be read whole when it came (RFC 8054, Section 2.2.2), and
// leaves in one write, whatever its commands' order.
func TestCompress_flushesEachAnswer(t *testing.T) {
	var rec *recorder
	c := connect(t, compressionOptions(t), func(conn net.Conn) net.Conn {
		rec = &recorder{Conn: conn}
		return rec
	})
	c.expect("~200 ")
	c.compress()
	for _, command := range []string{"DATE", "GROUP misc.test", "STAT", "XYZZY"} {
		c.send(command + "\r\n")
		c.line()
	}
	for _, command := range []string{"HELP", "LIST", "OVER 1-"} {
		c.send(command + "\r\n")
		c.skip()
	}
	rec.mu.Lock()
	defer rec.mu.Unlock()
	if got := len(rec.writes); got != 2+4+3 {
		t.Errorf("%d writes, want 9", got)
	}
	status := regexp.MustCompile(`^\d{3} .+\r\n`)
	for _, w := range rec.writes[2:] {
		text, err := io.ReadAll(flate.NewReader(strings.NewReader(w)))
		if err == nil || !status.Match(text) { // the stream goes on behind each piece
			t.Errorf("a write holds %.20q, %v", text, err)
		}
	}
}

// An idle compressed session holds no compressor.
func TestCompress_idleSessionIsSmall(t *testing.T) {
	opts := compressionOptions(t)
	const sessions = 50
	opts.Limits.Compressed = sessions
	srv := New(opts)
	clients := make([]*client, sessions)
	for i := range clients {
		clients[i] = dialAt(t, srv)
	}
	before := heap()
	for _, c := range clients {
		c.talk("> COMPRESS DEFLATE", "~206 ")
		c.send(string(deflate(t, "DATE\r\n")))
		if line, err := bufio.NewReader(flate.NewReader(c.r)).ReadString('\n'); err != nil || !strings.HasPrefix(line, "111 ") {
			t.Fatalf("%q, %v", line, err)
		}
	}
	if each := (int64(heap()) - int64(before)) / sessions; each > 100<<10 {
		t.Errorf("a compressed session and its client hold %d octets", each)
	}
}

func heap() uint64 {
	runtime.GC()
	runtime.GC() // the first one only takes what is in pools aside
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

func deflate(t testing.TB, text string) []byte {
	t.Helper()
	var out bytes.Buffer
	w, err := flate.NewWriter(&out, flate.BestSpeed)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(w, text); err != nil || w.Flush() != nil {
		t.Fatal("compressing failed")
	}
	return out.Bytes()
}
