package session

import "sync/atomic"

// Bounds on the articles whose replies are outstanding on one connection. A
// sync takes a fraction of a millisecond, in which no connection brings more.
const (
	streamDepth  = 256     // commands
	streamOctets = 4 << 20 // of articles; what is beyond waits for the rest
)

// A stream is the streamed commands of a session whose replies are outstanding,
// in their order. While there is one, its goroutine alone writes to the client:
// it waits for each reply and sends it. The session's own goroutine reads on,
// and ends the stream before it writes itself.
type stream struct {
	s        *session
	promises chan promise
	pending  atomic.Int32  // promises not kept yet
	octets   atomic.Int64  // of their articles
	dead     atomic.Bool   // the session is over
	ended    chan struct{} // closed once the goroutine is
	over     error         // why the session is over; read once ended is closed
}

// A promise is one reply to come. The stream's goroutine alone calls wait, once,
// and known.
type promise interface {
	known() bool // wait would return soon
	wait() (response, error)
	octets() int // of the article that it is for
}

// outstanding says whether replies are.
func (s *session) outstanding() bool { return s.stream != nil && s.stream.pending.Load() > 0 }

// promise lets the stream send a reply once it is known.
func (s *session) promise(p promise) {
	if s.stream == nil {
		s.stream = &stream{s: s, promises: make(chan promise, streamDepth), ended: make(chan struct{})}
		go s.stream.run()
	}
	s.stream.pending.Add(1)
	s.stream.octets.Add(int64(p.octets()))
	s.stream.promises <- p
}

// makeRoom waits for the outstanding replies when their articles are too many
// octets. It returns an error when the session is over.
func (s *session) makeRoom() error {
	if s.stream != nil && (s.stream.dead.Load() || s.stream.octets.Load() > streamOctets) {
		return s.settle()
	}
	return nil
}

// settle waits until every outstanding reply is sent, and ends the stream. It
// returns an error when the session is over.
func (s *session) settle() error {
	if t := s.stream; t != nil {
		s.stream = nil
		close(t.promises)
		<-t.ended
		s.gone = t.over
	}
	return s.gone
}

// flush sends what was written, unless the stream does.
func (s *session) flush() error {
	if s.stream != nil {
		return nil
	}
	return s.w.Flush()
}

// run keeps the promises in their order. Before it waits, the client gets the
// replies that are known. After one that ends the session, it waits for the others
// and sends nothing more.
func (t *stream) run() {
	defer close(t.ended)
	for p := range t.promises {
		if !p.known() {
			t.flush()
		}
		octets := p.octets()
		t.keep(p)
		t.pending.Add(-1)
		t.octets.Add(-int64(octets))
		if len(t.promises) == 0 {
			t.flush()
		}
	}
}

func (t *stream) flush() {
	if t.over == nil && t.s.w.Flush() != nil {
		t.fail(t.s.lost())
	}
}

func (t *stream) keep(p promise) {
	response, err := t.await(p)
	switch {
	case t.over != nil:
	case err == nil:
		t.s.w.Reply(response.Reply)
	default:
		if _, over := t.s.tell(err); over != nil { // what a peer's article lacks is no fault of its commands
			t.fail(over)
		}
	}
}

// await waits for a reply. A panic of what it waits for ends the session, as it
// would in the session's own goroutine.
func (t *stream) await(p promise) (_ response, err error) {
	defer func() {
		if recover() != nil {
			err = sessionOver{t.s.panicked()}
		}
	}()
	return p.wait()
}

// fail ends the session: the client hears what was written, and is not heard
// any more.
func (t *stream) fail(over error) {
	t.over = over
	t.dead.Store(true)
	_ = t.s.w.Flush() // the session is over either way
	t.s.wire.cut()
}
