package session

import "time"

// Limits bound what one client can ask for. [Server.SetLimits] changes them
// while sessions run.
type Limits struct {
	// Idle is the longest wait for a command. It must be set; RFC 3977,
	// Section 3.1 wants three minutes or more.
	Idle time.Duration

	// FirstCommand is the longest wait for the first command, and for the TLS
	// handshake before it. 0 stands for Idle.
	FirstCommand time.Duration

	// Command is how long the server may work on a command before it begins to
	// answer, the client's article not counted, and how long a command line
	// that has begun may take to be whole. 0 stands for Idle.
	Command time.Duration

	// Window is how long a client may make no progress at all while it sends an
	// article or takes an answer. 0 stands for Idle.
	Window time.Duration

	// Rate is the progress that counts, in octets a second: who falls behind it
	// by Window's worth is cut. With 0 any progress counts.
	Rate int

	// Errors is how many commands in a row may fail for the client's own fault
	// before it is sent away. 0 stands for any number.
	Errors int

	// Work is how many articles NEWNEWS, LISTGROUP, HDR, XHDR and XPAT may look
	// at. 0 stands for any number.
	Work int

	// Compressed is how many sessions may be compressed at a time: each takes
	// up to 36 KiB, and near 1 MiB while it answers. With 0 COMPRESS is not
	// offered.
	Compressed int
}

func (l Limits) firstCommand() time.Duration { return orElse(l.FirstCommand, l.Idle) }
func (l Limits) command() time.Duration      { return orElse(l.Command, l.Idle) }
func (l Limits) window() time.Duration       { return orElse(l.Window, l.Idle) }

func orElse(d, other time.Duration) time.Duration {
	if d > 0 {
		return d
	}
	return other
}

// SetLimits changes the limits. Sessions under way keep to them from their next
// command on.
func (srv *Server) SetLimits(l Limits) { srv.limits.Store(&l) }
