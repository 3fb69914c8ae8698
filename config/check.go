package config

import (
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"path/filepath"
	"strings"
	"time"

	"github.com/pelletier/go-toml/v2/unstable"

	"github.com/restante/restante/pool"
)

// maxDomain keeps a token's message-id within 240 octets.
const maxDomain = 86

// builtIn is the hierarchy that the gateway fills itself; only restante.cards
// in it is an ordinary group.
const (
	builtIn = "restante."
	cards   = "restante.cards"
)

// A checker gathers problems, each at the place of its key.
type checker struct {
	where    map[string]unstable.Position
	problems Problems
}

func (c *checker) say(key, format string, args ...any) {
	at := c.where[key]
	c.problems = append(c.problems, Problem{at.Line, at.Column, key, fmt.Sprintf(format, args...)})
}

func (c *checker) atLeast(key string, value, least int) {
	if value < least {
		c.say(key, "%d is too small: write %d or more", value, least)
	}
}

func (c *checker) between(key string, value, least, most int) {
	if value < least || value > most {
		c.say(key, "%d is out of bounds: write a number from %d to %d", value, least, most)
	}
}

func check(conf Config, where map[string]unstable.Position) Problems {
	c := &checker{where: where}
	if conf.Domain == "" {
		c.say("domain", `missing: write domain = "news.example.org", the name that goes into every address here`)
	} else if err := CheckDomain(conf.Domain); err != nil {
		c.say("domain", "%v", err)
	}
	if conf.Data == "" {
		c.say("data", `empty: name a folder, like "data"`)
	}
	if _, _, err := net.SplitHostPort(conf.Listen.NNTP); err != nil {
		c.say("listen.nntp", `not an address with a port: write one like "127.0.0.1:1119" or "[::1]:1119"`)
	}
	c.tls(conf)
	c.admin(conf.Admin)
	c.login(conf.Login)
	c.keys(conf)
	c.pool(conf.Pool)
	c.limits(conf.Limits)
	if wait := time.Duration(conf.Limits.Backlog) * time.Duration(conf.Pool.BatchInterval); wait > time.Duration(conf.Pool.EpochLength) {
		c.say("limits.backlog", "%d batches are longer than pool.epoch_length: write %d or less", conf.Limits.Backlog, time.Duration(conf.Pool.EpochLength)/max(1, time.Duration(conf.Pool.BatchInterval)))
	}
	c.expire("expire.", conf.Expire)
	c.groups(conf)
	c.distributions(conf.Distributions)
	c.peers(conf.Peers)
	c.mirror(conf)
	return c.problems
}

func (c *checker) tls(conf Config) {
	t := conf.TLS
	switch {
	case t.ACME && (t.Certificate != "" || t.Key != ""):
		c.say("tls.acme", "the certificate comes from files or over ACME: remove tls.certificate and tls.key, or tls.acme")
	case t.Certificate != "" && t.Key == "":
		c.say("tls.certificate", `its private key is missing: write key = "FILE" below it`)
	case t.Key != "" && t.Certificate == "":
		c.say("tls.key", `its certificate is missing: write certificate = "FILE" above it`)
	}
	if conf.Listen.NNTPS != "" {
		if _, _, err := net.SplitHostPort(conf.Listen.NNTPS); err != nil {
			c.say("listen.nntps", `not an address with a port: write one like ":563", or "" for none`)
		} else if !t.On() && t.Key == "" {
			c.say("listen.nntps", "TLS needs a certificate: set tls.certificate and tls.key, or tls.acme")
		}
	}
	if _, _, err := net.SplitHostPort(t.ACMEListen); t.ACME && err != nil {
		c.say("tls.acme_listen", `not an address with a port: write one like ":443"`)
	}
	if u, err := url.Parse(t.ACMEDirectory); t.ACMEDirectory != "" && (err != nil || u.Scheme != "https" || u.Host == "") {
		c.say("tls.acme_directory", `not an address: write one like "https://acme.example.org/directory", or "" for Let's Encrypt`)
	}
}

