package blind

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/cloudflare/circl/group"
	"github.com/cloudflare/circl/oprf"
	"github.com/cloudflare/circl/zk/dleq"
	"github.com/restante/restante/crypto/erase"
	"github.com/restante/restante/crypto/identity"
)

// Sizes in octets (RFC 9497, Section 4.1).
const (
	ElementSize = 32 // of an element, and of a public key
	ProofSize   = 64
)

// MaxElements is the most elements that one proof covers: their index is
// counted in two octets (RFC 9497, Section 2.2.1).
const MaxElements = 1<<16 - 1

// ErrElement is returned for octets that are no canonical encoding of an
// element, for the identity element, and for no elements or too many.
var ErrElement = errors.New("not a usable element")

// A Key is the blinding key pair of one epoch. It may be used by many
// goroutines at once.
type Key struct {
	identity.Secret
	server oprf.VerifiableServer
	public [ElementSize]byte
}

func newKey(private *oprf.PrivateKey) (*Key, error) {
	// The library caches the public half at first use without a lock, so that
	// first use is here.
	public, err := private.Public().MarshalBinary()
	if err != nil {
		return nil, fmt.Errorf("blinding key: %w", err)
	}
	k := &Key{server: oprf.NewVerifiableServer(oprf.SuiteRistretto255, private)}
	copy(k.public[:], public)
	return k, nil
}

// Public returns the public half, 32 octets.
func (k *Key) Public() []byte { return append([]byte(nil), k.public[:]...) }

// Evaluate returns the server-blinded ID. It returns identity.ErrID for the
// zero ID.
func (k *Key) Evaluate(id identity.ID) (b *Blinded, err error) {
	erase.Do(func() {
		input := id.AppendTo(nil)
		if len(input) != identity.Size {
			err = identity.ErrID
			return
		}
		b, err = k.evaluate(input)
	})
	return b, err
}

func (k *Key) evaluate(input []byte) (*Blinded, error) {
	output, err := k.server.FullEvaluate(input)
	if err != nil {
		return nil, fmt.Errorf("blinding: %w", err)
	}
	return BlindedFromBytes(output)
}

// EvaluateBlinded evaluates elements that a client blinded, and proves that it
// was with this key (RFC 9497, Section 3.3.2): 32 octets for each element, and
// 64 of proof over them all. It returns ErrElement, with the key not yet
// touched, unless each element is canonical and not the identity.
func (k *Key) EvaluateBlinded(elements [][]byte) (evaluated [][]byte, proof []byte, err error) {
	request, err := parseElements(elements)
	if err != nil {
		return nil, nil, err
	}
	var evaluation *oprf.Evaluation
	erase.Do(func() { evaluation, err = k.server.Evaluate(&oprf.EvaluationRequest{Elements: request}) })
	if err != nil {
		return nil, nil, fmt.Errorf("oblivious blinding: %w", err)
	}
	if evaluated, err = encodeElements(evaluation.Elements); err != nil {
		return nil, nil, err
	}
	if proof, err = evaluation.Proof.MarshalBinary(); err != nil {
		return nil, nil, fmt.Errorf("oblivious blinding: %w", err)
	}
	return evaluated, proof, nil
}

// parseElements decodes elements from outside. The library's decoder takes the
// identity, which evaluates to itself under every key and so proves and hides
// nothing; RFC 9497, Section 2.1 has it refused.
func parseElements(elements [][]byte) ([]group.Element, error) {
	if len(elements) == 0 || len(elements) > MaxElements {
		return nil, ErrElement
	}
	out := make([]group.Element, len(elements))
	for i, octets := range elements {
		element, err := parseElement(octets)
		if err != nil {
			return nil, err
		}
		out[i] = element
	}
	return out, nil
}

func parseElement(octets []byte) (group.Element, error) {
	if len(octets) != ElementSize {
		return nil, ErrElement
	}
	element := group.Ristretto255.NewElement()
	if err := element.UnmarshalBinary(octets); err != nil || element.IsIdentity() {
		return nil, ErrElement
	}
	// RFC 9496, Section 4.3.1 knows one encoding of each element only.
	if again, err := element.MarshalBinaryCompress(); err != nil || !bytes.Equal(again, octets) {
		return nil, ErrElement
	}
	return element, nil
}

func encodeElements(elements []group.Element) ([][]byte, error) {
	out := make([][]byte, len(elements))
	for i, element := range elements {
		octets, err := element.MarshalBinaryCompress()
		if err != nil {
			return nil, fmt.Errorf("encoding an element: %w", err)
		}
		out[i] = octets
	}
	return out, nil
}

// parseProof decodes a proof, two scalars.
func parseProof(octets []byte) (*dleq.Proof, error) {
	proof := new(dleq.Proof)
	if len(octets) != ProofSize || proof.UnmarshalBinary(group.Ristretto255, octets) != nil {
		return nil, ErrProof
	}
	return proof, nil
}
