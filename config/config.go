// Package config reads restanted.toml: its shape, its defaults, and what may be
// wrong with it, told with line, column and a suggestion. It decides nothing
// else, and only the programs in cmd import it: every other constructor takes
// exactly what it uses.
package config

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/pelletier/go-toml/v2"
)

// A Config is one gateway's configuration. Every key has a default; a reload
// takes none of them yet, so a change needs a restart.
type Config struct {
	Domain string  `toml:"domain"` // the gateway's name in message-ids, tokens and Path; no default
	Data   string  `toml:"data"`   // folder for articles and keys, relative to the file; "data"
	Listen Listen  `toml:"listen"`
	Login  Login   `toml:"login"`
	Pool   Pool    `toml:"pool"`
	Limits Limits  `toml:"limits"`
	Groups []Group `toml:"group"`

	Distributions []Distribution `toml:"distribution"`
	Peers         []Peer         `toml:"peer"`
}

// Listen is the addresses served.
type Listen struct {
	NNTP string `toml:"nntp"` // host:port for NNTP without TLS; "127.0.0.1:1119"
}

// Login is who may log in, and how.
type Login struct {
	Plaintext string  `toml:"plaintext"` // where AUTHINFO is allowed without TLS: never, loopback or always; "loopback"
	MinBits   float64 `toml:"min_bits"`  // weakest passphrase taken, in bits as zxcvbn estimates them; 70
}

// Pool is the public message pool. Its values are published, and must not
// change while entries or tokens made under them live.
type Pool struct {
	Group         string   `toml:"group"`           // the group that holds the entries; "restante.pool"
	EpochLength   Duration `toml:"epoch_length"`    // how long one blinding key holds; 168h
	BatchInterval Duration `toml:"batch_interval"`  // time between two batches; 5m
	BatchSize     int      `toml:"batch_size"`      // entries in every batch; 8
	SlotsPerBatch int      `toml:"slots_per_batch"` // most entries of one mailbox in one batch; 8
	Retention     int      `toml:"retention"`       // epochs that an entry is kept; 4
	TokenLife     int      `toml:"token_life"`      // epochs that a token is honoured; 12
}

// Limits bounds what one person can ask for.
type Limits struct {
	ArticleSize int      `toml:"article_size"` // largest article taken, in octets; 2097152
	Connections int      `toml:"connections"`  // most connections at a time; 1000
	Idle        Duration `toml:"idle"`         // a connection silent for longer is closed; 10m
	Logins      int      `toml:"logins"`       // passphrases checked at a time, 64 MiB each; 2
	Backlog     int      `toml:"backlog"`      // batches ahead that a deposit may have to wait; 288
	Posts       int      `toml:"posts"`        // octets of public posts that may wait for the next batch; 67108864
	Cutoff      Duration `toml:"cutoff"`       // an article from a peer that is older is refused; 240h
	DiskReserve int64    `toml:"disk_reserve"` // octets of the disk left free: nothing is taken below it; 1073741824
}

// Group is one public group.
type Group struct {
	Name        string `toml:"name"`
	Description string `toml:"description"`
	Posting     string `toml:"posting"`   // y: anyone may post; n: nobody; m: what the moderator approves; "y"
	Moderator   string `toml:"moderator"` // with m: the moderator's token in angle brackets, or a mail address
}

// Distribution is one value of the Distribution header field.
type Distribution struct {
	Name        string `toml:"name"`
	Description string `toml:"description"`
	Groups      string `toml:"groups"` // wildmat of the groups that newsreaders should suggest it for; ""
	Weight      int    `toml:"weight"` // the heaviest suggestion is taken; 0
}

// Peer is one server that may feed articles here. It must have all the marks
// given, and at least one.
type Peer struct {
	Name        string   `toml:"name"`
	Addresses   []string `toml:"addresses"`   // networks or addresses that it comes from
	Certificate string   `toml:"certificate"` // "sha256:" and the SHA-256 of its TLS certificate in hexadecimal
	Groups      string   `toml:"groups"`      // wildmat of the groups that it may feed; "*"
	Path        string   `toml:"path"`        // its identity in Path; its name
}

// A Duration is a time.Duration written as "168h" or "5m".
type Duration time.Duration

// UnmarshalText reads what [time.ParseDuration] reads.
func (d *Duration) UnmarshalText(text []byte) error {
	v, err := time.ParseDuration(string(text))
	if err != nil {
		return errors.New(`not a length of time: write a number and a unit, like "5m" or "168h"`)
	}
	*d = Duration(v)
	return nil
}

// Default returns the configuration of a file that names only its domain.
func Default(domain string) Config {
	return Config{
		Domain: domain,
		Data:   "data",
		Listen: Listen{NNTP: "127.0.0.1:1119"},
		Login:  Login{Plaintext: "loopback", MinBits: 70},
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
			ArticleSize: 2 << 20,
			Connections: 1000,
			Idle:        Duration(10 * time.Minute),
			Logins:      2,
			Backlog:     288,
			Posts:       64 << 20,
			Cutoff:      Duration(240 * time.Hour),
			DiskReserve: 1 << 30,
		},
	}
}

// Load reads and checks the file at path. Data comes back as a path that holds
// from any folder. What is wrong with the file's text comes back as [Problems].
func Load(path string) (Config, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return Config{}, fmt.Errorf("read the configuration: %w", err)
	}
	c, err := Parse(text)
	if err != nil {
		return Config{}, err
	}
	if !filepath.IsAbs(c.Data) {
		c.Data = filepath.Join(filepath.Dir(path), c.Data)
	}
	return c, nil
}

// Parse reads and checks a configuration. What is wrong with it comes back as
// [Problems].
func Parse(text []byte) (Config, error) {
	c := Default("")
	where := positions(text)
	if err := toml.NewDecoder(bytes.NewReader(text)).DisallowUnknownFields().Decode(&c); err != nil {
		return Config{}, decodeProblems(err)
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
	}
	if problems := check(c, where); len(problems) > 0 {
		return Config{}, problems
	}
	return c, nil
}
