package session

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"go.uber.org/goleak"

	"github.com/restante/restante/pool"
	"github.com/restante/restante/pool/article"
	"github.com/restante/restante/pool/memory"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// arrival is when the articles of the tests arrived, a day apart.
var arrival = time.Date(2024, 3, 1, 12, 0, 0, 0, time.UTC)

// file appends an article to a store. header is further lines, each ended by
// CRLF.
func file(t testing.TB, store pool.Store, group pool.Group, id, header string, epoch uint64, day int) {
	t.Helper()
	text := "From: A <a@example.com>\r\nNewsgroups: " + string(group) + "\r\nSubject: about " + id[1:2] +
		"\r\nDate: Fri, 01 Mar 2024 12:00:00 +0000\r\nMessage-ID: " + id + "\r\n" + header + "\r\nbody of " + id[1:2] + "\r\n.dot\r\n"
	parsed, err := article.Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	filed, err := parsed.File([]pool.Group{group}, arrival.AddDate(0, 0, day), epoch)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := store.Append(t.Context(), filed); err != nil {
		t.Fatal(err)
	}
}

func carry(t testing.TB, store pool.Store, name pool.Group, created time.Time) {
	t.Helper()
	if err := store.SetGroup(t.Context(), pool.GroupInfo{
		Name: name, Description: "About " + string(name), Posting: pool.PostingAllowed, Created: created,
	}); err != nil {
		t.Fatal(err)
	}
}

// newStore returns a store in which misc.test holds the articles 1, 3 and 4 of
// four, misc.gone held one, and misc.empty never had any.
func newStore(t testing.TB) *memory.Store {
	t.Helper()
	store := memory.New("news.example")
	created := time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)
	for i, name := range []pool.Group{"misc.empty", "misc.gone", "misc.test"} {
		carry(t, store, name, created.AddDate(i, 0, 0))
	}
	file(t, store, "misc.test", "<1@x>", "X-Empty:\r\n", 0, 0)
	file(t, store, "misc.test", "<2@x>", "", 1, 1)
	file(t, store, "misc.test", "<3@x>", "References: <1@x>\r\n\t<2@x>\r\nX-Twice: one\r\nX-Twice: two\r\nX-Folded: a\r\n b\tc\r\n", 0, 2)
	file(t, store, "misc.test", "<4@x>", "X-Eight: caf\xe9\r\nLines: 99\r\n", 0, 3)
	file(t, store, "misc.gone", "<5@x>", "", 1, 4)
	if err := store.DropBefore(t.Context(), 2); err != nil {
		t.Fatal(err)
	}
	return store
}

// fakeOffice opens the same mailbox to all but those whom it refuses.
type fakeOffice struct {
	box      *fakeBox
	loginErr error
	postErr  error
	panics   bool
	how      string

	handle, passphrase string // of the last login
	posted             []byte
	from               Mailbox
}

type fakeBox struct {
	*memory.Store
	refreshed int
	err       error
}

func (b *fakeBox) Refresh(context.Context) error {
	b.refreshed++
	return b.err
}

func newOffice(t testing.TB) *fakeOffice {
	t.Helper()
	box := &fakeBox{Store: memory.New("news.example")}
	for _, name := range []pool.Group{"restante.inbox", "restante.sent"} {
		carry(t, box.Store, name, time.Time{})
	}
	file(t, box.Store, "restante.inbox", "<i@x>", "", 0, 5)
	return &fakeOffice{box: box}
}

func (o *fakeOffice) Private() []pool.GroupInfo {
	return []pool.GroupInfo{
		{Name: "restante.inbox", Description: "Your mail", Posting: pool.PostingAllowed, Low: 1},
		{Name: "restante.sent", Description: "Your receipts", Posting: pool.PostingDenied, Low: 1},
	}
}

func (o *fakeOffice) Login(_ context.Context, handle, passphrase string) (Mailbox, error) {
	o.handle, o.passphrase = handle, passphrase
	if o.loginErr != nil {
		return nil, o.loginErr
	}
	return o.box, nil
}

