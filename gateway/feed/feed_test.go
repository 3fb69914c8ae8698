package feed

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rs/zerolog"
	"go.uber.org/goleak"

	"github.com/restante/restante/gateway/remote"
	"github.com/restante/restante/pool"
	"github.com/restante/restante/pool/article"
	"github.com/restante/restante/pool/memory"
)

func TestMain(m *testing.M) {
	// goleveldb lets one goroutine of a closed database go on for a while.
	goleak.VerifyTestMain(m, goleak.IgnoreTopFunction("github.com/syndtr/goleveldb/leveldb.(*DB).mpoolDrain"))
}

// A taker is a news server that takes articles. What it answers is for a test
// to say: by message-id, and the code alone.
type taker struct {
	t        *testing.T
	listener net.Listener

	mu       sync.Mutex
	streams  bool
	checks   map[string]int // what to answer to CHECK and IHAVE; 0: wanted
	takes    map[string]int // what to answer to an article; 0: taken
	hangUp   int            // connections to cut at their next article
	hangUpAt string         // the article at which each connection is cut
	asked    []string       // commands, without MODE STREAM and QUIT
	got      map[string]string
	conns    int
}

func newTaker(t *testing.T, streams bool) *taker {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	k := &taker{t: t, listener: l, streams: streams, checks: make(map[string]int), takes: make(map[string]int), got: make(map[string]string)}
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			serving.Go(func() { k.serve(conn) })
		}
	})
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
		serving.Wait()
	})
	return k
}

func (k *taker) serve(conn net.Conn) {
	defer func() { _ = conn.Close() }()
	k.mu.Lock()
	k.conns++
	k.mu.Unlock()
	r := bufio.NewReader(conn)
	if _, err := fmt.Fprint(conn, "200 hello\r\n"); err != nil {
		return
	}
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			return
		}
		answer := k.answer(r, strings.TrimSuffix(line, "\r\n"), func(early string) { fmt.Fprint(conn, early) })
		if answer == "" {
			return
		}
		if _, err := fmt.Fprint(conn, answer+"\r\n"); err != nil {
			return
		}
	}
}

