package main

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"path/filepath"
	"time"

	"github.com/rs/zerolog"

	"github.com/restante/restante/config"
	"github.com/restante/restante/gateway"
	"github.com/restante/restante/gateway/batch"
	"github.com/restante/restante/gateway/certs"
	"github.com/restante/restante/gateway/mirror"
	"github.com/restante/restante/gateway/session"
	"github.com/restante/restante/pool"
)

// settings makes of a checked configuration what a gateway is made from. It
// reads the files that the configuration names for peers.
func settings(c config.Config, log zerolog.Logger) (gateway.Settings, error) {
	others, err := othersOf(c)
	if err != nil {
		return gateway.Settings{}, err
	}
	distributions := make([]gateway.Distribution, len(c.Distributions))
	for i, d := range c.Distributions {
		distributions[i] = gateway.Distribution(d)
	}
	groups := make([]pool.GroupInfo, len(c.Groups))
	moderators := make(map[pool.Group]string)
	keep := make(map[pool.Group]gateway.Keep)
	for i, g := range c.Groups {
		if g.Moderator != "" {
			moderators[pool.Group(g.Name)] = g.Moderator
		}
		k := c.Keep(g)
		keep[pool.Group(g.Name)] = gateway.Keep{Age: time.Duration(k.Age), Articles: k.Articles, Octets: k.Octets}
		groups[i] = pool.GroupInfo{
			Name:        pool.Group(g.Name),
			Description: g.Description,
			Posting:     pool.Posting(g.Posting[0]),
		}
	}
	return gateway.Settings{
		Domain:    c.Domain,
		Data:      c.Data,
		PoolGroup: pool.Group(c.Pool.Group),
		Batches: batch.Shape{
			Calendar: pool.Calendar{
				EpochLength:   time.Duration(c.Pool.EpochLength),
				BatchInterval: time.Duration(c.Pool.BatchInterval),
				Retention:     uint64(c.Pool.Retention),
				TokenLife:     uint64(c.Pool.TokenLife),
			},
			Size:    c.Pool.BatchSize,
			Slots:   c.Pool.SlotsPerBatch,
			Backlog: c.Limits.Backlog,
			Posts:   c.Limits.Posts,
			Reserve: uint64(c.Limits.DiskReserve),
		},
		Groups:        groups,
		Keep:          keep,
		Moderators:    moderators,
		Distributions: distributions,
		Peers:         others.feeders,
		Feeds:         others.fed,
		Readings:      others.readings,
		Known:         others.known,
		Learn:         c.Mirror.Unknown == "learn",
		Bounds:        mirror.Bounds{Gateways: c.Mirror.MostGateways, Octets: c.Mirror.MostOctets},
		Repair:        time.Duration(c.Mirror.Every),
		Cutoff:        time.Duration(c.Limits.Cutoff),
		MayLogin:      mayLogin(c.Login.Plaintext),
		MinBits:       c.Login.MinBits,
		Logins:        c.Limits.Logins,
		Pickups:       c.Limits.Pickups,
		LoginWait:     time.Duration(c.Limits.LoginWait),
		MaxArticle:    c.Limits.ArticleSize,
		DiskReserve:   uint64(c.Limits.DiskReserve),
		IndexMemory:   indexMemory(c.Limits.IndexMemory),
		ClockJump:     uint64(c.Keys.ClockJump),
		TLS:           certificates(c, log),
		Admission: gateway.Admission{
			Connections: c.Limits.Connections,
			PerAddress:  c.Limits.PerAddress,
			Exempt:      prefixes(c.Limits.Exempt),
		},
		Limits:  limits(c.Limits),
		Version: version(),
		Logger:  log,
	}, nil
}

// settingsFrom is settings of the configuration that was read from path, and says
// where in it stands what can't be used. What serve refuses, check refuses by it.
func settingsFrom(path string, c config.Config, log zerolog.Logger) (gateway.Settings, error) {
	s, err := settings(c, log)
	var problems config.Problems
	if errors.As(err, &problems) {
		return s, fmt.Errorf("%s:\n%w", path, config.Locate(path, problems))
	}
	return s, err
}

// mayLogin says over which connections without TLS a passphrase may come. What
// comes from this machine may be a proxy's: that is then the proxy's to guard.
func mayLogin(policy string) func(net.Conn) bool {
	return func(conn net.Conn) bool {
		if policy != "loopback" {
			return policy == "always"
		}
		remote, ok := conn.RemoteAddr().(*net.TCPAddr)
		return ok && remote.IP.IsLoopback()
	}
}

func limits(l config.Limits) session.Limits {
	return session.Limits{
		Idle:         time.Duration(l.Idle),
		FirstCommand: time.Duration(l.FirstCommand),
		Command:      time.Duration(l.Command),
		Window:       time.Duration(l.RateWindow),
		Rate:         l.Rate,
		Errors:       l.Errors,
		Work:         l.Work,
		Compressed:   l.Compressed,
	}
}

// prefixes reads what the check of the configuration has found to be right.
func prefixes(cidrs []string) []netip.Prefix {
	var out []netip.Prefix
	for _, cidr := range cidrs {
		if prefix, err := netip.ParsePrefix(cidr); err == nil {
			out = append(out, prefix)
		}
	}
	return out
}

// certificates says where the certificate comes from; nil for no TLS.
func certificates(c config.Config, log zerolog.Logger) *certs.Options {
	if !c.TLS.On() {
		return nil
	}
	o := &certs.Options{Domain: c.Domain, Certificate: c.TLS.Certificate, Key: c.TLS.Key, Logger: log}
	if c.TLS.ACME {
		o.ACME = &certs.ACME{Directory: c.TLS.ACMEDirectory, Email: c.TLS.ACMEEmail, Cache: filepath.Join(c.Data, "acme")}
	}
	return o
}
