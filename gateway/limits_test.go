package gateway

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"net"
	"net/textproto"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"go.uber.org/goleak"

	"github.com/restante/restante/gateway/batch"
	"github.com/restante/restante/gateway/certs"
	"github.com/restante/restante/gateway/keyring"
	"github.com/restante/restante/gateway/session"
	"github.com/restante/restante/pool"
	"github.com/restante/restante/pool/article"
)

// goleveldb lets one goroutine of a closed database go on for a while.
func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreTopFunction("github.com/syndtr/goleveldb/leveldb.(*DB).mpoolDrain"))
}

// A trial is a gateway that runs.
type trial struct {
	*Gateway
	t             *testing.T
	settings      Settings
	plain, secure string
}

func start(t *testing.T) *trial {
	t.Helper()
	dir := t.TempDir()
	certificate, key := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	writeCertificate(t, certificate, key, "first.example")
	s := Settings{
		Domain: "gw.example", Data: filepath.Join(dir, "data"), PoolGroup: "restante.pool",
		Batches: batch.Shape{
			Calendar: pool.Calendar{EpochLength: time.Hour, BatchInterval: time.Minute, Retention: 4, TokenLife: 12},
			Size:     8, Slots: 8, Backlog: 10, Posts: 1 << 20,
		},
		Groups:   []pool.GroupInfo{{Name: "misc.test", Description: "Tests", Posting: pool.PostingAllowed}},
		MayLogin: func(net.Conn) bool { return true }, MinBits: 70, Logins: 1,
		MaxArticle: 1 << 20, Admission: Admission{Connections: 4}, Limits: session.Limits{Idle: time.Minute},
		TLS:    &certs.Options{Domain: "gw.example", Certificate: certificate, Key: key},
		Logger: zerolog.Nop(),
	}
	if err := keyring.Create(KeyDir(s.Data)); err != nil {
		t.Fatal(err)
	}
	g, err := Open(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	plain, secure := listen(t), listen(t)
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- g.Run(ctx, plain, secure) }()
	t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
		if err := g.Close(); err != nil {
			t.Error(err)
		}
	})
	return &trial{g, t, s, plain.Addr().String(), secure.Addr().String()}
}

