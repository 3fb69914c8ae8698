package newsreader

import (
	"fmt"
	"os/exec"
	"strings"
	"testing"

	"github.com/restante/restante/test/harness"
)

func TestGnus_playsBothRoles(t *testing.T) {
	t.Parallel()
	g := harness.Start(t)
	playGnus(t, g, g.Port, "nntp-open-network-stream")
}

// The gateways of the next two tests take no login without TLS.

func TestGnus_playsBothRolesOverTLS(t *testing.T) {
	t.Parallel()
	g := harness.StartTLS(t)
	playGnus(t, g, g.SecurePort, "nntp-open-tls-stream")
}

// Gnus asks for TLS by itself where a server offers it.
func TestGnus_startsTLSByItself(t *testing.T) {
	t.Parallel()
	g := harness.StartTLS(t)
	playGnus(t, g, g.Port, "nntp-open-network-stream")
}

// playGnus plays the whole story with Gnus, in an Emacs without a terminal.
func playGnus(t *testing.T, g *harness.Gateway, port, stream string) {
	t.Helper()
	alice := newPerson(t, "Alice Liddell", "alice@home.example", "alice", harness.Passphrase(t))
	bob := newPerson(t, "Bob Marley", "bob@work.example", "bob", harness.Passphrase(t))
	for _, p := range []*person{alice, bob} {
		p.file(t, ".authinfo", fmt.Sprintf("machine %s login %s password %q force yes\n", g.Host, p.handle, p.passphrase))
	}
	emacs := exec.CommandContext(t.Context(), harness.Need(t, "emacs"),
		"-Q", "--batch", "-l", "testdata/story.el", g.Host, port, stream)
	emacs.Env = append(emacs.Environ(), "HOME="+t.TempDir(), "LANG=C.UTF-8", "LC_ALL=C.UTF-8",
		"CERTIFICATE="+g.Certificate, "ALICE_HOME="+alice.home, "BOB_HOME="+bob.home)
	ends(t, emacs)
	g.MustNotLog(alice.passphrase, bob.passphrase, "alice", "bob", replyWords, backWords)
}

// ends runs an Emacs to the end of its story, and returns what it printed.
func ends(t *testing.T, emacs *exec.Cmd) string {
	t.Helper()
	out, err := emacs.CombinedOutput()
	if err != nil || !strings.HasSuffix(string(out), "The end.") {
		t.Fatalf("%v\n%s", err, out)
	}
	return string(out)
}
