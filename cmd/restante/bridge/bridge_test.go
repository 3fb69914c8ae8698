package bridge

import (
	"context"
	"errors"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/restante/restante/gateway/nntp"
	"github.com/restante/restante/gateway/remote"
	"github.com/restante/restante/pool"
)

// Whatever a newsreader asks of public groups, it hears through the bridge what it
// hears at the server itself.
func TestBridge_showsTheNewsAsItIs(t *testing.T) {
	b := &behind{Store: newStore(t, "behind.example")}
	server := serve(t, b)
	through, direct := dial(t, start(t, Options{Desk: new(desk), News: server})), dial(t, server.Address)
	for _, command := range []string{
		"LIST ACTIVE misc.*", "LIST NEWSGROUPS misc.*", "GROUP no.such", "XOVER 1", "NEXT", "GROUP misc.empty", "XOVER 1-", "OVER 1-5", "ARTICLE",
		"GROUP misc.test", "STAT", "NEXT", "NEXT", "LAST", "LAST", "LAST", "ARTICLE 2", "ARTICLE 3", "HEAD", "BODY", "STAT 4", "NEXT",
		"XOVER 1-", "XOVER 2-2", "OVER 2", "OVER 59-", "OVER 70-80", "LISTGROUP", "LISTGROUP misc.test 58-", "STAT 60", "NEXT", "LAST",
		"XHDR subject 1-5", "HDR x-of-its-own 58-", "HDR :bytes 3", "XPAT from 1-3 *A*", "ARTICLE <3@x>", "OVER <3@x>", "HDR xref <4@x>", "STAT <2@x>",
		"STAT <never@x>", "LIST OVERVIEW.FMT", "HELP ME",
	} {
		if diff := cmp.Diff(direct.say(command), through.say(command)); diff != "" {
			t.Errorf("%s: at the server (-), through the bridge (+):\n%s", command, diff)
		}
	}
}

func TestBridge_showsTheMailWithoutALogin(t *testing.T) {
	b := &behind{Store: newStore(t, "behind.example")}
	c := dial(t, start(t, Options{Desk: new(desk), News: serve(t, b)}))
	want := []string{
		"~215", "misc.empty 0 1 y", "misc.test 60 1 y", "restante.cards 0 1 y", "restante.inbox 1 1 y", "restante.reply 0 1 y", "restante.sent 0 1 y", ".",
	}
	got := c.say("LIST")
	got[0] = want[0]
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if got := c.say("GROUP restante.inbox")[0]; got != "211 1 1 1 restante.inbox" {
		t.Error(got)
	}
	if got := c.say("ARTICLE 1"); !slices.Contains(got, "only for you") || !slices.Contains(got, "Restante-Sealed: end-to-end") {
		t.Errorf("%q", got)
	}
	for _, command := range []string{"AUTHINFO USER anybody", "AUTHINFO PASS anything at all", "GROUP restante.inbox", "ARTICLE <mail@x>", "GROUP misc.test", "LIST"} {
		if got := c.say(command)[0]; got[0] > '3' {
			t.Errorf("%s: %s", command, got)
		}
	}
	if len(b.asked) > 0 {
		t.Errorf("the server behind was asked for mail: %q", b.asked)
	}
}

// A newsreader asks for what a message refers to. The correspondent's token must
// not get to the server that way.
func TestBridge_asksNobodyForTokens(t *testing.T) {
	b := &behind{Store: newStore(t, "behind.example")}
	private, public := newToken(t), newToken(t)
	file(t, b.Store, "misc.test", public, "", "from somebody with a login\r\n")
	c := dial(t, start(t, Options{Desk: new(desk), News: serve(t, b)}))
	if got := c.say("ARTICLE " + private)[0]; !strings.HasPrefix(got, "430") || len(b.asked) > 0 {
		t.Errorf("%s, the server was asked for %q", got, b.asked)
	}
	c.say("GROUP misc.test")
	c.say("XOVER 61")
	if got := c.say("ARTICLE " + public)[0]; !strings.HasPrefix(got, "220") {
		t.Errorf("an article that the server had shown: %s", got)
	}
}

// The bridge does not know when articles came to the server behind (RFC 3977,
// Section 7.4.1), and does not say that it did.
func TestBridge_knowsNoArrivals(t *testing.T) {
	b := &behind{Store: newStore(t, "behind.example")}
	c := dial(t, start(t, Options{Desk: new(desk), News: serve(t, b)}))
	if got := c.say("NEWNEWS * 20260101 000000 GMT")[0]; !strings.HasPrefix(got, "503 ") {
		t.Errorf("NEWNEWS: %s", got)
	}
	if got := c.say("CAPABILITIES"); !slices.Contains(got, "READER") || slices.Contains(got, "NEWNEWS") {
		t.Errorf("CAPABILITIES: %q", got)
	}
}

