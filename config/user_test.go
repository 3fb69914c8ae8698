package config

import (
	"errors"
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
		{"a user without a password", gateway + "[submit]\nuser = \"alice\"\n", "submit"},
	} {
		_, err := ParseUser([]byte(c.text))
		var problems Problems
		if !errors.As(err, &problems) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", c.why, err, c.want)
		}
	}
}
