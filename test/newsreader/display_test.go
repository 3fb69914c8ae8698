package newsreader

import (
	"bufio"
	"context"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/restante/restante/test/harness"
)

// A display is a screen that nobody looks at, in which one program with windows
// runs. Nothing on it depends on where a window or a button lies: all is done by
// keys.
type display struct {
	t       *testing.T
	name    string // of the screen, for DISPLAY
	xdotool string
	program *exec.Cmd
	ended   chan error
}

// openDisplay runs a program on a screen of its own. Its home folder, and all of
// its environment, are the test's own.
func openDisplay(t *testing.T, home string, program ...string) *display {
	t.Helper()
	d := &display{t: t, xdotool: harness.Need(t, "xdotool"), ended: make(chan error, 1)}
	d.name = startX(t)
	d.program = exec.Command(program[0], program[1:]...)
	d.program.Dir = home
	d.program.Env = []string{
		"HOME=" + home, "PAN_HOME=" + home, "PATH=" + os.Getenv("PATH"), "DISPLAY=" + d.name,
		"LANG=C.UTF-8", "LC_ALL=C.UTF-8", "TZ=UTC", "NO_AT_BRIDGE=1", "GTK_IM_MODULE=gtk-im-context-simple",
	}
	if err := d.program.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { d.ended <- d.program.Wait() }()
	t.Cleanup(d.close)
	return d
}

// startX starts an X server in memory, on a number that it chooses itself.
func startX(t *testing.T) string {
	t.Helper()
	chosen, theirs, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	server := exec.Command(harness.Need(t, "Xvfb"), "-displayfd", "3", "-screen", "0", "1280x1000x24", "-nolisten", "tcp")
	server.ExtraFiles = []*os.File{theirs}
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = server.Process.Signal(syscall.SIGTERM)
		_ = server.Wait() // told to by a signal
		_ = chosen.Close()
	})
	_ = theirs.Close() // the server has its own
	number, err := bufio.NewReader(chosen).ReadString('\n')
	if err != nil && err != io.EOF { //nolint:errorlint // it is never wrapped
		t.Fatal(err)
	}
	if number = strings.TrimSpace(number); number == "" {
		t.Fatal("the X server does not start")
	}
	return ":" + number
}

// close ends the program where it still runs, and names the windows of a failed
// test.
func (d *display) close() {
	if d.t.Failed() {
		d.t.Logf("the last windows:\n%s", boxed(d.windows("")))
	}
	if d.program.Process.Signal(syscall.SIGTERM) == nil {
		<-d.ended
	}
}

// do runs xdotool, which waits without an end for a window that goes away meanwhile.
func (d *display) do(args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience/12)
	defer cancel()
	c := exec.CommandContext(ctx, d.xdotool, args...)
	c.Env = []string{"DISPLAY=" + d.name}
	out, err := c.Output()
	return string(out), err
}

// windows returns the titles of what is open whose title has name in it, a line
// each.
func (d *display) windows(name string) string {
	out, _ := d.do("search", "--onlyvisible", "--name", name, "getwindowname", "%@") // 1 for none
	return out
}

// shows waits for a window with that title, a regular expression, and makes it
// the one that keys go to.
func (d *display) shows(title string) {
	d.t.Helper()
	d.until("no window is called "+title, func() bool {
		out, err := d.do("search", "--onlyvisible", "--name", title)
		window, _, found := strings.Cut(out, "\n")
		if err != nil || !found {
			return false
		}
		_, err = d.do("windowfocus", "--sync", window)
		return err == nil
	})
}

// closes waits until no window has that title.
func (d *display) closes(title string) {
	d.t.Helper()
	d.until("a window is still called "+title, func() bool { return d.windows(title) == "" })
}

// press presses keys by their names, like "q" or "ctrl+Return".
func (d *display) press(keys ...string) {
	d.t.Helper()
	if _, err := d.do(append([]string{"key", "--delay", "50"}, keys...)...); err != nil {
		d.t.Fatal(err)
	}
}

// types types text as it stands.
func (d *display) types(text string) {
	d.t.Helper()
	if _, err := d.do("type", "--delay", "20", text); err != nil {
		d.t.Fatal(err)
	}
}

// until waits for something.
func (d *display) until(otherwise string, holds func() bool) {
	d.t.Helper()
	for late := time.After(patience); !holds(); {
		select {
		case err := <-d.ended:
			d.ended <- err
			d.t.Fatalf("the program ended: %v", err)
		case <-late:
			d.t.Fatal(otherwise)
		case <-time.After(4 * look):
		}
	}
}

// holds says whether a file of a folder, whose name matches, says words.
func holds(t *testing.T, folder, name, words string) bool {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(folder, name))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		if text, err := os.ReadFile(file); err == nil && strings.Contains(string(text), words) {
			return true
		}
	}
	return false
}
