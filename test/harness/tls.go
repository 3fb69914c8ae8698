package harness

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// secureHost is what the certificate of a gateway under test is made out to,
// beside its name and address.
const secureHost = "localhost"

// StartTLS starts a gateway that takes no login without TLS. It offers STARTTLS
// on [Gateway.Port] and TLS from the first octet on on [Gateway.SecurePort],
// both with the certificate in [Gateway.Certificate], which vouches for itself.
func StartTLS(t testing.TB, settings ...Setting) *Gateway {
	t.Helper()
	folder := t.TempDir()
	certificate, key := filepath.Join(folder, "certificate.pem"), filepath.Join(folder, "key.pem")
	if err := makeCertificate(certificate, key); err != nil {
		t.Fatal(err)
	}
	return start(t, Program(t), certificate, append([]Setting{
		{"certificate", `"` + certificate + `"`},
		{"key", `"` + key + `"`},
		{"plaintext", `"never"`},
	}, settings...))
}

// makeCertificate writes a certificate for this machine, and its key.
func makeCertificate(certificate, key string) error {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1),
		Subject:      pkix.Name{CommonName: secureHost},
		DNSNames:     []string{secureHost, Domain},
		IPAddresses:  []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore:    time.Now().Add(-time.Hour),
		NotAfter:     time.Now().Add(24 * time.Hour),
		KeyUsage:     x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		IsCA:         true, BasicConstraintsValid: true,
	}
	signed, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	if err != nil {
		return err
	}
	secret, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return err
	}
	return errors.Join(
		os.WriteFile(certificate, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: signed}), 0o600),
		os.WriteFile(key, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret}), 0o600))
}

// dialTLS connects to a gateway of [StartTLS], and believes its certificate only.
func (g *Gateway) dialTLS() (net.Conn, error) {
	text, err := os.ReadFile(g.Certificate)
	if err != nil {
		return nil, err
	}
	trusted := x509.NewCertPool()
	if !trusted.AppendCertsFromPEM(text) {
		return nil, errors.New("no certificate in the file")
	}
	d := tls.Dialer{Config: &tls.Config{RootCAs: trusted, MinVersion: tls.VersionTLS12}}
	return d.DialContext(g.t.Context(), "tcp", net.JoinHostPort(g.Host, g.SecurePort))
}
