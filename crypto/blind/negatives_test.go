package blind

import (
	"encoding/json"
	"errors"
	"os"
	"testing"

	"github.com/cloudflare/circl/group"
)

// What must not pass, at the client and, where it is an element, at the gateway.
func TestNegatives_outcomes(t *testing.T) {
	data, err := os.ReadFile("testdata/negatives.json")
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Vectors []struct {
			Why, Outcome          string
			Evaluated, Proof, Key octets
		}
	}
	if err := json.Unmarshal(data, &file); err != nil || len(file.Vectors) == 0 {
		t.Fatalf("%d vectors, %v", len(file.Vectors), err)
	}
	rfc := readRFC(t)
	base := rfc.Vectors[0]
	key, err := deriveKey(rfc.Seed, rfc.KeyInfo)
	if err != nil {
		t.Fatal(err)
	}
	outcomes := map[string]error{"valid": nil, "element": ErrElement, "proof": ErrProof, "key": ErrPublicKey}
	or := func(given, usual octets) []byte {
		if given != nil {
			return given
		}
		return usual
	}
	for _, v := range file.Vectors {
		want, known := outcomes[v.Outcome]
		if !known {
			t.Fatalf("%s: no outcome %q", v.Why, v.Outcome)
		}
		evaluated := or(v.Evaluated, base.EvaluationElement[0])
		if got := finalizeWith(t, or(v.Key, rfc.PkSm), base, evaluated, or(v.Proof, base.Proof)); !errors.Is(got, want) {
			t.Errorf("%s: %v, want %v", v.Why, got, want)
		}
		if _, _, err := key.EvaluateBlinded([][]byte{evaluated}); errors.Is(err, ErrElement) != (v.Outcome == "element") {
			t.Errorf("%s, to be evaluated: %v", v.Why, err)
		}
	}
}

func finalizeWith(t *testing.T, key []byte, base rfcVector, evaluated, proof []byte) error {
	t.Helper()
	client, err := NewClient(key)
	if err != nil {
		return err
	}
	blinds := group.Ristretto255.NewScalar()
	if err := blinds.UnmarshalBinary(base.Blind[0]); err != nil {
		t.Fatal(err)
	}
	request, err := client.blindWith(plainOctets(base.Input), []group.Scalar{blinds})
	if err != nil {
		t.Fatal(err)
	}
	_, err = request.Finalize([][]byte{evaluated}, proof)
	return err
}
