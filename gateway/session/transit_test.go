package session

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/restante/restante/gateway/nntp"
	"github.com/restante/restante/pool"
)

// fakeFeeds lets everybody feed, but for those who come when none is set.
type fakeFeeds struct {
	feed    *fakeFeed
	byLogin *fakeFeed // for a peer that must log in
}

func (f fakeFeeds) Feed(net.Conn) Feed {
	if f.feed == nil {
		return nil
	}
	return f.feed
}

func (f fakeFeeds) Login(_ net.Conn, user, password string) Feed {
	if f.byLogin == nil || user != "peer.example" || password != "pass word" {
		return nil
	}
	return f.byLogin
}

// A fakeFeed answers as errs says of each message-id.
type fakeFeed struct {
	mu      sync.Mutex
	offers  map[pool.MessageID]error
	errs    map[pool.MessageID]error
	gates   map[pool.MessageID]chan struct{} // what an article waits for
	taken   []string
	filed   map[pool.MessageID]bool // what is on the disk
	refused []error
	closed  int
	panics  bool
}

func (f *fakeFeed) Offer(_ context.Context, id pool.MessageID) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.filed[id] {
		return pool.ErrDuplicate
	}
	return f.offers[id]
}

func (f *fakeFeed) Take(_ context.Context, id pool.MessageID, text pool.Checked) Taking {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.taken = append(f.taken, string(id)+" "+string(text.Text))
	return &fakeTaking{f, id, text.Text, string(text.Text)}
}

type fakeTaking struct {
	feed *fakeFeed
	id   pool.MessageID
	text []byte
	came string
}

func (t *fakeTaking) Known() bool {
	select {
	case <-t.feed.gates[t.id]:
		return true
	default:
		return t.feed.gates[t.id] == nil
	}
}

func (t *fakeTaking) Wait() error {
	f := t.feed
	if gate := f.gates[t.id]; gate != nil {
		<-gate
	}
	if f.panics {
		panic("an article with its author's name")
	}
	if string(t.text) != t.came {
		return errors.New("the article was changed while it waited")
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.filed[t.id] = f.errs[t.id] == nil
	return f.errs[t.id]
}

func (f *fakeFeed) Refuse(_ pool.MessageID, cause error) { f.refused = append(f.refused, cause) }
func (f *fakeFeed) Close()                               { f.closed++ }

func (f *fakeFeed) count() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.taken)
}

func newFeed() *fakeFeed {
	no := &pool.Refusal{Sentence: "Not that one", Cause: errors.New("x")}
	return &fakeFeed{
		offers: map[pool.MessageID]error{"<dup@x>": pool.ErrDuplicate, "<fly@x>": ErrInFlight, "<ro@x>": pool.ErrReadOnly, "<odd@x>": errors.New("secret")},
		errs: map[pool.MessageID]error{
			"<no@x>": no, "<dup@x>": pool.ErrDuplicate, "<full@x>": pool.ErrDiskFull, "<ro@x>": pool.ErrReadOnly, "<odd@x>": errors.New("secret"), "<closed@x>": pool.ErrClosed,
		},
		gates: map[pool.MessageID]chan struct{}{},
		filed: map[pool.MessageID]bool{},
	}
}

func feeding(feed *fakeFeed) func(*Options) {
	return func(o *Options) { o.Feeds = fakeFeeds{feed: feed} }
}

func dialFeed(t *testing.T, feed *fakeFeed) *client {
	t.Helper()
	opts := newOptions(t)
	feeding(feed)(&opts)
	return dial(t, opts)
}

// RFC 3977, Section 6.3.2.
func TestIhave_everyCode(t *testing.T) {
	play(t, []dialogue{
		{"335, 235", []string{"> IHAVE <a@x>", "335 Send the article", "> x", "> .", "235 Article received", "> DATE", "~111 "}},
		{"435: had before", []string{"> IHAVE <dup@x>", "435 This server had an article with that Message-ID before", "> DATE", "~111 "}},
		{"435: malformed id", []string{"> IHAVE nonsense", "~435 ", "> IHAVE <" + strings.Repeat("x", 249) + ">", "~435 ", "> DATE", "~111 "}},
		{"436: on its way elsewhere", []string{"> IHAVE <fly@x>", "436 Another connection is bringing that article", "> DATE", "~111 "}},
		{"436: nothing can be stored", []string{"> IHAVE <ro@x>", "~436 ", "> IHAVE <odd@x>", "436 " + later}},
		{"437: refused", []string{"> IHAVE <no@x>", "~335 ", "> x", "> .", "437 Not that one", "> DATE", "~111 "}},
		{"436 afterwards: no room", []string{"> IHAVE <full@x>", "~335 ", "> x", "> .", "436 " + later, "> DATE", "~111 "}},
		{"501", []string{"> IHAVE", "~501 ", "> IHAVE <a@x> <b@x>", "~501 "}},
	}, feeding(newFeed()))
}

