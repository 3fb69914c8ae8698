package main

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// Who reads a line in the log finds in docs/operating.md what to do.
func TestDocs_haveEveryLineOfTheLog(t *testing.T) {
	text, err := os.ReadFile("../../docs/operating.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(text), "\n## Logs\n")
	var said []string
	for _, quoted := range regexp.MustCompile("`([^`]+)`").FindAllStringSubmatch(section, -1) {
		said = append(said, quoted[1])
	}
	logged := regexp.MustCompile(`\.(?:Info|Warn|Error)\(\)(?:\.[^"\n]*(?:"[^"\n]*"[^"\n]*)?)*?\.Msg\("([^"]+)"\)`)
	found := 0
	for _, root := range []string{".", "../../gateway", "../../pool"} {
		err := filepath.WalkDir(root, func(path string, _ fs.DirEntry, err error) error {
			if err != nil || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
				return err
			}
			source, err := os.ReadFile(path)
			for _, line := range logged.FindAllStringSubmatch(string(source), -1) {
				found++
				if !slices.ContainsFunc(said, func(s string) bool {
					begin, cut := strings.CutSuffix(s, "…")
					return s == line[1] || cut && strings.HasPrefix(line[1], strings.TrimSpace(begin))
				}) {
					t.Errorf("docs/operating.md does not say what to do about %q", line[1])
				}
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if found < 40 {
		t.Errorf("only %d lines were found", found)
	}
}
