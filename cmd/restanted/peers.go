package main

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/restante/restante/config"
	"github.com/restante/restante/crypto/note"
	"github.com/restante/restante/gateway"
	"github.com/restante/restante/gateway/feed"
	"github.com/restante/restante/gateway/mirror"
	"github.com/restante/restante/gateway/nntp"
	"github.com/restante/restante/gateway/peer"
	"github.com/restante/restante/gateway/remote"
)

// others is what the configuration says about other servers.
type others struct {
	feeders  []peer.Peer
	fed      []feed.Peer
	readings []gateway.Reading
	known    []mirror.Known
}

// othersOf makes of checked tables who may feed, who is fed and who is read from.
// What can't be used, such as a file that is not there, comes back as
// [config.Problems].
func othersOf(c config.Config) (o others, err error) {
	var wrong unusable
	for i, p := range c.Peers {
		key := fmt.Sprintf("peer.%d", i)
		one := peer.Peer{Name: p.Name, Path: p.Path, User: p.User}
		one.Groups, err = nntp.ParseWildmat(p.Groups)
		wrong.note(key+".groups", err)
		for _, a := range p.Addresses {
			prefix, err := config.ParsePrefix(a)
			wrong.note(key+".addresses", err)
			one.Addresses = append(one.Addresses, prefix)
		}
		if p.Certificate != "" {
			digest, err := config.ParseFingerprint(p.Certificate)
			wrong.note(key+".certificate", err)
			one.Certificate = &digest
		}
		one.Password, err = password(p.Password)
		wrong.note(key+".password", err)
		o.feeders = append(o.feeders, one)
		if p.Feed != nil {
			to, problems := feeding(p)
			wrong.within(key+".feed", problems)
			o.fed = append(o.fed, to)
		}
		if p.Read != nil {
			from, problems := reading(p, one)
			wrong.within(key+".read", problems)
			o.readings = append(o.readings, from)
		}
	}
	for i, g := range c.Gateways {
		k, err := known(g)
		wrong.note(fmt.Sprintf("gateway.%d.key", i), err)
		o.known = append(o.known, k)
	}
	return o, wrong.err()
}

// unusable gathers what can't be used, by key.
type unusable config.Problems

func (u *unusable) note(key string, err error) {
	if err != nil {
		*u = append(*u, config.Problem{Key: key, Message: err.Error()})
	}
}

// within notes what can't be used in a table.
func (u *unusable) within(table string, problems unusable) {
	for _, p := range problems {
		*u = append(*u, config.Problem{Key: table + "." + p.Key, Message: p.Message})
	}
}

func (u unusable) err() error {
	if len(u) == 0 {
		return nil
	}
	return config.Problems(u)
}

// feeding is how one peer is fed.
func feeding(p config.Peer) (feed.Peer, unusable) {
	f := p.Feed
	server, version, wrong := server(f.Address, f.Security, f.Authority, f.User, f.Password)
	out := feed.Peer{
		Name: p.Name, Path: p.Path, Server: server,
		MaxSize: f.Size, Exclude: f.Exclude, Connections: f.Connections, Window: f.Window, TakeThis: f.TakeThis,
		Delay: time.Duration(f.Delay), Backlog: time.Duration(f.Backlog), Backfill: f.Backfill,
	}
	var err error
	out.Groups, err = feed.ParseSubscription(f.Groups)
	wrong.note("groups", err)
	sum := sha256.Sum256(fmt.Appendf(nil, "%s %s %+v %s", p.Name, p.Path, *f, version))
	out.Version = hex.EncodeToString(sum[:])
	return out, wrong
}

// reading is how one peer is read from.
func reading(p config.Peer, from peer.Peer) (gateway.Reading, unusable) {
	r := p.Read
	server, version, wrong := server(r.Address, r.Security, r.Authority, r.User, r.Password)
	out := gateway.Reading{
		Peer: from, Server: server, Every: time.Duration(r.Every), Since: time.Duration(r.Since), NewNews: r.NewNews,
	}
	if r.Pull != "" {
		var err error
		out.Pull, err = nntp.ParseWildmat(r.Pull)
		wrong.note("pull", err)
		out.Pulls = true
	}
	p.Feed, p.Read = nil, nil
	sum := sha256.Sum256(fmt.Appendf(nil, "%+v %+v %s", p, *r, version))
	out.Version = hex.EncodeToString(sum[:])
	return out, wrong
}

// server is another server as the configuration describes it. The version
// changes whenever what the files say does.
func server(address, security, authority, user, passwordFile string) (s remote.Server, version string, wrong unusable) {
	s = remote.Server{Address: address, User: user}
	s.Security = map[string]remote.Security{"tls": remote.Implicit, "starttls": remote.StartTLS}[security]
	var err error
	s.Password, err = password(passwordFile)
	wrong.note("password", err)
	var roots []byte
	if authority != "" {
		pool := x509.NewCertPool()
		if roots, err = os.ReadFile(authority); err == nil && !pool.AppendCertsFromPEM(roots) {
			err = fmt.Errorf("%s: %w", authority, errNoAuthority)
		}
		wrong.note("authority", err)
		s.TLS = &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: pool}
	}
	sum := sha256.Sum256(fmt.Appendf(nil, "%q %s", s.Password, roots))
	return s, hex.EncodeToString(sum[:]), wrong
}

// known is what the operator has decided about another gateway.
func known(g config.Gateway) (k mirror.Known, err error) {
	k = mirror.Known{Domain: g.Domain, Refuse: g.Refuse, Pardon: uint64(g.Pardon)}
	if g.Key != "" {
		if k.Key, err = note.ParseVerifier(g.Key); err != nil {
			err = errNoKey
		}
	}
	return k, err
}

var (
	errNoAuthority = errors.New("the file holds no certificate in PEM form")
	errNoKey       = errors.New("the key is damaged: copy the line that restanted keys list prints there")
)

var errNoPassword = errors.New("the first line is empty: write the password there")

// password reads the first line of a file; "" for no file.
func password(name string) (string, error) {
	if name == "" {
		return "", nil
	}
	text, err := os.ReadFile(name)
	if err != nil {
		return "", err
	}
	line, _, _ := strings.Cut(string(text), "\n")
	line = strings.TrimSuffix(line, "\r")
	if line == "" {
		return "", fmt.Errorf("%s: %w", name, errNoPassword)
	}
	return line, nil
}