func (c *checker) admin(a Admin) {
	if a.Listen == "" {
		return
	}
	host, _, err := net.SplitHostPort(a.Listen)
	if err != nil {
		c.say("admin.listen", `not an address with a port: write one like "127.0.0.1:1190", or "" for none`)
		return
	}
	address, err := netip.ParseAddr(host)
	switch {
	case host == "localhost":
	case host != "" && err != nil:
		c.say("admin.listen", `not an IP address: write one like "127.0.0.1:1190"; names may lead elsewhere`)
	case !address.IsLoopback() && !a.Remote:
		c.say("admin.listen", `other machines reach that address, and nobody is asked for a password: write "127.0.0.1:1190", or remote = true if you guard it otherwise`)
	}
}

func (c *checker) login(l Login) {
	switch l.Plaintext {
	case "never", "loopback", "always":
	default:
		c.say("login.plaintext", `unknown: write "never", "loopback" or "always"`)
	}
	if !(l.MinBits >= 40 && l.MinBits <= 128) { // not a number is neither
		c.say("login.min_bits", "%g is out of bounds: write a number of bits from 40 to 128", l.MinBits)
	}
}

func (c *checker) keys(conf Config) {
	k := conf.Keys
	if k.PassphraseFile != "" && k.KeyFile != "" {
		c.say("keys.key_file", "keys are wrapped under a passphrase or a key file: remove one of the two")
	}
	for _, f := range [][2]string{{"keys.passphrase_file", k.PassphraseFile}, {"keys.key_file", k.KeyFile}} {
		inside, err := filepath.Rel(conf.Data, f[1])
		if f[1] != "" && err == nil && filepath.IsLocal(inside) {
			c.say(f[0], "lies in the folder of the keys that it is to protect: put it elsewhere")
		}
	}
	c.between("keys.clock_jump", k.ClockJump, 1, 127)
}

func (c *checker) pool(p Pool) {
	if _, err := pool.ParseGroup(p.Group); err != nil {
		c.say("pool.group", `not the name of a newsgroup: write one like "restante.pool"`)
	} else if strings.HasPrefix(p.Group, builtIn) && p.Group != "restante.pool" {
		c.say("pool.group", "the gateway has another use for that group: write %q", "restante.pool")
	}
	interval, epoch := time.Duration(p.BatchInterval), time.Duration(p.EpochLength)
	switch {
	case interval < time.Second || interval%time.Second != 0:
		c.say("pool.batch_interval", `write whole seconds, at least one, like "5m"`)
	case epoch < interval || epoch%interval != 0:
		c.say("pool.epoch_length", "must be a multiple of pool.batch_interval (%v), so that each batch lies in one epoch", interval)
	}
	c.between("pool.batch_size", p.BatchSize, 1, 65535)
	c.between("pool.slots_per_batch", p.SlotsPerBatch, 2, 1024) // the last one is for a notice; clients take no more
	c.between("pool.retention", p.Retention, 1, 127)
	c.between("pool.token_life", p.TokenLife, 1, 127) // the token's one-octet epoch must stay unambiguous
}

