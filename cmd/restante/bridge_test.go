package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/restante/restante/cmd/restante/desk"
	"github.com/restante/restante/config"
	"github.com/restante/restante/gateway/remote"
)

// The groups that others read, too, are those of [bridge] or, where it names no
// server, of the one that the pool is taken from.
func TestNewsServer_isThatOfTheBridgeOrOfThePool(t *testing.T) {
	pool := remote.Server{Address: "pool.example:563", User: "bob", Password: "secret"}
	d := desk.New(desk.Options{Fetch: []remote.Server{pool}})
	s := config.DefaultUser()
	if got, err := newsServer(d, s); err != nil || got != pool {
		t.Errorf("without a server: %+v, %v", got, err)
	}
	password := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(password, []byte("walnut\nand more\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s.Bridge.Address, s.Bridge.Security, s.Bridge.User, s.Bridge.Password = "news.example:119", "none", "alice", password
	want := remote.Server{Address: "news.example:119", Security: remote.Plain, User: "alice", Password: "walnut"}
	if got, err := newsServer(d, s); err != nil || got != want {
		t.Errorf("with one: %+v, %v", got, err)
	}
	s.Bridge.Password += ".gone"
	if _, err := newsServer(d, s); err == nil || !strings.HasPrefix(err.Error(), "bridge: ") {
		t.Errorf("without its password: %v", err)
	}
}
