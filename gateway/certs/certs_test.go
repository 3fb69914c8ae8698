package certs

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"math/big"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// write makes a certificate for a name and writes it and its key.
func write(t *testing.T, certificate, key, name string, until time.Time) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{name}, NotBefore: time.Unix(0, 0), NotAfter: until}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	for path, block := range map[string]*pem.Block{certificate: {Type: "CERTIFICATE", Bytes: der}, key: {Type: "PRIVATE KEY", Bytes: secret}} {
		if err := os.WriteFile(path, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func files(t *testing.T) (certificate, key string) {
	dir := t.TempDir()
	return filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
}

// shown is the name in the certificate that a client gets that asks for any name.
func shown(t *testing.T, address, ask string) string {
	t.Helper()
	conn, err := tls.Dial("tcp", address, &tls.Config{ServerName: ask, InsecureSkipVerify: true})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	return conn.ConnectionState().PeerCertificates[0].DNSNames[0]
}

var later = time.Now().AddDate(1, 0, 0)

func TestFiles_reload(t *testing.T) {
	certificate, key := files(t)
	write(t, certificate, key, domain, later)
	s, err := New(Options{Domain: domain, Certificate: certificate, Key: key, Logger: zerolog.Nop()})
	if err != nil {
		t.Fatal(err)
	}
	address := serve(t, s)
	if got := shown(t, address, domain); got != domain {
		t.Errorf("at first %s", got)
	}
	write(t, certificate, key, "new.example.org", later)
	if got := shown(t, address, ""); got != domain {
		t.Errorf("without a reload %s", got)
	}
	if err := s.Reload(certificate, key); err != nil {
		t.Fatal(err)
	}
	if got := shown(t, address, "elsewhere.example"); got != "new.example.org" {
		t.Errorf("after it %s", got)
	}
	for name, content := range map[string]string{"broken": "no PEM", "cut off": "-----BEGIN CERTIFICATE-----\n"} {
		if err := os.WriteFile(certificate, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := s.Reload(certificate, key); err == nil {
			t.Errorf("%s: reloaded", name)
		}
		if got := shown(t, address, domain); got != "new.example.org" {
			t.Errorf("%s: %s", name, got)
		}
	}
}

func TestNew_files(t *testing.T) {
	certificate, key := files(t)
	if _, err := New(Options{Domain: domain, Certificate: certificate, Key: key}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("files that are not there: %v", err)
	}
	write(t, certificate, key, domain, later)
	other, _ := files(t)
	write(t, other, key, domain, later)
	if _, err := New(Options{Domain: domain, Certificate: certificate, Key: key}); err == nil {
		t.Error("a key of another certificate was taken")
	}
}

func TestCheck(t *testing.T) {
	for name, tt := range map[string]struct {
		name  string
		until time.Time
		want  error
	}{
		"good":       {domain, later, nil},
		"other name": {"other.example", later, ErrOtherName},
		"expired":    {domain, time.Now().Add(-time.Hour), ErrExpired},
	} {
		certificate, key := files(t)
		write(t, certificate, key, tt.name, tt.until)
		s, err := New(Options{Domain: domain, Certificate: certificate, Key: key})
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Check(time.Now()); !errors.Is(err, tt.want) || !s.Ready() {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// BCP 195, and RFC 7301, Section 3.2: other protocols' clients are turned away.
func TestConfig_handshakes(t *testing.T) {
	certificate, key := files(t)
	write(t, certificate, key, domain, later)
	s, err := New(Options{Domain: domain, Certificate: certificate, Key: key})
	if err != nil {
		t.Fatal(err)
	}
	address := serve(t, s)
	for name, tt := range map[string]struct {
		change func(*tls.Config)
		want   bool
	}{
		"TLS 1.3":           {func(c *tls.Config) { c.MinVersion = tls.VersionTLS13 }, true},
		"TLS 1.2":           {func(c *tls.Config) { c.MaxVersion = tls.VersionTLS12 }, true},
		"TLS 1.1":           {func(c *tls.Config) { c.MinVersion, c.MaxVersion = tls.VersionTLS10, tls.VersionTLS11 }, false},
		"nntp":              {func(c *tls.Config) { c.NextProtos = []string{"nntp"} }, true},
		"HTTP":              {func(c *tls.Config) { c.NextProtos = []string{"h2", "http/1.1"} }, false},
		"an authority":      {func(c *tls.Config) { c.NextProtos = []string{"acme-tls/1"} }, false},
		"session to resume": {func(c *tls.Config) { c.ClientSessionCache = tls.NewLRUClientSessionCache(1) }, true},
	} {
		config := &tls.Config{ServerName: domain, InsecureSkipVerify: true}
		tt.change(config)
		for range 2 {
			conn, err := tls.Dial("tcp", address, config)
			if (err == nil) != tt.want {
				t.Errorf("%s: %v", name, err)
			}
			if err != nil {
				continue
			}
			if conn.ConnectionState().DidResume {
				t.Errorf("%s: resumed", name)
			}
			_ = conn.Close()
		}
	}
}

func TestACME_getsACertificateAndKeepsIt(t *testing.T) {
	// The library keeps its connections to the authority; they end with the test.
	t.Cleanup(http.DefaultClient.CloseIdleConnections)
	cache := t.TempDir()
	var log bytes.Buffer
	authorityAt := &ACME{Email: "news@example.org", Cache: cache}
	s, err := New(Options{Domain: domain, ACME: authorityAt, Logger: zerolog.New(&log)})
	if err != nil {
		t.Fatal(err)
	}
	if s.Ready() || s.Check(time.Now()) != nil || s.Reload("", "") != nil {
		t.Error("a source that has nothing yet says otherwise")
	}
	gateway := serve(t, s)
	if _, err := tls.Dial("tcp", gateway, &tls.Config{ServerName: domain, InsecureSkipVerify: true}); err == nil {
		t.Error("a handshake without a certificate")
	}
	ca := newAuthority(t, gateway)
	s.manager.Client.DirectoryURL = ca.server.URL + "/directory"
	run(t, s)
	if got := shown(t, gateway, ""); got != domain {
		t.Errorf("shown: %s", got)
	}
	if !strings.Contains(log.String(), "certificate from the authority") {
		t.Errorf("the log says %q", log.String())
	}

	// A gateway that starts again has the certificate without asking.
	ca.server.Close()
	again, err := New(Options{Domain: domain, ACME: authorityAt, Logger: zerolog.Nop()})
	if err != nil {
		t.Fatal(err)
	}
	run(t, again)
	if got := shown(t, serve(t, again), domain); got != domain {
		t.Errorf("shown by the second: %s", got)
	}
}

// run runs s until it has a certificate.
func run(t *testing.T, s *Source) {
	t.Helper()
	ctx, stop := context.WithTimeout(t.Context(), 2*time.Minute)
	defer stop()
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	for !s.Ready() && ctx.Err() == nil {
		select {
		case <-ctx.Done():
		case <-time.After(5 * time.Millisecond):
		}
	}
	stop()
	if err := <-ended; err != nil || !s.Ready() {
		t.Fatalf("Run: %v, ready: %v", err, s.Ready())
	}
}

func TestRun_withFilesReturnsAtOnce(t *testing.T) {
	certificate, key := files(t)
	write(t, certificate, key, domain, later)
	s, err := New(Options{Domain: domain, Certificate: certificate, Key: key})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Run(t.Context()); err != nil {
		t.Error(err)
	}
}
