package blind

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"os"
	"testing"

	"github.com/cloudflare/circl/group"
	"github.com/google/go-cmp/cmp"
)

// octets are hexadecimal in the file.
type octets []byte

func (o *octets) UnmarshalText(text []byte) (err error) {
	*o, err = hex.DecodeString(string(text))
	return err
}

// rfcFile is testdata/rfc9497.json, in the RFC's own words.
type rfcFile struct {
	About                     string `json:"about"`
	Seed, KeyInfo, SkSm, PkSm octets
	Vectors                   []rfcVector `json:"vectors"`
}

type rfcVector struct {
	Input, Blind, BlindedElement, EvaluationElement, Output []octets
	Proof, ProofRandomScalar                                octets
}

func readRFC(t *testing.T) *rfcFile {
	t.Helper()
	data, err := os.ReadFile("testdata/rfc9497.json")
	if err != nil {
		t.Fatal(err)
	}
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.DisallowUnknownFields()
	file := new(rfcFile)
	if err := decoder.Decode(file); err != nil || len(file.Vectors) != 3 {
		t.Fatalf("%d vectors, %v", len(file.Vectors), err)
	}
	return file
}

// RFC 9497, Appendix A.1.2. The proof's own randomness can't be given through
// this package, so that the RFC's proof is verified, and ours as well.
func TestRFC9497_vectors(t *testing.T) {
	file := readRFC(t)
	key, err := deriveKey(file.Seed, file.KeyInfo)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(key.Public(), file.PkSm) {
		t.Fatalf("DeriveKeyPair: public key %x", key.Public())
	}
	client, err := NewClient(file.PkSm)
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range file.Vectors {
		checkRFC(t, key, client, v)
	}
}

func checkRFC(t *testing.T, key *Key, client *Client, v rfcVector) {
	t.Helper()
	blinds := make([]group.Scalar, len(v.Blind))
	for i, b := range v.Blind {
		blinds[i] = group.Ristretto255.NewScalar()
		if err := blinds[i].UnmarshalBinary(b); err != nil {
			t.Fatal(err)
		}
	}
	request, err := client.blindWith(plainOctets(v.Input), blinds)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(plainOctets(v.BlindedElement), request.Elements()); diff != "" {
		t.Fatalf("blinded elements: %s", diff)
	}
	evaluated, proof, err := key.EvaluateBlinded(request.Elements())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(plainOctets(v.EvaluationElement), evaluated); diff != "" {
		t.Fatalf("evaluated elements: %s", diff)
	}
	for name, p := range map[string][]byte{"the RFC's proof": v.Proof, "our proof": proof} {
		outputs, err := request.Finalize(evaluated, p)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		for i, b := range outputs {
			if !bytes.Equal(b.Bytes(), v.Output[i]) {
				t.Errorf("%s: output %d is %x", name, i, b.Bytes())
			}
			direct, err := key.evaluate(v.Input[i])
			if err != nil || !direct.Equal(b) {
				t.Errorf("evaluated directly, output %d differs: %v", i, err)
			}
		}
	}
}

func plainOctets(list []octets) [][]byte {
	out := make([][]byte, len(list))
	for i, o := range list {
		out[i] = o
	}
	return out
}
