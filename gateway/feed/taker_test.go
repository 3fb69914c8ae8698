package feed

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

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
	t       *testing.T
	address string

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
	k := &taker{t: t, streams: streams, checks: make(map[string]int), takes: make(map[string]int), got: make(map[string]string)}
	k.address = listen(t, k.serve)
	return k
}

// listen has each connection to the address that it returns served by itself, and
// waits for them in the end. serve closes its connection.
func listen(t testing.TB, serve func(net.Conn)) (address string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			serving.Go(func() { serve(conn) })
		}
	})
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
		serving.Wait()
	})
	return l.Addr().String()
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
		Server: remote.Server{Address: k.address},
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
	for end := time.Now().Add(2 * time.Minute); !f(); time.Sleep(5 * time.Millisecond) {
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
