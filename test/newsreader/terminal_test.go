package newsreader

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/restante/restante/test/harness"
)

const (
	patience = 3 * time.Minute       // for a screen to show what it should
	look     = 50 * time.Millisecond // between two looks
)

// Columns and lines of the terminal. Wide enough for the longest sentence that
// a newsreader shows on one line.
const (
	columns = "160"
	lines   = "40"
)

// A terminal is a real terminal in which one program runs.
type terminal struct {
	t      *testing.T
	tmux   string
	socket string
	home   string
	status string // file that the program's exit status comes to
	output string // file that all goes to that the program writes to the terminal
	before int    // octets of that when a key was pressed last
}

// wrapper runs the program of a terminal and keeps its exit status.
const wrapper = `status=$1; shift; "$@"; echo $? >"$status"`

// openTerminal runs a program in a terminal. Its home folder, and all of its
// environment, are the test's own.
func openTerminal(t *testing.T, home string, program ...string) *terminal {
	t.Helper()
	folder := t.TempDir()
	s := &terminal{t: t, tmux: harness.Need(t, "tmux"), home: home}
	s.socket, s.status, s.output = filepath.Join(folder, "s"), filepath.Join(folder, "status"), filepath.Join(folder, "output")
	settings := filepath.Join(folder, "conf")
	const conf = "set -g remain-on-exit on\nset -g status off\nset -g default-terminal screen\nset -s escape-time 0\n"
	if err := os.WriteFile(settings, []byte(conf), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.close() })
	s.command(append([]string{
		"-f", settings, "new-session", "-d", "-x", columns, "-y", lines, "--",
		"sh", "-c", wrapper, "sh", s.status,
	}, program...)...)
	s.command("pipe-pane", "cat >'"+s.output+"'")
	return s
}

// close shows the last screen of a failed test, and ends the terminal with all
// that runs in it.
func (s *terminal) close() {
	if s.t.Failed() {
		screen, err := s.tell("capture-pane", "-p")
		s.t.Logf("the last screen (%v):\n%s", err, boxed(screen))
	}
	// The program and what it runs first: tin, for one, would go on for ever without
	// its terminal.
	alive, err := s.tell("display-message", "-p", "#{?pane_dead,,#{pane_pid}}")
	if leader := strings.TrimSpace(alive); err == nil && leader != "" {
		_ = exec.Command("kill", "-KILL", "--", "-"+leader).Run() // it may have ended by now
	}
	if _, err := s.tell("kill-server"); err != nil {
		s.t.Error(err)
	}
}

func (s *terminal) command(args ...string) string {
	s.t.Helper()
	out, err := s.tell(args...)
	if err != nil {
		s.t.Fatalf("tmux %v: %v\n%s", args, err, out)
	}
	return out
}

func (s *terminal) tell(args ...string) (string, error) {
	c := exec.Command(s.tmux, append([]string{"-u", "-S", s.socket}, args...)...)
	c.Dir = s.home
	c.Env = []string{
		"HOME=" + s.home, "PATH=" + os.Getenv("PATH"), "TERM=screen", "SHELL=/bin/sh",
		"LANG=C.UTF-8", "LC_ALL=C.UTF-8", "TZ=UTC",
		"USER=reader", "LOGNAME=reader", "EDITOR=" + filepath.Join(s.home, editorFile),
	}
	out, err := c.CombinedOutput()
	return string(out), err
}

// press presses keys by their names, like "q" or "Enter".
func (s *terminal) press(keys ...string) {
	s.t.Helper()
	s.before = len(s.written())
	s.command(append([]string{"send-keys", "--"}, keys...)...)
}

// types types text as it stands.
func (s *terminal) types(text string) {
	s.t.Helper()
	s.command("send-keys", "-l", "--", text)
}

// sees waits until the screen shows all of words at once, and returns it.
func (s *terminal) sees(words ...string) (screen string) {
	s.t.Helper()
	var lacking []string
	if !s.comes(func() bool {
		screen = s.screen()
		lacking = without(screen, words)
		return len(lacking) == 0
	}) {
		s.t.Fatalf("the screen does not show %q", lacking)
	}
	return screen
}

// comes looks again and again whether something has happened, and says whether it has.
func (s *terminal) comes(has func() bool) bool {
	s.t.Helper()
	for late := time.After(patience); !has(); {
		select {
		case <-late:
			return false
		case <-time.After(look):
		}
	}
	return true
}

func (s *terminal) screen() string {
	s.t.Helper()
	return s.command("capture-pane", "-p")
}

// written is all that the program has written so far.
func (s *terminal) written() string {
	text, err := os.ReadFile(s.output)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		s.t.Fatal(err)
	}
	return string(text)
}

// flashes waits until the screen has shown words since the last key, perhaps for a
// moment alone.
func (s *terminal) flashes(words string) {
	s.t.Helper()
	if !s.comes(func() bool {
		since := s.written()
		return strings.Contains(since[min(s.before, len(since)):], words) || strings.Contains(s.screen(), words)
	}) {
		s.t.Fatalf("the screen did not show %q", words)
	}
}

// loses waits until the screen shows words no more.
func (s *terminal) loses(words string) {
	s.t.Helper()
	if !s.comes(func() bool { return !strings.Contains(s.screen(), words) }) {
		s.t.Fatalf("the screen still shows %q", words)
	}
}

// ends waits until the program has ended with an exit status.
func (s *terminal) ends(want int) {
	s.t.Helper()
	var status []byte
	if !s.comes(func() (ended bool) {
		var err error
		if status, err = os.ReadFile(s.status); err != nil && !errors.Is(err, fs.ErrNotExist) {
			s.t.Fatal(err)
		}
		return len(status) > 0
	}) {
		s.t.Fatal("the program does not end")
	}
	if string(status) != strconv.Itoa(want)+"\n" {
		s.t.Fatalf("the program ended with exit status %s, want %d", status, want)
	}
}

// without returns those of words that text does not hold.
func without(text string, words []string) []string {
	var lacking []string
	for _, word := range words {
		if !strings.Contains(text, word) {
			lacking = append(lacking, word)
		}
	}
	return lacking
}

// hides fails the test when a screen shows one of words.
func hides(t *testing.T, screen string, words ...string) {
	t.Helper()
	for _, word := range words {
		if strings.Contains(screen, word) {
			t.Errorf("the screen shows %q:\n%s", word, boxed(screen))
		}
	}
}

// lineWith returns the one line of a screen that holds word.
func lineWith(t *testing.T, screen, word string) string {
	t.Helper()
	found := ""
	for line := range strings.Lines(screen) {
		if strings.Contains(line, word) {
			if found != "" {
				t.Fatalf("two lines show %q:\n%s", word, boxed(screen))
			}
			found = line
		}
	}
	return found
}

// boxed writes a screen without its empty lines, so that it can be told from
// what stands around it.
func boxed(screen string) string {
	var out strings.Builder
	for line := range strings.Lines(screen) {
		if line = strings.TrimRight(line, " \r\n"); line != "" {
			fmt.Fprintf(&out, "  | %s\n", line)
		}
	}
	return out.String()
}
