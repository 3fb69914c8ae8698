// Package certs is where the gateway's TLS certificate comes from: two files
// that may be read again at any time, or a certificate authority that is asked
// over ACME (RFC 8555). It decides what TLS is spoken: version 1.2 or later.
//
// It refuses to know who connects, and looks at no certificate that a client
// shows: whoever lets somebody do something for it does that.
package certs

import (
	"cmp"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"
	"golang.org/x/crypto/acme"
	"golang.org/x/crypto/acme/autocert"
)

// Errors of [Source.Check].
var (
	ErrExpired   = errors.New("certificate holds no more, or not yet")
	ErrOtherName = errors.New("certificate is for another name")
)

// Options say where a certificate comes from: the two files, or ACME.
type Options struct {
	Domain string // the name that the certificate is for

	Certificate string // file with the certificate and its chain, in PEM
	Key         string // file with its private key, in PEM

	ACME *ACME // nil where the files are used

	Logger zerolog.Logger
}

// ACME is a certificate authority, and what it is told. To use it means to agree
// to its terms.
type ACME struct {
	Directory string // address of the authority; "" stands for Let's Encrypt
	Email     string // where it may write to; may be empty
	Cache     string // folder for the account's key and the certificate
}

// A Source has the certificate. Its methods may be called from many goroutines
// at the same time.
type Source struct {
	domain  string
	log     zerolog.Logger
	current atomic.Pointer[tls.Certificate] // nil until an authority gave one
	manager *autocert.Manager               // nil with files
}

// New returns a Source. It reads the files; an authority is asked by
// [Source.Run].
func New(o Options) (*Source, error) {
	s := &Source{domain: o.Domain, log: o.Logger}
	if o.ACME == nil {
		return s, s.Reload(o.Certificate, o.Key)
	}
	s.manager = &autocert.Manager{
		Prompt:     autocert.AcceptTOS,
		Cache:      autocert.DirCache(o.ACME.Cache),
		HostPolicy: autocert.HostWhitelist(o.Domain),
		Email:      o.ACME.Email,
	}
	s.manager.Client = &acme.Client{DirectoryURL: cmp.Or(o.ACME.Directory, autocert.DefaultACMEDirectory)}
	return s, nil
}

// Reload reads the files again, or others in their place. When that fails the
// certificate of before stays. Connections under way keep theirs. With ACME
// there is nothing to reload.
func (s *Source) Reload(certificate, key string) error {
	if s.manager != nil {
		return nil
	}
	pair, err := tls.LoadX509KeyPair(certificate, key)
	if err != nil {
		return fmt.Errorf("read the certificate: %w", err)
	}
	if pair.Leaf == nil {
		if pair.Leaf, err = x509.ParseCertificate(pair.Certificate[0]); err != nil {
			return fmt.Errorf("read the certificate: %w", err)
		}
	}
	s.current.Store(&pair)
	return nil
}

// Ready says whether there is a certificate.
func (s *Source) Ready() bool { return s.current.Load() != nil }

// Expires returns when the certificate ends, or the zero time when there is none.
func (s *Source) Expires() time.Time {
	pair := s.current.Load()
	if pair == nil {
		return time.Time{}
	}
	return pair.Leaf.NotAfter
}

// Check returns [ErrExpired] or [ErrOtherName] where newsreaders will not take
// the certificate. It is shown all the same.
func (s *Source) Check(now time.Time) error {
	pair := s.current.Load()
	if pair == nil {
		return nil
	}
	if now.Before(pair.Leaf.NotBefore) || now.After(pair.Leaf.NotAfter) {
		return ErrExpired
	}
	if pair.Leaf.VerifyHostname(s.domain) != nil {
		return ErrOtherName
	}
	return nil
}

// Config returns what TLS is spoken with. A client may show a certificate, of
// any authority or none. No session can be resumed: what resumes it would tell
// who looks on that two connections are one person's.
func (s *Source) Config() *tls.Config {
	// A client that asks for another protocol was sent here from elsewhere
	// (RFC 7301, Section 3.2). These are the two names of this one.
	protocols := []string{"nntp", "nnsp"}
	if s.manager != nil {
		protocols = append(protocols, acme.ALPNProto)
	}
	return &tls.Config{
		MinVersion:             tls.VersionTLS12,
		GetCertificate:         s.certificate,
		ClientAuth:             tls.RequestClientCert,
		NextProtos:             protocols,
		SessionTicketsDisabled: true,
	}
}

// certificate is for tls.Config. There is one certificate, so a client that
// names no server, or another one, gets that too, and judges it itself.
func (s *Source) certificate(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	if s.manager != nil && slices.Equal(hello.SupportedProtos, []string{acme.ALPNProto}) {
		return s.manager.GetCertificate(hello) // the authority's check, answered from memory
	}
	if pair := s.current.Load(); pair != nil {
		return pair, nil
	}
	return nil, errNone
}

// errNone is that the authority has given no certificate yet.
var errNone = errors.New("no certificate yet")
