// Package remote is a connection to another news server, as a client: it dials,
// starts TLS, logs in, and asks one thing at a time. Feeds, mirrors and the
// user's tool go out through it. It decides nothing about what is asked, and
// retries nothing.
//
// Its errors never name an address, a user or an article: they may be logged.
package remote

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/restante/restante/gateway/nntp"
)

// The errors of [Server.Connect] and [Conn], besides [*Refused].
var (
	ErrDial     = errors.New("can't connect")
	ErrTLS      = errors.New("TLS could not be started")
	ErrLogin    = errors.New("the server refuses the login")
	ErrInClear  = errors.New("a password is not sent without TLS, except to this machine")
	ErrProtocol = errors.New("the server's answer can't be understood")
	ErrLost     = errors.New("the connection broke off")
)

// A Refused is a reply that says no. It is for errors.As.
type Refused struct{ Code nntp.Code }

// Error implements error. What the server said stays unsaid: it may repeat a
// name.
func (r *Refused) Error() string { return fmt.Sprintf("the server answers %d", int(r.Code)) }

// Security is how a connection is protected.
type Security int

// The ways.
const (
	Plain    Security = iota
	Implicit          // TLS from the first octet on (RFC 8143)
	StartTLS          // RFC 4642; without it there is no connection
)

// A Dialer makes connections; *net.Dialer is one, and so is a proxy's.
type Dialer interface {
	DialContext(ctx context.Context, network, address string) (net.Conn, error)
}

// A Server is another news server and how to talk to it.
type Server struct {
	Address  string // host:port
	Security Security
	TLS      *tls.Config // nil: the system's authorities, TLS 1.2 or later
	User     string      // "": no login
	Password string
	Dialer   Dialer        // nil: directly
	Timeout  time.Duration // for connecting, and for each answer; 0: a minute
}

func (s *Server) timeout() time.Duration {
	if s.Timeout > 0 {
		return s.Timeout
	}
	return time.Minute
}

// A Conn is a connection on which the greeting was read and the login made. It
// is for one goroutine, but for [Conn.Close].
type Conn struct {
	net     net.Conn
	timeout time.Duration
	buffers *nntp.Buffers

	R       *nntp.Reader
	W       *nntp.Writer
	Posting bool // whether the greeting said that posting is allowed
	Secure  bool // whether TLS is spoken
}

// Connect connects and logs in. ctx bounds that alone.
func (s *Server) Connect(ctx context.Context) (_ *Conn, err error) {
	ctx, cancel := context.WithTimeout(ctx, s.timeout())
	defer cancel()
	dialer := s.Dialer
	if dialer == nil {
		dialer = new(net.Dialer)
	}
	raw, err := dialer.DialContext(ctx, "tcp", s.Address)
	if err != nil {
		return nil, ErrDial // the cause names the address
	}
	// A server that says nothing must not hold up whoever wants to stop.
	defer context.AfterFunc(ctx, func() { _ = raw.Close() })()
	c := &Conn{timeout: s.timeout(), buffers: new(nntp.Buffers)}
	c.use(raw)
	defer func() {
		if err != nil {
			_ = c.Close()
		}
	}()
	if deadline, ok := ctx.Deadline(); ok {
		_ = raw.SetDeadline(deadline) // one that takes none is closed, as the next read tells
	}
	// Whoever stops does not wait for a server that says nothing.
	defer context.AfterFunc(ctx, func() { _ = raw.SetDeadline(time.Unix(1, 0)) })()
	if s.Security == Implicit {
		if err := c.secure(ctx, s); err != nil {
			return nil, err
		}
	}
	if err := c.greet(); err != nil {
		return nil, err
	}
	if s.Security == StartTLS {
		if _, err := c.Ask("STARTTLS", nntp.CodeStartTLS); err != nil {
			return nil, errors.Join(ErrTLS, err)
		}
		if err := c.secure(ctx, s); err != nil {
			return nil, err
		}
	}
	return c, c.login(s)
}

func (c *Conn) use(conn net.Conn) {
	c.net = conn
	c.R, c.W = nntp.NewReader(conn, c.buffers), nntp.NewWriter(conn, c.buffers)
}

