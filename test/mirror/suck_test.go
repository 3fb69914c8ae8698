package mirror

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/restante/restante/test/harness"
)

// suck takes news as a newsreader does, for a server that nobody feeds.
func TestSuck_pullsTheWholePool(t *testing.T) {
	program := harness.Need(t, "suck")
	a := gateway(t, "a.example")
	want := holds(t, a, "a.example", 10)

	dir := t.TempDir()
	var rc strings.Builder
	for _, group := range shared()[:3] {
		fmt.Fprintf(&rc, "%s 0\n", group)
	}
	if err := os.WriteFile(filepath.Join(dir, "sucknewsrc"), []byte(rc.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(t.Context(), program, a.Host, "-N", a.Port, "-m", "-H", "-R", "-q",
		"-dd", dir, "-dm", dir, "-dt", dir).CombinedOutput()
	if err != nil {
		t.Fatalf("suck: %v\n%s", err, out)
	}
	got := make(map[string]string)
	files, err := filepath.Glob(filepath.Join(dir, "*-*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		head, body, _ := strings.Cut(string(text), "\n\n") // suck keeps lines as its system does
		for line := range strings.Lines(head) {
			if id, ok := strings.CutPrefix(line, "Message-ID: "); ok {
				got[strings.TrimSpace(id)] = body
			}
		}
	}
	for id, body := range want {
		if strings.TrimRight(got[id], "\n") != strings.TrimRight(strings.ReplaceAll(body, "\r\n", "\n"), "\n") {
			t.Fatalf("of %d articles suck has %d, and not this one as it is\n%s", len(want), len(got), out)
		}
	}
}
