// Package config reads restanted.toml and restante.toml, a gateway's and a user's
// settings: their shape, their defaults, and what may be wrong with them, told
// with line, column and a suggestion. It decides nothing else, and only the
// programs in cmd import it: every other constructor takes exactly what it uses.
package config

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/pelletier/go-toml/v2"
)

// A Config is one gateway's configuration. Every key has a default. A reload
// takes those that are tagged for it; the others need a restart, which
// [NeedRestart] tells.
type Config struct {
	Domain string  `toml:"domain"` // the gateway's name in message-ids, tokens and Path; no default
	Data   string  `toml:"data"`   // folder for articles and keys, relative to the file; "data"
	Listen Listen  `toml:"listen"`
	TLS    TLS     `toml:"tls"`
	Login  Login   `toml:"login"`
	Keys   Keys    `toml:"keys"`
	Pool   Pool    `toml:"pool"`
	Limits Limits  `toml:"limits"`
	Expire Expire  `toml:"expire"`
	Admin  Admin   `toml:"admin"`
	Groups []Group `toml:"group" reload:"yes"`

	Distributions []Distribution `toml:"distribution"`
	Peers         []Peer         `toml:"peer" reload:"yes"`

	Mirror   Mirror    `toml:"mirror"`
	Gateways []Gateway `toml:"gateway" reload:"yes"`
}

// Mirror is what is kept of other gateways' pools.
type Mirror struct {
	Unknown string   `toml:"unknown" reload:"yes"` // gateways that have no table: refuse, or learn their keys from what peers bring; "refuse"
	Every   Duration `toml:"every" reload:"yes"`   // how often what is lacking is looked for and fetched; 1m

	MostGateways int   `toml:"most_gateways" reload:"yes"` // learnt at a time; 100
	MostOctets   int64 `toml:"most_octets" reload:"yes"`   // that the pools of all learnt ones may come to, one of them an eighth of it; 64 GiB
}

// Gateway is one gateway whose pool is mirrored, or refused.
type Gateway struct {
	Domain string `toml:"domain"`
	Key    string `toml:"key"`    // its signing key, as restanted keys list prints it there; "", learnt from what comes first
	Refuse bool   `toml:"refuse"` // take nothing of it; false
	Pardon int    `toml:"pardon"` // contradictions among its directories up to this number are forgiven; 0, none
}

// Listen is the addresses served.
type Listen struct {
	NNTP  string `toml:"nntp"`  // host:port for NNTP that starts without TLS; "127.0.0.1:1119"
	NNTPS string `toml:"nntps"` // host:port for NNTP over TLS from the first octet on; "", which is off
}

// Admin is the operator's view, over HTTP.
type Admin struct {
	Listen string `toml:"listen"` // host:port that it is served on; "", which is off
	Remote bool   `toml:"remote"` // whether listen may be an address that other machines reach; false
}

// TLS is where the certificate comes from: from two files, or from a certificate
// authority over ACME. With neither there is no TLS.
type TLS struct {
	Certificate   string `toml:"certificate" reload:"yes"` // PEM file with the certificate and its chain, relative to the file; ""
	Key           string `toml:"key" reload:"yes"`         // PEM file with its private key, relative to the file; ""
	ACME          bool   `toml:"acme"`                     // ask an authority, and agree to its terms; false
	ACMEListen    string `toml:"acme_listen"`              // host:port that the authority reaches as port 443 of the domain; ":443"
	ACMEEmail     string `toml:"acme_email"`               // where the authority may write to; ""
	ACMEDirectory string `toml:"acme_directory"`           // the authority's address; "", which is Let's Encrypt
}

// On says whether there is TLS.
func (t TLS) On() bool { return t.ACME || t.Certificate != "" }

// Login is who may log in, and how.
type Login struct {
	Plaintext string  `toml:"plaintext"` // where AUTHINFO is allowed without TLS: never, loopback or always; "loopback"
	MinBits   float64 `toml:"min_bits"`  // weakest passphrase taken, in bits as zxcvbn estimates them; 70
}

// Keys is what opens the gateway's keys, where they are wrapped, and how far the
// clock is believed. A passphrase may also be typed in, or come from systemd.
type Keys struct {
	PassphraseFile string `toml:"passphrase_file"` // file with the passphrase, relative to the configuration; ""
	KeyFile        string `toml:"key_file"`        // file with a secret key of age, relative to the configuration; ""
	ClockJump      int    `toml:"clock_jump"`      // epochs that the clock may jump ahead before keys are held; 2
}

