package session

import (
	"net"
	"sync"
	"time"
)

// A wire is a connection with deadlines. A command must have come whole within
// the idle time; within a command every read and write must get on within it
// (RFC 3977, Section 3.1).
type wire struct {
	net.Conn
	idle time.Duration

	mu      sync.Mutex // guards what follows, and orders changes of the read deadline
	waiting bool       // for a command
	until   time.Time  // when the wait is over
	stopped bool
	ended   bool // nothing more is read
}

// await says whether reads wait for a command from now on.
func (w *wire) await(command bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.waiting, w.until = command, time.Now().Add(w.idle)
}

// stop ends the wait for a command: that of now, or the next.
func (w *wire) stop() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.stopped = true
	if w.waiting {
		w.readUntil(time.Unix(1, 0))
	}
}

// cut ends the read of now, and all later ones.
func (w *wire) cut() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.ended = true
	w.readUntil(time.Unix(1, 0))
}

// arm sets the deadline of the next read.
func (w *wire) arm() {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case w.ended, w.waiting && w.stopped:
		w.readUntil(time.Unix(1, 0))
	case w.waiting:
		w.readUntil(w.until)
	default:
		w.readUntil(time.Now().Add(w.idle))
	}
}

// readUntil sets the read deadline. A connection that takes none is closed
// already, and the read itself tells how.
func (w *wire) readUntil(deadline time.Time) { _ = w.SetReadDeadline(deadline) }

// Read reads within the deadline.
func (w *wire) Read(p []byte) (int, error) {
	w.arm()
	return w.Conn.Read(p)
}

// Write writes within the deadline.
func (w *wire) Write(p []byte) (int, error) {
	if err := w.SetWriteDeadline(time.Now().Add(w.idle)); err != nil {
		return 0, err
	}
	return w.Conn.Write(p)
}
