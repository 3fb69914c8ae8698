package config

import (
	"fmt"
	"net"
	"regexp"
	"strings"
	"time"
)

// fill sets what a feed's table left out.
func (f *Feed) fill() {
	if f.Security == "" {
		f.Security = "tls"
	}
	if f.Groups == "" {
		f.Groups = "*,!control,!control.*"
	}
	if f.Connections == 0 {
		f.Connections = 1
	}
	if f.Window == 0 {
		f.Window = 64
	}
}

// fill sets what a table of reading left out.
func (r *Read) fill() {
	if r.Security == "" {
		r.Security = "tls"
	}
	if r.Every == 0 {
		r.Every = Duration(5 * time.Minute)
	}
	if r.Since == 0 {
		r.Since = Duration(240 * time.Hour)
	}
}

// peers checks who may feed and who is fed.
func (c *checker) peers(all []Peer) {
	identity := regexp.MustCompile(`^[A-Za-z0-9_]([A-Za-z0-9._-]*[A-Za-z0-9_])?$`)
	seen := make(map[string]bool)
	for i, p := range all {
		key := fmt.Sprintf("peer.%d", i)
		switch {
		case p.Name == "":
			c.say(key, `has no name: write the peer's own in Path, like name = "news.example.net"`)
		case seen[p.Name]:
			c.say(key+".name", "written twice: remove one of the two [[peer]] tables")
		case !identity.MatchString(p.Path):
			c.say(key+".path", `not a name in Path: write a host name, like "news.example.net"`)
		}
		seen[p.Name] = true
		if len(p.Addresses) == 0 && p.Certificate == "" && p.User == "" && p.Feed == nil && p.Read == nil {
			c.say(key, `nobody would be this peer: write addresses = ["192.0.2.7"], its certificate or its user, or how it is fed in [peer.feed]`)
		}
		c.credentials(key, p.User, p.Password)
		if p.Feed != nil {
			c.feed(key+".feed", *p.Feed)
		}
		if p.Read != nil {
			c.read(key+".read", *p.Read)
		}
		for _, a := range p.Addresses {
			if _, err := ParsePrefix(a); err != nil {
				c.say(key+".addresses", `not an address or network: write ones like "192.0.2.7", "192.0.2.0/24" or "2001:db8::/32"`)
			}
		}
		if p.Certificate != "" {
			if _, err := ParseFingerprint(p.Certificate); err != nil {
				c.say(key+".certificate", `write "sha256:" and the 64 hexadecimal digits of the certificate's SHA-256`)
			}
		}
		if !isWildmat(p.Groups) {
			c.say(key+".groups", `not a wildmat: write patterns like "*,!local.*"`)
		}
	}
}

// credentials checks a login: a user has a password, and it is in a file.
func (c *checker) credentials(key, user, password string) {
	switch {
	case user != "" && password == "":
		c.say(key+".user", `has no password: write password = "peer.password", a file whose first line it is`)
	case user == "" && password != "":
		c.say(key+".password", "is nobody's: write the user too")
	case strings.ContainsAny(user, " \t\r\n\x00"):
		c.say(key+".user", "holds a space: a user's name is one word")
	}
}

// server checks how a server is reached.
func (c *checker) server(key, address, security, authority string) {
	if host, _, err := net.SplitHostPort(address); err != nil || host == "" {
		c.say(key+".address", `not an address with a port: write one like "news.example.net:563"`)
	}
	switch security {
	case "tls", "starttls":
	case "none":
		if authority != "" {
			c.say(key+".authority", `does nothing without TLS: remove it, or write security = "tls"`)
		}
	default:
		c.say(key+".security", `unknown: write "tls", "starttls" or "none"`)
	}
}

// read checks how a peer is read from.
func (c *checker) read(key string, r Read) {
	c.server(key, r.Address, r.Security, r.Authority)
	c.credentials(key, r.User, r.Password)
	if r.Pull != "" && !isWildmat(r.Pull) {
		c.say(key+".pull", `not a wildmat: write patterns like "restante.*"`)
	}
	if r.Every < Duration(time.Second) {
		c.say(key+".every", "is too short: write 1s or more")
	}
	if r.Since < 0 {
		c.say(key+".since", "is negative: write a length of time like 240h")
	}
}

// mirror checks what is kept of other gateways.
func (c *checker) mirror(conf Config) {
	if u := conf.Mirror.Unknown; u != "refuse" && u != "learn" {
		c.say("mirror.unknown", `unknown: write "refuse" (take nothing of a gateway that has no table) or "learn"`)
	}
	if conf.Mirror.Every < Duration(time.Second) {
		c.say("mirror.every", "is too short: write 1s or more")
	}
	c.between("mirror.most_gateways", conf.Mirror.MostGateways, 0, 10000)
	if conf.Mirror.MostOctets < 0 {
		c.say("mirror.most_octets", "%d is negative: write a number of octets", conf.Mirror.MostOctets)
	}
	seen := make(map[string]bool)
	for i, g := range conf.Gateways {
		key := fmt.Sprintf("gateway.%d", i)
		switch {
		case CheckDomain(g.Domain) != nil:
			c.say(key+".domain", `not a gateway's domain: write one like domain = "news.example.net"`)
		case g.Domain == conf.Domain:
			c.say(key+".domain", "is this gateway itself: remove the table")
		case seen[g.Domain]:
			c.say(key+".domain", "written twice: remove one of the two [[gateway]] tables")
		case g.Key != "" && !strings.HasPrefix(g.Key, g.Domain+"+"):
			c.say(key+".key", "not that gateway's signing key: copy the line that restanted keys list prints there, from the domain on")
		}
		if g.Pardon < 0 {
			c.say(key+".pardon", "%d is negative: write the number that restanted gateways prints, or 0 to forgive nothing", g.Pardon)
		}
		seen[g.Domain] = true
	}
}

// feed checks how a peer is fed.
func (c *checker) feed(key string, f Feed) {
	c.server(key, f.Address, f.Security, f.Authority)
	c.credentials(key, f.User, f.Password)
	if !isWildmat(strings.ReplaceAll(f.Groups, "@", "")) || strings.Contains(f.Groups, "!@") {
		c.say(key+".groups", `not a wildmat: write patterns like "*,!local.*,@spam.*"`)
	}
	c.atLeast(key+".size", f.Size, 0)
	c.between(key+".connections", f.Connections, 1, 32)
	c.between(key+".window", f.Window, 1, 1000)
	for name, d := range map[string]Duration{"delay": f.Delay, "backlog": f.Backlog} {
		if d < 0 {
			c.say(fmt.Sprintf("%s.%s", key, name), "is negative: write 0s or more")
		}
	}
}