// RFC 4644, Sections 2.3 and 2.4. CHECK works without MODE STREAM, which
// changes nothing, and repeats the command's message-id in every reply.
func TestCheck_everyCodeWithoutModeStream(t *testing.T) {
	play(t, []dialogue{
		{"238", []string{"> CHECK <a@x>", "238 <a@x>"}},
		{"438: had before", []string{"> CHECK <dup@x>", "~438 <dup@x>"}},
		{"431: on its way elsewhere", []string{"> CHECK <fly@x>", "~431 <fly@x>"}},
		{"431: our fault", []string{"> CHECK <odd@x>", "~431 <odd@x> "}},
		{"438: malformed id", []string{"> CHECK nonsense", "~438 nonsense ", "> CHECK <" + strings.Repeat("x", 249) + ">", "~438 <xxx"}},
		{"MODE STREAM", []string{"> MODE STREAM", "~203 ", "> MODE STREAM x", "~501 ", "> CHECK <a@x>", "238 <a@x>"}},
		{"501", []string{"> CHECK", "~501 ", "> CHECK <a@x> <b@x>", "~501 "}},
	}, feeding(newFeed()))
}

// RFC 4644, Section 2.5.
func TestTakethis_everyCodeWithoutModeStream(t *testing.T) {
	play(t, []dialogue{
		{"239", []string{"> TAKETHIS <a@x>", "> x", "> .", "239 <a@x>", "> DATE", "~111 "}},
		{"439: refused", []string{"> TAKETHIS <no@x>", "> x", "> .", "439 <no@x> Not that one", "> DATE", "~111 "}},
		{"439: had before", []string{"> TAKETHIS <dup@x>", "> x", "> .", "~439 <dup@x> ", "> DATE", "~111 "}},
		{"439: malformed id, and the block is no command", []string{"> TAKETHIS nonsense", "> QUIT", "> .", "~439 nonsense ", "> DATE", "~111 "}},
		{"501, and the block is no command", []string{"> TAKETHIS", "> QUIT", "> .", "~501 ", "> TAKETHIS <a@x> <b@x>", "> QUIT", "> .", "~501 ", "> DATE", "~111 "}},
	}, feeding(newFeed()))
}

// RFC 3977, Section 3.1.1: refused after the block was read to its true end.
func TestTransit_badBlocksAreReadToTheirEnd(t *testing.T) {
	for name, block := range map[string]string{
		"LF dot LF": "x\n.\nQUIT\r\n", "CR dot CR": "x\r.\rQUIT\r\n", "NUL": "x\x00\r\n",
		"too large": strings.Repeat("x", 1001) + "\r\n", "larger than a buffer": strings.Repeat("x\r\n", 1100),
	} {
		t.Run(name, func(t *testing.T) {
			feed := newFeed()
			c := dialFeed(t, feed)
			c.talk("> IHAVE <a@x>", "~335 ")
			c.send(block + "\r\n.\r\n")
			c.talk("~437 The article ")
			c.send("TAKETHIS <b@x>\r\n" + block + "\r\n.\r\n")
			c.talk("~439 <b@x> The article ", "> DATE", "~111 ", "> QUIT", "~205 ")
			c.outcome(nil)
			if len(feed.refused) != 2 || feed.count() != 0 {
				t.Errorf("refused %v, taken %d", feed.refused, feed.count())
			}
		})
	}
}

