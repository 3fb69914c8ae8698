package harness

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// folderVar is the environment variable that tells the tests of this process in
// which folder the programs lie that [Main] built.
const folderVar = "RESTANTE_PROGRAMS_UNDER_TEST"

// Names of the programs.
const (
	gatewayProgram = "restanted"
	userProgram    = "restante"
)

// Main builds the gateway, runs the tests and returns their exit status. It is
// what TestMain of a package calls that uses [Start]:
//
//	func TestMain(m *testing.M) { os.Exit(harness.Main(m)) }
//
// The program is built once for all tests of the process, with the race
// detector where the tests have it, and removed after them.
func Main(m *testing.M) int { return mainOf(m, gatewayProgram) }

// MainWithUsers is [Main] for a package that uses [NewUser], too.
func MainWithUsers(m *testing.M) int { return mainOf(m, gatewayProgram, userProgram) }

func mainOf(m *testing.M, programs ...string) int {
	status, err := buildAndRun(m, programs)
	if err != nil {
		fmt.Fprintln(os.Stderr, "harness:", err)
		return 1
	}
	return status
}

func buildAndRun(m *testing.M, programs []string) (status int, err error) {
	folder, err := os.MkdirTemp("", "restanted-")
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(folder)) }()
	for _, name := range programs {
		build := exec.Command("go", "build", raceFlag, "-o", filepath.Join(folder, name), "github.com/restante/restante/cmd/"+name)
		build.Stdout, build.Stderr = os.Stderr, os.Stderr
		if err := build.Run(); err != nil {
			return 0, fmt.Errorf("build %s: %w", name, err)
		}
	}
	if err := os.Setenv(folderVar, folder); err != nil {
		return 0, err
	}
	return m.Run(), nil
}

// Program returns where the gateway lies that [Main] built.
func Program(t testing.TB) string {
	t.Helper()
	return built(t, gatewayProgram)
}

func built(t testing.TB, name string) string {
	t.Helper()
	path := filepath.Join(os.Getenv(folderVar), name)
	if _, err := os.Stat(path); err != nil || !filepath.IsAbs(path) {
		t.Fatalf("%s is not built: let TestMain call harness.Main, or MainWithUsers", name)
	}
	return path
}
