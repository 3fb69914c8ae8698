package newsreader

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A person is somebody with a newsreader and a home folder.
type person struct {
	name, address      string
	handle, passphrase string // both empty: never logs in
	home               string
}

// The files of a home folder that the editor works with.
const (
	editorFile = "editor"
	wordsFile  = "words"   // what the person writes
	editsFile  = "changes" // how the person changes what is there, for sed
)

// newsrc is the file of a home folder in which a newsreader for a terminal keeps
// which groups it shows and what was read. Who has two has them share it.
const newsrc = ".newsrc"

// savedFiles is the folder in a home folder where they save what is attached.
const savedFiles = "News"

// editor stands for a person at an editor: it changes and adds to the file that
// it is called with. A newsreader takes a file that is no newer than before for
// one that was left alone, so it becomes newer.
const editor = `#!/bin/sh
set -e
for file; do :; done
sed -i -f "$HOME/` + editsFile + `" "$file"
cat "$HOME/` + wordsFile + `" >>"$file"
touch -d '2 seconds' "$file"
`

// newPerson makes a home folder with an editor in it.
func newPerson(t *testing.T, name, address, handle, passphrase string) *person {
	t.Helper()
	p := &person{name, address, handle, passphrase, t.TempDir()}
	p.file(t, editorFile, editor)
	if err := os.Chmod(filepath.Join(p.home, editorFile), 0o700); err != nil {
		t.Fatal(err)
	}
	p.writes(t, "", "")
	return p
}

// file writes a file of the home folder.
func (p *person) file(t *testing.T, name, text string) {
	t.Helper()
	path := filepath.Join(p.home, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// writes says what the person will write when the editor opens next, and how
// she changes what she finds there, as a script for sed.
func (p *person) writes(t *testing.T, words, changes string) {
	t.Helper()
	p.file(t, wordsFile, words+"\n")
	p.file(t, editsFile, changes+"\n")
}

// elsewhere is a change to the group that an article goes to.
func elsewhere(group string) string {
	return fmt.Sprintf("1,/^$/s/^Newsgroups: .*/Newsgroups: %s/", group)
}

// subscribe writes the list of groups that a newsreader shows, in a file that it
// keeps. What was read of one stays read.
func subscribe(t *testing.T, p *person, file string, groups []string) {
	t.Helper()
	before, err := os.ReadFile(filepath.Join(p.home, file))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	read := make(map[string]string)
	for line := range strings.Lines(string(before)) {
		group, numbers, _ := strings.Cut(line, ":")
		read[group] = strings.TrimSpace(numbers)
	}
	var lines strings.Builder
	for _, group := range groups {
		fmt.Fprintf(&lines, "%s: %s\n", group, read[group])
	}
	p.file(t, file, lines.String())
}
