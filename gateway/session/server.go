package session

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"runtime"
	"sync/atomic"

	"github.com/rs/zerolog"

	"github.com/restante/restante/gateway/nntp"
	"github.com/restante/restante/pool"
)

// Why [Server.Serve] ended a connection that its client did not end.
var (
	ErrIdle   = errors.New("no command came in time")
	ErrSlow   = errors.New("client too slow")
	ErrLost   = errors.New("connection lost")
	ErrFlood  = errors.New("client sent beyond every bound")
	ErrFaults = errors.New("too many failed commands in a row")
	ErrBroken = errors.New("answer broken off")
	ErrPanic  = errors.New("session panicked")
	ErrPutOff = errors.New("article could not be taken, and its peer was told to come back later")

	ErrHandshake = errors.New("TLS handshake failed")
)

// Options are what a [Server] is made of. Everything without a stated default
// must be set.
type Options struct {
	Store  pool.Reader // and [Arrivals], or not
	Office Office

	Name    string // the server's name, said in the greeting and to LIST ACTIVE.TIMES
	Version string // of the software, said in CAPABILITIES

	// Posting says whether clients may post.
	Posting bool

	// MayLogin says whether a passphrase may cross conn, which is the
	// connection without TLS: where TLS runs it always may. AUTHINFO answers
	// 483 where not. nil stands for never.
	MayLogin func(conn net.Conn) bool

	// TLS is what STARTTLS and [Server.ServeTLS] offer. With nil STARTTLS
	// answers 580, and so it does while TLSReady is not nil and returns false.
	TLS      *tls.Config
	TLSReady func() bool

	MaxArticle int    // largest article taken, in octets of its text
	Limits     Limits // at first; SetLimits changes them

	MOTD          []string // lines of LIST MOTD; none: 503
	Distributions []string // lines of LIST DISTRIBUTIONS; none: 503
	DistribPats   []string // lines of LIST DISTRIB.PATS; none: 503
	Lists         Lists    // at first; SetLists changes them

	// Feeds takes what peers bring. nil stands for one without peers.
	Feeds Feeds

	// Pickup serves those who fetch their mail by command. With nil XKEYS,
	// XBLIND and XPICKUP answer 503 and are not offered.
	Pickup Pickup

	Logger zerolog.Logger
}

// Lists are those that follow the groups that are carried.
type Lists struct {
	Subscriptions []pool.Group // groups of LIST SUBSCRIPTIONS; none: 503
	Moderators    []string     // lines of LIST MODERATORS; none: 503
}

// A Server serves connections. Its methods may be called from many goroutines
// at the same time.
type Server struct {
	opts      Options
	limits    atomic.Pointer[Limits]
	lists     atomic.Pointer[Lists]
	working   atomic.Int64 // sessions that are not idle
	buffers   nntp.Buffers
	deflaters deflaters

	table    []command           // in the order of CAPABILITIES and HELP
	commands map[string]*command // by name, in capitals
	variants map[string]string   // first words of names of two, and the second that is meant where none is given
	verdicts []verdict
}

// New returns a Server. It starts nothing.
func New(opts Options) *Server {
	srv := &Server{opts: opts, table: commandTable(), verdicts: verdictTable()}
	srv.SetLimits(opts.Limits)
	srv.SetLists(opts.Lists)
	srv.index()
	return srv
}

// SetLists changes the lists, from the next answer on.
func (srv *Server) SetLists(l Lists) { srv.lists.Store(&l) }

// Working returns how many sessions are not idle.
func (srv *Server) Working() int { return int(srv.working.Load()) }

// Serve serves one connection to its end, and closes it. When ctx ends, the
// command under way is finished, and the connection closed with a 400. It
// returns nil when the client or ctx ended the session, and otherwise one of
// this package's errors, which never say who the client was.
func (srv *Server) Serve(ctx context.Context, conn net.Conn) error {
	return srv.serve(ctx, conn, false)
}

// ServeTLS is Serve for a connection that starts with a TLS handshake (RFC 8143,
// Section 2). Options.TLS must be set.
func (srv *Server) ServeTLS(ctx context.Context, conn net.Conn) error {
	return srv.serve(ctx, conn, true)
}

func (srv *Server) serve(ctx context.Context, conn net.Conn, implicit bool) error {
	s := srv.session(conn)
	s.implicit = implicit
	stop := context.AfterFunc(ctx, s.wire.stop)
	err := s.live(ctx)
	stop()
	return s.end(err)
}

// panicked tells the operator of a panic. It is called where that was recovered.
func (srv *Server) panicked() error {
	srv.opts.Logger.Error().Strs("frames", frames()).Msg("session panicked")
	return ErrPanic
}

// maxFrames is how much of a panic's stack is logged.
const maxFrames = 32

// frames names the functions of a panic's stack. The panic's value and the
// functions' arguments may be a client's data, and stay out.
func frames() []string {
	var counters [maxFrames]uintptr
	n := runtime.Callers(3, counters[:])
	var names []string
	for walk := runtime.CallersFrames(counters[:n]); ; {
		frame, more := walk.Next()
		names = append(names, frame.Function)
		if !more {
			return names
		}
	}
}
