package clients

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/restante/restante/test/harness"
)

func TestMain(m *testing.M) { os.Exit(harness.Main(m)) }

// TestNntplib_passesItsOwnTests runs the network tests of CPython's nntplib.
func TestNntplib_passesItsOwnTests(t *testing.T) {
	python := withTestSuite(t)
	g := harness.Start(t)
	r := g.Dial()
	const articles = 12 // the tests ask for the last ten
	for i := range articles {
		r.Post(fmt.Sprintf("Newsgroups: misc.test\nFrom: a@home.example\nSubject: article %d\n\n.Text %d.\n", i, i))
	}
	for i := range articles {
		r.Await("misc.test", fmt.Sprintf(".Text %d.", i))
	}
	out, err := exec.CommandContext(t.Context(), python, filepath.Join("testdata", "nntplib_suite.py"), g.Host, g.Port).CombinedOutput()
	if err != nil {
		t.Errorf("%v\n%s", err, out)
	}
	t.Logf("%s", out)
}

// withTestSuite returns a Python that has nntplib and its tests.
func withTestSuite(t *testing.T) string {
	t.Helper()
	for _, name := range []string{"python3.11", "python3", "python3.12", "/usr/bin/python3.11", "/usr/bin/python3"} {
		path, err := exec.LookPath(name)
		if err != nil {
			continue
		}
		if exec.CommandContext(t.Context(), path, "-W", "ignore", "-c", "import test.test_nntplib").Run() == nil {
			return path
		}
	}
	harness.Lacking(t, "no Python here has the test suite of nntplib")
	return ""
}
