package harness

import (
	"os"
	"os/exec"
	"testing"
)

// Need returns the path of a program that the test drives. Where it is not
// installed the test is skipped; with CI=true in the environment it fails, so
// that no change gets in untested.
func Need(t testing.TB, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		Lacking(t, name+" is not installed")
	}
	return path
}

// Lacking ends a test that can't run on this machine: it is skipped, and with
// CI=true it fails.
func Lacking(t testing.TB, what string) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatal(what)
	}
	t.Skip(what)
}
