package config

import (
	"bytes"
	_ "embed"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"reflect"
	"text/template"
	"time"

	"github.com/pelletier/go-toml/v2"

	"github.com/restante/restante/pool"
)

// A User is the settings of one profile of the restante tool: restante.toml.
type User struct {
	Name     string        `toml:"name"`    // what stands on contact cards; "Anonymous"
	Gateways []UserGateway `toml:"gateway"` // where the user has mailboxes; the first is that of new ones
	Fetch    UserFetch     `toml:"fetch"`
	Submit   UserServer    `toml:"submit"`
	Proxy    UserProxy     `toml:"proxy"`
	Bridge   UserBridge    `toml:"bridge"`
}

// A UserServer is a news server and how to reach it.
type UserServer struct {
	Address   string `toml:"address"`   // host:port; "", the gateway
	Security  string `toml:"security"`  // tls: from the first octet on; starttls; or none; "tls"
	Authority string `toml:"authority"` // PEM file of the authorities that its certificate may be from, relative to the file; "", the system's
	User      string `toml:"user"`      // what to log in as; ""
	Password  string `toml:"password"`  // file whose first line is the password, relative to the file; ""
}

// A UserGateway is a gateway at which the user has mailboxes.
type UserGateway struct {
	Domain    string   `toml:"domain"`    // its name in tokens
	Address   string   `toml:"address"`   // host:port
	Security  string   `toml:"security"`  // as of a server; "tls"
	Authority string   `toml:"authority"` // as of a server; ""
	Key       string   `toml:"key"`       // its signing key, as restanted keys list prints it; "", believed at first sight
	Witnesses []string `toml:"witnesses"` // keys of other gateways that sign its directory
	Witnessed int      `toml:"witnessed"` // how many of them must have signed; 0
}

// A UserFetch is where the pool is taken from.
type UserFetch struct {
	Address   string   `toml:"address"`   // as of a server; "", the gateways
	Security  string   `toml:"security"`  // "tls"
	Authority string   `toml:"authority"` // ""
	User      string   `toml:"user"`      // ""
	Password  string   `toml:"password"`  // ""
	Group     string   `toml:"group"`     // the pool's group; "restante.pool"
	Late      Duration `toml:"late"`      // how long an entry may be on its way before it is said to be lacking; 1h
}

// Server is the server that is fetched from.
func (f UserFetch) Server() UserServer {
	return UserServer{f.Address, f.Security, f.Authority, f.User, f.Password}
}

// A UserProxy is a SOCKS5 proxy, such as Tor's.
type UserProxy struct {
	SOCKS5 string `toml:"socks5"` // host:port; "", none
	Only   bool   `toml:"only"`   // refuse every connection that does not go through it; false
}

// A UserBridge is where the user's own newsreader is served, and the server of its
// public groups.
type UserBridge struct {
	Listen    string `toml:"listen"`    // host:port of this machine; "127.0.0.1:1120"
	Address   string `toml:"address"`   // as of a server; "", the server that the pool is taken from
	Security  string `toml:"security"`  // "tls"
	Authority string `toml:"authority"` // ""
	User      string `toml:"user"`      // ""
	Password  string `toml:"password"`  // ""
}

// Server is the server of public groups.
func (b UserBridge) Server() UserServer {
	return UserServer{b.Address, b.Security, b.Authority, b.User, b.Password}
}

// DefaultUser is the settings of a file that says nothing.
func DefaultUser() User {
	return User{
		Name:   "Anonymous",
		Fetch:  UserFetch{Security: "tls", Group: "restante.pool", Late: Duration(time.Hour)},
		Submit: UserServer{Security: "tls"},
		Bridge: UserBridge{Listen: "127.0.0.1:1120", Security: "tls"},
	}
}

// ErrNoUserFile is a profile without settings.
var ErrNoUserFile = errors.New("there are no settings yet: write them with restante setup")

// LoadUser reads and checks the file at path. Files come back as paths that hold
// from any folder. What is wrong with the text comes back as [Problems]. It
// returns [ErrNoUserFile] where there is no file.
func LoadUser(path string) (User, error) {
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return User{}, ErrNoUserFile
	} else if err != nil {
		return User{}, fmt.Errorf("read the settings: %w", err)
	}
	u, err := ParseUser(text)
	if err != nil {
		return User{}, err
	}
	names := []*string{&u.Fetch.Authority, &u.Fetch.Password, &u.Submit.Authority, &u.Submit.Password, &u.Bridge.Authority, &u.Bridge.Password}
	for i := range u.Gateways {
		names = append(names, &u.Gateways[i].Authority)
	}
	for _, name := range names {
		if *name != "" && !filepath.IsAbs(*name) {
			*name = filepath.Join(filepath.Dir(path), *name)
		}
	}
	return u, nil
}