// Pool is the public message pool. Its values are published, and must not
// change while entries or tokens made under them live.
type Pool struct {
	Group         string   `toml:"group"`           // the group that holds the entries; "restante.pool"
	EpochLength   Duration `toml:"epoch_length"`    // how long one blinding key holds; 168h
	BatchInterval Duration `toml:"batch_interval"`  // time between two batches; 5m
	BatchSize     int      `toml:"batch_size"`      // entries in every batch; 8
	SlotsPerBatch int      `toml:"slots_per_batch"` // most entries of one mailbox in one batch, the last one for a notice; 8
	Retention     int      `toml:"retention"`       // epochs that an entry is kept; 4
	TokenLife     int      `toml:"token_life"`      // epochs that a token is honoured; 12
}

// Limits bounds what one person can ask for.
type Limits struct {
	ArticleSize  int      `toml:"article_size"`               // largest article taken, in octets; 2097152
	Connections  int      `toml:"connections" reload:"yes"`   // most connections at a time; 1000
	PerAddress   int      `toml:"per_address" reload:"yes"`   // most connections at a time from one address, 0 for any number; 32
	Exempt       []string `toml:"exempt" reload:"yes"`        // addresses that per_address does not count for, in CIDR; loopback
	Idle         Duration `toml:"idle" reload:"yes"`          // a connection silent for longer is closed; 10m
	FirstCommand Duration `toml:"first_command" reload:"yes"` // and one that says nothing at all after this; 1m
	Command      Duration `toml:"command" reload:"yes"`       // longest work on one command, and longest wait for the rest of its line; 1m
	Rate         int      `toml:"rate" reload:"yes"`          // slowest transfer of an article or answer, in octets a second, 0 for any; 100
	RateWindow   Duration `toml:"rate_window" reload:"yes"`   // how long a transfer may stand still or fall behind the rate; 3m
	Errors       int      `toml:"errors" reload:"yes"`        // failed commands in a row before the connection is closed, 0 for any number; 20
	Work         int      `toml:"work" reload:"yes"`          // articles that one command may look at, 0 for any number; 1000000
	Compressed   int      `toml:"compressed" reload:"yes"`    // most compressed connections at a time, near 1 MiB each while they answer, 0 for none; 100
	Logins       int      `toml:"logins"`                     // passphrases checked at a time, 64 MiB each; 2
	Pickups      int      `toml:"pickups"`                    // XBLIND and XPICKUP worked on at a time; 2
	LoginWait    Duration `toml:"login_wait"`                 // longest wait for a turn at either; 20s
	Backlog      int      `toml:"backlog"`                    // batches ahead that a deposit may have to wait; 288
	Posts        int      `toml:"posts"`                      // octets of public posts that may wait for the next batch; 67108864
	Cutoff       Duration `toml:"cutoff"`                     // an article from a peer that is older is refused; 240h
	DiskReserve  int64    `toml:"disk_reserve"`               // octets of the disk left free: nothing is taken below it; 1073741824
	IndexMemory  int      `toml:"index_memory"`               // octets of memory for the store's index, 0 for a share of the machine's; 0
}

// Expire is how much is kept of a public group that says nothing else itself.
// What is older, or more, goes, the lowest article numbers first.
type Expire struct {
	Age      Duration `toml:"age" reload:"yes"`      // since arrival, 0 for ever; 0
	Articles int      `toml:"articles" reload:"yes"` // so many, 0 for any number; 0
	Octets   int64    `toml:"octets" reload:"yes"`   // so many octets of articles, 0 for any number; 0
}

// Group is one public group.
type Group struct {
	Name        string `toml:"name"`
	Description string `toml:"description"`
	Posting     string `toml:"posting"`   // y: anyone may post; n: nobody; m: what the moderator approves; "y"
	Moderator   string `toml:"moderator"` // with m: the moderator's token in angle brackets, or a mail address

	ExpireAge      *Duration `toml:"expire_age"`      // expire.age for this group
	ExpireArticles *int      `toml:"expire_articles"` // expire.articles for this group
	ExpireOctets   *int64    `toml:"expire_octets"`   // expire.octets for this group
}