// Without the server behind, the mail is there, and what needs that server says so.
func TestBridge_worksWithoutTheServer(t *testing.T) {
	b := &behind{Store: newStore(t, "behind.example")}
	server := serve(t, b)
	server.Dialer = down{}
	d := new(desk)
	c := dial(t, start(t, Options{Desk: d, News: server}))
	for command, want := range map[string]string{
		"GROUP restante.inbox": "211 1 1 1", "ARTICLE 1": "220 ", "LIST": "215 ", "GROUP misc.test": "403 The news server behind the bridge can't be reached",
		"GROUP restante.reply": "211 0 1 0", "ARTICLE <1@x>": "403 ",
	} {
		if command == "ARTICLE 1" {
			c.say("GROUP restante.inbox")
		}
		if got := c.say(command)[0]; !strings.HasPrefix(got, want) {
			t.Errorf("%s: %s", command, got)
		}
	}
	if got := c.post("Newsgroups: misc.test", "Subject: x", "", "x"); !strings.HasPrefix(got, "441 The news server behind the bridge can't be reached: nothing was posted") {
		t.Error(got)
	}
	if got := c.post("Newsgroups: restante.reply", "Subject: x", "References: "+newToken(t), "", "x"); !strings.HasPrefix(got, "240 ") || len(d.letters) != 1 {
		t.Error(got)
	}
}

// down is a network that is not there.
type down struct{}

func (down) DialContext(context.Context, string, string) (net.Conn, error) {
	return nil, errors.New("no network")
}

// What the other side closed meanwhile is not the newsreader's trouble.
func TestBridge_connectsAnew(t *testing.T) {
	b := &behind{Store: newStore(t, "behind.example")}
	server := serve(t, b)
	var conns []net.Conn
	server.Dialer = recorder(func(c net.Conn) { conns = append(conns, c) })
	c := dial(t, start(t, Options{Desk: new(desk), News: server}))
	c.say("GROUP misc.test")
	for range 3 {
		for _, conn := range conns {
			_ = conn.Close()
		}
		if got := c.say("ARTICLE 1")[0]; !strings.HasPrefix(got, "220 ") {
			t.Fatal(got)
		}
	}
}

type recorder func(net.Conn)

func (r recorder) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	var d net.Dialer
	conn, err := d.DialContext(ctx, network, address)
	if err == nil {
		r(conn)
	}
	return conn, err
}

func TestRun_listensOnThisMachineAlone(t *testing.T) {
	for _, address := range []string{"0.0.0.0:0", ":0", "[::]:0", "192.0.2.1:0"} {
		err := New(Options{Listen: address, Mail: newMail(t), Desk: new(desk), Every: time.Hour}).Run(t.Context(), func(net.Addr) { t.Error("it listens") })
		if !errors.Is(err, ErrExposed) {
			t.Errorf("%s: %v", address, err)
		}
	}
}

// A web page can have a browser send what it likes to a port of this machine: it
// is cut off within the browser's own header.
func TestBridge_sendsBrowsersAway(t *testing.T) {
	b := &behind{Store: newStore(t, "behind.example")}
	d := new(desk)
	c := dial(t, start(t, Options{Desk: d, News: serve(t, b)}))
	request := "POST / HTTP/1.1\r\nHost: 127.0.0.1:1120\r\nConnection: keep-alive\r\nContent-Length: 99\r\nUser-Agent: x\r\n" +
		"Content-Type: text/plain\r\nAccept: */*\r\nOrigin: http://bad.example\r\n\r\n" +
		"POST\r\nNewsgroups: restante.reply\r\nSubject: x\r\nReferences: " + newToken(t) + "\r\n\r\nx\r\n.\r\n"
	if _, err := c.conn.Write([]byte(request)); err != nil {
		t.Fatal(err)
	}
	for {
		line, err := c.r.ReadString('\n')
		if err != nil {
			break
		}
		if strings.HasPrefix(line, "240") || strings.HasPrefix(line, "340") {
			t.Fatal(line)
		}
	}
	if len(d.letters) > 0 {
		t.Error("a web page has posted")
	}
}

// Posting does not wait until mail is up to date.
func TestBridge_postsDuringASync(t *testing.T) {
	b := &behind{Store: newStore(t, "behind.example")}
	d := &desk{syncing: make(chan struct{})}
	c := dial(t, start(t, Options{Desk: d, News: serve(t, b)}))
	<-d.syncing
	if got := c.post("Newsgroups: restante.reply", "Subject: x", "References: "+newToken(t), "", "x"); !strings.HasPrefix(got, "240 ") {
		t.Error(got)
	}
	<-d.syncing // it began again
}

// What a server behind may send.
func FuzzAnswers(f *testing.F) {
	f.Add([]byte("1\tsubject\tfrom\tdate\t<1@x>\t\t10\t1\tXref: x misc.test:1"), []byte("Message-ID: <1@x>\r\n\r\nbody\r\n"))
	f.Add([]byte("1\t\t\t"), []byte("\r\n\r\n"))
	f.Fuzz(func(t *testing.T, line, text []byte) {
		if n, _, overview, ok := overviewLine(line); ok && (n == 0 || n > pool.MaxNumber || len(overview) > len(line)) {
			t.Fatalf("number %d", n)
		}
		wire := append(append(slices.Clone(text), "\r\n"...), ".\r\n"...)
		block, err := nntp.NewReader(strings.NewReader(string(wire)), new(nntp.Buffers)).ReadBlock(1<<20, 1<<20)
		if err != nil {
			return
		}
		if stored, err := asStored(block); err == nil {
			_, _ = stored.Head(), stored.Body()
		}
	})
}

var _ remote.Dialer = recorder(nil)