// ParseUser reads and checks settings. What is wrong with them comes back as
// [Problems].
func ParseUser(text []byte) (User, error) {
	u := DefaultUser()
	where := positions(text)
	if err := toml.NewDecoder(bytes.NewReader(text)).DisallowUnknownFields().Decode(&u); err != nil {
		return User{}, decodeProblems(err, reflect.TypeFor[User]())
	}
	if problems := bareLengths(text, reflect.TypeFor[User](), where); len(problems) > 0 {
		return User{}, problems
	}
	for i := range u.Gateways {
		if u.Gateways[i].Security == "" {
			u.Gateways[i].Security = "tls"
		}
	}
	c := &checker{where: where}
	c.user(u)
	if len(c.problems) > 0 {
		return User{}, c.problems
	}
	return u, nil
}

func (c *checker) user(u User) {
	if u.Name == "" || len(u.Name) > 64 {
		c.say("name", `write 1 to 64 octets, like "Alice": it stands on your contact cards`)
	}
	if len(u.Gateways) == 0 {
		c.say("gateway", `there is none: write a table [[gateway]] with domain = "news.example.org" and address = "news.example.org:563"`)
	}
	seen := make(map[string]bool)
	for i, g := range u.Gateways {
		key := fmt.Sprintf("gateway.%d", i)
		if err := CheckDomain(g.Domain); err != nil {
			c.say(key+".domain", "%v", err)
		} else if seen[g.Domain] {
			c.say(key+".domain", "written twice: remove one of the two [[gateway]] tables")
		}
		seen[g.Domain] = true
		c.userServer(key, UserServer{Address: g.Address, Security: g.Security}, false)
		c.between(key+".witnessed", g.Witnessed, 0, len(g.Witnesses))
	}
	c.userServer("fetch", u.Fetch.Server(), true)
	c.userServer("submit", u.Submit, true)
	c.userServer("bridge", u.Bridge.Server(), true)
	if _, err := pool.ParseGroup(u.Fetch.Group); err != nil {
		c.say("fetch.group", `not the name of a newsgroup: write one like "restante.pool"`)
	}
	if u.Fetch.Late < 0 {
		c.say("fetch.late", `shorter than nothing: write a length of time like "1h"`)
	}
	if _, _, err := net.SplitHostPort(u.Proxy.SOCKS5); u.Proxy.SOCKS5 != "" && err != nil {
		c.say("proxy.socks5", `not an address with a port: write one like "127.0.0.1:9050", where Tor listens, or ""`)
	}
	if u.Proxy.Only && u.Proxy.SOCKS5 == "" {
		c.say("proxy.only", `there is no proxy, so nothing could be reached: write socks5 = "127.0.0.1:9050" beside it`)
	}
	host, _, err := net.SplitHostPort(u.Bridge.Listen)
	if err != nil {
		c.say("bridge.listen", `not an address with a port: write one like "127.0.0.1:1120"`)
	} else if ip := net.ParseIP(host); host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		c.say("bridge.listen", `not an address of this machine alone: whoever can reach it reads your mail; write one like "127.0.0.1:1120"`)
	}
}

func (c *checker) userServer(key string, s UserServer, optional bool) {
	if _, _, err := net.SplitHostPort(s.Address); err != nil && (s.Address != "" || !optional) {
		c.say(key+".address", `not an address with a port: write one like "news.example.org:563"`)
	}
	switch s.Security {
	case "tls", "starttls", "none":
	default:
		c.say(key+".security", `unknown: write "tls", "starttls" or "none"`)
	}
	c.credentials(key, s.User, s.Password)
}

//go:embed restante.toml.tmpl
var userTemplate string

// UserTemplate returns the text of commented settings that say what u says.
func UserTemplate(u User) ([]byte, error) {
	t, err := template.New("restante.toml").Parse(userTemplate)
	if err != nil {
		return nil, fmt.Errorf("settings template: %w", err)
	}
	var out bytes.Buffer
	if err := t.Execute(&out, u); err != nil {
		return nil, fmt.Errorf("settings template: %w", err)
	}
	return out.Bytes(), nil
}
