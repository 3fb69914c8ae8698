package newsreader

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/restante/restante/test/harness"
)

// slrnrc is slrn without colours, without a list of the groups that are new to
// it, and with the fields of a receipt on the screen.
const slrnrc = `set use_color 0
set check_new_groups 0
set realname %q
set username %q
set hostname %q
set editor_command "$HOME/editor '%%s'"
visible_headers "From:,Subject:,Newsgroups:,Followup-To:,Restante-Destination:,Restante-Sealed:"
`

// slrnGroups is what slrn shows beneath its list of groups, and nowhere else.
const slrnGroups = "News Groups: "

// slrn is somebody at slrn.
type slrn struct {
	*terminal
	*person
}

// startSlrn opens slrn on groups. It shows those that hold something unread.
// Who has a passphrase is logged in by what is in her home folder.
func startSlrn(t *testing.T, g *harness.Gateway, p *person, groups ...string) *slrn {
	t.Helper()
	login := ""
	if p.passphrase != "" {
		login = fmt.Sprintf("set force_authentication 1\nnnrpaccess %q %q %q\n", slrnServer(g), p.handle, p.passphrase)
	}
	r := runSlrn(t, g, p, login, groups)
	r.sees(slrnGroups)
	return r
}

// askedBySlrn opens slrn on groups, one of which wants a login, and types it
// when it is asked for.
func askedBySlrn(t *testing.T, g *harness.Gateway, p *person, groups ...string) *slrn {
	t.Helper()
	r := runSlrn(t, g, p, "", groups)
	r.sees("Username:")
	r.types(p.handle)
	r.press("Enter")
	r.sees("Password:")
	r.types(p.passphrase)
	r.press("Enter")
	return r
}

func runSlrn(t *testing.T, g *harness.Gateway, p *person, login string, groups []string) *slrn {
	t.Helper()
	user, host, _ := strings.Cut(p.address, "@")
	p.file(t, ".slrnrc", fmt.Sprintf(slrnrc, p.name, user, host)+login)
	subscribe(t, p, newsrc, groups)
	port := g.Port
	if g.Certificate != "" {
		port = g.SecurePort
	}
	return &slrn{openTerminal(t, p.home, harness.Need(t, "slrn"), "-h", slrnServer(g), "-p", port, "-f", filepath.Join(p.home, newsrc)), p}
}

// slrnServer is the gateway's name as slrn has it, over TLS where the gateway
// has a certificate. Which one, slrn does not care.
func slrnServer(g *harness.Gateway) string {
	if g.Certificate != "" {
		return "snews://" + g.Host
	}
	return g.Host
}

// lists shows the groups in which nothing is unread, too.
func (r *slrn) lists(group string) {
	r.t.Helper()
	r.press("l")
	r.sees(group)
}

// opens goes from the list of groups into one.
func (r *slrn) opens(group, subject string) string {
	r.t.Helper()
	r.press("Enter")
	return r.sees("Group: "+group, subject)
}

// reads goes from the list of articles into the one under the cursor.
func (r *slrn) reads(words ...string) string {
	r.t.Helper()
	r.press("Enter")
	return r.sees(append(words, "f:Followup")...)
}

// sends lets an article go that has come back from the editor.
func (r *slrn) sends(said string) {
	r.t.Helper()
	r.sees("Post the message?")
	r.press("y")
	r.flashes(said)
}

// posts writes an article to the group under the cursor.
func (r *slrn) posts(group, subject, words string) {
	r.t.Helper()
	r.writes(r.t, words, "")
	r.press("P")
	r.sees("Are you sure that you want to post?")
	r.press("y")
	r.sees("Newsgroup: " + group)
	r.press("Enter")
	r.sees("Subject:")
	r.types(subject)
	r.press("Enter")
	r.sends("Posting...done.")
}

// follows answers the article on the screen, wherever its author wants it, and
// changes what slrn has written so far.
func (r *slrn) follows(words, changes string) {
	r.t.Helper()
	r.writes(r.t, words, changes)
	r.press("f")
	r.sees("Are you sure you want to followup?")
	r.press("y")
	r.sees("Followup to restante.reply as poster prefers?")
	r.press("y")
	r.sends("Posting...done.")
}

// decodes saves the article on the screen, and what is packed in it.
func (r *slrn) decodes(name string) {
	r.t.Helper()
	if err := os.MkdirAll(filepath.Join(r.person.home, savedFiles), 0o700); err != nil { // it would ask
		r.t.Fatal(err)
	}
	r.press(":")
	r.sees("Temporary file (^G aborts): ")
	r.press("Enter")
	r.sees("Decode ")
	r.press("y")
	r.sees("Delete ")
	r.press("y")
}

// leaves goes back to the list of groups.
func (r *slrn) leaves() {
	r.t.Helper()
	r.press("q")
	r.sees(slrnGroups)
}

// quits ends slrn.
func (r *slrn) quits() {
	r.t.Helper()
	r.press("q")
	r.sees("Do you really want to quit?")
	r.press("y")
	r.ends(0)
}
