package bridge

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"go.uber.org/goleak"

	"github.com/restante/restante/crypto/identity"
	"github.com/restante/restante/crypto/token"
	"github.com/restante/restante/gateway/remote"
	"github.com/restante/restante/gateway/session"
	"github.com/restante/restante/pool"
	"github.com/restante/restante/pool/article"
	"github.com/restante/restante/pool/memory"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// behind is the news server behind the bridge: a store that takes posts as they
// come.
type behind struct {
	*memory.Store
	t testing.TB

	mu     sync.Mutex
	asked  []pool.MessageID // by ByID
	posted []string
	reject error
}

func (b *behind) Private() []pool.GroupInfo { return nil }

func (b *behind) Login(context.Context, string, string) (session.Mailbox, error) {
	return nil, session.ErrBusy
}

func (b *behind) ByID(ctx context.Context, id pool.MessageID) (*pool.Stored, error) {
	b.mu.Lock()
	b.asked = append(b.asked, id)
	b.mu.Unlock()
	return b.Store.ByID(ctx, id)
}

func (b *behind) Submit(_ context.Context, text []byte, _ session.Mailbox) (session.Posted, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.reject != nil {
		return session.Posted{}, b.reject
	}
	b.posted = append(b.posted, string(text))
	return session.Posted{ID: "<given@behind.example>"}, nil
}

// newStore returns a store with misc.test, in which articles 1, 3 to 60 of 60 are,
// an empty group, and groups that are the bridge's own here.
func newStore(t testing.TB, name string) *memory.Store {
	t.Helper()
	s := memory.New(name)
	for _, g := range []pool.Group{"misc.test", "misc.empty", "restante.inbox", "restante.cards", "Restante.Reply"} {
		if err := s.SetGroup(t.Context(), pool.GroupInfo{Name: g, Description: "About " + string(g), Posting: pool.PostingAllowed}); err != nil {
			t.Fatal(err)
		}
	}
	for n := range 60 {
		file(t, s, "misc.test", fmt.Sprintf("<%d@x>", n+1), "References: <a@x>\r\n <b@x>\r\nX-Of-Its-Own: b\xe9c\r\n", "body\r\n.dot\r\n")
	}
	if err := s.Cancel(t.Context(), "<2@x>"); err != nil {
		t.Fatal(err)
	}
	return s
}

func file(t testing.TB, s pool.Store, group pool.Group, id, header, body string) {
	t.Helper()
	a, err := article.Parse([]byte("Path: x!y\r\nFrom: A <a@example.com>\r\nNewsgroups: " + string(group) +
		"\r\nSubject: about\r\n it\r\nDate: Fri, 01 Mar 2024 12:00:00 +0000\r\nMessage-ID: " + id + "\r\n" + header + "\r\n" + body))
	if err != nil {
		t.Fatal(err)
	}
	filed, err := a.File([]pool.Group{group}, time.Now(), 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Append(t.Context(), filed); err != nil {
		t.Fatal(err)
	}
}

// newMail is the mail on this machine: one message.
func newMail(t testing.TB) *memory.Store {
	t.Helper()
	s := memory.New("restante.invalid")
	for _, g := range []pool.Group{inbox, sent} {
		if err := s.SetGroup(t.Context(), pool.GroupInfo{Name: g, Posting: pool.PostingAllowed}); err != nil {
			t.Fatal(err)
		}
	}
	file(t, s, inbox, "<mail@x>", "Restante-Sealed: end-to-end\r\n", "only for you\r\n")
	return s
}

// serve serves a server behind.
func serve(t testing.TB, b *behind) remote.Server {
	t.Helper()
	b.t = t
	srv := session.New(session.Options{
		Store: b, Office: b, Name: "behind.example", Version: "test", MaxArticle: 1 << 20, Posting: true,
		Limits: session.Limits{Idle: time.Minute}, Logger: zerolog.Nop(),
	})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			serving.Go(func() { _ = srv.Serve(ctx, conn) })
		}
	})
	t.Cleanup(func() {
		stop()
		if err := l.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
			t.Error(err)
		}
		serving.Wait()
	})
	return remote.Server{Address: l.Addr().String()}
}

// A desk seals nothing and remembers what it was given.
type desk struct {
	mu      sync.Mutex
	letters []Letter
	flushes int
	syncing chan struct{} // not nil: Sync says so, and goes on until it is ended
	err     error
}

func (d *desk) Seal(l Letter) (Sealed, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.letters = append(d.letters, l)
	return Sealed{"<sealed@gw.example>", l.Card != nil}, d.err
}

func (d *desk) Flush(context.Context) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.flushes++
	return nil
}

func (d *desk) Sync(ctx context.Context) error {
	if d.syncing == nil {
		return nil
	}
	select {
	case d.syncing <- struct{}{}:
	case <-ctx.Done():
	}
	<-ctx.Done()
	return ctx.Err()
}

// start runs a bridge and returns where it listens. The end of the test ends it.
func start(t testing.TB, o Options) string {
	t.Helper()
	o.Listen, o.Every, o.Version = "127.0.0.1:0", time.Hour, "test"
	if o.Mail == nil {
		o.Mail = newMail(t)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended, at := make(chan error, 1), make(chan net.Addr, 1)
	go func() { ended <- New(o).Run(ctx, func(a net.Addr) { at <- a }) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	select {
	case a := <-at:
		return a.String()
	case err := <-ended:
		ended <- err
		t.Fatal(err)
	}
	return ""
}

// A newsreader speaks to a server.
type newsreader struct {
	t    testing.TB
	conn net.Conn
	r    *bufio.Reader
}

func dial(t testing.TB, address string) *newsreader {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	n := &newsreader{t, conn, bufio.NewReader(conn)}
	n.line()
	return n
}

func (n *newsreader) line() string {
	n.t.Helper()
	line, err := n.r.ReadString('\n')
	if err != nil {
		n.t.Fatal(err)
	}
	return strings.TrimSuffix(line, "\r\n")
}

// say sends a command and returns the answer, with its block where it has one.
func (n *newsreader) say(command string) []string {
	n.t.Helper()
	if _, err := io.WriteString(n.conn, command+"\r\n"); err != nil {
		n.t.Fatal(err)
	}
	out := []string{n.line()}
	if code := out[0][:3]; slices.Contains([]string{"101", "215", "220", "221", "222", "224", "225", "230", "231"}, code) ||
		code == "211" && strings.HasPrefix(command, "LISTGROUP") {
		for out[len(out)-1] != "." {
			out = append(out, n.line())
		}
	}
	return out
}

// post posts an article and returns the answer.
func (n *newsreader) post(lines ...string) string {
	n.t.Helper()
	if got := n.say("POST")[0]; !strings.HasPrefix(got, "340") {
		n.t.Fatal(got)
	}
	return n.say(strings.Join(append(lines, "."), "\r\n"))[0]
}

// newToken is a reply token of nobody in particular.
func newToken(t testing.TB) string {
	t.Helper()
	key, err := token.NewSealKey()
	if err != nil {
		t.Fatal(err)
	}
	minted, err := token.Mint(key.Public(), "gw.example", 2945, identity.NewSeed().Mailbox(0))
	if err != nil {
		t.Fatal(err)
	}
	return minted.MessageID("gw.example")
}
