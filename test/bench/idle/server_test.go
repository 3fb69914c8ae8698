package idle

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"math/big"
	"net"
	"os"
	"os/exec"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/restante/restante/gateway/session"
	"github.com/restante/restante/pool"
	"github.com/restante/restante/pool/article"
	"github.com/restante/restante/pool/memory"
)

// asServer makes this program the server: what it takes is then not mixed with
// what its clients take.
const asServer = "RESTANTE_BENCH_IDLE_SERVER"

func TestMain(m *testing.M) {
	if os.Getenv(asServer) == "" {
		os.Exit(m.Run())
	}
	if err := serve(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// serve prints its two addresses, and then what it has resident, in octets, for
// every line that it reads, until there are no more.
func serve() error {
	srv, err := newServer()
	if err != nil {
		return err
	}
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	var sessions sync.WaitGroup
	for _, one := range []func(context.Context, net.Conn) error{srv.Serve, srv.ServeTLS} {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return err
		}
		defer func() { _ = listener.Close() }()
		fmt.Println(listener.Addr())
		go func() {
			for {
				conn, err := listener.Accept()
				if err != nil {
					return
				}
				sessions.Go(func() { _ = one(ctx, conn) }) // how it ended, its client sees
			}
		}()
	}
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		resident, err := settle()
		if err != nil {
			return err
		}
		fmt.Println(resident)
	}
	stop()
	sessions.Wait()
	return nil
}

// settle waits until sessions count as idle, collects garbage as an idle server
// does by and by, and returns what is resident then.
func settle() (int, error) {
	<-time.After(4 * time.Second)
	for range 3 { // stacks shrink by half each time
		debug.FreeOSMemory()
	}
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0, err
	}
	_, rest, _ := strings.Cut(string(status), "VmRSS:")
	fields := strings.Fields(rest)
	if len(fields) == 0 {
		return 0, fmt.Errorf("no VmRSS in /proc/self/status")
	}
	kib, err := strconv.Atoi(fields[0])
	return kib << 10, err
}

func newServer() (*session.Server, error) {
	certificate, err := newCertificate()
	if err != nil {
		return nil, err
	}
	store := memory.New("news.example")
	ctx := context.Background()
	if err := store.SetGroup(ctx, pool.GroupInfo{Name: "misc.test", Posting: pool.PostingAllowed}); err != nil {
		return nil, err
	}
	for i := range 100 {
		a, err := article.Parse(fmt.Appendf(nil, "From: a@example.com\r\nNewsgroups: misc.test\r\nSubject: x\r\nDate: Fri, 01 Mar 2024 12:00:00 +0000\r\nMessage-ID: <%d@x>\r\n\r\n%s\r\n", i, strings.Repeat("body ", 12)))
		if err != nil {
			return nil, err
		}
		filed, err := a.File([]pool.Group{"misc.test"}, time.Now(), 0)
		if err != nil {
			return nil, err
		}
		if _, err := store.Append(ctx, filed); err != nil {
			return nil, err
		}
	}
	return session.New(session.Options{
		Store: store, Office: closed{}, Name: "news.example", Version: "bench", MaxArticle: 1 << 20,
		Limits: session.Limits{
			Idle: 10 * time.Minute, FirstCommand: time.Minute, Command: time.Minute,
			Window: 3 * time.Minute, Rate: 100, Errors: 20, Work: 1000000, Compressed: 20000,
		},
		TLS: &tls.Config{
			Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS12,
			ClientAuth: tls.RequestClientCert, SessionTicketsDisabled: true,
		},
		Logger: zerolog.Nop(),
	}), nil
}

func newCertificate() (tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, err
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{"news.example"}, NotAfter: time.Now().AddDate(1, 0, 0)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, err
}

// closed is an office that takes nothing.
type closed struct{}

func (closed) Private() []pool.GroupInfo { return nil }

func (closed) Login(context.Context, string, string) (session.Mailbox, error) {
	return nil, session.ErrBusy
}

func (closed) Submit(context.Context, []byte, session.Mailbox) (pool.MessageID, error) {
	return "", pool.ErrReadOnly
}

// A server is the other process.
type server struct {
	b             *testing.B
	plain, secure string
	in            *os.File
	out           *bufio.Scanner
}

func startServer(b *testing.B) *server {
	b.Helper()
	command := exec.Command(os.Args[0])
	command.Env = append(os.Environ(), asServer+"=1")
	command.Stderr = os.Stderr
	theirs, ours, err := os.Pipe()
	if err != nil {
		b.Fatal(err)
	}
	command.Stdin = theirs
	out, err := command.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := command.Start(); err != nil {
		b.Fatal(err)
	}
	s := &server{b: b, in: ours, out: bufio.NewScanner(out)}
	b.Cleanup(func() {
		_, _ = ours.Close(), theirs.Close()
		if err := command.Wait(); err != nil {
			b.Error(err)
		}
	})
	s.plain, s.secure = s.line(), s.line()
	return s
}

func (s *server) line() string {
	s.b.Helper()
	if !s.out.Scan() {
		s.b.Fatalf("the server is gone: %v", s.out.Err())
	}
	return s.out.Text()
}

// resident is what the server takes, in octets.
func (s *server) resident() int {
	s.b.Helper()
	if _, err := s.in.WriteString("\n"); err != nil {
		s.b.Fatal(err)
	}
	n, err := strconv.Atoi(s.line())
	if err != nil {
		s.b.Fatal(err)
	}
	return n
}
