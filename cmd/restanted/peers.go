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
// What does not parse was refused by the check; it stands for nothing here.
func othersOf(c config.Config) (o others, err error) {
	for _, p := range c.Peers {
		one := peer.Peer{Name: p.Name, Path: p.Path, User: p.User}
		one.Groups, _ = nntp.ParseWildmat(p.Groups)
		for _, a := range p.Addresses {
			if prefix, err := config.ParsePrefix(a); err == nil {
				one.Addresses = append(one.Addresses, prefix)
			}
		}
		if digest, err := config.ParseFingerprint(p.Certificate); err == nil {
			one.Certificate = &digest
		}
		if one.Password, err = password(p.Password); err != nil {
			return others{}, err
		}
		o.feeders = append(o.feeders, one)
		if p.Feed != nil {
			to, err := feeding(p)
			if err != nil {
				return others{}, err
			}
			o.fed = append(o.fed, to)
		}
		if p.Read != nil {
			from, err := reading(p, one)
			if err != nil {
				return others{}, err
			}
			o.readings = append(o.readings, from)
		}
	}
	o.known, err = known(c.Gateways)
	return o, err
}

// feeding is how one peer is fed.
func feeding(p config.Peer) (feed.Peer, error) {
	f := p.Feed
	server, version, err := server(f.Address, f.Security, f.Authority, f.User, f.Password)
	if err != nil {
		return feed.Peer{}, err
	}
	out := feed.Peer{
		Name: p.Name, Path: p.Path, Server: server,
		MaxSize: f.Size, Exclude: f.Exclude, Connections: f.Connections, Window: f.Window, TakeThis: f.TakeThis,
		Delay: time.Duration(f.Delay), Backlog: time.Duration(f.Backlog), Backfill: f.Backfill,
	}
	if out.Groups, err = feed.ParseSubscription(f.Groups); err != nil {
		return feed.Peer{}, err
	}
	sum := sha256.Sum256(fmt.Appendf(nil, "%s %s %+v %s", p.Name, p.Path, *f, version))
	out.Version = hex.EncodeToString(sum[:])
	return out, nil
}

// reading is how one peer is read from.
func reading(p config.Peer, from peer.Peer) (gateway.Reading, error) {
	r := p.Read
	server, version, err := server(r.Address, r.Security, r.Authority, r.User, r.Password)
	if err != nil {
		return gateway.Reading{}, err
	}
	out := gateway.Reading{
		Peer: from, Server: server, Every: time.Duration(r.Every), Since: time.Duration(r.Since), NewNews: r.NewNews,
	}
	if r.Pull != "" {
		if out.Pull, err = nntp.ParseWildmat(r.Pull); err != nil {
			return gateway.Reading{}, err
		}
		out.Pulls = true
	}
	p.Feed, p.Read = nil, nil
	sum := sha256.Sum256(fmt.Appendf(nil, "%+v %+v %s", p, *r, version))
	out.Version = hex.EncodeToString(sum[:])
	return out, nil
}

// server is another server as the configuration describes it. The version
// changes whenever what the files say does.
func server(address, security, authority, user, passwordFile string) (s remote.Server, version string, err error) {
	s = remote.Server{Address: address, User: user}
	s.Security = map[string]remote.Security{"tls": remote.Implicit, "starttls": remote.StartTLS}[security]
	if s.Password, err = password(passwordFile); err != nil {
		return s, "", err
	}
	var roots []byte
	if authority != "" {
		if roots, err = os.ReadFile(authority); err != nil {
			return s, "", fmt.Errorf("a peer's authorities: %w", err)
		}
		pool := x509.NewCertPool()
		if !pool.AppendCertsFromPEM(roots) {
			return s, "", fmt.Errorf("%s: holds no certificate in PEM form", authority)
		}
		s.TLS = &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: pool}
	}
	sum := sha256.Sum256(fmt.Appendf(nil, "%q %s", s.Password, roots))
	return s, hex.EncodeToString(sum[:]), nil
}

// known is what the operator has decided about other gateways.
func known(all []config.Gateway) ([]mirror.Known, error) {
	var out []mirror.Known
	for _, g := range all {
		k := mirror.Known{Domain: g.Domain, Refuse: g.Refuse, Pardon: uint64(g.Pardon)}
		if g.Key != "" {
			var err error
			if k.Key, err = note.ParseVerifier(g.Key); err != nil {
				return nil, fmt.Errorf("gateway %s: the key is damaged: copy the line that restanted keys list prints there", g.Domain)
			}
		}
		out = append(out, k)
	}
	return out, nil
}

var errNoPassword = errors.New("the first line is empty: write the password there")

// password reads the first line of a file; "" for no file.
func password(name string) (string, error) {
	if name == "" {
		return "", nil
	}
	text, err := os.ReadFile(name)
	if err != nil {
		return "", fmt.Errorf("a peer's password: %w", err)
	}
	line, _, _ := strings.Cut(string(text), "\n")
	line = strings.TrimSuffix(line, "\r")
	if line == "" {
		return "", fmt.Errorf("%s: %w", name, errNoPassword)
	}
	return line, nil
}
