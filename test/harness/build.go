package harness

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// programVar is the environment variable that tells the tests of this process
// where the program lies that [Main] built.
const programVar = "RESTANTED_UNDER_TEST"

// Main builds the gateway, runs the tests and returns their exit status. It is
// what TestMain of a package calls that uses [Start]:
//
//	func TestMain(m *testing.M) { os.Exit(harness.Main(m)) }
//
// The program is built once for all tests of the process, with the race
// detector where the tests have it, and removed after them.
func Main(m *testing.M) int {
	status, err := buildAndRun(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, "harness:", err)
		return 1
	}
	return status
}

func buildAndRun(m *testing.M) (status int, err error) {
	folder, err := os.MkdirTemp("", "restanted-")
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(folder)) }()
	program := filepath.Join(folder, "restanted")
	build := exec.Command("go", "build", raceFlag, "-o", program, "github.com/restante/restante/cmd/restanted")
	build.Stdout, build.Stderr = os.Stderr, os.Stderr
	if err := build.Run(); err != nil {
		return 0, fmt.Errorf("build the gateway: %w", err)
	}
	if err := os.Setenv(programVar, program); err != nil {
		return 0, err
	}
	return m.Run(), nil
}

// Program returns where the gateway lies that [Main] built.
func Program(t testing.TB) string {
	t.Helper()
	path := os.Getenv(programVar)
	if path == "" {
		t.Fatal("no gateway is built: let TestMain call harness.Main")
	}
	return path
}
