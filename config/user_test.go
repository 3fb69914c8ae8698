package config

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestUserTemplate_saysWhatItIsGiven(t *testing.T) {
	want := DefaultUser()
	want.Name = `Zoë "Z"`
	want.Gateways = []UserGateway{
		{Domain: "gw.example", Address: "gw.example:563", Security: "tls", Witnesses: []string{"a", "b"}, Witnessed: 1},
		{Domain: "other.example", Address: "[::1]:119", Security: "none", Witnesses: []string{}},
	}
	text, err := UserTemplate(want)
	if err != nil {
		t.Fatal(err)
	}
	got, err := ParseUser(text)
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// What stands in [bridge] is another server's than the pool's, with files beside
// restante.toml.
func TestLoadUser_readsTheBridge(t *testing.T) {
	folder := t.TempDir()
	path := filepath.Join(folder, "restante.toml")
	load := func(text string) User {
		t.Helper()
		if err := os.WriteFile(path, []byte("[[gateway]]\ndomain = \"gw.example\"\naddress = \"gw.example:563\"\n"+text), 0o600); err != nil {
			t.Fatal(err)
		}
		u, err := LoadUser(path)
		if err != nil {
			t.Fatal(err)
		}
		return u
	}
	if got := load("").Bridge; got != DefaultUser().Bridge {
		t.Errorf("without a word of it: %+v", got)
	}
	got := load(`
[bridge]
listen    = "[::1]:1121"
address   = "news.example:119"
security  = "starttls"
authority = "news.pem"
user      = "alice"
password  = "/etc/news.pass"
`).Bridge
	want := UserBridge{
		Listen: "[::1]:1121", Address: "news.example:119", Security: "starttls",
		Authority: filepath.Join(folder, "news.pem"), User: "alice", Password: "/etc/news.pass",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if server := got.Server(); server != (UserServer{"news.example:119", "starttls", want.Authority, "alice", "/etc/news.pass"}) {
		t.Errorf("%+v", server)
	}
}

func TestParseUser_saysWhereAndWhat(t *testing.T) {
	gateway := "[[gateway]]\ndomain = \"gw.example\"\naddress = \"gw.example:563\"\n"
	for _, c := range []struct{ why, text, want string }{
		{"nothing", "", "gateway: there is none"},
		{"a slip", gateway + "keyy = \"x\"\n", "line 4, column 1: gateway.keyy: there is no such key; did you mean gateway.key?"},
		{"no port", strings.Replace(gateway, ":563", "", 1), "line 3, column 1: gateway.0.address: not an address"},
		{"twice", gateway + gateway, "gateway.1.domain: written twice"},
		{"more witnesses than there are", gateway + "witnesses = [\"a\"]\nwitnessed = 2\n", "write a number from 0 to 1"},
		{"only a proxy, and none", gateway + "[proxy]\nonly = true\n", "proxy.only: there is no proxy"},
		{"open to others", gateway + "[bridge]\nlisten = \":1120\"\n", "whoever can reach it reads your mail"},
		{"open to others by name", gateway + "[bridge]\nlisten = \"example.org:1120\"\n", "whoever can reach it reads your mail"},
		{"a bridge without a port", gateway + "[bridge]\nlisten = \"127.0.0.1\"\n", "line 5, column 1: bridge.listen: not an address with a port"},
		{"a server behind it without one", gateway + "[bridge]\naddress = \"news.example\"\n", "line 5, column 1: bridge.address: not an address"},
		{"a slip in it", gateway + "[bridge]\nlistn = \"127.0.0.1:1120\"\n", "did you mean bridge.listen?"},
		{"a security that there is not", gateway + "[bridge]\nsecurity = \"ssl\"\n", "bridge.security"},
		{"a user without a password", gateway + "[submit]\nuser = \"alice\"\n", "submit"},
	} {
		_, err := ParseUser([]byte(c.text))
		var problems Problems
		if !errors.As(err, &problems) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", c.why, err, c.want)
		}
	}
}