func (c *checker) limits(l Limits) {
	c.between("limits.article_size", l.ArticleSize, 4096, 16<<20) // an article and its dot-stuffing must fit a record
	c.between("limits.posts", l.Posts, l.ArticleSize, 1<<32)
	c.atLeast("limits.connections", l.Connections, 1)
	c.between("limits.logins", l.Logins, 1, 1024)
	c.between("limits.pickups", l.Pickups, 1, 1024)
	c.between("limits.backlog", l.Backlog, 1, 1<<20)
	if l.DiskReserve < 0 {
		c.say("limits.disk_reserve", "%d is negative: write a number of octets, 0 for none", l.DiskReserve)
	}
	if l.IndexMemory != 0 {
		c.between("limits.index_memory", l.IndexMemory, 8<<20, 1<<32)
	}
	if time.Duration(l.Cutoff) < 72*time.Hour {
		c.say("limits.cutoff", `too short: write at least "72h"; ten days, "240h", are usual`)
	}
	c.between("limits.per_address", l.PerAddress, 0, 1<<30)
	for _, cidr := range l.Exempt {
		if _, err := netip.ParsePrefix(cidr); err != nil {
			c.say("limits.exempt", `not all are ranges of addresses: write ones like "192.0.2.0/24" or "2001:db8::/32"`)
			break // which one is not said: a reload logs this
		}
	}
	for _, d := range []struct {
		key, usual string
		value      Duration
	}{
		{"limits.idle", "10m", l.Idle},
		{"limits.first_command", "1m", l.FirstCommand},
		{"limits.command", "1m", l.Command},
		{"limits.rate_window", "3m", l.RateWindow},
		{"limits.login_wait", "20s", l.LoginWait},
	} {
		if time.Duration(d.value) < time.Second {
			c.say(d.key, "too short: write at least %q; usual is %q", "1s", d.usual)
		}
	}
	c.between("limits.rate", l.Rate, 0, 1<<20)
	c.between("limits.errors", l.Errors, 0, 1<<30)
	c.between("limits.work", l.Work, 0, 1<<40)
	c.between("limits.compressed", l.Compressed, 0, 1<<20)
}

func (c *checker) groups(conf Config) {
	seen := make(map[string]bool)
	for i, g := range conf.Groups {
		key := fmt.Sprintf("group.%d", i)
		named := key
		if _, ok := c.where[key+".name"]; ok {
			named = key + ".name"
		}
		_, err := pool.ParseGroup(g.Name)
		switch {
		case g.Name == "":
			c.say(named, `has no name: write name = "misc.test"`)
		case err != nil:
			c.say(named, "not the name of a newsgroup: letters, digits, '+', '-' and '_' between dots")
		case g.Name == conf.Pool.Group, strings.HasPrefix(g.Name, builtIn) && g.Name != cards:
			c.say(named, "the gateway fills this group itself: choose a name outside %q", builtIn+"*")
		case seen[g.Name]:
			c.say(named, "written twice: remove one of the two [[group]] tables")
		}
		seen[g.Name] = true
		if strings.ContainsAny(g.Description, "\r\n\t\x00") {
			c.say(key+".description", "must be one line")
		}
		c.posting(key, g)
		c.expire(key+".expire_", Config{}.Keep(g)) // what it says itself
	}
}

func (c *checker) expire(prefix string, e Expire) {
	if e.Age < 0 {
		c.say(prefix+"age", `shorter than nothing: write a length of time like "720h", or "0s" to keep articles for ever`)
	}
	if e.Articles < 0 {
		c.say(prefix+"articles", "%d is too small: write a number of articles, or 0 to keep any number", e.Articles)
	}
	if e.Octets < 0 {
		c.say(prefix+"octets", "%d is too small: write a number of octets, or 0 to keep any number", e.Octets)
	}
}

// CheckDomain says whether a gateway may have that name: a host name in lower
// case of at most 86 octets, so that a token fits a message-id.
func CheckDomain(domain string) error {
	if len(domain) > maxDomain {
		return fmt.Errorf("a domain has at most %d octets, so that tokens fit a message-id; this one has %d", maxDomain, len(domain))
	}
	labels := strings.Split(domain, ".")
	for _, label := range labels {
		if !isLabel(label) {
			return fmt.Errorf("not a domain: write a host name in lower case, like %q", "news.example.org")
		}
	}
	if len(labels) < 2 {
		return fmt.Errorf("a domain needs a dot, like %q: newsreaders and other servers expect one", "news.example.org")
	}
	return nil
}

// isLabel says whether s is a label of a host name (RFC 1123, Section 2.1).
func isLabel(s string) bool {
	if s == "" || len(s) > 63 || s[0] == '-' || s[len(s)-1] == '-' {
		return false
	}
	return !strings.ContainsFunc(s, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '-'
	})
}
