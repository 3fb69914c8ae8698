package session

import (
	"bytes"
	"context"
	"encoding/base64"
	"strconv"
	"strings"

	"github.com/restante/restante/gateway/nntp"
	"github.com/restante/restante/pool"
)

// A Pickup serves those who fetch their mail without a login
// (docs/protocol.md, section 10). All methods may be called at the same time
// from many goroutines.
type Pickup interface {
	// Directory returns the gateway's current directory, a signed note: lines
	// that LF ends.
	Directory() []byte

	// Evaluate evaluates blinded elements under an epoch's key, and proves that
	// it was that one. Errors: [ErrEpoch], [ErrElement], [ErrBusy].
	Evaluate(ctx context.Context, epoch uint64, elements [][]byte) (evaluated [][]byte, proof []byte, err error)

	// Find calls yield for each entry of the mailbox whose ID is sealed, by
	// ascending number. Errors: [ErrSealed], [ErrBusy].
	Find(ctx context.Context, sealed []byte, yield func(pool.Number, pool.MessageID)) error
}

// maxElements is how many elements one XBLIND takes, so that its line keeps to
// the 512 octets of RFC 3977, Section 3.1.
const maxElements = 9

// picksUp is needed by the commands of a [Pickup].
func picksUp(s *session) error {
	if s.opts.Pickup == nil {
		return errNoPickup
	}
	return nil
}

// mayShowSealed is needed by XPICKUP: a sealed ID can be used again by whoever
// sees it on its way, as a passphrase can.
func mayShowSealed(s *session) error {
	if mayLogin(s) != nil {
		return errExposed
	}
	return nil
}

func (s *session) xkeys(context.Context, request) (response, error) {
	directory := s.opts.Pickup.Directory()
	return listing(nntp.CodeKeys, "Directory follows", func(w *nntp.Writer) error {
		for line := range bytes.Lines(directory) {
			w.Line(bytes.TrimSuffix(line, []byte("\n")))
		}
		return w.Err()
	}), nil
}

func (s *session) xblind(ctx context.Context, req request) (response, error) {
	epoch, err := strconv.ParseUint(req.args[0], 10, 64)
	if err != nil {
		return response{}, errSyntax
	}
	encoded := strings.Split(req.args[1], ",")
	if len(encoded) > maxElements {
		return response{}, ErrElement
	}
	elements := make([][]byte, len(encoded))
	for i, e := range encoded {
		if elements[i], err = decode(e); err != nil {
			return response{}, err
		}
	}
	evaluated, proof, err := s.opts.Pickup.Evaluate(ctx, epoch, elements)
	if err != nil {
		return response{}, err
	}
	return listing(nntp.CodeEvaluations, "Evaluations and their proof follow", func(w *nntp.Writer) error {
		for _, octets := range append(evaluated, proof) {
			w.Line(base64.RawURLEncoding.AppendEncode(nil, octets))
		}
		return w.Err()
	}), nil
}

func (s *session) xpickup(ctx context.Context, req request) (response, error) {
	sealed, err := decode(req.args[0])
	if err != nil {
		return response{}, err
	}
	var lines [][]byte
	err = s.opts.Pickup.Find(ctx, sealed, func(n pool.Number, id pool.MessageID) {
		lines = append(lines, append(append(appendNumber(nil, n), ' '), id...))
	})
	if err != nil {
		return response{}, err
	}
	return listing(nntp.CodeEntries, "Entries follow", func(w *nntp.Writer) error {
		for _, line := range lines {
			w.Line(line)
		}
		return w.Err()
	}), nil
}

// decode reads base64url without padding, in the one encoding that octets have.
func decode(s string) ([]byte, error) {
	octets, err := base64.RawURLEncoding.Strict().DecodeString(s)
	if err != nil {
		return nil, errBase64URL
	}
	return octets, nil
}