// answer returns the reply to a command, or nothing to hang up.
func (k *taker) answer(r *bufio.Reader, line string, early func(string)) string {
	verb, id, _ := strings.Cut(line, " ")
	switch {
	case line == "MODE STREAM" && k.streams:
		return "203 go on"
	case line == "QUIT":
		return "205 bye"
	case verb != "CHECK" && verb != "TAKETHIS" && verb != "IHAVE", k.streams == (verb == "IHAVE"):
		return "500 what"
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.asked = append(k.asked, line)
	code := k.checks[id]
	if verb == "CHECK" {
		return fmt.Sprintf("%d %s", or(code, 238), id)
	}
	if verb == "IHAVE" {
		if code != 0 {
			return fmt.Sprintf("%d no", code)
		}
		early("335 send it\r\n")
	}
	var text strings.Builder
	for {
		l, err := r.ReadString('\n')
		if err != nil {
			return ""
		}
		if text.WriteString(l); l == ".\r\n" {
			break
		}
	}
	if id == k.hangUpAt {
		return ""
	}
	if k.hangUp > 0 {
		k.hangUp--
		return ""
	}
	took := or(k.takes[id], map[string]int{"TAKETHIS": 239, "IHAVE": 235}[verb])
	if took < 300 {
		k.got[id] = text.String()
	}
	return fmt.Sprintf("%d %s", took, id)
}

func or(code, otherwise int) int {
	if code != 0 {
		return code
	}
	return otherwise
}

func (k *taker) has() []string {
	k.mu.Lock()
	defer k.mu.Unlock()
	var ids []string
	for id := range k.got {
		ids = append(ids, id)
	}
	return ids
}

func (k *taker) set(change func()) {
	k.mu.Lock()
	defer k.mu.Unlock()
	change()
}

// newStore has three groups.
func newStore(t *testing.T) *memory.Store {
	t.Helper()
	s := memory.New("us.example")
	for _, g := range []pool.Group{"a.one", "a.two", "b.three"} {
		if err := s.SetGroup(t.Context(), pool.GroupInfo{Name: g, Posting: pool.PostingAllowed}); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

// file files an article in some groups, which came over path.
func file(t *testing.T, s pool.Store, id, groups, path string) {
	t.Helper()
	text := fmt.Sprintf("Path: %s!not-for-mail\r\nFrom: a@example.com\r\nNewsgroups: %s\r\nSubject: x\r\nDate: Fri, 01 Mar 2024 12:00:00 +0000\r\nMessage-ID: %s\r\n\r\n.dots\r\n", path, groups, id)
	a, err := article.Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	named, err := a.Newsgroups()
	if err != nil {
		t.Fatal(err)
	}
	filed, err := a.File(named, time.Now(), 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Append(t.Context(), filed); err != nil {
		t.Fatal(err)
	}
}

func (k *taker) peer(groups string) Peer {
	s, err := ParseSubscription(groups)
	if err != nil {
		k.t.Fatal(err)
	}
	return Peer{
		Name: "peer", Path: "peer.example", Groups: s, Backfill: true, Version: "1", Idle: 200 * time.Millisecond,
		Server: remote.Server{Address: k.listener.Addr().String()},
	}
}

// feeding feeds until stop is called.
func feeding(t *testing.T, dir string, s pool.Store, peers ...Peer) (f *Feeds, stop func()) {
	t.Helper()
	books := &lender{Reader: s}
	f = New(dir, books, peers, zerolog.Nop())
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- f.Run(ctx) }()
	var once sync.Once
	stop = func() {
		once.Do(func() {
			cancel()
			if err := <-done; err != nil {
				t.Error(err)
			}
			if lent := books.lent.Load(); lent != 0 {
				t.Errorf("%d articles are not given back", lent)
			}
		})
	}
	t.Cleanup(stop)
	return f, stop
}

// A lender counts what it lends.
type lender struct {
	pool.Reader
	lent atomic.Int32
}

// A book is one article of a lender.
type book struct {
	pool.Loan
	from *lender
}

func (l *lender) LendByNumber(ctx context.Context, name pool.Group, n pool.Number) (pool.Loan, error) {
	return l.lend(pool.Hold(l.ByNumber(ctx, name, n)))
}

func (l *lender) LendByID(ctx context.Context, id pool.MessageID) (pool.Loan, error) {
	return l.lend(pool.Hold(l.ByID(ctx, id)))
}

func (l *lender) lend(loan pool.Loan, err error) (pool.Loan, error) {
	if err != nil {
		return nil, err
	}
	l.lent.Add(1)
	return &book{loan, l}, nil
}

func (b *book) Return() {
	b.from.lent.Add(-1)
	b.Loan = nil // of no more use
}

// until waits for something that other goroutines bring about.
func until(t *testing.T, what string, f func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !f(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited in vain: %s", what)
		}
	}
}

func counts(t *testing.T, f *Feeds) Counts {
	t.Helper()
	all := f.Status(t.Context())
	if len(all) != 1 {
		t.Fatalf("%d peers", len(all))
	}
	c := all[0].Counts
	if c.Offered != c.Accepted+c.Refused+c.Rejected+c.Deferred+c.Lost {
		t.Fatalf("the ledger does not balance: %+v", c)
	}
	return c
}

func settled(t *testing.T, f *Feeds, n uint64) Counts {
	t.Helper()
	var c Counts
	until(t, "settled", func() bool {
		if all := f.Status(t.Context()); len(all) == 0 {
			return false
		}
		c = counts(t, f)
		return c.Offered-c.Deferred >= n
	})
	return c
}

func TestFeed_everyAnswer(t *testing.T) {
	for _, streams := range []bool{true, false} {
		t.Run(fmt.Sprintf("streams %v", streams), func(t *testing.T) {
			s, k := newStore(t), newTaker(t, streams)
			no, later, rejects := 435, 436, 437
			if streams {
				no, later, rejects = 438, 431, 439
			}
			k.checks = map[string]int{"<had@x>": no, "<later@x>": later}
			k.takes = map[string]int{"<bad@x>": rejects}
			for _, id := range []string{"<new@x>", "<had@x>", "<later@x>", "<bad@x>", "<last@x>"} {
				file(t, s, id, "a.one", "other.example")
			}
			f, _ := feeding(t, t.TempDir(), s, k.peer("*"))
			c := settled(t, f, 4)
			size := c.Octets
			if diff := cmp.Diff(Counts{Offered: 5, Accepted: 2, Refused: 1, Rejected: 1, Deferred: 1, Octets: size}, c); diff != "" {
				t.Error(diff)
			}
			stored, err := s.ByID(t.Context(), "<new@x>")
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(stored.Wire), k.got["<new@x>"]); diff != "" {
				t.Errorf("what came (-filed +came):\n%s", diff)
			}
		})
	}
}

func TestFeed_sendsWithoutAskingWhereToldTo(t *testing.T) {
	s, k := newStore(t), newTaker(t, true)
	for i := range 200 {
		file(t, s, fmt.Sprintf("<%d@x>", i), "a.one", "other.example")
	}
	p := k.peer("*")
	p.TakeThis, p.Connections, p.Window = true, 3, 7
	f, _ := feeding(t, t.TempDir(), s, p)
	if c := settled(t, f, 200); c.Accepted != 200 {
		t.Errorf("%+v", c)
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, command := range k.asked {
		if !strings.HasPrefix(command, "TAKETHIS") {
			t.Fatalf("it said %s", command)
		}
	}
	if len(k.asked) != 200 {
		t.Errorf("%d articles were sent", len(k.asked))
	}
}

func TestFeed_choosesWhatThePeerWants(t *testing.T) {
	s, k := newStore(t), newTaker(t, true)
	file(t, s, "<in@x>", "a.one", "other.example")
	file(t, s, "<out@x>", "b.three", "other.example")
	file(t, s, "<both@x>", "a.one,a.two", "other.example")
	file(t, s, "<poisoned@x>", "a.one,b.three", "other.example")
	file(t, s, "<itsown@x>", "a.one", "other.example!PEER.example!third.example")
	file(t, s, "<excluded@x>", "a.one", "other.example!bad.example")
	file(t, s, "<tail@x>", "a.one", "other.example!.POSTED")
	file(t, s, "<large@x>", "a.two", strings.Repeat("long.example!", 40)+"other.example")
	p := k.peer("a.*,@b.*")
	p.Exclude, p.MaxSize = []string{"bad.example"}, 500
	f, stop := feeding(t, t.TempDir(), s, p)
	settled(t, f, 3)
	file(t, s, "<end@x>", "a.two", "other.example") // looked at behind all others
	if c := settled(t, f, 4); c.Offered != 4 {
		t.Errorf("%+v", c)
	}
	stop()
	want := map[string]bool{"<in@x>": true, "<both@x>": true, "<tail@x>": true, "<end@x>": true}
	for _, id := range k.has() {
		if !want[id] {
			t.Errorf("it was sent %s", id)
		}
	}
	if len(k.has()) != len(want) {
		t.Errorf("it was sent %v", k.has())
	}
}

func TestFeed_goesOnWhereItStopped(t *testing.T) {
	s, k, dir := newStore(t), newTaker(t, true), t.TempDir()
	p := k.peer("*")
	p.Backfill = false
	file(t, s, "<before@x>", "a.one", "other.example")
	f, stop := feeding(t, dir, s, p)
	until(t, "it runs", func() bool { return len(f.Status(t.Context())) == 1 })
	until(t, "it has begun", func() bool { _, err := os.Stat(stateFile(dir, "peer")); return err == nil })
	stop()
	file(t, s, "<while@x>", "a.one", "other.example")
	file(t, s, "<away@x>", "b.three", "other.example")
	f, stop = feeding(t, dir, s, p)
	settled(t, f, 2)
	stop()
	f, _ = feeding(t, dir, s, p)
	file(t, s, "<after@x>", "a.one", "other.example")
	if c := settled(t, f, 3); c.Accepted != 3 || c.Offered != 3 {
		t.Errorf("%+v", c)
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.got["<before@x>"] != "" || len(k.asked) != 6 {
		t.Errorf("asked %v", k.asked)
	}
}

func TestFeed_lostConnectionLosesNothing(t *testing.T) {
	s, k := newStore(t), newTaker(t, true)
	for i := range 50 {
		file(t, s, fmt.Sprintf("<%d@x>", i), "a.one", "other.example")
	}
	k.hangUp = 2
	p := k.peer("*")
	p.Window = 8
	f, _ := feeding(t, t.TempDir(), s, p)
	if c := settled(t, f, 50); c.Accepted != 50 || c.Lost != 0 || c.Offered != 50 {
		t.Errorf("%+v", c)
	}
	if k.conns < 3 {
		t.Errorf("%d connections", k.conns)
	}
}

func TestFeed_putOffIsOfferedAgainAfterARestart(t *testing.T) {
	s, k, dir := newStore(t), newTaker(t, true), t.TempDir()
	k.checks["<1@x>"] = 431
	file(t, s, "<1@x>", "a.one", "other.example")
	file(t, s, "<2@x>", "a.one", "other.example")
	f, stop := feeding(t, dir, s, k.peer("*"))
	settled(t, f, 1)
	until(t, "put off", func() bool { return counts(t, f).Deferred == 1 })
	stop()
	k.set(func() { delete(k.checks, "<1@x>") })
	f, _ = feeding(t, dir, s, k.peer("*"))
	if c := settled(t, f, 2); c.Accepted != 2 || c.Offered != 2 {
		t.Errorf("%+v", c)
	}
}

func TestFeed_countsWhatExpiredWhileThePeerWasAway(t *testing.T) {
	s, k, dir := newStore(t), newTaker(t, true), t.TempDir()
	file(t, s, "<0@x>", "a.one", "other.example")
	f, stop := feeding(t, dir, s, k.peer("*"))
	settled(t, f, 1)
	stop()
	for i := range 3 {
		file(t, s, fmt.Sprintf("<gone%d@x>", i), "a.one", "other.example")
		if err := s.Cancel(t.Context(), pool.MessageID(fmt.Sprintf("<gone%d@x>", i))); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Cancel(t.Context(), "<0@x>"); err != nil { // so that the low mark moves
		t.Fatal(err)
	}
	file(t, s, "<there@x>", "a.one", "other.example")
	f, _ = feeding(t, dir, s, k.peer("*"))
	if c := settled(t, f, 5); c.Lost != 3 || c.Accepted != 2 {
		t.Errorf("%+v", c)
	}
}

func TestFeeds_setStopsAndStartsAlone(t *testing.T) {
	s, k := newStore(t), newTaker(t, true)
	first, second := k.peer("a.one"), k.peer("b.*")
	second.Name = "second"
	f, _ := feeding(t, t.TempDir(), s, first)
	until(t, "it runs", func() bool { return len(f.Status(t.Context())) == 1 })
	f.Set([]Peer{second})
	until(t, "the other one runs", func() bool { s := f.Status(t.Context()); return len(s) == 1 && s[0].Name == "second" })
	file(t, s, "<a@x>", "a.one", "other.example")
	file(t, s, "<b@x>", "b.three", "other.example")
	settled(t, f, 1)
	changed := first
	changed.Groups, changed.Version = second.Groups, "2"
	f.Set([]Peer{first, second})
	until(t, "both run", func() bool { return len(f.Status(t.Context())) == 2 })
	until(t, "both have come", func() bool { return len(k.has()) == 2 })
	f.Set([]Peer{changed})
	until(t, "one runs", func() bool { return len(f.Status(t.Context())) == 1 })
}

func TestFeed_damagedStateIsNotOverwritten(t *testing.T) {
	s, k, dir := newStore(t), newTaker(t, true), t.TempDir()
	path := stateFile(dir, "peer")
	if err := os.WriteFile(path, []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	file(t, s, "<a@x>", "a.one", "other.example")
	_, stop := feeding(t, dir, s, k.peer("*"))
	stop()
	if text, err := os.ReadFile(path); err != nil || string(text) != "{" {
		t.Errorf("%q, %v", text, err)
	}
}

func TestSubscription_rightmostCounts(t *testing.T) {
	for _, c := range []struct {
		pattern, groups string
		want            bool
	}{
		{"*", "a.one", true},
		{"*,!a.*", "a.one", false},
		{"*,!a.*", "a.one,b.three", true},
		{"*,@a.*", "a.one,b.three", false},
		{"*,@a.*,a.one", "a.one,b.three", true},
		{"b.*,@a.*", "b.three", true},
		{"!*,b.*", "a.one", false},
	} {
		s, err := ParseSubscription(c.pattern)
		if err != nil {
			t.Fatal(err)
		}
		if got := s.Article(newsgroups(c.groups)); got != c.want {
			t.Errorf("%s of %s: %v", c.pattern, c.groups, got)
		}
	}
	for _, wrong := range []string{"", "a,,b", "@", "!@a", "a[b]"} {
		if _, err := ParseSubscription(wrong); err == nil {
			t.Errorf("%q is taken", wrong)
		}
	}
}
