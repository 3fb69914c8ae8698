package blind

import (
	"errors"
	"fmt"

	"github.com/cloudflare/circl/group"
	"github.com/cloudflare/circl/oprf"
	"github.com/restante/restante/crypto/identity"
)

var (
	// ErrPublicKey is returned for octets that are no usable public key.
	ErrPublicKey = errors.New("not a blinding key")
	// ErrProof is returned when the evaluated elements are not shown to come
	// from the public key.
	ErrProof = errors.New("evaluation is not proven")
)

// A Client has IDs blinded by a gateway that learns nothing about them. It may
// be used by many goroutines at once.
type Client struct {
	client oprf.VerifiableClient
}

// NewClient returns a client of the epoch whose public key, 32 octets, the
// directory gives. It returns ErrPublicKey when that is none.
func NewClient(publicKey []byte) (*Client, error) {
	if _, err := parseElement(publicKey); err != nil {
		return nil, ErrPublicKey
	}
	key := new(oprf.PublicKey)
	if err := key.UnmarshalBinary(oprf.SuiteRistretto255, publicKey); err != nil {
		return nil, ErrPublicKey
	}
	return &Client{oprf.NewVerifiableClient(oprf.SuiteRistretto255, key)}, nil
}

// A Request is one round of blinding. It is the client's own: the blinds in it
// tie the elements to the IDs.
type Request struct {
	identity.Secret
	client   *Client
	data     *oprf.FinalizeData
	elements [][]byte
}

// Blind blinds IDs under fresh randomness (RFC 9497, Section 3.3.1). It
// returns identity.ErrID for a zero ID, and ErrElement for no IDs or more than
// MaxElements.
func (c *Client) Blind(ids []identity.ID) (*Request, error) {
	inputs, err := inputs(ids)
	if err != nil {
		return nil, err
	}
	data, request, err := c.client.Blind(inputs)
	if err != nil {
		return nil, fmt.Errorf("blinding a request: %w", err)
	}
	return newRequest(c, data, request)
}

func inputs(ids []identity.ID) ([][]byte, error) {
	if len(ids) == 0 || len(ids) > MaxElements {
		return nil, ErrElement
	}
	out := make([][]byte, len(ids))
	for i, id := range ids {
		if out[i] = id.AppendTo(nil); len(out[i]) != identity.Size {
			return nil, identity.ErrID
		}
	}
	return out, nil
}

// blindWith is Blind with inputs and blinds given, as test vectors have them.
func (c *Client) blindWith(inputs [][]byte, blinds []group.Scalar) (*Request, error) {
	data, request, err := c.client.DeterministicBlind(inputs, blinds)
	if err != nil {
		return nil, fmt.Errorf("blinding a request: %w", err)
	}
	return newRequest(c, data, request)
}

func newRequest(c *Client, data *oprf.FinalizeData, request *oprf.EvaluationRequest) (*Request, error) {
	elements, err := encodeElements(request.Elements)
	if err != nil {
		return nil, err
	}
	return &Request{client: c, data: data, elements: elements}, nil
}

// Elements returns what the gateway is asked to evaluate: 32 octets for each
// ID, in the order of the IDs.
func (r *Request) Elements() [][]byte { return r.elements }

// Finalize checks the gateway's answer and takes the blinds off
// (RFC 9497, Section 3.3.2). The answer is in the order of the IDs. It returns
// ErrElement for an element that is none or a wrong number of them, and
// ErrProof when the proof is malformed or fails.
func (r *Request) Finalize(evaluated [][]byte, proof []byte) ([]*Blinded, error) {
	if len(evaluated) != len(r.elements) {
		return nil, ErrElement
	}
	elements, err := parseElements(evaluated)
	if err != nil {
		return nil, err
	}
	parsed, err := parseProof(proof)
	if err != nil {
		return nil, err
	}
	outputs, err := r.client.client.Finalize(r.data, &oprf.Evaluation{Elements: elements, Proof: parsed})
	if err != nil {
		return nil, ErrProof
	}
	blinded := make([]*Blinded, len(outputs))
	for i, output := range outputs {
		if blinded[i], err = BlindedFromBytes(output); err != nil {
			return nil, err
		}
	}
	return blinded, nil
}
