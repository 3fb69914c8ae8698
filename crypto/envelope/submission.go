package envelope

import (
	"encoding/binary"
	"fmt"
	"math"

	"github.com/restante/restante/crypto/token"
)

// labelSubmit is fed exactly as it stands (docs/protocol.md, section 11).
const labelSubmit = "restante submit v1"

// SealSubmission seals a fragment of a submission to the gateway of that domain,
// whose seal key of that epoch is to. The payload has the size of an entry's. It
// returns ErrFragment, and token.ErrSealKey for a zero key.
func SealSubmission(to token.SealPublic, domain string, epoch uint64, f Fragment) ([]byte, error) {
	if !f.valid() || epoch > math.MaxUint32 {
		return nil, ErrFragment
	}
	payload, err := to.Seal(submissionInfo(domain, epoch), marshal(&f))
	if err != nil {
		return nil, fmt.Errorf("sealing a submission: %w", err)
	}
	return payload, nil
}

// OpenSubmission opens what SealSubmission sealed, with the epoch's key. It
// returns ErrOpen for whatever reason it doesn't.
func OpenSubmission(key *token.SealKey, domain string, epoch uint64, payload []byte) (Fragment, error) {
	if len(payload) != PayloadSize || epoch > math.MaxUint32 {
		return Fragment{}, ErrOpen
	}
	plaintext, err := key.Open(submissionInfo(domain, epoch), payload)
	if err != nil {
		return Fragment{}, ErrOpen
	}
	return unmarshal(plaintext)
}

// submissionInfo binds a submission to its gateway and its epoch.
func submissionInfo(domain string, epoch uint64) []byte {
	return binary.BigEndian.AppendUint32([]byte(labelSubmit+"\x00"+domain+"\x00"), uint32(epoch))
}
