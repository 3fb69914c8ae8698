package harness

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// How long things may take before the test fails. A machine that runs other
// tests at the same time is slow.
const (
	patience = 3 * time.Minute        // for the gateway to start, to stop, and to deliver
	look     = 50 * time.Millisecond  // between two looks
	answer   = 500 * time.Millisecond // for a greeting, before the next try
)

// A Gateway is a gateway that runs as a process of its own. Its methods are
// called by the goroutine of its test.
type Gateway struct {
	Host, Port string
	Address    string // host:port
	Config     string // path of the configuration
	Data       string // folder
	Log        string // path of the file that holds what it logged

	// Of [StartTLS], and otherwise empty.
	SecurePort  string // where TLS is spoken from the first octet on
	Certificate string // path of the PEM file

	t       testing.TB
	program string    // its path
	process *exec.Cmd // nil while it does not run
	ended   chan error
}

// Start starts a gateway on a free port and returns once it answers. The end of
// the test stops it, and fails unless it stops cleanly.
func Start(t testing.TB, settings ...Setting) *Gateway {
	t.Helper()
	return start(t, Program(t), "", settings)
}

// StartAs is [Start] with another program in place of the gateway's, which serves
// as that does.
func StartAs(t testing.TB, program string, settings ...Setting) *Gateway {
	t.Helper()
	return start(t, program, "", settings)
}

// start starts a gateway, with TLS where there is a certificate.
func start(t testing.TB, program, certificate string, settings []Setting) *Gateway {
	t.Helper()
	folder := t.TempDir()
	g := &Gateway{
		Config:      initialise(t, folder, settings),
		Data:        filepath.Join(folder, "data"),
		Log:         filepath.Join(folder, "log"),
		Certificate: certificate,
		t:           t,
		program:     program,
	}
	t.Cleanup(g.cleanup)
	const tries = 5 // somebody else may take the port before the gateway does
	for range tries {
		g.choosePort()
		if g.start() {
			return g
		}
		if !strings.Contains(g.logged(), "address already in use") {
			break
		}
	}
	t.Fatal("the gateway does not start")
	return nil
}

// choosePort finds ports that nobody uses and writes them to the configuration.
func (g *Gateway) choosePort() {
	g.t.Helper()
	g.Address = FreeAddress(g.t)
	var err error
	if g.Host, g.Port, err = net.SplitHostPort(g.Address); err != nil {
		g.t.Fatal(err)
	}
	change(g.t, g.Config, Setting{"nntp", `"` + g.Address + `"`})
	if g.Certificate == "" {
		return
	}
	secure := FreeAddress(g.t)
	if _, g.SecurePort, err = net.SplitHostPort(secure); err != nil {
		g.t.Fatal(err)
	}
	change(g.t, g.Config, Setting{"nntps", `"` + secure + `"`})
}

// start starts the process and says whether it came to answer.
func (g *Gateway) start() bool {
	g.t.Helper()
	log, err := os.OpenFile(g.Log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		g.t.Fatal(err)
	}
	defer func() { _ = log.Close() }() // the process has its own
	process := exec.Command(g.program, "serve", "--config", g.Config, "--log-level", "debug")
	process.Stderr = log
	if err := process.Start(); err != nil {
		g.t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- process.Wait() }()
	g.process, g.ended = process, ended
	late := time.After(patience)
	for !g.answers() {
		select {
		case err := <-ended:
			g.t.Logf("the gateway ended at once: %v", err)
			g.process = nil
			return false
		case <-late:
			g.t.Fatal("the gateway does not answer")
		case <-time.After(look):
		}
	}
	return true
}

// answers says whether the gateway greets.
func (g *Gateway) answers() bool {
	conn, err := net.DialTimeout("tcp", g.Address, answer)
	if err != nil {
		return false
	}
	defer func() { _ = conn.Close() }()
	var code [3]byte
	_ = conn.SetDeadline(time.Now().Add(answer))
	_, err = conn.Read(code[:])
	return err == nil && string(code[:]) == "200"
}

// PID returns the number of the process, for whoever measures it.
func (g *Gateway) PID() int {
	g.t.Helper()
	if g.process == nil {
		g.t.Fatal("the gateway does not run")
	}
	return g.process.Process.Pid
}

// Stop tells the gateway to stop, and fails the test unless it does so in time
// with exit status 0.
func (g *Gateway) Stop() {
	g.t.Helper()
	if err := g.end(syscall.SIGTERM); err != nil {
		g.t.Errorf("the gateway did not stop cleanly: %v", err)
	}
}

// Kill ends the gateway at once, wherever it is in its work.
func (g *Gateway) Kill() {
	g.t.Helper()
	_ = g.end(syscall.SIGKILL) // the status says that it was killed
}

// Restart starts the gateway again on the same port and data, after stopping it
// where it still runs.
func (g *Gateway) Restart() {
	g.t.Helper()
	if g.process != nil {
		g.Stop()
	}
	if !g.start() {
		g.t.Fatal("the gateway does not start again")
	}
}

// Reload tells the gateway that its configuration has changed, and returns once all
// of it is taken over.
func (g *Gateway) Reload() {
	g.t.Helper()
	const taken = "configuration reloaded"
	before := strings.Count(g.logged(), taken)
	if err := g.process.Process.Signal(syscall.SIGHUP); err != nil {
		g.t.Fatal(err)
	}
	for late := time.Now().Add(patience); strings.Count(g.logged(), taken) == before; time.Sleep(look) {
		if time.Now().After(late) {
			g.t.Fatal("the gateway does not take over its configuration")
		}
	}
}

// end signals the process and returns how it ended.
func (g *Gateway) end(signal os.Signal) error {
	g.t.Helper()
	if g.process == nil {
		g.t.Fatal("the gateway does not run")
	}
	process := g.process
	g.process = nil
	if err := process.Process.Signal(signal); err != nil && !errors.Is(err, os.ErrProcessDone) {
		g.t.Fatal(err)
	}
	select {
	case err := <-g.ended:
		return err
	case <-time.After(patience):
		_ = process.Process.Kill()
		return fmt.Errorf("it had to be killed: %w", <-g.ended)
	}
}

// cleanup stops the gateway, and looks for what must never be in its log.
func (g *Gateway) cleanup() {
	if g.process != nil {
		g.Stop()
	}
	for _, sign := range []string{"panic", "DATA RACE", "goroutine "} {
		if strings.Contains(g.logged(), sign) {
			g.t.Errorf("the gateway's log says %q", sign)
		}
	}
	if g.t.Failed() {
		g.t.Logf("the gateway's log ends so:\n%s", tail(g.logged(), 50))
	}
}

// MustNotLog fails the test when the log holds one of words.
func (g *Gateway) MustNotLog(words ...string) {
	g.t.Helper()
	log := g.logged()
	for _, word := range words {
		if strings.Contains(log, word) {
			g.t.Errorf("the gateway logged %q", word)
		}
	}
}

// HasLogged says whether the log holds words.
func (g *Gateway) HasLogged(words string) bool { return strings.Contains(g.logged(), words) }

func (g *Gateway) logged() string {
	log, err := os.ReadFile(g.Log)
	if err != nil {
		return err.Error()
	}
	return string(bytes.TrimSpace(log))
}

func tail(text string, lines int) string {
	all := strings.Split(text, "\n")
	return strings.Join(all[max(0, len(all)-lines):], "\n")
}