// Keep returns how much is kept of a group.
func (c Config) Keep(g Group) Expire {
	keep := c.Expire
	if g.ExpireAge != nil {
		keep.Age = *g.ExpireAge
	}
	if g.ExpireArticles != nil {
		keep.Articles = *g.ExpireArticles
	}
	if g.ExpireOctets != nil {
		keep.Octets = *g.ExpireOctets
	}
	return keep
}

// Distribution is one value of the Distribution header field.
type Distribution struct {
	Name        string `toml:"name"`
	Description string `toml:"description"`
	Groups      string `toml:"groups"` // wildmat of the groups that newsreaders should suggest it for; ""
	Weight      int    `toml:"weight"` // the heaviest suggestion is taken; 0
}

// Peer is one server that may feed articles here, is fed from here, or both. To
// feed it must have all the marks given, and at least one.
type Peer struct {
	Name        string   `toml:"name"`
	Addresses   []string `toml:"addresses"`   // networks or addresses that it comes from
	Certificate string   `toml:"certificate"` // "sha256:" and the SHA-256 of its TLS certificate in hexadecimal
	Groups      string   `toml:"groups"`      // wildmat of the groups that it may feed; "*"
	Path        string   `toml:"path"`        // its identity in Path; its name
	User        string   `toml:"user"`        // what it logs in as, over TLS or from this machine; ""
	Password    string   `toml:"password"`    // file whose first line is its password then, relative to the file; ""
	Feed        *Feed    `toml:"feed"`        // how it is fed; none
	Read        *Read    `toml:"read"`        // how it is read from; none
}

// Read is how a peer is read from: what a mirror lacks is fetched there, and
// what is new, where it feeds nobody.
type Read struct {
	Address   string   `toml:"address"`   // host:port
	Security  string   `toml:"security"`  // tls: from the first octet on; starttls; or none; "tls"
	Authority string   `toml:"authority"` // PEM file of the authorities that its certificate may be from, relative to the file; "", the system's
	User      string   `toml:"user"`      // what to log in as; ""
	Password  string   `toml:"password"`  // file whose first line is the password, relative to the file; ""
	Pull      string   `toml:"pull"`      // wildmat of the groups in which it is asked for what is new; "", which is none
	Every     Duration `toml:"every"`     // how often it is asked; 5m
	Since     Duration `toml:"since"`     // what is dated longer ago is left there; 240h
	NewNews   bool     `toml:"newnews"`   // ask by NEWNEWS, in place of XOVER; false
}

// Feed is how a peer is fed.
type Feed struct {
	Address     string   `toml:"address"`     // host:port
	Security    string   `toml:"security"`    // tls: from the first octet on; starttls; or none; "tls"
	Authority   string   `toml:"authority"`   // PEM file of the authorities that its certificate may be from, relative to the file; "", the system's
	User        string   `toml:"user"`        // what to log in as; ""
	Password    string   `toml:"password"`    // file whose first line is the password, relative to the file; ""
	Groups      string   `toml:"groups"`      // wildmat of the groups it is fed, '@' in front of those whose articles are never sent; "*,!control,!control.*"
	Exclude     []string `toml:"exclude"`     // what passed one of these servers, by Path, is not sent
	Size        int      `toml:"size"`        // octets of the largest article sent, 0 for any; 0
	Connections int      `toml:"connections"` // at a time; 1
	Window      int      `toml:"window"`      // articles offered ahead of the replies; 64
	TakeThis    bool     `toml:"takethis"`    // send without asking first; false
	Delay       Duration `toml:"delay"`       // how long an article is kept before it is offered; 0s
	Backlog     Duration `toml:"backlog"`     // what arrived longer ago is not sent any more, 0s for all that is kept; 0s
	Backfill    bool     `toml:"backfill"`    // send also what was here before the peer was; false
}

// A Duration is a time.Duration written as "168h", "7d" or "5m".
type Duration time.Duration

// day is no calendar's: always 24 hours.
const day = 24 * time.Hour

// UnmarshalText reads what [time.ParseDuration] reads, with a whole number of days in
// front of it or alone.
func (d *Duration) UnmarshalText(text []byte) error {
	v, err := parseDuration(string(text))
	if err != nil {
		return errDuration
	}
	*d = Duration(v)
	return nil
}

