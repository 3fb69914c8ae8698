package harness

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
)

// A User is somebody with the program restante and a profile of her own. Her
// methods are called by the goroutine of her test.
type User struct {
	Home string // the folder of her profile, and of everything that she has

	t      testing.TB
	secret string // path of the file with her passphrase
}

// NewUser makes a user's key.
func NewUser(t testing.TB) *User {
	t.Helper()
	u := &User{Home: t.TempDir(), t: t}
	u.secret = filepath.Join(u.Home, "passphrase")
	if err := os.WriteFile(u.secret, []byte(Passphrase(t)+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	u.Run("init")
	return u
}

// Set writes her settings. text is a restante.toml.
func (u *User) Set(text string) {
	u.t.Helper()
	key := ""
	for line := range strings.Lines(u.Run("whoami")) {
		if f := strings.Fields(line); len(f) == 2 && f[0] == "key" {
			key = f[1]
		}
	}
	if err := os.WriteFile(filepath.Join(filepath.Dir(key), "restante.toml"), []byte(text), 0o600); err != nil {
		u.t.Fatal(err)
	}
	u.Run("setup", "--check")
}

// Run runs a command that must go well, and returns what it printed.
func (u *User) Run(args ...string) string {
	u.t.Helper()
	c := u.command(u.t.Context(), args...)
	var said bytes.Buffer
	c.Stderr = &said
	out, err := c.Output()
	if err != nil {
		u.t.Fatalf("restante %s: %v\n%s%s", args[0], err, out, said.Bytes())
	}
	return string(out)
}

// Try runs a command that may fail, and returns what it printed and its exit code.
func (u *User) Try(args ...string) (out, said string, code int) {
	u.t.Helper()
	c := u.command(u.t.Context(), args...)
	var stdout, stderr bytes.Buffer
	c.Stdout, c.Stderr = &stdout, &stderr
	_ = c.Run() // the exit code says it
	return stdout.String(), stderr.String(), c.ProcessState.ExitCode()
}

// Copy is the user as she is now, on another machine.
func (u *User) Copy(t testing.TB) *User {
	t.Helper()
	copied := &User{Home: t.TempDir(), t: t}
	err := filepath.WalkDir(u.Home, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, err := filepath.Rel(u.Home, path)
		if err != nil {
			return err
		}
		if e.IsDir() {
			return os.MkdirAll(filepath.Join(copied.Home, name), 0o700)
		}
		octets, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(copied.Home, name), octets, 0o600)
	})
	if err != nil {
		t.Fatal(err)
	}
	copied.secret = filepath.Join(copied.Home, filepath.Base(u.secret))
	return copied
}

// Command is a command of hers, for whoever wants to know how it runs.
func (u *User) Command(ctx context.Context, args ...string) *exec.Cmd {
	u.t.Helper()
	return u.command(ctx, args...)
}

func (u *User) command(ctx context.Context, args ...string) *exec.Cmd {
	return exec.CommandContext(ctx, built(u.t, userProgram),
		append(args, "--home", filepath.Join(u.Home, "profiles"), "--passphrase-file", u.secret)...)
}

// A Bridge is her bridge, as a process of its own. Host, Port and Address are
// those of a [Gateway], so that a newsreader finds it.
type Bridge struct {
	*Gateway
	Said string // path of the file that holds what it printed
	end  func()
}

// Bridge starts her bridge on a free port and returns once it answers. The end of
// the test stops it, and fails unless it stops cleanly.
func (u *User) Bridge(args ...string) *Bridge {
	u.t.Helper()
	c := u.command(context.Background(), append([]string{"bridge", "--listen", "127.0.0.1:0"}, args...)...)
	said := filepath.Join(u.t.TempDir(), "said")
	log, err := os.Create(said)
	if err != nil {
		u.t.Fatal(err)
	}
	defer func() { _ = log.Close() }() // the process has its own
	c.Stderr = log
	out, err := c.StdoutPipe()
	if err != nil {
		u.t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		u.t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	address := regexp.MustCompile(`127\.0\.0\.1:\d+`).FindString(line)
	b := &Bridge{Gateway: &Gateway{Address: address, t: u.t}, Said: said}
	b.Host, b.Port, _ = strings.Cut(address, ":")
	ended := false
	b.end = func() {
		if ended {
			return
		}
		ended = true
		_ = c.Process.Signal(syscall.SIGTERM)
		late := time.AfterFunc(patience, func() { _ = c.Process.Kill() })
		err := c.Wait()
		late.Stop()
		if text, _ := os.ReadFile(said); err != nil || u.t.Failed() {
			u.t.Logf("the bridge ended: %v\n%s", err, text)
			if err != nil {
				u.t.Error(fmt.Errorf("the bridge did not stop cleanly: %w", err))
			}
		}
	}
	u.t.Cleanup(b.end)
	if err != nil || address == "" {
		u.t.Fatalf("the bridge does not start: %q", line)
	}
	return b
}

// Stop stops the bridge.
func (b *Bridge) Stop() { b.end() }