func listen(t *testing.T) net.Listener {
	t.Helper()
	var config net.ListenConfig
	l, err := config.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func writeCertificate(t *testing.T, certificate, key, name string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{name}, NotAfter: time.Now().AddDate(1, 0, 0)}
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

// A line is a connection to the gateway.
type line struct {
	*textproto.Conn
	t    *testing.T
	name string // in the certificate
}

func (g *trial) dial(tlsToo bool) *line {
	g.t.Helper()
	address := g.plain
	if tlsToo {
		address = g.secure
	}
	conn, err := net.Dial("tcp", address)
	if err != nil {
		g.t.Fatal(err)
	}
	l := &line{t: g.t}
	if tlsToo {
		secured := tls.Client(conn, &tls.Config{InsecureSkipVerify: true})
		if err := secured.HandshakeContext(g.t.Context()); err != nil {
			g.t.Fatal(err)
		}
		l.name, conn = secured.ConnectionState().PeerCertificates[0].DNSNames[0], secured
	}
	l.Conn = textproto.NewConn(conn)
	g.t.Cleanup(func() { _ = l.Close() })
	return l
}

// ask sends a command, if there is one, and expects an answer that starts so.
func (l *line) ask(command, want string) {
	l.t.Helper()
	if command != "" {
		if err := l.PrintfLine("%s", command); err != nil {
			l.t.Fatal(err)
		}
	}
	if got, err := l.ReadLine(); err != nil || !strings.HasPrefix(got, want) {
		l.t.Errorf("%s: %q, %v, want %s", command, got, err, want)
	}
}

func TestReload_certificate(t *testing.T) {
	g := start(t)
	before := g.dial(true)
	before.ask("", "200 ")
	if before.name != "first.example" {
		t.Errorf("at first %s is shown", before.name)
	}
	writeCertificate(t, g.settings.TLS.Certificate, g.settings.TLS.Key, "second.example")
	if err := g.Reload(t.Context(), g.settings); err != nil {
		t.Fatal(err)
	}
	if name := g.dial(true).name; name != "second.example" {
		t.Errorf("after the reload %s is shown", name)
	}
	before.ask("DATE", "111 ")

	if err := os.WriteFile(g.settings.TLS.Key, []byte("no key"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := g.Reload(t.Context(), g.settings); err == nil {
		t.Error("a broken key was reloaded")
	}
	if name := g.dial(true).name; name != "second.example" {
		t.Errorf("after the failed reload %s is shown", name)
	}
	before.ask("DATE", "111 ")
}

// file puts an article into misc.test, past the batches.
func (g *trial) file(id string) {
	g.t.Helper()
	a, err := article.Parse([]byte("From: a@example.com\r\nNewsgroups: misc.test\r\nSubject: x\r\nDate: Fri, 01 Mar 2024 12:00:00 +0000\r\nMessage-ID: " + id + "\r\n\r\nbody\r\n"))
	if err != nil {
		g.t.Fatal(err)
	}
	filed, err := a.File([]pool.Group{"misc.test"}, time.Now(), 0)
	if err != nil {
		g.t.Fatal(err)
	}
	if _, err := g.store.Append(g.t.Context(), filed); err != nil {
		g.t.Fatal(err)
	}
}

func TestReload_groupsKeepTheirNumbers(t *testing.T) {
	g := start(t)
	c := g.dial(false)
	c.ask("", "200 ")
	g.file("<1@x>")
	g.file("<2@x>")
	c.ask("GROUP misc.test", "211 2 1 2 ")

	without := g.settings
	without.Groups = []pool.GroupInfo{{Name: "misc.new", Posting: pool.PostingAllowed}}
	if err := g.Reload(t.Context(), without); err != nil {
		t.Fatal(err)
	}
	c.ask("GROUP misc.test", "411 ")
	c.ask("GROUP misc.new", "211 0 ")

	closed := g.settings
	closed.Groups = []pool.GroupInfo{{Name: "misc.test", Posting: pool.PostingDenied}}
	if err := g.Reload(t.Context(), closed); err != nil {
		t.Fatal(err)
	}
	c.ask("GROUP misc.test", "211 2 1 2 ")
	c.ask("LIST ACTIVE misc.test", "215 ")
	c.ask("", "misc.test 2 1 n")
	c.ask("", ".")
	if err := g.Reload(t.Context(), g.settings); err != nil {
		t.Fatal(err)
	}
	g.file("<3@x>")
	c.ask("GROUP misc.test", "211 3 1 3 ")
}

func TestReload_limits(t *testing.T) {
	g := start(t)
	c := g.dial(false)
	c.ask("", "200 ")
	c.ask("XYZZY", "500 ")
	changed := g.settings
	changed.Limits.Errors = 1
	changed.Admission.Connections = 1
	if err := g.Reload(t.Context(), changed); err != nil {
		t.Fatal(err)
	}
	g.dial(false).ask("", "400 Too many connections")
	c.ask("DATE", "400 Too many failed commands")
}

func TestRun_connectionsInAllCountBothListeners(t *testing.T) {
	g := start(t)
	for range 2 {
		g.dial(false).ask("", "200 ")
		g.dial(true).ask("", "200 ")
	}
	g.dial(false).ask("", "400 Too many connections")
	conn, err := net.Dial("tcp", g.secure)
	if err != nil {
		t.Fatal(err)
	}
	if err := tls.Client(conn, &tls.Config{InsecureSkipVerify: true}).HandshakeContext(t.Context()); err == nil {
		t.Error("a connection too many got its TLS handshake")
	}
	_ = conn.Close()
}

func TestRun_startTLSOnThePlainListener(t *testing.T) {
	g := start(t)
	conn, err := net.Dial("tcp", g.plain)
	if err != nil {
		t.Fatal(err)
	}
	l := &line{Conn: textproto.NewConn(conn), t: t}
	l.ask("", "200 ")
	l.ask("STARTTLS", "382 ")
	secured := tls.Client(conn, &tls.Config{InsecureSkipVerify: true})
	if err := secured.HandshakeContext(t.Context()); err != nil {
		t.Fatal(err)
	}
	l.Conn = textproto.NewConn(secured)
	t.Cleanup(func() { _ = l.Close() })
	l.ask("DATE", "111 ")
	l.ask("STARTTLS", "502 ")
}
