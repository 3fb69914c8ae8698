package privacy

import (
	"bufio"
	"crypto/tls"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/restante/restante/test/harness"
)

// canary is part of every word that a client says in the heavy use below, and of
// nothing else.
const canary = "wisteria-kaleidoscope"

// TestCanaries_heavyUseLeavesNone says a canary wherever a client can say
// something: in commands that are known and unknown, good and bad logins, posts
// of every kind of fault, articles and offers of a peer, and before and within
// TLS; while the gateway is told to reload and started anew, at debug level.
// Nothing of it may be in the data folder, or the log.
func TestCanaries_heavyUseLeavesNone(t *testing.T) {
	g := harness.StartTLS(t, harness.Setting{Key: "[[peer]]", Value: "name = \"p\"\naddresses = [\"127.0.0.1\"]\ngroups = \"misc.*\"\npath = \"peer.example\""})
	passphrase := harness.Passphrase(t)
	said, answers := 0, map[string]int{}
	const public = "rhododendron-barometer" // the search must find it
	g.Dial().Post("Newsgroups: misc.test\nFrom: x\nSubject: x\n\n" + public + "\n")
	for range 2 {
		for _, secure := range []bool{false, true} {
			said += talk(t, g, secure, passphrase, answers)
		}
		reload(t, g)
		said += talk(t, g, true, passphrase, answers)
		g.Restart()
	}
	for _, code := range []string{"281", "340", "437", "439", "441", "481", "483", "500", "501"} {
		if answers[code] == 0 {
			t.Errorf("nothing was answered with %s: %v", code, answers)
		}
	}
	time.Sleep(2 * time.Second) // two batches, and what they log
	logged, err := os.ReadFile(g.Log)
	if err != nil {
		t.Fatal(err)
	}
	places := append(files(t, g.Data), place{"the log", logged})
	secrets := append(secretsOf(aliceHandle+canary, passphrase), secret{"a word", []byte(canary)})
	found := search(append(places, payloads(places)...), secrets)
	for _, f := range found {
		t.Error(f)
	}
	octets := 0
	for _, p := range places {
		octets += len(p.octets)
	}
	if len(search(places, []secret{{"what is public", []byte(public)}})) == 0 {
		t.Error("the search does not even find what is public")
	}
	if len(logged) < 1000 {
		t.Error("the log is short: was it at debug level?")
	}
	t.Logf("%d canaries said; %d octets of disk and %d of log searched: %d hits", said, octets-len(logged), len(logged), len(found))
}

