package newsreader

import (
	"fmt"
	"strconv"
	"testing"

	"github.com/restante/restante/test/harness"
)

// tinrc is tin without questions and colours, and with the fields of a receipt
// on the screen.
const tinrc = `confirm_choice=0
use_color=OFF
show_only_unread_arts=OFF
goto_next_unread=0
group_catchup_on_exit=OFF
news_headers_to_display=Newsgroups Followup-To Restante-Destination Restante-Sealed
mm_network_charset=UTF-8
post_mime_encoding=8bit
metamail_prog=
mail_address=%s <%s>
`

// What tin's help says on each of its pages, and on no other.
const (
	groupsHelp  = "y=yank in/out"
	listHelp    = "l=list thread"
	articleHelp = "B=body search"
)

// tin is somebody at tin.
type tin struct {
	*terminal
	*person
}

// startTin opens tin on groups, in the order given. Who has a passphrase is
// logged in by what is in her home folder.
func startTin(t *testing.T, g *harness.Gateway, p *person, groups ...string) *tin {
	t.Helper()
	var args []string
	if p.passphrase != "" {
		p.file(t, ".newsauth", fmt.Sprintf("%s %q %s\n", g.Host, p.passphrase, p.handle))
		args = append(args, "-A")
	}
	r := runTin(t, g, p, groups, args...)
	r.showsGroups(groups)
	return r
}

// askedByTin opens tin so that it asks for a login, and types it.
func askedByTin(t *testing.T, g *harness.Gateway, p *person, groups ...string) *tin {
	t.Helper()
	r := runTin(t, g, p, groups, "-A")
	r.sees("Server expects authentication.", "Please enter username:")
	r.press("C-u") // it proposes the machine's user
	r.types(p.handle)
	r.press("Enter")
	r.sees("Please enter password:")
	r.types(p.passphrase)
	r.press("Enter")
	return r
}

// runTin opens tin, over TLS where the gateway has a certificate: tin believes
// no other.
func runTin(t *testing.T, g *harness.Gateway, p *person, groups []string, args ...string) *tin {
	t.Helper()
	settings, port := fmt.Sprintf(tinrc, p.name, p.address), g.Port
	if g.Certificate != "" {
		settings += "tls_ca_cert_file=" + g.Certificate + "\n"
		port = g.SecurePort
		args = append(args, "-T")
	}
	p.file(t, ".tin/tinrc", settings)
	subscribe(t, p, newsrc, groups)
	args = append([]string{harness.Need(t, "tin"), "-r", "-g", g.Host, "-p", port}, args...)
	return &tin{openTerminal(t, p.home, args...), p}
}

// showsGroups waits for the list of groups.
func (r *tin) showsGroups(groups []string) {
	r.t.Helper()
	r.sees(append([]string{"Group Selection (", groupsHelp}, groups...)...)
}

// opens goes from the list of groups into the n-th, which has articles.
func (r *tin) opens(n int, group string) string {
	r.t.Helper()
	r.types(strconv.Itoa(n))
	r.sees("Select group>")
	r.press("Enter")
	r.loses("Select group>")
	r.press("Enter")
	return r.sees(group+" (", listHelp)
}

// reads goes from the list of articles into the first.
func (r *tin) reads(words ...string) string {
	r.t.Helper()
	r.press("Enter")
	return r.sees(append(words, articleHelp)...)
}

// sends lets an article go that has come back from the editor. What the server
// said stays on the screen for a while, before tin is back where it was.
func (r *tin) sends(said, back string) {
	r.t.Helper()
	r.sees("Check Prepared Article", "p=post")
	r.press("p")
	r.flashes(said)
	r.sees(back)
}

// posts writes an article to the group under the cursor.
func (r *tin) posts(subject, words string) {
	r.t.Helper()
	r.writes(r.t, words, "")
	r.press("w")
	r.sees("Post subject [")
	r.types(subject)
	r.press("Enter")
	r.sends("Article posted: <", groupsHelp)
}

// follows answers the article on the screen, wherever its author wants it.
func (r *tin) follows(words string) {
	r.t.Helper()
	r.writes(r.t, words, "")
	r.press("f")
	r.sees("Responses have been directed to the following newsgroups", "restante.reply", "Accept Followup-To?")
	r.press("p")
	r.sends("Article posted: <", articleHelp)
}

// saves keeps a part of the article on the screen.
func (r *tin) saves(n int, name string) {
	r.t.Helper()
	r.press("V")
	r.sees("Attachment Menu", name)
	r.types(strconv.Itoa(n))
	r.sees("Select attachment>")
	r.press("Enter")
	r.press("s")
	r.flashes("Attachment saved successfully.")
	r.sees("*** End of attachments ***") // what is pressed before is lost
	r.press("q")
	r.sees(articleHelp)
}

// leaves goes back to the list of groups.
func (r *tin) leaves() {
	r.t.Helper()
	r.press("q")
	r.sees(listHelp)
	r.press("q")
	r.sees(groupsHelp)
}

// quits ends tin.
func (r *tin) quits() {
	r.t.Helper()
	r.press("Q")
	r.ends(0)
}

// Nobody who holds another certificate gets the passphrase: tin goes.
func TestTin_refusesABadCertificate(t *testing.T) {
	t.Parallel()
	g, other := harness.StartTLS(t), harness.StartTLS(t)
	alice := newPerson(t, "Alice Liddell", "alice@home.example", "alice", harness.Passphrase(t))
	alice.file(t, ".newsauth", fmt.Sprintf("%s %q %s\n", g.Host, alice.passphrase, alice.handle))
	wrong := *g
	wrong.Certificate = other.Certificate // what she believes
	r := runTin(t, &wrong, alice, []string{"restante.inbox"}, "-A")
	r.sees("TLS handshake failed: self-signed certificate", "Failed to connect to NNTP server")
}
