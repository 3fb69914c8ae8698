package session

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"

	"github.com/restante/restante/gateway/nntp"
	"github.com/restante/restante/pool"
)

// A session is the state of one connection. Only the goroutine that serves it
// touches it.
type session struct {
	*Server
	wire *wire    // the connection itself
	conn net.Conn // what commands travel on: the wire, or a layer above it
	r    *nntp.Reader
	w    *nntp.Writer
	done bool // the client said QUIT

	group   pool.Group  // the selected group, "" at first
	reader  pool.Reader // where its articles are
	current pool.Number // 0 while invalid

	handle  string  // said in AUTHINFO USER, until AUTHINFO PASS
	mailbox Mailbox // nil before the login
	modern  bool    // the client asked for CAPABILITIES, so it knows RFC 3977

	feeding Feed     // what the client may feed, nil for nothing
	asked   net.Conn // the connection for which feeding was looked up
	stream  *stream  // nil while no replies are outstanding
	gone    error    // why the session is over
}

func (srv *Server) session(conn net.Conn) *session {
	s := &session{Server: srv, wire: &wire{Conn: conn, idle: srv.opts.IdleTimeout}}
	s.use(conn, s.wire)
	return s
}

// use lets the commands travel on another layer from now on: conn is what
// policies ask about, stream what is read and written. Whatever the last layer
// held and was not used is thrown away (RFC 8143, Section 4).
func (s *session) use(conn net.Conn, stream io.ReadWriter) {
	if s.r != nil {
		s.r.Release()
	}
	s.conn = conn
	s.r = nntp.NewReader(stream, &s.buffers)
	s.w = nntp.NewWriter(stream, &s.buffers)
}

// A response is what a command answers.
type response struct {
	nntp.Reply

	// body writes the lines of a multi-line response, without the terminating
	// one. An error breaks the answer off, and the connection with it: there is
	// no other way left to tell the client.
	body func(w *nntp.Writer) error

	// next goes on once the client has the reply: it reads what a 3xx asked
	// for.
	next func(ctx context.Context) (response, error)

	// wait, where it is given, is all there is: the reply is not known yet, and
	// commands behind this one go on. It waits for the reply, in a goroutine
	// of the stream.
	wait   func() (response, error)
	octets int // of the article that it waits for
}

// run greets, and answers commands until the session ends.
func (s *session) run(ctx context.Context) error {
	defer s.leave()
	work, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()

	s.w.Reply(s.greeting())
	for !s.done {
		if !s.r.HasLine() && s.flush() != nil {
			return ErrLost
		}
		if ctx.Err() != nil {
			return s.closeDown()
		}
		s.wire.await(true)
		line, err := s.r.ReadLine()
		s.wire.await(false)
		switch {
		case err == nil:
			err = s.answer(work, line)
		case errors.Is(err, nntp.ErrLineTooLong), errors.Is(err, nntp.ErrLineMalformed):
			if bad := err; s.settle() == nil {
				err = s.refuse(bad)
			}
		case ctx.Err() != nil && errors.Is(err, os.ErrDeadlineExceeded):
			return s.closeDown()
		default:
			err = ended(err)
		}
		if err != nil {
			return s.finish(err)
		}
	}
	return s.finish(nil)
}

// ended says how it is that no command came. A connection that was idle is
// closed without a word (RFC 3977, Section 3.1).
func ended(err error) error {
	switch {
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return errHungUp
	case errors.Is(err, os.ErrDeadlineExceeded):
		return ErrIdle
	}
	return ErrLost
}

// finish sends what is left to send.
func (s *session) finish(err error) error {
	if over := s.settle(); over != nil {
		err = over
	}
	if s.w.Flush() != nil && err == nil {
		return ErrLost
	}
	if errors.Is(err, errHungUp) {
		return nil
	}
	return err
}

// closeDown tells the client that the server stops.
func (s *session) closeDown() error {
	if over := s.settle(); over != nil {
		return s.finish(over)
	}
	s.w.Reply(s.replyTo(errStopping).Reply)
	return s.finish(nil)
}

// leave lets go of what the session holds.
func (s *session) leave() {
	_ = s.settle() // told already, unless a panic came between
	if s.feeding != nil {
		s.feeding.Close()
	}
	s.r.Release()
}

// answer carries out one command line. It returns an error when the session
// is over.
func (s *session) answer(ctx context.Context, line []byte) error {
	c, req, err := s.find(string(line))
	if c == nil || !c.streams {
		if over := s.settle(); over != nil {
			return over
		}
	}
	var response response
	if err == nil {
		response, err = s.perform(ctx, c, req)
	} else if c != nil && c.block {
		err = s.passBlock(err)
	}
	if err == nil && response.wait != nil {
		s.promise(promise{response.wait, response.octets})
		return nil
	}
	if over := s.settle(); over != nil {
		return over
	}
	for {
		if err != nil {
			return s.refuse(err)
		}
		s.w.Reply(response.Reply)
		if response.body != nil {
			if err := response.body(s.w); err != nil {
				return s.breakOff(err)
			}
			s.w.End()
		}
		if response.next == nil {
			return nil
		}
		if s.w.Flush() != nil {
			return ErrLost
		}
		response, err = response.next(ctx)
	}
}

// perform checks what a command needs, and runs it.
func (s *session) perform(ctx context.Context, c *command, req request) (response, error) {
	for _, need := range c.needs {
		if err := need(s); err != nil {
			if c.block {
				err = s.passBlock(err)
			}
			return response{}, err
		}
	}
	return c.run(s, ctx, req)
}

// refuse sends the reply for an error. It returns an error when the session is
// over.
func (s *session) refuse(err error) error {
	if gone, ok := errors.AsType[connectionError](err); ok {
		return ended(gone.error)
	}
	var over sessionOver
	if errors.As(err, &over) {
		return over.error
	}
	v := s.replyTo(err)
	if v.err == nil {
		s.opts.Logger.Warn().Str("fault", fmt.Sprintf("%T", err)).Msg("command failed for a reason of ours")
	}
	s.w.Reply(v.Reply)
	return v.ends
}

// breakOff ends a session whose answer can't be finished.
func (s *session) breakOff(err error) error {
	if s.w.Err() != nil {
		return ErrLost
	}
	s.opts.Logger.Warn().Str("fault", fmt.Sprintf("%T", err)).Msg("answer broken off")
	return ErrBroken
}

// A sessionOver is that the session is over without a reply.
type sessionOver struct{ error }

func (e sessionOver) Unwrap() error { return e.error }

// A connectionError is that the connection failed within a command, so that
// there is nobody to reply to.
type connectionError struct{ error }

func (e connectionError) Unwrap() error { return e.error }