func reload(t *testing.T, g *harness.Gateway) {
	t.Helper()
	if err := syscall.Kill(g.PID(), syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
}

// talk says the canary in every way, over a connection with TLS or without, and
// returns how often. It counts the answers by their codes.
func talk(t *testing.T, g *harness.Gateway, secure bool, passphrase string, answers map[string]int) int {
	t.Helper()
	said := 0
	for _, lines := range conversations(passphrase) {
		conn := connect(t, g, secure)
		r := bufio.NewReader(conn)
		_, _ = r.ReadString('\n')
		for _, line := range lines {
			said += strings.Count(line, canary)
			if _, err := io.WriteString(conn, line+"\r\n"); err != nil {
				break // the gateway may have had enough
			}
			answer, err := r.ReadString('\n')
			if err != nil {
				break
			}
			answers[answer[:min(3, len(answer))]]++
		}
		_ = conn.Close()
	}
	return said
}

func connect(t *testing.T, g *harness.Gateway, secure bool) net.Conn {
	t.Helper()
	port := g.Port
	if secure {
		port = g.SecurePort
	}
	conn, err := net.Dial("tcp", net.JoinHostPort("127.0.0.1", port))
	if err != nil {
		t.Fatal(err)
	}
	if err := conn.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if secure {
		conn = tls.Client(conn, &tls.Config{InsecureSkipVerify: true}) // it is the gateway of this test
	}
	return conn
}

// conversations is what is said, a connection each.
func conversations(passphrase string) [][]string {
	sasl := base64.StdEncoding.EncodeToString([]byte("\x00" + canary + "\x00" + canary + canary))
	login := []string{"AUTHINFO USER " + aliceHandle + canary, "AUTHINFO PASS " + passphrase}
	post := func(header, body string) []string {
		return append(slices.Clone(login), "POST", header+"\r\n\r\n"+body+"\r\n.")
	}
	private := "Newsgroups: restante.reply\r\nSubject: " + canary + "\r\nFrom: " + canary + " <x@" + canary + ".example>\r\nUser-Agent: " + canary
	token := "<" + strings.Repeat("A", 151) + "@" + harness.Domain + ">"
	fed := func(header string) []string {
		id := "<" + canary + "@x>"
		article := header + "\r\n\r\n" + canary + "\r\n."
		return []string{"CHECK " + id, "TAKETHIS " + id + "\r\n" + article, "IHAVE " + id, article}
	}
	return [][]string{
		{"X" + canary, canary + " " + canary, "MODE " + canary, "GROUP " + canary, "ARTICLE <" + canary + "@x>", "LIST " + canary, "HDR " + canary + " 1", "NEWNEWS " + canary + " " + canary},
		{"AUTHINFO USER " + canary, "AUTHINFO PASS " + canary, "AUTHINFO " + canary, "AUTHINFO SASL PLAIN " + sasl, "AUTHINFO SASL " + canary},
		append(slices.Clone(login), "GROUP restante.inbox", "ARTICLE <"+canary+"@x>", "XPAT Subject 1- "+canary, "STARTTLS"),
		{"XPICKUP " + canary, "XBLIND 1 " + canary, "XKEYS " + canary, "COMPRESS " + canary},
		{"STARTTLS", canary + canary},
		post(private, canary),
		post(private+"\r\nReferences: <"+canary+"@x>", canary),
		post(private+"\r\nReferences: "+token, canary),
		post(private+"\r\nTo: "+canary+"@"+harness.Domain, canary),
		post("Newsgroups: nowhere."+canary+"\r\nSubject: "+canary, canary),
		post("Newsgroups: misc.test\r\nSubject: "+canary+"\r\nControl: cancel <"+canary+"@x>", canary),
		post("Newsgroups: misc.test\r\nSubject: "+canary+"\r\nControl: newgroup "+canary, canary),
		post("Newsgroups: misc.test\r\nSubject: x\r\nMessage-ID: "+canary, canary),
		post("Newsgroups: misc.test\r\nSubject: x\r\nDate: "+canary, canary),
		post("Newsgroups: misc.test\r\nSubject: x\r\n"+canary, canary),
		post("Newsgroups: misc.test\r\nSubject: "+canary+"\r\nSubject: "+canary, canary),
		fed("Newsgroups: misc.test\r\nSubject: " + canary),
		fed("Path: " + canary + "\r\nNewsgroups: restante.pool\r\nMessage-ID: <" + canary + "@x>\r\nDate: " + canary),
		{strings.Repeat(canary, 100)},
		{"POST\r\n" + canary + ": " + strings.Repeat(canary, 200)}, // and is gone in the middle
	}
}

// TestCommands_sayNothingOfTheKeys damages a key, and runs what reads keys. What
// it prints must have none of them.
func TestCommands_sayNothingOfTheKeys(t *testing.T) {
	g := harness.Start(t)
	g.Stop()
	program := harness.Program(t)
	var keys []secret
	for _, f := range files(t, filepath.Join(g.Data, "keys")) {
		for _, word := range regexp.MustCompile(`[A-Za-z0-9_-]{43}`).FindAll(f.octets, -1) {
			octets, err := base64.RawURLEncoding.DecodeString(string(word))
			if err == nil && f.name != "directory" {
				keys = append(keys, secret{"the key in " + f.name, octets})
			}
		}
	}
	if len(keys) < 4 { // sign, root, two seal keys
		t.Fatalf("%d keys found", len(keys))
	}
	damage := func(name string) {
		path := filepath.Join(g.Data, "keys", name)
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, append(text, " and more"...), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	damage("root")
	runs := 0
	for _, args := range [][]string{
		{"check", "--config", g.Config},
		{"serve", "--config", g.Config},
		{"keys", "list", "--config", g.Config},
		{"keys", "export-directory", "--config", g.Config},
		{"init", "--config", g.Config, "--domain", harness.Domain},
		{"--help"},
	} {
		command := exec.CommandContext(t.Context(), program, args...)
		out, err := command.CombinedOutput()
		for _, f := range search([]place{{fmt.Sprintf("what %q printed", args), out}}, keys) {
			t.Error(f)
		}
		if args[0] == "serve" && err == nil {
			t.Error("a damaged key is taken")
		}
		runs++
	}
	t.Logf("%d commands with a damaged key: 0 of %d keys printed", runs, len(keys))
}
