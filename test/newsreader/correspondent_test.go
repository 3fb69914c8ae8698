package newsreader

import (
	"bytes"
	"encoding/base64"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/restante/restante/test/harness"
)

// A letter is a message that somebody reads with a newsreader, and the answer.
type letter struct {
	group    string
	words    string // of the message
	picture  []byte // comes with the message
	answer   string // "": it is only read
	enclosed []byte // goes with the answer
}

// A correspondent is somebody with a newsreader of hers. She reads a message that
// she had not read before, and answers it. What the newsreader showed her is
// returned.
type correspondent func(t *testing.T, g *harness.Gateway, p *person, l letter) string

// pictureName is what all pictures are called that are sent.
const pictureName = "violin.jpg"

// postsWithGnus has somebody post with Gnus, in an Emacs without a terminal.
func postsWithGnus(t *testing.T, g *harness.Gateway, p *person, group, subject, words string) {
	t.Helper()
	gnus(t, g, p, nil, "posts", group, subject, words)
}

// withGnus is a [correspondent] with Gnus, in an Emacs without a terminal.
func withGnus(t *testing.T, g *harness.Gateway, p *person, l letter) string {
	t.Helper()
	folder := t.TempDir()
	var files []string
	if l.enclosed != nil {
		files = append(files, "ATTACH="+filepath.Join(folder, pictureName))
		if err := os.WriteFile(filepath.Join(folder, pictureName), l.enclosed, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if l.picture != nil {
		files = append(files, "SAVE="+p.home)
	}
	shown := gnus(t, g, p, files, "answers", l.group, l.words, l.answer)
	if l.picture != nil {
		p.saved(t, pictureName, l.picture)
	}
	return shown
}

func gnus(t *testing.T, g *harness.Gateway, p *person, files []string, args ...string) string {
	t.Helper()
	p.file(t, ".authinfo", "")
	emacs := exec.CommandContext(t.Context(), harness.Need(t, "emacs"), append([]string{
		"-Q", "--batch",
		"-l", "testdata/bridge.el", g.Host, g.Port, "nntp-open-network-stream",
	}, args...)...)
	emacs.Env = append(append(emacs.Environ(), "HOME="+t.TempDir(), "LANG=C.UTF-8", "LC_ALL=C.UTF-8", "ALICE_HOME="+p.home), files...)
	emacs.Stdin = strings.NewReader("y\ny\n") // whether she really posts to restante.reply, a group that Gnus has never shown, and something as large
	return ends(t, emacs)
}

// withSlrn is a [correspondent] with slrn. She writes anew instead of below
// what is quoted.
func withSlrn(t *testing.T, g *harness.Gateway, p *person, l letter) string {
	t.Helper()
	r := startSlrn(t, g, p, l.group)
	r.opens(l.group, cardSubject)
	shown := r.reads("Subject: ", l.words, "Followup-To: restante.reply")
	if l.picture != nil {
		r.decodes(pictureName)
		p.saved(t, filepath.Join(savedFiles, pictureName), l.picture)
	}
	if l.answer != "" {
		r.follows(l.answer+uuencoded(l.enclosed), "1,/^$/!d")
	}
	r.leaves()
	r.quits()
	return shown
}

// withTin is a [correspondent] with tin.
func withTin(t *testing.T, g *harness.Gateway, p *person, l letter) string {
	t.Helper()
	r := startTin(t, g, p, l.group)
	r.opens(1, l.group)
	r.press("Tab") // the next one that she has not read
	shown := r.sees("Re: "+cardSubject, l.words, articleHelp)
	if l.picture != nil {
		r.sees("[-- image/jpeg, encoding base64,", "name: "+pictureName)
		r.saves(3, pictureName)
		p.saved(t, filepath.Join(savedFiles, pictureName), l.picture)
	}
	if l.answer != "" {
		r.follows(l.answer + uuencoded(l.enclosed))
	}
	r.leaves()
	r.quits()
	return shown
}

// saved fails the test unless a newsreader has just saved a picture in a file of the
// home folder.
func (p *person) saved(t *testing.T, name string, want []byte) {
	t.Helper()
	path := filepath.Join(p.home, name)
	got, err := os.ReadFile(path)
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("the saved picture has %d octets, want other %d: %v", len(got), len(want), err)
	}
	if err := os.Remove(path); err != nil { // the next one has the same name
		t.Error(err)
	}
}

// uuencoded is a file as it stands in a text since before MIME.
func uuencoded(file []byte) string {
	if file == nil {
		return ""
	}
	digits := []byte{'`'} // for 0, which was a space once
	for d := range byte(63) {
		digits = append(digits, '!'+d)
	}
	code := base64.NewEncoding(string(digits)).WithPadding(base64.NoPadding)
	var out strings.Builder
	out.WriteString("\n\nbegin 644 " + pictureName + "\n")
	for some := range slices.Chunk(file, 45) {
		out.WriteByte(digits[len(some)])
		whole := append(slices.Clone(some), make([]byte, (3-len(some)%3)%3)...)
		out.WriteString(code.EncodeToString(whole) + "\n")
	}
	out.WriteString("`\nend")
	return out.String()
}
