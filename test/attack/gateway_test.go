package attack

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"net/textproto"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/restante/restante/gateway"
	"github.com/restante/restante/gateway/batch"
	"github.com/restante/restante/gateway/keyring"
	"github.com/restante/restante/gateway/session"
	"github.com/restante/restante/pool"
)

const (
	domain   = "gw.example"
	patience = 2 * time.Minute

	alicePassphrase = "correct-horse-battery-staple-violin-Stair-7"
)

// A target is a gateway under attack, run in this process so that the attack
// can also be made with its secrets.
type target struct {
	t       *testing.T
	data    string
	policy  keyring.Policy
	connect func() (net.Conn, error)
}

// newTarget starts a gateway on loopback, its settings changed as the attack
// needs them.
func newTarget(t *testing.T, changes ...func(*gateway.Settings)) *target {
	t.Helper()
	var listen net.ListenConfig
	listener, err := listen.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().String()
	return start(t, listener, func() (net.Conn, error) { return net.DialTimeout("tcp", address, patience) }, changes)
}

// quickFolder is a folder in memory where there is one: what an attacker sees
// does not depend on the disk.
func quickFolder(t *testing.T) string {
	t.Helper()
	folder, err := os.MkdirTemp("/dev/shm", "restante-attack-") //nolint:usetesting // that one is on the disk
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() { _ = os.RemoveAll(folder) })
	return folder
}

// start starts a gateway that serves a listener.
func start(t *testing.T, listener net.Listener, dial func() (net.Conn, error), changes []func(*gateway.Settings)) *target {
	t.Helper()
	s := newSettings(filepath.Join(quickFolder(t), "data"))
	for _, change := range changes {
		change(&s)
	}
	if err := keyring.Create(gateway.KeyDir(s.Data)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(run(t, s, listener))
	return &target{t: t, data: s.Data, policy: s.KeyPolicy(), connect: dial}
}

func newSettings(data string) gateway.Settings {
	return gateway.Settings{
		Domain: domain, Data: data, PoolGroup: "restante.pool",
		Batches: batch.Shape{
			Calendar: pool.Calendar{EpochLength: time.Hour, BatchInterval: time.Second, Retention: 4, TokenLife: 12},
			Size:     8, Slots: 8, Backlog: 100, Posts: 1 << 20,
		},
		Groups:   []pool.GroupInfo{{Name: "restante.cards", Posting: pool.PostingAllowed}},
		MayLogin: func(net.Conn) bool { return true }, MinBits: 70, Logins: 2,
		MaxArticle: 1 << 20, Admission: gateway.Admission{Connections: 100}, Limits: session.Limits{Idle: time.Minute}, Logger: zerolog.Nop(),
	}
}

// run runs a gateway until what it returns is called.
func run(t *testing.T, s gateway.Settings, listener net.Listener) (end func()) {
	t.Helper()
	g, err := gateway.Open(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- g.Run(ctx, listener) }()
	return func() {
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
		if err := g.Close(); err != nil {
			t.Error(err)
		}
	}
}

// A line is one NNTP connection.
type line struct {
	t    *testing.T
	raw  net.Conn
	conn *textproto.Conn
}

func (g *target) dial() *line {
	g.t.Helper()
	conn, err := g.connect()
	if err != nil {
		g.t.Fatal(err)
	}
	l := &line{g.t, conn, textproto.NewConn(conn)}
	g.t.Cleanup(func() { _ = l.conn.Close() })
	l.expect("200")
	return l
}

func (l *line) expect(code string) string {
	l.t.Helper()
	answer, err := l.conn.ReadLine()
	if err != nil || !strings.HasPrefix(answer, code) {
		l.t.Fatalf("got %q, %v, want %s", answer, err, code)
	}
	return answer
}

// send sends a command.
func (l *line) send(format string, args ...any) {
	l.t.Helper()
	if err := l.raw.SetDeadline(time.Now().Add(patience)); err != nil {
		l.t.Fatal(err)
	}
	if err := l.conn.PrintfLine(format, args...); err != nil {
		l.t.Fatal(err)
	}
}

// ask sends a command and returns what it is answered, whatever that is.
func (l *line) ask(format string, args ...any) string {
	l.t.Helper()
	l.send(format, args...)
	answer, err := l.conn.ReadLine()
	if err != nil {
		l.t.Fatal(err)
	}
	return answer
}

func (l *line) say(code, format string, args ...any) string {
	l.t.Helper()
	l.send(format, args...)
	return l.expect(code)
}

func (l *line) login(handle, passphrase string) {
	l.t.Helper()
	l.say("381", "AUTHINFO USER %s", handle)
	l.say("281", "AUTHINFO PASS %s", passphrase)
}

// post posts an article and returns its message-id.
func (l *line) post(text string) string {
	l.t.Helper()
	l.say("340", "POST")
	answer := l.say("240", "%s.", strings.ReplaceAll(text, "\n", "\r\n"))
	return answer[strings.IndexByte(answer, '<'):]
}

// await looks until a group holds n articles.
func (l *line) await(group string, n int) {
	l.t.Helper()
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		var held int
		if _, err := fmt.Sscanf(l.say("211", "GROUP %s", group), "211 %d", &held); err != nil {
			l.t.Fatal(err)
		}
		if held >= n {
			return
		}
	}
	l.t.Fatalf("%s never held %d articles", group, n)
}

// ids returns the message-id of every article of a group.
func (l *line) ids(group string) map[string]bool {
	l.t.Helper()
	l.say("211", "GROUP %s", group)
	l.say("224", "OVER 1-")
	found := map[string]bool{}
	for text := bufio.NewScanner(l.conn.DotReader()); text.Scan(); {
		found[strings.Split(text.Text(), "\t")[4]] = true
	}
	return found
}
