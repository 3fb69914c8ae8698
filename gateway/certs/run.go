package certs

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"time"

	"golang.org/x/crypto/acme"
)

// How long after an answer the authority is asked again. A certificate is
// renewed weeks before it ends; after a failure an hour allows five more.
const (
	renewed = 12 * time.Hour
	refused = 20 * time.Minute
)

// Run gets a certificate from the authority and keeps it fresh until ctx ends.
// While it runs, the authority must reach a listener that speaks TLS with
// Config, as port 443 of the domain. Where the certificate comes from files it
// returns at once. A question to the authority that is under way when ctx ends
// is left alone, and gives up within five minutes.
func (s *Source) Run(ctx context.Context) error {
	if s.manager == nil {
		return nil
	}
	for ctx.Err() == nil {
		answered := make(chan error, 1)
		go func() { answered <- s.ask() }()
		again := renewed
		select {
		case <-ctx.Done():
			return nil
		case err := <-answered:
			if err != nil {
				again = refused
				s.log.Error().Str("problem", problem(err)).Dur("again_in", again).Msg("no certificate from the authority")
			}
		}
		select {
		case <-ctx.Done():
		case <-time.After(again):
		}
	}
	return nil
}

// problem is what an operator is told of a failure: what the authority calls it
// (RFC 8555, Section 6.7) or else its kind. The error itself may name addresses.
func problem(err error) string {
	if refusal, ok := errors.AsType[*acme.Error](err); ok {
		return refusal.ProblemType
	}
	for inner := err; inner != nil; inner = errors.Unwrap(inner) {
		err = inner
	}
	return fmt.Sprintf("%T", err)
}

// ask takes the certificate that was kept, or lets the authority make one.
func (s *Source) ask() error {
	pair, err := s.manager.GetCertificate(&tls.ClientHelloInfo{
		ServerName:       s.domain,
		SignatureSchemes: []tls.SignatureScheme{tls.ECDSAWithP256AndSHA256},
		SupportedCurves:  []tls.CurveID{tls.CurveP256},
		CipherSuites:     []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256},
	})
	if err != nil {
		return err
	}
	if s.current.Swap(pair) == nil {
		s.log.Info().Time("until", pair.Leaf.NotAfter).Msg("certificate from the authority")
	}
	return nil
}