func (o *fakeOffice) Submit(_ context.Context, text []byte, from Mailbox) (Posted, error) {
	if o.panics {
		panic("an article with its author's name")
	}
	o.posted, o.from = text, from
	return Posted{"<new@news.example>", o.how}, o.postErr
}

func newOptions(t testing.TB) Options {
	t.Helper()
	return Options{
		Store: newStore(t), Office: newOffice(t), Name: "news.example", Version: "1.2",
		Posting: true, MayLogin: func(net.Conn) bool { return true },
		MaxArticle: 1000, Limits: Limits{Idle: time.Minute},
		MOTD: []string{"Hello"}, Lists: Lists{Subscriptions: []pool.Group{"misc.test", "misc.empty"}},
		Logger: zerolog.Nop(),
	}
}

// A client is the other end of one session.
type client struct {
	t     testing.TB
	conn  net.Conn
	r     *bufio.Reader
	ended chan error // what Serve returned
	stop  context.CancelFunc
}

// dial serves one connection. The greeting has been read when it returns.
func dial(t testing.TB, opts Options) *client {
	t.Helper()
	c := connect(t, opts, func(conn net.Conn) net.Conn { return conn })
	c.expect("~20")
	return c
}

func connect(t testing.TB, opts Options, wrap func(net.Conn) net.Conn) *client {
	t.Helper()
	return connectWith(t, opts, (*Server).Serve, wrap)
}

func connectWith(t testing.TB, opts Options, serve func(*Server, context.Context, net.Conn) error, wrap func(net.Conn) net.Conn) *client {
	t.Helper()
	ours, theirs := net.Pipe()
	ctx, stop := context.WithCancel(t.Context())
	c := &client{t: t, conn: ours, r: bufio.NewReader(ours), ended: make(chan error, 1), stop: stop}
	go func() {
		c.ended <- serve(New(opts), ctx, wrap(theirs))
		close(c.ended)
	}()
	t.Cleanup(func() {
		stop()
		if err := ours.Close(); err != nil {
			t.Error(err)
		}
		for range c.ended { // what it was is tested where it matters
			continue
		}
	})
	return c
}

func (c *client) send(octets string) {
	c.t.Helper()
	if _, err := c.conn.Write([]byte(octets)); err != nil {
		c.t.Fatalf("sending: %v", err)
	}
}

func (c *client) line() string {
	c.t.Helper()
	line, err := c.r.ReadString('\n')
	if err != nil {
		c.t.Fatalf("reading: %v, after %q", err, line)
	}
	return strings.TrimSuffix(line, "\r\n")
}

// expect reads a line and compares it: whole, or its start behind a '~'.
func (c *client) expect(want string) {
	c.t.Helper()
	got := c.line()
	if start, ok := strings.CutPrefix(want, "~"); ok && strings.HasPrefix(got, start) || got == want {
		return
	}
	c.t.Errorf("got %q, want %q", got, want)
}

// talk plays a dialogue: lines that start with "> " are sent, the others
// expected.
func (c *client) talk(lines ...string) {
	c.t.Helper()
	for _, line := range lines {
		if command, ok := strings.CutPrefix(line, "> "); ok {
			c.send(command + "\r\n")
		} else {
			c.expect(line)
		}
	}
}

// outcome waits for the session's end.
func (c *client) outcome(want error) {
	c.t.Helper()
	if err := <-c.ended; !errors.Is(err, want) || (err == nil) != (want == nil) {
		c.t.Errorf("Serve returned %v, want %v", err, want)
	}
}

// skip reads on to the end of a block.
func (c *client) skip() {
	c.t.Helper()
	for line := ""; line != "."; {
		line = c.line()
	}
}

// A dialogue is one row of a table: what is said, and why it is there.
type dialogue struct {
	name  string
	lines []string
}

func play(t *testing.T, all []dialogue, change func(*Options)) {
	t.Helper()
	for i, d := range all {
		t.Run(fmt.Sprintf("%02d %s", i, d.name), func(t *testing.T) {
			opts := newOptions(t)
			if change != nil {
				change(&opts)
			}
			c := dial(t, opts)
			c.talk(d.lines...)
			c.talk("> QUIT", "~205 ")
			c.outcome(nil)
		})
	}
}
