package main

import (
	"bytes"
	"context"
	"net"
	"net/textproto"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/restante/restante/config"
)

// A journal is a log that can be waited for.
type journal struct {
	mu   sync.Mutex
	text bytes.Buffer
	news chan struct{}
}

func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	select {
	case j.news <- struct{}{}:
	default:
	}
	return j.text.Write(p)
}

// await waits until something is said, and forgets all up to then.
func (j *journal) await(t *testing.T, want string) string {
	t.Helper()
	for {
		j.mu.Lock()
		said := j.text.String()
		if strings.Contains(said, want) {
			j.text.Reset()
			j.mu.Unlock()
			return said
		}
		j.mu.Unlock()
		select {
		case <-j.news:
		case <-time.After(2 * time.Minute):
			t.Fatalf("the log never said %q, but %q", want, said)
		}
	}
}

func TestServe_reloadsOnSignal(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "restanted.toml")
	if _, err := initialise(path, "gw.example"); err != nil {
		t.Fatal(err)
	}
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(path, []byte("domain = \"gw.example\"\n"+text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("[listen]\nnntp = \"127.0.0.1:0\"\n[[group]]\nname = \"misc.one\"\n")
	conf, err := config.Load(path)
	if err != nil {
		t.Fatal(err)
	}
	said := &journal{news: make(chan struct{}, 1)}
	log, err := logger(said, "info")
	if err != nil {
		t.Fatal(err)
	}
	s, err := settings(conf, log)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	signals := make(chan os.Signal)
	ready, done := make(chan net.Addr, 1), make(chan error, 1)
	go func() {
		again := &reloader{path: path, conf: conf, log: log, signals: signals}
		done <- serve(ctx, addressesOf(conf), s, again, func(a net.Addr) { ready <- a })
	}()
	reader, err := textproto.Dial("tcp", (<-ready).String())
	if err != nil {
		t.Fatal(err)
	}
	ask := func(command, want string) {
		t.Helper()
		if err := reader.PrintfLine("%s", command); err != nil {
			t.Fatal(err)
		}
		if got, err := reader.ReadLine(); err != nil || !strings.HasPrefix(got, want) {
			t.Errorf("%s: %q, %v", command, got, err)
		}
	}
	if _, err := reader.ReadLine(); err != nil {
		t.Fatal(err)
	}
	ask("GROUP misc.one", "211 ")

	write("[listen]\nnntp = \"127.0.0.1:0\"\n[[group]]\nname = \"misc.two\"\n[limits]\nerrors = 3\n")
	signals <- syscall.SIGHUP
	said.await(t, "configuration reloaded")
	ask("GROUP misc.one", "411 ")
	ask("GROUP misc.two", "211 ")
	list := func(what string) string {
		t.Helper()
		ask("LIST "+what, "215 ")
		lines, err := reader.ReadDotLines()
		if err != nil {
			t.Error(err)
		}
		return strings.Join(lines, " ")
	}
	if got, want := list("SUBSCRIPTIONS"), "misc.two restante.inbox restante.sent"; got != want {
		t.Errorf("to be subscribed to: %q, want %q", got, want)
	}

	const moderated = "[listen]\nnntp = \"127.0.0.1:0\"\n[[group]]\nname = \"misc.two\"\nposting = \"m\"\nmoderator = "
	post := "From: a@b.example\r\nNewsgroups: misc.two\r\nSubject: x\r\n\r\nx\r\n."
	for _, moderator := range []string{"one@mail.example", "two@mail.example"} {
		write(moderated + "\"" + moderator + "\"\n")
		signals <- syscall.SIGHUP
		if log := said.await(t, "configuration reloaded"); strings.Contains(log, "restart") {
			t.Errorf("another moderator needs a restart: %s", log)
		}
		if got := list("MODERATORS"); got != "misc.two:"+moderator {
			t.Errorf("the moderators are %q", got)
		}
		ask("POST", "340 ")
		ask(post, "441 That newsgroup is moderated, and this server sends no mail: write to its moderator at "+moderator)
	}

	write("[listen]\nnntp = \"127.0.0.1:1\"\n[limits]\nlogins = 5\nerrors = 4\n[tls]\ncertificate = \"a\"\nkey = \"b\"\n")
	signals <- syscall.SIGHUP
	log3 := said.await(t, "configuration reloaded")
	for _, key := range []string{`"listen.nntp"`, `"limits.logins"`, `"tls"`} {
		if !strings.Contains(log3, `"key":`+key) {
			t.Errorf("the log does not say that %s needs a restart: %s", key, log3)
		}
	}
	if strings.Contains(log3, "limits.errors") {
		t.Error("the log says that limits.errors needs a restart")
	}
	ask("GROUP misc.two", "411 ")

	write("[[group]]\nname = \"misc.one\"\n[limits]\nerorrs = 1\n")
	signals <- syscall.SIGHUP
	if broken := said.await(t, "not reloaded"); !strings.Contains(broken, "limits.errors") {
		t.Errorf("the log does not say what is wrong: %s", broken)
	}
	ask("GROUP misc.one", "411 ")
	ask("DATE", "111 ")
	if err := reader.Close(); err != nil {
		t.Error(err)
	}
	stop()
	if err := <-done; err != nil {
		t.Error(err)
	}
}