func parseDuration(text string) (time.Duration, error) {
	days, rest, ok := strings.Cut(text, "d")
	if !ok {
		return time.ParseDuration(text)
	}
	n, err := strconv.ParseUint(days, 10, 16)
	if err != nil || rest == "" {
		return time.Duration(n) * day, err
	}
	v, err := time.ParseDuration(rest)
	if v < 0 || v >= day {
		return 0, errDuration
	}
	return time.Duration(n)*day + v, err
}

var errDuration = errors.New(`not a length of time: write a number and a unit, like "5m", "168h" or "7d"`)

// Default returns the configuration of a file that names only its domain.
func Default(domain string) Config {
	return Config{
		Domain: domain,
		Data:   "data",
		Listen: Listen{NNTP: "127.0.0.1:1119"},
		TLS:    TLS{ACMEListen: ":443"},
		Mirror: Mirror{Unknown: "refuse", Every: Duration(time.Minute), MostGateways: 100, MostOctets: 64 << 30},
		Login:  Login{Plaintext: "loopback", MinBits: 70},
		Keys:   Keys{ClockJump: 2},
		Pool: Pool{
			Group:         "restante.pool",
			EpochLength:   Duration(168 * time.Hour),
			BatchInterval: Duration(5 * time.Minute),
			BatchSize:     8,
			SlotsPerBatch: 8,
			Retention:     4,
			TokenLife:     12,
		},
		Limits: Limits{
			ArticleSize:  2 << 20,
			Connections:  1000,
			PerAddress:   32,
			Exempt:       []string{"127.0.0.0/8", "::1/128"},
			Idle:         Duration(10 * time.Minute),
			FirstCommand: Duration(time.Minute),
			Command:      Duration(time.Minute),
			Rate:         100,
			RateWindow:   Duration(3 * time.Minute),
			Errors:       20,
			Work:         1000000,
			Compressed:   100,
			Logins:       2,
			Pickups:      2,
			LoginWait:    Duration(20 * time.Second),
			Backlog:      288,
			Posts:        64 << 20,
			Cutoff:       Duration(240 * time.Hour),
			DiskReserve:  1 << 30,
		},
	}
}

// Load reads and checks the file at path. Folders and files come back as paths
// that hold from any folder. What is wrong with the file's text comes back as [Problems].
func Load(path string) (Config, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return Config{}, fmt.Errorf("read the configuration: %w", err)
	}
	c, err := Parse(text)
	if err != nil {
		return Config{}, err
	}
	names := []*string{&c.Data, &c.TLS.Certificate, &c.TLS.Key, &c.Keys.PassphraseFile, &c.Keys.KeyFile}
	for i := range c.Peers {
		names = append(names, &c.Peers[i].Password)
		if feed := c.Peers[i].Feed; feed != nil {
			names = append(names, &feed.Authority, &feed.Password)
		}
		if read := c.Peers[i].Read; read != nil {
			names = append(names, &read.Authority, &read.Password)
		}
	}
	for _, name := range names {
		if *name != "" && !filepath.IsAbs(*name) {
			*name = filepath.Join(filepath.Dir(path), *name)
		}
	}
	return c, nil
}

// Parse reads and checks a configuration. What is wrong with it comes back as
// [Problems].
func Parse(text []byte) (Config, error) {
	c := Default("")
	where := positions(text)
	if err := toml.NewDecoder(bytes.NewReader(text)).DisallowUnknownFields().Decode(&c); err != nil {
		return Config{}, decodeProblems(err, reflect.TypeFor[Config]())
	}
	if problems := bareLengths(text, reflect.TypeFor[Config](), where); len(problems) > 0 {
		return Config{}, problems
	}
	for i := range c.Groups {
		if c.Groups[i].Posting == "" {
			c.Groups[i].Posting = "y"
		}
	}
	for i := range c.Peers {
		p := &c.Peers[i]
		if p.Groups == "" {
			p.Groups = "*"
		}
		if p.Path == "" {
			p.Path = p.Name
		}
		if p.Feed != nil {
			p.Feed.fill()
		}
		if p.Read != nil {
			p.Read.fill()
		}
	}
	if problems := check(c, where); len(problems) > 0 {
		return Config{}, problems
	}
	return c, nil
}
