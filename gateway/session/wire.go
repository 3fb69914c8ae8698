package session

import (
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"time"
)

// A wire is a connection with deadlines. A command must have come whole within
// the time that is set for it; an article and an answer must get on at a
// certain rate (RFC 3977, Section 3.1). It lies below every other layer, so
// that it counts what really travels.
type wire struct {
	net.Conn

	in  flow // of octets that are not a command's; for whoever reads
	out flow // for whoever writes

	octet [1]byte // the first one of a command, once wait has read it
	ahead bool    // octet is still to be read

	mu      sync.Mutex // guards what follows, and orders changes of the read deadline
	waiting bool       // for a command
	until   time.Time  // when the wait is over
	rest    time.Duration
	window  time.Duration // of transfers
	rate    int           // of transfers
	linger  bool          // reads give up sooner, after linger
	stopped bool
	ended   bool // nothing more is read
}

// linger is how long a session stays ready for the next command before it counts
// as idle.
const linger = 250 * time.Millisecond

// await lets reads wait for a command from now on: first for that long, and
// once an octet of it has come, rest longer at most.
func (w *wire) await(first, rest time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.waiting, w.until, w.rest, w.linger = true, time.Now().Add(first), rest, false
}

// lingering says whether reads give up after linger from now on.
func (w *wire) lingering(yes bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.linger = yes
}

// over says whether the wait for a command is over, and not just linger.
func (w *wire) over() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.stopped || w.ended || !time.Now().Before(w.until)
}

// settle prepares wait, so that wait needs hardly any stack.
func (w *wire) settle() {
	w.lingering(false)
	w.arm()
}

// wait returns when there is something to read, or nothing more to wait for:
// then the next read tells why.
func (w *wire) wait() {
	n, _ := w.Conn.Read(w.octet[:])
	w.ahead = n > 0
}

// began shortens the wait for a command that has begun to come.
func (w *wire) began() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.rest > 0 {
		if until := time.Now().Add(w.rest); until.Before(w.until) {
			w.until = until
		}
		w.rest = 0
	}
}

// transfer lets reads take what a command asked for from now on.
func (w *wire) transfer(l *Limits) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.waiting = false
	w.window, w.rate = l.window(), l.Rate
	w.in = flow{window: w.window, rate: w.rate}
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

// arm sets the deadline of the next read, and says whether that is one for a
// command.
func (w *wire) arm() (waiting bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case w.ended, w.waiting && w.stopped:
		w.readUntil(time.Unix(1, 0))
	case w.waiting:
		deadline := w.until
		if w.linger {
			if soon := time.Now().Add(linger); soon.Before(deadline) {
				deadline = soon
			}
		}
		w.readUntil(deadline)
	default:
		w.readUntil(time.Now().Add(w.in.left()))
	}
	return w.waiting
}

// readUntil sets the read deadline. A connection that takes none is closed
// already, and the read itself tells how.
func (w *wire) readUntil(deadline time.Time) { _ = w.SetReadDeadline(deadline) }

// Read reads within the deadline. It returns [ErrSlow] when an article comes
// too slowly.
func (w *wire) Read(p []byte) (int, error) {
	if w.ahead && len(p) > 0 {
		w.ahead = false
		w.began()
		return copy(p, w.octet[:]), nil
	}
	if w.arm() {
		n, err := w.Conn.Read(p)
		if n > 0 {
			w.began()
		}
		return n, err
	}
	start := time.Now()
	n, err := w.Conn.Read(p)
	w.in.moved(n, time.Since(start))
	if n == 0 && errors.Is(err, os.ErrDeadlineExceeded) {
		err = ErrSlow
	}
	return n, err
}

// Write writes all of p. It returns [ErrSlow] when the client takes it too
// slowly.
func (w *wire) Write(p []byte) (int, error) {
	written := 0
	err := w.push(func() (int, error) {
		n, err := w.Conn.Write(p[written:])
		written += n
		return n, err
	})
	return written, err
}

// ReadFrom is Write for all that r gives. Of a section of a file the connection
// may send the octets itself, as one of TCP does by sendfile(2).
func (w *wire) ReadFrom(r io.Reader) (int64, error) {
	conn, direct := w.Conn.(io.ReaderFrom)
	section, ok := r.(*io.LimitedReader)
	if ok {
		_, ok = section.R.(syscall.Conn)
	}
	if !direct || !ok {
		return io.Copy(struct{ io.Writer }{w}, r)
	}
	size := section.N
	written := int64(0)
	err := w.push(func() (int, error) {
		n, err := conn.ReadFrom(section)
		written += n
		if written < size-section.N { // it was read, and is lost
			return int(n), ErrSlow
		}
		return int(n), err
	})
	return written, err
}

// push calls write, which is to write what is left, until that is done.
func (w *wire) push(write func() (int, error)) error {
	w.mu.Lock()
	w.out.window, w.out.rate = w.window, w.rate
	w.mu.Unlock()
	for {
		start := time.Now()
		if err := w.SetWriteDeadline(start.Add(w.out.left())); err != nil {
			return err
		}
		n, err := write()
		w.out.moved(n, time.Since(start))
		if !errors.Is(err, os.ErrDeadlineExceeded) {
			return err
		}
		if w.out.left() <= 0 {
			return ErrSlow
		}
	}
}

// A flow watches one direction of a transfer. The client has a window of time:
// waiting for it uses that up, and each octet that moves wins back the time
// that it may take at the rate. So whoever is faster than the rate is never
// cut, however it stutters within the window, and whoever is slower is, once
// it has fallen behind by a window.
type flow struct {
	window time.Duration
	rate   int // octets a second; 0: any octet wins back the whole window
	used   time.Duration
}

func (f *flow) left() time.Duration { return f.window - f.used }

// moved notes that n octets took so long.
func (f *flow) moved(n int, took time.Duration) {
	f.used += took
	switch {
	case n == 0:
	case f.rate == 0:
		f.used = 0
	default:
		f.used = max(0, f.used-time.Duration(n)*time.Second/time.Duration(f.rate))
	}
}
