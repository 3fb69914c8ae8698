package arch

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var (
	shownBy  = regexp.MustCompile("`([a-z/]+)`: (Test\\w+(?:, Test\\w+)*)")
	testName = regexp.MustCompile(`\bTest[A-Z]\w*_\w+`)
	testFunc = regexp.MustCompile(`(?m)^func (Test\w+)\(`)
)

// testsIn returns the tests of a folder.
func testsIn(t *testing.T, folder string) map[string]bool {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(root(t), folder, "*_test.go"))
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]bool{}
	for _, name := range names {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, match := range testFunc.FindAllStringSubmatch(string(text), -1) {
			found[match[1]] = true
		}
	}
	return found
}

// What the threat model says can't be done is only as good as the tests that it
// names: each must be there, and each such row must name one.
func TestThreatModel_everyCannotNamesItsTests(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(root(t), "docs", "threat-model.md"))
	if err != nil {
		t.Fatal(err)
	}
	rows, named := 0, 0
	for line := range strings.Lines(string(text)) {
		cannot := strings.HasPrefix(line, "| cannot |")
		if cannot {
			rows++
		}
		known := 0
		for _, match := range shownBy.FindAllStringSubmatch(line, -1) {
			tests := testsIn(t, match[1])
			for _, name := range strings.Split(match[2], ", ") {
				known++
				if !tests[name] {
					t.Errorf("%s has no test %s", match[1], name)
				}
			}
		}
		if cannot && known == 0 {
			t.Errorf("no test is named: %s", line)
		}
		if all := len(testName.FindAllString(line, -1)); all != known {
			t.Errorf("%d tests are named and %d of them with their folder: %s", all, known, line)
		}
		named += known
	}
	if rows < 20 {
		t.Errorf("the threat model has %d rows of what can't be done: was its form changed?", rows)
	}
	t.Logf("%d rows of what can't be done name %d tests", rows, named)
}
