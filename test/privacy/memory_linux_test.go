package privacy

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// memory reads all that a process could write to: what a core dump of it holds.
// The process stands still meanwhile.
func memory(t *testing.T, pid int) []place {
	t.Helper()
	if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := syscall.Kill(pid, syscall.SIGCONT); err != nil {
			t.Error(err)
		}
	}()
	maps, err := os.Open(fmt.Sprintf("/proc/%d/maps", pid))
	if err != nil {
		t.Fatal(err)
	}
	defer maps.Close()
	octets, err := os.Open(fmt.Sprintf("/proc/%d/mem", pid))
	if err != nil {
		t.Fatal(err)
	}
	defer octets.Close()
	var places []place
	for lines := bufio.NewScanner(maps); lines.Scan(); {
		var from, to uint64
		var may string
		if _, err := fmt.Sscanf(lines.Text(), "%x-%x %s", &from, &to, &may); err != nil {
			t.Fatal(err)
		}
		if !strings.HasPrefix(may, "rw") { // not the kernel's page behind all others, either
			continue
		}
		name := "the memory at " + lines.Text()
		held, err := io.ReadAll(io.NewSectionReader(octets, int64(from), int64(to-from)))
		if err != nil && !errors.Is(err, syscall.EIO) { // what was never touched, or is the kernel's
			t.Fatal(err)
		}
		places = append(places, place{name, written(held)})
	}
	return places
}

// erasing builds a gateway that erases what Go drops of its keys, as operators are
// told to (docs/operating.md). In any other build it is chance how long that stays.
func erasing(t *testing.T) (program string) {
	t.Helper()
	program = filepath.Join(t.TempDir(), "restanted")
	build := exec.CommandContext(t.Context(), "go", "build", "-o", program, "github.com/restante/restante/cmd/restanted")
	build.Env = append(build.Environ(), "GOEXPERIMENT=runtimesecret")
	if said, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build with GOEXPERIMENT=runtimesecret: %v\n%s", err, said)
	}
	return program
}

// TestDestroyed_keysAreNotInMemory looks for destroyed keys in all that a core
// dump of the process would hold.
func TestDestroyed_keysAreNotInMemory(t *testing.T) {
	g, keys := lived(t, erasing(t))
	keys.settle()
	keys.mustBeGone(func() []place { return memory(t, g.PID()) })
}
