package session

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"time"

	"github.com/restante/restante/gateway/nntp"
)

// alpnACME is what a certificate authority asks for that checks whose name this
// is (RFC 8737, Section 4). The handshake answers it; there is nothing more.
const alpnACME = "acme-tls/1"

// use lets the commands travel on another layer from now on: conn is what
// policies ask about, stream what is read and written. Whatever the last layer
// held and was not used is thrown away (RFC 8143, Section 4).
func (s *session) use(conn net.Conn, stream io.ReadWriter) {
	if s.r != nil {
		s.r.Release()
	}
	s.conn, s.layer = conn, stream
	s.r = nntp.NewReader(stream, &s.buffers)
	s.w = nntp.NewWriter(stream, &s.buffers)
}

// private says whether nobody between the client and this server can read
// along, as far as the server can know.
func (s *session) private() bool {
	_, ok := s.conn.(*tls.Conn)
	return ok
}

// startTLS answers STARTTLS. What came behind the command is thrown away with
// the layer (RFC 8143, Section 4).
func (s *session) startTLS(context.Context, request) (response, error) {
	return response{
		Reply:  nntp.Reply{Code: nntp.CodeStartTLS, Text: "Start the TLS handshake"},
		change: func() error { return s.secure() },
	}, nil
}

// secure makes the TLS handshake. All that the client said before it is
// forgotten (RFC 4642, Section 2.2.2).
func (s *session) secure() error {
	limits := s.limits.Load()
	s.wire.await(limits.firstCommand(), limits.command())
	conn := tls.Server(s.wire, s.opts.TLS)
	if err := handshake(conn); err != nil {
		return err
	}
	if conn.ConnectionState().NegotiatedProtocol == alpnACME {
		return errHungUp
	}
	s.group, s.reader, s.current = "", nil, 0
	s.handle, s.mailbox, s.modern = "", nil, false
	s.use(conn, conn)
	return nil
}

// handshake makes a handshake, and says how it failed.
func handshake(conn *tls.Conn) error {
	err := conn.Handshake()
	switch {
	case err == nil:
		return nil
	case errors.Is(err, io.EOF):
		return errHungUp
	case errors.Is(err, os.ErrDeadlineExceeded):
		return ErrIdle
	}
	return ErrHandshake
}

// farewell tells the layer that nothing more comes, so that the client knows
// the end for a true one. It hardly waits for the client to listen.
func (s *session) farewell() {
	if conn, ok := s.conn.(*tls.Conn); ok {
		s.wire.out = flow{window: time.Second}
		_ = conn.CloseWrite() // the client may have gone first
	}
}

// CertificateHash returns the SHA-256 of the certificate that the other end of
// conn showed, its own and not its authority's. ok is false where it showed
// none, and where no TLS runs. That the certificate is known, or signed by
// anyone, is not checked: TLS proved that the other end has its key.
func CertificateHash(conn net.Conn) (sum [sha256.Size]byte, ok bool) {
	secured, ok := conn.(*tls.Conn)
	if !ok {
		return sum, false
	}
	shown := secured.ConnectionState().PeerCertificates
	if len(shown) == 0 {
		return sum, false
	}
	return sha256.Sum256(shown[0].Raw), true
}

// plain is needed by what starts TLS (RFC 4642, Section 2.2.2).
func plain(s *session) error {
	if s.private() {
		return errSecured
	}
	return nil
}

func canTLS(s *session) error {
	if s.opts.TLS == nil || s.opts.TLSReady != nil && !s.opts.TLSReady() {
		return errNoTLS
	}
	return nil
}