// RFC 4644, Section 2.5.2: a temporary failure at TAKETHIS is 400 and the end,
// never a 43x, and nothing is answered behind it.
func TestTakethis_temporaryFailureCloses(t *testing.T) {
	for _, id := range []string{"<full@x>", "<ro@x>", "<odd@x>"} {
		t.Run(id, func(t *testing.T) {
			feed := newFeed()
			c := dialFeed(t, feed)
			c.send("TAKETHIS <a@x>\r\nx\r\n.\r\nTAKETHIS " + id + "\r\nx\r\n.\r\n")
			c.talk("239 <a@x>", "400 "+later)
			c.outcome(ErrPutOff)
			if feed.closed != 1 {
				t.Errorf("the feed was closed %d times", feed.closed)
			}
		})
	}
	c := dialFeed(t, newFeed())
	c.send("TAKETHIS <closed@x>\r\nx\r\n.\r\n")
	c.talk("~400 ")
	c.outcome(nil)
}

func TestTakethis_endlessBlockEndsTheSession(t *testing.T) {
	c := dialFeed(t, newFeed())
	c.send("TAKETHIS <a@x>\r\n" + strings.Repeat("x", 4001))
	c.talk("~400 ")
	c.outcome(ErrFlood)
}

// RFC 3977, Section 3.2.1: who is no peer hears 502, and the article is no
// commands.
func TestTransit_onlyPeersMayFeed(t *testing.T) {
	play(t, []dialogue{{"no peer", []string{
		"> IHAVE <a@x>", "~502 ", "> CHECK <a@x>", "~502 ", "> MODE STREAM", "~502 ", "> TAKETHIS <a@x>", "> QUIT", "> .", "~502 ", "> DATE", "~111 ",
	}}}, feeding(nil))
	play(t, []dialogue{{"without peers", []string{"> IHAVE <a@x>", "~502 "}}}, nil)
}

// RFC 3977, Section 5.2 and RFC 4644, Section 2.2.
func TestCapabilities_transitForPeersOnly(t *testing.T) {
	for _, c := range []struct {
		feed *fakeFeed
		want bool
	}{{newFeed(), true}, {nil, false}} {
		client := dialFeed(t, c.feed)
		for _, before := range []string{"DATE", "MODE READER"} {
			client.send(before + "\r\nCAPABILITIES\r\n")
			client.line()
			got := map[string]bool{}
			for line := ""; line != "."; {
				line = client.line()
				got[line] = true
			}
			if got["IHAVE"] != c.want || got["STREAMING"] != c.want {
				t.Errorf("after %s: %v, want IHAVE and STREAMING: %v", before, got, c.want)
			}
		}
	}
}

// A client that shows a certificate by TLS may become a peer.
func TestFeed_isAskedForAgainOnAnotherConnection(t *testing.T) {
	feed := newFeed()
	opts := newOptions(t)
	feeding(feed)(&opts)
	ours, theirs := net.Pipe()
	defer func() { _ = ours.Close() }()
	s := New(opts).session(theirs)
	if first := s.feed(); first == nil || s.feed() != first || feed.closed != 0 {
		t.Error("not the same feed on the same connection")
	}
	s.conn = ours
	if s.feed() == nil || feed.closed != 1 {
		t.Errorf("the old feed was closed %d times", feed.closed)
	}
	if err := s.end(nil); err != nil {
		t.Error(err)
	}
}

