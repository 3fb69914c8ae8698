package newsreader

import (
	"os/exec"
	"testing"

	"github.com/restante/restante/test/harness"
)

func TestNntplib_playsBothRoles(t *testing.T) {
	t.Parallel()
	python := pythonWithNntplib(t)
	playScript(t, python, "-W", "ignore", "testdata/story.py")
}

func TestNetNNTP_playsBothRoles(t *testing.T) {
	t.Parallel()
	playScript(t, harness.Need(t, "perl"), "testdata/story.pl")
}

// playScript runs a script that plays the whole story.
func playScript(t *testing.T, program ...string) {
	t.Helper()
	g := harness.Start(t)
	alice, bob := harness.Passphrase(t), harness.Passphrase(t)
	script := exec.CommandContext(t.Context(), program[0], append(program[1:], g.Host, g.Port, alice, bob)...)
	if out, err := script.CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("%v\n%s", err, out)
	}
	g.MustNotLog(alice, bob, "alice", "bob", replyWords, backWords)
}

// pythonWithNntplib returns a Python that has the module still: it is no part
// of Python since 3.13.
func pythonWithNntplib(t *testing.T) string {
	t.Helper()
	for _, name := range []string{"python3", "/usr/bin/python3", "python3.11", "python3.12"} {
		path, err := exec.LookPath(name)
		if err != nil {
			continue
		}
		if exec.CommandContext(t.Context(), path, "-W", "ignore", "-c", "import nntplib").Run() == nil {
			return path
		}
	}
	harness.Lacking(t, "no Python has nntplib")
	return ""
}
