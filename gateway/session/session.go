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
	wire  *wire         // the connection itself
	conn  net.Conn      // what policies ask about: the wire's connection, or TLS above it
	layer io.ReadWriter // what commands travel on: conn, or a layer above it
	r     *nntp.Reader
	w     *nntp.Writer
	clock clock

	implicit bool // TLS comes first
	greeted  bool
	waiting  bool // for a command
	begun    bool // a command has come
	done     bool // the client said QUIT
	failed   int  // commands in a row that failed for the client's own fault

	deflated *deflated // nil while nothing is compressed

	group   pool.Group  // the selected group, "" at first
	reader  pool.Reader // where its articles are
	current pool.Number // 0 while invalid

	handle  string  // said in AUTHINFO USER, until AUTHINFO PASS
	mailbox Mailbox // nil before the login
	modern  bool    // the client asked for CAPABILITIES, so it knows RFC 3977

	feeding Feed     // what the client may feed, nil for nothing
	asked   net.Conn // the connection for which feeding was looked up
	peer    bool     // the client has logged in as a peer
	stream  *stream  // nil while no replies are outstanding
	gone    error    // why the session is over
}

func (srv *Server) session(conn net.Conn) *session {
	s := &session{Server: srv, wire: &wire{Conn: conn}}
	s.wire.transfer(srv.limits.Load())
	s.use(conn, s.wire)
	return s
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

	// later, where it is given, is all there is: the reply is not known yet, and
	// commands behind this one go on.
	later promise

	// change changes the layer below once the client has the reply. An error
	// ends the session.
	change func() error
}

// live lets the session work until it ends. While it is idle, only this
// goroutine stands for it, which has never used more than the smallest stack:
// setting a deadline, even, would take it beyond.
// What works needs a deep one, that would not shrink so far any more.
func (s *session) live(ctx context.Context) error {
	for {
		if err := s.work(ctx); err != errQuiet { //nolint:errorlint // it is never wrapped
			return err
		}
		s.wire.wait()
	}
}

// work runs the session in a goroutine of its own until it ends or is idle.
func (s *session) work(ctx context.Context) error {
	s.working.Add(1)
	defer s.working.Add(-1)
	done := make(chan error, 1)
	go func() {
		var err error
		defer func() {
			if recover() != nil {
				err = s.panicked()
			}
			done <- err
		}()
		err = s.run(ctx)
	}()
	return <-done
}

// end lets go of everything that the session holds, and closes the connection.
func (s *session) end(err error) error {
	_ = s.settle() // told already, unless a panic came between
	if s.feeding != nil {
		s.feeding.Close()
	}
	s.clock.end()
	s.decompress()
	s.r.Release()
	if s.wire.Close() != nil && err == nil {
		err = ErrLost
	}
	s.opts.Logger.Debug().AnErr("outcome", err).Msg("session ended")
	return err
}

// run greets, and answers commands until the session ends or nothing comes for
// a while: then it returns errQuiet, and may be called again.
func (s *session) run(ctx context.Context) error {
	if s.implicit {
		s.implicit = false
		err := s.secure()
		if ctx.Err() != nil {
			err = errHungUp // told to, by the server
		}
		if err != nil {
			return s.finish(err)
		}
	}
	if !s.greeted {
		s.greeted = true
		s.w.Reply(s.greeting())
	}
	for !s.done {
		ready := s.r.HasLine()
		if !ready && s.flush() != nil {
			return s.lost()
		}
		if ctx.Err() != nil {
			return s.closeDown()
		}
		line, err := s.command(ready)
		switch {
		case err == nil && s.tooManyErrors():
			if err = s.settle(); err == nil {
				err = s.refuse(errTooMany)
			}
		case err == nil:
			err = s.answer(ctx, line)
		case errors.Is(err, nntp.ErrLineTooLong), errors.Is(err, nntp.ErrLineMalformed):
			if bad := err; s.settle() == nil {
				err = s.refuse(bad)
			}
		case ctx.Err() != nil && errors.Is(err, os.ErrDeadlineExceeded):
			return s.closeDown()
		case errors.Is(err, os.ErrDeadlineExceeded) && !s.wire.over():
			if over := s.settle(); over != nil {
				return s.finish(over)
			}
			s.clock.end()
			s.wire.settle()
			return errQuiet
		default:
			err = ended(err)
		}
		if err != nil {
			return s.finish(err)
		}
	}
	return s.finish(nil)
}

