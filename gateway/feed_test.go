package gateway

import (
	"bufio"
	"context"
	"errors"
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
	"github.com/restante/restante/pool/disk"
)

// feedServer serves peers on loopback from a store on disk, and returns the
// store and a way to connect.
func feedServer(t testing.TB) (*disk.Store, func() net.Conn) {
	t.Helper()
	store, err := disk.Open(t.TempDir(), disk.Options{ServerName: "gw.example", Logger: zerolog.Nop()})
	if err != nil {
		t.Fatal(err)
	}
	if err := store.SetGroup(t.Context(), pool.GroupInfo{Name: "misc.test", Posting: pool.PostingAllowed}); err != nil {
		t.Fatal(err)
	}
	every, err := nntp.ParseWildmat("*")
	if err != nil {
		t.Fatal(err)
	}
	desk := peer.New(peer.Options{
		Domain: "gw.example", Store: store, Cutoff: 240 * time.Hour,
		Peers: []peer.Peer{{Name: "a", Path: "a.example", Addresses: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}, Groups: every}},
	})
	server := session.New(session.Options{
		Store: store, Office: front{fault: func() {}, Office: new(office.Office)}, Feeds: feeds{desk}, Name: "gw.example", Version: "1",
		MaxArticle: 1 << 20, Limits: session.Limits{Idle: time.Minute}, Logger: zerolog.Nop(),
	})
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	g := &Gateway{sessions: server, conns: newConns(Admission{Connections: 10}), log: zerolog.Nop()}
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	done := make(chan error, 1)
	go func() { done <- g.listen(ctx, listener, server.Serve, g.turnAway) }()
	t.Cleanup(func() {
		stop()
		if err := errors.Join(<-done, store.Close()); err != nil {
			t.Error(err)
		}
	})
	return store, func() net.Conn {
		conn, err := net.Dial("tcp", listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conn.Close() })
		return conn
	}
}

func fed(i, size int) string {
	body := strings.Repeat(strings.Repeat("x", 62)+"\r\n", size/64)
	return fmt.Sprintf("Path: a.example!not-for-mail\r\nFrom: a@example.org\r\nNewsgroups: misc.test\r\nSubject: %d\r\nDate: %s\r\nMessage-ID: <%d@x>\r\n\r\n%s",
		i, article.Date(time.Now()), i, body)
}

// What a peer streams gets numbers in the order of its coming, and is on the
// disk once it is answered for.
func TestFeed_streamKeepsItsOrder(t *testing.T) {
	store, dial := feedServer(t)
	conn := dial()
	r := bufio.NewReader(conn)
	const n = 300
	go func() {
		for i := range n {
			_, _ = fmt.Fprintf(conn, "TAKETHIS <%d@x>\r\n%s.\r\n", i, fed(i, 640))
		}
		_, _ = io.WriteString(conn, "CHECK <5@x>\r\nIHAVE <6@x>\r\nTAKETHIS <7@x>\r\n"+fed(7, 64)+".\r\nQUIT\r\n")
	}()
	expect := func(want string) {
		t.Helper()
		if line, err := r.ReadString('\n'); err != nil || !strings.HasPrefix(line, want) {
			t.Fatalf("got %q, %v; want %q", line, err, want)
		}
	}
	expect("201 ")
	for i := range n {
		expect(fmt.Sprintf("239 <%d@x>", i))
		if i%50 == 0 {
			if s, err := store.ByNumber(t.Context(), "misc.test", pool.Number(i+1)); err != nil || s.ID != pool.MessageID(fmt.Sprintf("<%d@x>", i)) {
				t.Errorf("number %d: %v", i+1, err)
			}
		}
	}
	expect("438 <5@x>")
	expect("435 ")
	expect("439 <7@x>")
	expect("205 ")
}

// Two feeds with one article: the second hears 431 and 436 until the first has
// sent it (RFC 4644, Section 2.4.2 and RFC 3977, Section 6.3.2.2).
func TestFeed_articleInFlightElsewhere(t *testing.T) {
	_, dial := feedServer(t)
	talk := func(conn net.Conn, r *bufio.Reader, send, want string) {
		t.Helper()
		if _, err := io.WriteString(conn, send); err != nil {
			t.Fatal(err)
		}
		if line, err := r.ReadString('\n'); err != nil || !strings.HasPrefix(line, want) {
			t.Fatalf("got %q, %v; want %q", line, err, want)
		}
	}
	a, b := dial(), dial()
	ra, rb := bufio.NewReader(a), bufio.NewReader(b)
	talk(a, ra, "", "201 ")
	talk(b, rb, "", "201 ")
	talk(a, ra, "CHECK <1@x>\r\n", "238 <1@x>")
	talk(b, rb, "CHECK <1@x>\r\n", "431 <1@x>")
	talk(b, rb, "IHAVE <1@x>\r\n", "436 ")
	talk(a, ra, "TAKETHIS <1@x>\r\n"+fed(1, 64)+".\r\n", "239 <1@x>")
	talk(b, rb, "CHECK <1@x>\r\n", "438 <1@x>")
	talk(b, rb, "IHAVE <2@x>\r\n", "335 ")
	talk(a, ra, "CHECK <2@x>\r\n", "431 <2@x>")
	talk(b, rb, fed(2, 64)+".\r\n", "235 ")
	talk(a, ra, "CHECK <3@x>\r\n", "238 <3@x>")
	talk(a, ra, "QUIT\r\n", "205 ")
	if _, err := ra.ReadString('\n'); !errors.Is(err, io.EOF) { // the feed is closed before its connection
		t.Fatalf("after QUIT: %v, want the end", err)
	}
	talk(b, rb, "IHAVE <3@x>\r\n", "335 ")
}

// One connection, each article on the disk before it is answered for.
func BenchmarkTakethis(b *testing.B) {
	for _, size := range []int{2 << 10, 16 << 10} {
		for _, depth := range []int{1, 256} {
			b.Run(fmt.Sprintf("%dKiB/depth%d", size>>10, depth), func(b *testing.B) {
				_, dial := feedServer(b)
				conn := dial()
				r := bufio.NewReader(conn)
				if _, err := r.ReadString('\n'); err != nil {
					b.Fatal(err)
				}
				turns := make(chan struct{}, depth)
				b.SetBytes(int64(size))
				b.ResetTimer()
				go func() {
					for i := range b.N {
						turns <- struct{}{}
						_, _ = io.WriteString(conn, fmt.Sprintf("TAKETHIS <%d@x>\r\n", i)+fed(i, size)+".\r\n")
					}
				}()
				for i := range b.N {
					line, err := r.ReadString('\n')
					if err != nil || !strings.HasPrefix(line, fmt.Sprintf("239 <%d@x>", i)) {
						b.Fatalf("%q, %v", line, err)
					}
					<-turns
				}
			})
		}
	}
}