// secure puts TLS on the connection. What came in the clear behind the reply to
// STARTTLS is thrown away with the old reader (RFC 8143, Section 4).
func (c *Conn) secure(ctx context.Context, s *Server) error {
	conf := &tls.Config{MinVersion: tls.VersionTLS12}
	if s.TLS != nil {
		conf = s.TLS.Clone()
	}
	if conf.ServerName == "" {
		host, _, err := net.SplitHostPort(s.Address)
		if err != nil {
			return ErrTLS
		}
		conf.ServerName = host
	}
	conn := tls.Client(c.net, conf)
	if err := conn.HandshakeContext(ctx); err != nil {
		return ErrTLS // the cause names the server
	}
	c.use(conn)
	c.Secure = true
	return nil
}

func (c *Conn) greet() error {
	reply, err := c.Reply()
	switch {
	case err != nil:
		return err
	case reply.Code == nntp.CodePostingAllowed:
		c.Posting = true
	case reply.Code != nntp.CodeNoPosting:
		return &Refused{reply.Code}
	}
	return nil
}

func (c *Conn) login(s *Server) error {
	if s.User == "" {
		return nil
	}
	if !c.Secure && !loopback(c.net.RemoteAddr()) {
		return ErrInClear
	}
	reply, err := c.Send("AUTHINFO USER " + s.User)
	if err == nil && reply.Code == nntp.CodePasswordRequired {
		reply, err = c.Send("AUTHINFO PASS " + s.Password)
	}
	if err == nil && reply.Code != nntp.CodeLoggedIn {
		err = fmt.Errorf("%w: %w", ErrLogin, &Refused{reply.Code})
	}
	return err
}

func loopback(a net.Addr) bool {
	tcp, ok := a.(*net.TCPAddr)
	return ok && tcp.IP.IsLoopback()
}

// Send sends a command and returns the reply to it.
func (c *Conn) Send(command string) (nntp.Reply, error) {
	c.Extend(0)
	if err := c.W.Command(command); err != nil {
		return nntp.Reply{}, err
	}
	if c.W.Flush() != nil {
		return nntp.Reply{}, ErrLost
	}
	return c.Reply()
}

// Ask is [Conn.Send] for a command to which one reply is wanted: any other is a
// [*Refused].
func (c *Conn) Ask(command string, want nntp.Code) (nntp.Reply, error) {
	reply, err := c.Send(command)
	if err == nil && reply.Code != want {
		err = &Refused{reply.Code}
	}
	return reply, err
}

// Reply reads a reply.
func (c *Conn) Reply() (nntp.Reply, error) {
	reply, err := c.R.ReadReply()
	return reply, c.lost(err)
}

// Block reads a block of at most so many octets. One that is larger or malformed
// is an error; the connection goes on then, unless it is [ErrLost].
func (c *Conn) Block(most int) (nntp.Block, error) {
	b, err := c.R.ReadBlock(most, 2*most+1<<20)
	return b, c.lost(err)
}

// lost says of an error whether the connection is of no more use.
func (c *Conn) lost(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, nntp.ErrReply), errors.Is(err, nntp.ErrLineTooLong), errors.Is(err, nntp.ErrLineMalformed):
		return ErrProtocol
	case errors.Is(err, nntp.ErrBlockMalformed), errors.Is(err, nntp.ErrBlockTooLarge):
		return err
	}
	return ErrLost
}

// Extend gives the next exchange its time anew: that of one answer, and more for
// so many octets at 8 KiB a second. Who is slower is given up: a line that
// died without a word would be waited for as long.
func (c *Conn) Extend(octets int) {
	_ = c.net.SetDeadline(time.Now().Add(c.timeout + time.Duration(octets/(8<<10))*time.Second)) // as in Connect
}

// Quit says good-bye and closes the connection.
func (c *Conn) Quit() error {
	_, err := c.Send("QUIT")
	return errors.Join(err, c.Close())
}

// Close closes the connection at once. It may be called from any goroutine.
func (c *Conn) Close() error { return c.net.Close() }
