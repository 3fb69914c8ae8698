package certs

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"golang.org/x/crypto/acme"
)

const domain = "news.example.org"

// An authority is a certificate authority that speaks as much of RFC 8555 as
// one certificate takes, and checks the name with TLS-ALPN-01 (RFC 8737).
type authority struct {
	t       *testing.T
	server  *httptest.Server
	gateway string // where the domain's port 443 is

	mu      sync.Mutex
	checked bool
	issued  []byte // PEM
}

func newAuthority(t *testing.T, gateway string) *authority {
	t.Helper()
	a := &authority{t: t, gateway: gateway}
	mux := http.NewServeMux()
	for path, answer := range map[string]func(http.ResponseWriter, []byte){
		"/directory": a.directory, "/nonce": func(http.ResponseWriter, []byte) {}, "/account": a.account,
		"/order": a.order, "/order/1": a.state, "/name": a.name, "/check": a.check, "/finalize": a.finalize, "/certificate": a.certificate,
	} {
		mux.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Replay-Nonce", "once")
			var signed struct{ Payload string }
			if body, err := io.ReadAll(r.Body); err != nil || len(body) > 0 && json.Unmarshal(body, &signed) != nil {
				t.Errorf("%s: not a signed request", path)
			}
			payload, err := base64.RawURLEncoding.DecodeString(signed.Payload)
			if err != nil {
				t.Error(err)
			}
			answer(w, payload)
		})
	}
	a.server = httptest.NewServer(mux)
	t.Cleanup(a.server.Close)
	return a
}

func (a *authority) say(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	if err := json.NewEncoder(w).Encode(v); err != nil {
		a.t.Error(err)
	}
}

type object = map[string]any

func (a *authority) directory(w http.ResponseWriter, _ []byte) {
	a.say(w, http.StatusOK, object{"newNonce": a.server.URL + "/nonce", "newAccount": a.server.URL + "/account", "newOrder": a.server.URL + "/order"})
}

func (a *authority) account(w http.ResponseWriter, _ []byte) {
	w.Header().Set("Location", a.server.URL+"/account/1")
	a.say(w, http.StatusCreated, object{"status": "valid"})
}

func (a *authority) orderObject() object {
	status := "pending"
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.checked {
		status = "ready"
	}
	o := object{
		"identifiers":    []object{{"type": "dns", "value": domain}},
		"authorizations": []string{a.server.URL + "/name"}, "finalize": a.server.URL + "/finalize",
	}
	if a.issued != nil {
		status, o["certificate"] = "valid", a.server.URL+"/certificate"
	}
	o["status"] = status
	return o
}

func (a *authority) order(w http.ResponseWriter, _ []byte) {
	w.Header().Set("Location", a.server.URL+"/order/1")
	a.say(w, http.StatusCreated, a.orderObject())
}

func (a *authority) state(w http.ResponseWriter, _ []byte) { a.say(w, http.StatusOK, a.orderObject()) }

func (a *authority) challenge() object {
	status := "pending"
	if a.checked {
		status = "valid"
	}
	return object{"type": "tls-alpn-01", "url": a.server.URL + "/check", "token": "token", "status": status}
}

func (a *authority) name(w http.ResponseWriter, _ []byte) {
	a.mu.Lock()
	defer a.mu.Unlock()
	challenge := a.challenge()
	a.say(w, http.StatusOK, object{
		"identifier": object{"type": "dns", "value": domain}, "status": challenge["status"], "challenges": []object{challenge},
	})
}

// check connects to the domain's port 443, as RFC 8737, Section 3 has it.
func (a *authority) check(w http.ResponseWriter, _ []byte) {
	conn, err := tls.Dial("tcp", a.gateway, &tls.Config{ServerName: domain, NextProtos: []string{acme.ALPNProto}, InsecureSkipVerify: true})
	if err != nil {
		a.t.Errorf("the authority's check: %v", err)
		return
	}
	state := conn.ConnectionState()
	if err := conn.Close(); err != nil {
		a.t.Error(err)
	}
	leaf := state.PeerCertificates[0]
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, e := range leaf.Extensions {
		if e.Id.String() == "1.3.6.1.5.5.7.1.31" && e.Critical {
			a.checked = state.NegotiatedProtocol == acme.ALPNProto && fmt.Sprint(leaf.DNSNames) == "["+domain+"]"
		}
	}
	a.say(w, http.StatusOK, a.challenge())
}

func (a *authority) finalize(w http.ResponseWriter, payload []byte) {
	var asked struct{ CSR string }
	if err := json.Unmarshal(payload, &asked); err != nil {
		a.t.Error(err)
	}
	der, err := base64.RawURLEncoding.DecodeString(asked.CSR)
	if err != nil {
		a.t.Error(err)
	}
	csr, err := x509.ParseCertificateRequest(der)
	if err != nil {
		a.t.Error(err)
		return
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		a.t.Error(err)
	}
	leaf := &x509.Certificate{
		SerialNumber: big.NewInt(2), DNSNames: csr.DNSNames,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().AddDate(0, 3, 0),
	}
	parent := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: leaf.NotAfter, IsCA: true}
	signed, err := x509.CreateCertificate(rand.Reader, leaf, parent, csr.PublicKey, key)
	if err != nil {
		a.t.Error(err)
	}
	a.mu.Lock()
	a.issued = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: signed})
	a.mu.Unlock()
	w.Header().Set("Location", a.server.URL+"/order/1")
	a.say(w, http.StatusOK, a.orderObject())
}

func (a *authority) certificate(w http.ResponseWriter, _ []byte) {
	a.mu.Lock()
	defer a.mu.Unlock()
	w.Header().Set("Content-Type", "application/pem-certificate-chain")
	if _, err := w.Write(a.issued); err != nil {
		a.t.Error(err)
	}
}

// serve makes handshakes as a gateway's listener does.
func serve(t *testing.T, s *Source) string {
	t.Helper()
	listener, err := tls.Listen("tcp", "127.0.0.1:0", s.Config())
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			wg.Go(func() { shake(conn) })
		}
	})
	t.Cleanup(func() {
		_ = listener.Close()
		wg.Wait()
	})
	return listener.Addr().String()
}

// shake makes the handshake; the client sees how it went.
func shake(conn net.Conn) {
	_ = conn.(*tls.Conn).Handshake()
	_ = conn.Close()
}
