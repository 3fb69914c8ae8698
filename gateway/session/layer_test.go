package session

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"math/big"
	"net"
	"testing"
	"testing/synctest"
	"time"
)

// newCertificate makes a certificate that signs itself.
func newCertificate(t testing.TB) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), DNSNames: []string{"news.example"},
		NotBefore: time.Unix(0, 0), NotAfter: time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

func withTLS(t testing.TB) func(*Options) {
	config := &tls.Config{
		Certificates: []tls.Certificate{newCertificate(t)},
		MinVersion:   tls.VersionTLS12, ClientAuth: tls.RequestClientCert,
	}
	return func(o *Options) {
		o.TLS = config
		o.MayLogin = func(net.Conn) bool { return false }
	}
}

func tlsOptions(t testing.TB) Options {
	opts := newOptions(t)
	withTLS(t)(&opts)
	return opts
}

// handshake starts TLS at the client's end.
func (c *client) handshake(config *tls.Config) *tls.Conn {
	c.t.Helper()
	conn := tls.Client(c.conn, config)
	if err := conn.HandshakeContext(c.t.Context()); err != nil {
		c.t.Fatal(err)
	}
	c.conn, c.r = conn, bufio.NewReader(conn)
	return conn
}

// trusting is a client that takes any certificate.
func trusting() *tls.Config {
	return &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS12}
}

// RFC 4642, Section 2.2, and RFC 8143.
func TestStartTLS_upgrades(t *testing.T) {
	c := dial(t, tlsOptions(t))
	c.talk(
		"> CAPABILITIES", "~101 ", "VERSION 2", "~IMPLEMENTATION ", "READER", "STARTTLS", "POST", "OVER MSGID", "HDR", "~LIST ", "NEWNEWS", ".",
		"> AUTHINFO USER a", "~483 ", "> STARTTLS now", "~501 ", "> STARTTLS", "382 Start the TLS handshake")
	c.handshake(trusting())
	c.talk(
		"> CAPABILITIES", "~101 ", "VERSION 2", "~IMPLEMENTATION ", "READER", "AUTHINFO USER SASL", "SASL PLAIN", "POST", "OVER MSGID", "HDR", "~LIST ", "NEWNEWS", ".",
		"> STARTTLS", "~502 ", "> AUTHINFO USER a", "~381 ", "> AUTHINFO PASS b", "~281 ", "> QUIT", "~205 ")
	c.theEnd()
	c.outcome(nil)
}

// theEnd reads the end that TLS vouches for.
func (c *client) theEnd() {
	c.t.Helper()
	if _, err := c.r.ReadByte(); !errors.Is(err, io.EOF) {
		c.t.Errorf("at the end came %v", err)
	}
}

// RFC 4642, Section 2.2.2: the server must discard any knowledge obtained from
// the client.
func TestStartTLS_forgetsWhatWasSaidBefore(t *testing.T) {
	opts := tlsOptions(t)
	opts.MayLogin = func(net.Conn) bool { return true }
	c := dial(t, opts)
	c.talk("> CAPABILITIES")
	c.skip()
	c.talk("> GROUP misc.test", "~211 ", "> AUTHINFO USER a", "~381 ", "> STARTTLS", "~382 ")
	c.handshake(trusting())
	c.talk("> STAT", "~412 ", "> NEXT", "~412 ", "> AUTHINFO PASS b", "~482 ", "> GROUP restante.inbox", "~480 ",
		"> LIST OVERVIEW.FMT", "~215 ", "Subject:", "From:", "Date:", "Message-ID:", "References:", "Bytes:")
}

// RFC 8143, Section 4; CVE-2012-3523.
func TestStartTLS_throwsAwayWhatCameInTheClear(t *testing.T) {
	c := dial(t, tlsOptions(t))
	c.send("STARTTLS\r\nGROUP misc.test\r\nPOST\r\n")
	c.expect("~382 ")
	c.handshake(trusting())
	c.talk("> STAT", "~412 ", "> DATE", "~111 ")
}

// A command in the clear that arrives in the place of the handshake is never
// carried out, and the connection ends.
func TestStartTLS_commandInPlaceOfTheHandshake(t *testing.T) {
	c := dial(t, tlsOptions(t))
	c.talk("> STARTTLS", "~382 ")
	c.send("POST\r\nSubject: x\r\n")
	if _, err := c.r.ReadString('\n'); err == nil {
		t.Error("it was answered in lines")
	}
	c.outcome(ErrHandshake)
}

// RFC 4642, Section 2.2: 580 without a certificate, 502 after a login; never
// 480 or 483.
func TestStartTLS_refusals(t *testing.T) {
	play(t, []dialogue{
		{"no certificate", []string{
			"> STARTTLS", "~580 ", "> DATE", "~111 ",
			"> CAPABILITIES", "~101 ", "VERSION 2", "~IMPLEMENTATION ", "READER", "AUTHINFO USER SASL", "SASL PLAIN", "POST", "OVER MSGID", "HDR", "~LIST ", "NEWNEWS", ".",
		}},
		{"after a login", []string{"> AUTHINFO USER a", "~381 ", "> AUTHINFO PASS b", "~281 ", "> STARTTLS", "~502 "}},
	}, nil)
	play(t, []dialogue{{"no certificate yet", []string{"> STARTTLS", "~580 ", "> CAPABILITIES", "~101 ", "VERSION 2", "~IMPL", "READER", "POST", "OVER MSGID", "HDR", "~LIST ", "NEWNEWS", "."}}}, func(o *Options) {
		withTLS(t)(o)
		o.TLSReady = func() bool { return false }
	})
	play(t, []dialogue{{"after a login, with a certificate", []string{
		"> AUTHINFO USER a", "~381 ", "> AUTHINFO PASS b", "~281 ", "> STARTTLS", "~502 ", "> GROUP restante.inbox", "~211 ",
	}}}, func(o *Options) {
		withTLS(t)(o)
		o.MayLogin = func(net.Conn) bool { return true }
	})
}

