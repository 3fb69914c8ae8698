package session

import (
	"bufio"
	"compress/flate"
	"context"
	"errors"
	"io"
	"strings"
	"sync"

	"github.com/restante/restante/gateway/inflate"
	"github.com/restante/restante/gateway/nntp"
)

// compress answers COMPRESS. The order of its refusals is that of RFC 8054,
// Section 2.2.2: a malformed name is 501 even where COMPRESS is 502.
func (s *session) compress(_ context.Context, req request) (response, error) {
	algorithm := strings.ToUpper(req.args[0])
	if !isAlgorithm(algorithm) {
		return response{}, errSyntax
	}
	if err := uncompressed(s); err != nil {
		return response{}, err
	}
	if algorithm != "DEFLATE" {
		return response{}, errAlgorithm
	}
	if !s.deflaters.enter(s.limits.Load().Compressed) {
		return response{}, errNoCompression
	}
	s.deflated = &deflated{source: inflate.NewReader(s.layer), to: s.layer, deflaters: &s.deflaters}
	return response{Reply: nntp.Reply{Code: nntp.CodeCompressed, Text: "Compression starts"}, change: func() error {
		s.use(s.conn, s.deflated)
		return nil
	}}, nil
}

// isAlgorithm follows RFC 8054, Section 5.3; s is in capitals.
func isAlgorithm(s string) bool {
	return s != "" && len(s) <= 20 && strings.Trim(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_") == ""
}

// uncompressed is needed by what would put another layer above compression, or
// a passphrase below it (RFC 8054, Section 2.2.2).
func uncompressed(s *session) error {
	if s.deflated != nil {
		return errCompressed
	}
	return nil
}

func mayCompress(s *session) error {
	if s.limits.Load().Compressed == 0 {
		return errNoCompression
	}
	return nil
}

// deflaters is the compressors of all sessions. One is near 1 MiB, so a session
// has one only while it answers. It starts each answer without a memory of the
// last: any inflater takes that, as after a full flush.
type deflaters struct {
	pool sync.Pool

	mu       sync.Mutex
	sessions int
}

// enter counts a compressed session, unless there are most already.
func (d *deflaters) enter(most int) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.sessions >= most {
		return false
	}
	d.sessions++
	return true
}

func (d *deflaters) leave() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.sessions--
}

// A deflater compresses one answer. The buffer gathers the compressor's small
// writes.
type deflater struct {
	gather *bufio.Writer
	flate  *flate.Writer
}

const gatherSize = 16 << 10

var errLevel = errors.New("no such level of compression")

func (d *deflaters) take(to io.Writer) (*deflater, error) {
	if f, ok := d.pool.Get().(*deflater); ok {
		f.gather.Reset(to)
		f.flate.Reset(f.gather)
		return f, nil
	}
	gather := bufio.NewWriterSize(to, gatherSize)
	w, err := flate.NewWriter(gather, flate.BestSpeed)
	if err != nil {
		return nil, errLevel
	}
	return &deflater{gather, w}, nil
}

// A deflated is the compressed layer of one session (RFC 8054).
type deflated struct {
	source    *inflate.Reader
	to        io.Writer
	deflaters *deflaters
	now       *deflater // nil between answers
}

func (d *deflated) Read(p []byte) (int, error) { return d.source.Read(p) }

func (d *deflated) Write(p []byte) (int, error) {
	if d.now == nil {
		var err error
		if d.now, err = d.deflaters.take(d.to); err != nil {
			return 0, err
		}
	}
	return d.now.flate.Write(p)
}

// Flush sends all that was written, so that the client can read it (RFC 8054,
// Section 2.2.2).
func (d *deflated) Flush() error {
	if d.now == nil {
		return nil
	}
	err := errors.Join(d.now.flate.Flush(), d.now.gather.Flush())
	d.release()
	return err
}

// release gives the compressor back.
func (d *deflated) release() {
	if d.now != nil {
		d.now.gather.Reset(nil)
		d.deflaters.pool.Put(d.now)
		d.now = nil
	}
}

// decompress ends the compressed layer with the session.
func (s *session) decompress() {
	if s.deflated != nil {
		s.deflated.release()
		s.deflaters.leave()
	}
}
