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
	"github.com/restante/restante/gateway/feed"
	"github.com/restante/restante/gateway/nntp"
	"github.com/restante/restante/gateway/peer"
	"github.com/restante/restante/gateway/remote"
)

// peers makes of checked tables who may feed, and who is fed. What does not
// parse was refused by the check; it stands for nothing here.
func peers(all []config.Peer) (feeders []peer.Peer, fed []feed.Peer, err error) {
	for _, p := range all {
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
			return nil, nil, err
		}
		feeders = append(feeders, one)
		if p.Feed == nil {
			continue
		}
		to, err := feeding(p)
		if err != nil {
			return nil, nil, err
		}
		fed = append(fed, to)
	}
	return feeders, fed, nil
}

// feeding is how one peer is fed.
func feeding(p config.Peer) (feed.Peer, error) {
	f := p.Feed
	out := feed.Peer{
		Name: p.Name, Path: p.Path, Server: remote.Server{Address: f.Address, User: f.User},
		MaxSize: f.Size, Exclude: f.Exclude, Connections: f.Connections, Window: f.Window, TakeThis: f.TakeThis,
		Delay: time.Duration(f.Delay), Backlog: time.Duration(f.Backlog), Backfill: f.Backfill,
	}
	var err error
	if out.Groups, err = feed.ParseSubscription(f.Groups); err != nil {
		return feed.Peer{}, err
	}
	out.Server.Security = map[string]remote.Security{"tls": remote.Implicit, "starttls": remote.StartTLS}[f.Security]
	if out.Server.Password, err = password(f.Password); err != nil {
		return feed.Peer{}, err
	}
	var authority []byte
	if f.Authority != "" {
		if authority, err = os.ReadFile(f.Authority); err != nil {
			return feed.Peer{}, fmt.Errorf("a peer's authorities: %w", err)
		}
		roots := x509.NewCertPool()
		if !roots.AppendCertsFromPEM(authority) {
			return feed.Peer{}, fmt.Errorf("%s: holds no certificate in PEM form", f.Authority)
		}
		out.Server.TLS = &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: roots}
	}
	// What the feed is made of, files included: a reload goes by it.
	p.Feed = nil
	sum := sha256.Sum256(fmt.Appendf(nil, "%+v %+v %q %s", p, *f, out.Server.Password, authority))
	out.Version = hex.EncodeToString(sum[:])
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