// command waits for a command line and reads it. When none comes for a while,
// the error is that of the deadline, though the wait is not over; the next call
// goes on with it. For a line that is ready there is nothing to wait for.
func (s *session) command(ready bool) ([]byte, error) {
	limits := s.limits.Load()
	if !ready {
		s.await(limits)
	}
	line, err := s.r.ReadLongLine(maxSASLLine)
	if errors.Is(err, os.ErrDeadlineExceeded) && s.r.Buffered() > 0 && !s.wire.over() {
		s.wire.lingering(false)
		line, err = s.r.ReadLongLine(maxSASLLine)
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return nil, err
	}
	s.waiting, s.begun = false, true
	s.wire.transfer(limits)
	return line, err
}

// await lets the wire wait for a command, unless it does already.
func (s *session) await(limits *Limits) {
	if !s.waiting {
		first := limits.Idle
		switch {
		case s.r.Buffered() > 0:
			first = min(first, limits.command())
		case !s.begun:
			first = limits.firstCommand()
		}
		s.wire.await(first, limits.command())
		s.waiting = true
	}
	s.wire.lingering(s.r.Buffered() == 0)
}

// tooManyErrors says whether the client is to be sent away: with a 400 in
// answer to its next command (RFC 3977, Section 3.2.1).
func (s *session) tooManyErrors() bool {
	most := s.limits.Load().Errors
	return most > 0 && s.failed >= most
}

// count notes how a command ended. That an article or a group is not there is
// no fault of a client; what no server would carry out for it is.
func (s *session) count(code nntp.Code) {
	switch code {
	case nntp.CodeLoginRequired, nntp.CodeLoginFailed, nntp.CodeLoginSequence, nntp.CodePrivacyRequired:
		s.failed++
		return
	}
	if code >= nntp.CodeUnknownCommand {
		s.failed++
		return
	}
	s.failed = 0
}

// ended says how it is that no command came. A connection that was idle is
// closed without a word (RFC 3977, Section 3.1).
func ended(err error) error {
	switch {
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return errHungUp
	case errors.Is(err, ErrSlow):
		return ErrSlow
	case errors.Is(err, os.ErrDeadlineExceeded):
		return ErrIdle
	}
	return ErrLost
}

// lost says how it is that an answer could not be sent.
func (s *session) lost() error {
	if errors.Is(s.w.Err(), ErrSlow) {
		return ErrSlow
	}
	return ErrLost
}

// finish sends what is left to send.
func (s *session) finish(err error) error {
	if over := s.settle(); over != nil {
		err = over
	}
	if s.w.Flush() != nil {
		if err == nil {
			return s.lost()
		}
	} else {
		s.farewell()
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

// answer carries out one command line. It returns an error when the session
// is over.
func (s *session) answer(ctx context.Context, line []byte) error {
	c, req, err := s.find(string(line))
	if c == nil || !c.streams {
		if over := s.settle(); over != nil {
			return over
		}
	}
	work := s.clock.start(ctx, s.limits.Load().command())
	if c == nil || !c.block { // else it begins behind the block
		s.clock.resume()
	}
	var response response
	if err == nil {
		response, err = s.perform(work, c, req)
	} else if c != nil && c.block {
		err = s.passBlock(err)
	}
	if err == nil && response.later != nil {
		s.clock.pause()
		s.promise(response.later)
		return nil
	}
	if over := s.settle(); over != nil {
		return over
	}
	for {
		s.clock.pause()
		if err != nil {
			return s.refuse(err)
		}
		s.count(response.Code)
		s.w.Reply(response.Reply)
		if response.body != nil {
			if err := response.body(s.w); err != nil {
				return s.breakOff(err)
			}
			s.w.End()
		}
		if response.next == nil && response.change == nil {
			return nil
		}
		if s.w.Flush() != nil {
			return s.lost()
		}
		if response.change != nil {
			return response.change()
		}
		s.clock.resume()
		response, err = response.next(work)
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

// refuse sends the reply for an error, and counts it. It returns an error when
// the session is over.
func (s *session) refuse(err error) error {
	code, over := s.tell(err)
	s.count(code)
	return over
}

// tell sends the reply for an error and returns its code, 0 for none.
func (s *session) tell(err error) (nntp.Code, error) {
	if gone, ok := errors.AsType[connectionError](err); ok {
		return 0, ended(gone.error)
	}
	if over, ok := errors.AsType[sessionOver](err); ok {
		return 0, over.error
	}
	v := s.replyTo(err)
	if v.err == nil {
		s.opts.Logger.Warn().Str("fault", fmt.Sprintf("%T", err)).Msg("command failed for a reason of ours")
	}
	s.w.Reply(v.Reply)
	return v.Code, v.ends
}

// breakOff ends a session whose answer can't be finished.
func (s *session) breakOff(err error) error {
	if s.w.Err() != nil {
		return s.lost()
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
