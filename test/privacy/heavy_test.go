package privacy

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
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
// Nothing of it may be in the data folder, the log, or what the operator is shown.
func TestCanaries_heavyUseLeavesNone(t *testing.T) {
	desk := harness.FreeAddress(t)
	g := harness.StartTLS(t, harness.Setting{Key: "listen", Value: strconv.Quote(desk)},
		harness.Setting{Key: "[[peer]]", Value: "name = \"p\"\naddresses = [\"127.0.0.1\"]\ngroups = \"misc.*\"\npath = \"peer.example\""})
	passphrase := harness.Passphrase(t)
	said, answers := 0, map[string]int{}
	const public = "rhododendron-barometer" // the search must find it
	posted := g.Dial().Post("Newsgroups: misc.test\nFrom: x\nSubject: x\n\n" + public + "\n")
	var views []place
	for range 2 {
		for _, secure := range []bool{false, true} {
			said += talk(t, g, secure, passphrase, answers)
		}
		reload(t, g)
		said += talk(t, g, true, passphrase, answers)
		views = append(views, shown(t, g, desk)...)
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
	views = append(views, shown(t, g, desk)...)
	places := append(files(t, g.Data), place{"the log", logged})
	secrets := append(secretsOf(aliceHandle+canary, passphrase), secret{"a word", []byte(canary)})
	kept := search(append(places, payloads(places)...), secrets)
	secrets = append(secrets, // what is public, or the operator's own
		secret{"what is public", []byte(public)}, secret{"a message-id", []byte(strings.Trim(posted, "<>"))},
		secret{"an address", []byte("127.0.0.1")}, secret{"the peer's host", []byte("peer.example")},
		secret{"a private group", []byte("restante.inbox")}, secret{"a group", []byte("misc.test")})
	told := append(search([]place{{"the log", logged}}, secrets), searchViews(t, views, secrets)...)
	found := append(kept, told...)
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
	t.Logf("%d canaries said; %d octets of disk, %d of log and %d pages searched: %d hits", said, octets-len(logged), len(logged), len(views), len(found))
}

// shown is all that an operator is shown of a gateway: the page, its health and
// the metrics, as they are and asked for with canaries, and what restanted status
// prints.
func shown(t *testing.T, g *harness.Gateway, desk string) []place {
	t.Helper()
	var views []place
	for _, path := range []string{"/", "/health", "/metrics", "/metrics?x=" + canary, "/" + canary} {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+desk+path, http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("User-Agent", canary)
		answer, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(answer.Body)
		if err := errors.Join(err, answer.Body.Close()); err != nil {
			t.Fatal(err)
		}
		if answer.StatusCode != http.StatusOK && answer.StatusCode != http.StatusServiceUnavailable && path != "/"+canary {
			t.Errorf("%s: status %d", path, answer.StatusCode)
		}
		views = append(views, place{"what is answered at " + path, text})
	}
	for _, flags := range [][]string{nil, {"--json"}} {
		out, _ := g.TryRun(append([]string{"status"}, flags...)...) // it fails where something needs the operator
		views = append(views, place{"restanted status", []byte(out)})
	}
	return views
}

// searchViews searches what an operator is shown, having looked whether it is
// that: every view but the refusals has one of the figures.
func searchViews(t *testing.T, views []place, secrets []secret) []string {
	t.Helper()
	for _, v := range views {
		if !bytes.Contains(v.octets, []byte("The newest epoch that entries are blinded for")) && !strings.HasSuffix(v.name, "/"+canary) {
			t.Errorf("%s shows no figures: %.200s", v.name, v.octets)
		}
	}
	return search(views, secrets)
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
	if err := conn.SetDeadline(time.Now().Add(2 * time.Minute)); err != nil {
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