// connectTLS serves a connection with implicit TLS.
func connectTLS(t testing.TB, opts Options, config *tls.Config) (*client, *tls.Conn) {
	t.Helper()
	c := connectWith(t, opts, (*Server).ServeTLS, func(conn net.Conn) net.Conn { return conn })
	conn := c.handshake(config)
	c.expect("~20")
	return c, conn
}

// RFC 8143, Section 2: TLS from the first octet on.
func TestServeTLS_implicit(t *testing.T) {
	c, _ := connectTLS(t, tlsOptions(t), trusting())
	c.talk("> STARTTLS", "~502 ", "> AUTHINFO USER a", "~381 ", "> AUTHINFO PASS b", "~281 ", "> GROUP restante.inbox", "~211 ",
		"> BODY", "~222 ", "body of i", "..dot", ".", "> QUIT", "~205 ")
	c.theEnd()
	c.outcome(nil)
}

// BCP 195: nothing below TLS 1.2.
func TestServeTLS_floor(t *testing.T) {
	c := connectWith(t, tlsOptions(t), (*Server).ServeTLS, func(conn net.Conn) net.Conn { return conn })
	old := trusting()
	old.MinVersion, old.MaxVersion = tls.VersionTLS10, tls.VersionTLS11
	if err := tls.Client(c.conn, old).HandshakeContext(t.Context()); err == nil {
		t.Error("TLS 1.1 was taken")
	}
	c.outcome(ErrHandshake)
}

func TestServeTLS_silentClient(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		opts := tlsOptions(t)
		opts.Limits.FirstCommand = 20 * time.Second
		start := time.Now()
		connectWith(t, opts, (*Server).ServeTLS, func(conn net.Conn) net.Conn { return conn }).outcome(ErrIdle)
		if waited := time.Since(start); waited != 20*time.Second {
			t.Errorf("waited %v for a handshake, want 20s", waited)
		}
	})
}

func TestServeTLS_stops(t *testing.T) {
	c, _ := connectTLS(t, tlsOptions(t), trusting())
	c.talk("> DATE", "~111 ")
	c.stop()
	c.talk("~400 ")
	c.theEnd()
	c.outcome(nil)
}

// RFC 8737, Section 4: the handshake is all that a certificate authority wants.
func TestServeTLS_certificateAuthorityGetsNoGreeting(t *testing.T) {
	opts := tlsOptions(t)
	opts.TLS.NextProtos = []string{alpnACME}
	c := connectWith(t, opts, (*Server).ServeTLS, func(conn net.Conn) net.Conn { return conn })
	config := trusting()
	config.NextProtos = opts.TLS.NextProtos
	c.handshake(config)
	c.outcome(nil)
}

func TestCertificateHash(t *testing.T) {
	certificate := newCertificate(t)
	for name, tt := range map[string]struct {
		shown []tls.Certificate
		want  bool
	}{
		"shown": {[]tls.Certificate{certificate}, true},
		"none":  {nil, false},
	} {
		t.Run(name, func(t *testing.T) {
			opts := tlsOptions(t)

			srv := make(chan *session, 1)
			config := trusting()
			config.Certificates = tt.shown
			ours, theirs := net.Pipe()
			go func() {
				s := New(opts).session(theirs)
				if err := s.secure(); err != nil {
					t.Error(err)
				}
				srv <- s
			}()
			if err := tls.Client(ours, config).HandshakeContext(t.Context()); err != nil {
				t.Fatal(err)
			}
			// In TLS 1.3 the client's certificate comes behind its own end of the handshake.
			s := <-srv

			sum, ok := CertificateHash(s.conn)
			if ok != tt.want || ok && sum != sha256.Sum256(certificate.Certificate[0]) {
				t.Errorf("CertificateHash = %x, %v", sum, ok)
			}
			if err := theirs.Close(); err != nil {
				t.Error(err)
			}
		})
	}
	ours, theirs := net.Pipe()
	if _, ok := CertificateHash(theirs); ok {
		t.Error("a connection without TLS has a certificate")
	}
	_, _ = ours.Close(), theirs.Close()
}

// A panic where certificates come from ends one session.
func TestServeTLS_panicEndsOneSession(t *testing.T) {
	opts := tlsOptions(t)
	opts.TLS.Certificates = nil
	opts.TLS.GetCertificate = func(*tls.ClientHelloInfo) (*tls.Certificate, error) { panic("no") }
	c := connectWith(t, opts, (*Server).ServeTLS, func(conn net.Conn) net.Conn { return conn })
	go func() { _ = tls.Client(c.conn, trusting()).HandshakeContext(t.Context()) }()
	c.outcome(ErrPanic)
}