// Articles go on being read while earlier ones wait for the disk, and replies
// come in the order of the commands, CHECK's between them.
func TestTakethis_manyWaitAtOnce(t *testing.T) {
	feed := newFeed()
	var want []string
	var stream strings.Builder
	for i := range 40 {
		id := fmt.Sprintf("<%d@x>", i)
		fmt.Fprintf(&stream, "TAKETHIS %s\r\nx\r\n.\r\nCHECK <dup@x>\r\nCHECK <c%d@x>\r\n", id, i)
		want = append(want, "239 "+id, "438 <dup@x>", fmt.Sprintf("238 <c%d@x>", i))
	}
	synctest.Test(t, func(t *testing.T) {
		for i := range 40 {
			feed.gates[pool.MessageID(fmt.Sprintf("<%d@x>", i))] = make(chan struct{})
		}
		c := dialFeed(t, feed)
		c.send(stream.String())
		synctest.Wait()
		if feed.count() != 40 {
			t.Errorf("%d articles were read before the first was on the disk", feed.count())
		}
		for i := 39; i >= 0; i-- { // in the opposite order
			close(feed.gates[pool.MessageID(fmt.Sprintf("<%d@x>", i))])
		}
		var got []string
		for range want {
			line := c.line()
			got = append(got, line[:min(len(line), strings.Index(line+">", ">")+1)])
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		c.talk("> DATE", "~111 ", "> QUIT", "~205 ")
		c.outcome(nil)
	})
}

// A reply that is known is not held up by one that is not, and an article's octets
// stay while it waits, whatever those are used for that are done.
func TestTakethis_whatIsKnownIsToldAtOnce(t *testing.T) {
	feed := newFeed()
	synctest.Test(t, func(t *testing.T) {
		name := func(i int) string { return fmt.Sprintf("<%d@x>", i) }
		for i := range 50 {
			feed.gates[pool.MessageID(name(i))] = make(chan struct{})
		}
		c := dialFeed(t, feed)
		send := func(i int) { c.send("TAKETHIS " + name(i) + "\r\n" + strings.Repeat(name(i), i) + "\r\n.\r\n") }
		for i := range 25 {
			send(i)
		}
		for i := range 50 {
			synctest.Wait()
			close(feed.gates[pool.MessageID(name(i))])
			c.talk("239 " + name(i))
			if i < 25 {
				send(25 + i)
			}
		}
		c.talk("> QUIT", "~205 ")
		c.outcome(nil)
	})
}

// An article that came right before is not asked for again.
func TestCheck_knowsTheArticlesBeforeIt(t *testing.T) {
	feed := newFeed()
	synctest.Test(t, func(t *testing.T) {
		feed.gates["<a@x>"] = make(chan struct{})
		c := dialFeed(t, feed)
		c.send("TAKETHIS <a@x>\r\nx\r\n.\r\nCHECK <a@x>\r\nTAKETHIS <no@x>\r\nx\r\n.\r\nCHECK <no@x>\r\nCHECK nonsense\r\n")
		synctest.Wait()
		close(feed.gates["<a@x>"])
		c.talk("239 <a@x>", "~438 <a@x> ", "~439 <no@x> ", "238 <no@x>", "~438 nonsense ", "> QUIT", "~205 ")
		c.outcome(nil)
	})
}

// Any other command waits for the replies before it (RFC 3977, Section 3.5).
func TestTakethis_otherCommandsWait(t *testing.T) {
	feed := newFeed()
	synctest.Test(t, func(t *testing.T) {
		feed.gates["<a@x>"] = make(chan struct{})
		c := dialFeed(t, feed)
		c.send("TAKETHIS <a@x>\r\nx\r\n.\r\nDATE\r\nTAKETHIS\r\n.\r\n" + strings.Repeat("x", 600) + "\r\nIHAVE <b@x>\r\n")
		synctest.Wait()
		close(feed.gates["<a@x>"])
		c.talk("239 <a@x>", "~111 ", "~501 ", "~501 Line ", "~335 ", "> y", "> .", "~235 ", "> QUIT", "~205 ")
		c.outcome(nil)
	})
}

// The octets that wait are bounded.
func TestTakethis_octetsAreBounded(t *testing.T) {
	feed := newFeed()
	opts := newOptions(t)
	feeding(feed)(&opts)
	opts.MaxArticle = 2 << 20
	synctest.Test(t, func(t *testing.T) {
		c := dial(t, opts)
		article := strings.Repeat(strings.Repeat("x", 1022)+"\r\n", 1500) + ".\r\n"
		var sent strings.Builder
		for i := range 6 {
			id := fmt.Sprintf("<%d@x>", i)
			feed.gates[pool.MessageID(id)] = make(chan struct{})
			sent.WriteString("TAKETHIS " + id + "\r\n" + article)
		}
		go func() { _, _ = c.conn.Write([]byte(sent.String())) }()
		synctest.Wait()
		if n := feed.count(); n < 2 || n > 4 {
			t.Errorf("%d articles of 1.5 MB were taken at once", n)
		}
		open := 0
		for i := range 6 {
			for ; open < feed.count(); open++ {
				close(feed.gates[pool.MessageID(fmt.Sprintf("<%d@x>", open))])
			}
			c.expect(fmt.Sprintf("239 <%d@x>", i))
			synctest.Wait()
		}
	})
}

func TestTakethis_clientHangsUpWhileArticlesWait(t *testing.T) {
	feed := newFeed()
	synctest.Test(t, func(t *testing.T) {
		feed.gates["<a@x>"] = make(chan struct{})
		c := dialFeed(t, feed)
		c.send("TAKETHIS <a@x>\r\nx\r\n.\r\nTAKETHIS <b@x>\r\nhalf")
		synctest.Wait()
		if err := c.conn.Close(); err != nil {
			t.Fatal(err)
		}
		close(feed.gates["<a@x>"])
		if err := <-c.ended; err != nil && !errors.Is(err, ErrLost) {
			t.Errorf("Serve returned %v", err)
		}
		if feed.count() != 1 || len(feed.refused) != 1 || feed.closed != 1 {
			t.Errorf("taken %d, refused %v, closed %d", feed.count(), feed.refused, feed.closed)
		}
	})
}

func TestTakethis_stopWaitsForTheDisk(t *testing.T) {
	feed := newFeed()
	synctest.Test(t, func(t *testing.T) {
		feed.gates["<a@x>"] = make(chan struct{})
		c := dialFeed(t, feed)
		c.send("TAKETHIS <a@x>\r\nx\r\n.\r\n")
		synctest.Wait()
		c.stop()
		time.Sleep(time.Second)
		close(feed.gates["<a@x>"])
		c.talk("239 <a@x>", "~400 ")
		c.outcome(nil)
	})
}

func TestTakethis_panicEndsOnlyTheSession(t *testing.T) {
	feed := newFeed()
	feed.panics = true
	c := dialFeed(t, feed)
	c.send("TAKETHIS <a@x>\r\nx\r\n.\r\n")
	c.outcome(ErrPanic)
}

// Every verdict has a transit code: temporary or for good.
func TestVerdicts_transitCodes(t *testing.T) {
	srv := New(newOptions(t))
	for _, row := range verdictTable() {
		v := srv.replyTo(transitError{row.err, nntp.CodeStreamLater, nntp.CodeStreamUnwanted, "<a@x>"})
		switch {
		case row.ends != nil && v.Code != nntp.CodeUnavailable,
			row.ends == nil && row.final && v.Code != nntp.CodeStreamUnwanted,
			row.ends == nil && !row.final && v.Code != nntp.CodeStreamLater,
			row.ends == nil && !strings.HasPrefix(v.Text, "<a@x> "):
			t.Errorf("%v: %v", row.err, v.Reply)
		}
	}
}

func TestLists_ofTheConfiguration(t *testing.T) {
	play(t, []dialogue{{"RFC 6048, Sections 2.3 and 2.4; RFC 3977, Section 7.6.5", []string{
		"> LIST MODERATORS", "~215 ", "misc.mod:mod@example.com", ".", "> LIST DISTRIBUTIONS", "~215 ", "de\tGermany", ".",
		"> LIST DISTRIB.PATS", "~215 ", "10:de.*:de", ".", "> LIST MODERATORS x", "~501 ", "> LIST DISTRIBUTIONS x", "~501 ", "> LIST DISTRIB.PATS x", "~501 ",
	}}}, func(o *Options) {
		o.Lists.Moderators, o.Distributions, o.DistribPats = []string{"misc.mod:mod@example.com"}, []string{"de\tGermany"}, []string{"10:de.*:de"}
	})
	play(t, []dialogue{{"503 when not kept", []string{"> LIST MODERATORS", "~503 ", "> LIST DISTRIBUTIONS", "~503 ", "> LIST DISTRIB.PATS", "~503 "}}}, nil)
}

// RFC 4643, Section 2.2: a peer may be known by its login. It has no mailbox.
func TestAuthinfo_asAPeer(t *testing.T) {
	play(t, []dialogue{{"", []string{
		"> CHECK <a@x>", "~502 ",
		"> AUTHINFO USER peer.example", "~381 ", "> AUTHINFO PASS pass word", "281 Welcome, you may feed articles",
		"> CHECK <a@x>", "238 <a@x>", "> AUTHINFO USER peer.example", "~502 ",
		"> GROUP restante.inbox", "~480 ",
	}}}, func(o *Options) { o.Feeds = fakeFeeds{byLogin: newFeed()} })
}
