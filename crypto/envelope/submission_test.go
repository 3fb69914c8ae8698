package envelope

import (
	"bytes"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/restante/restante/crypto/token"
)

func TestSubmission_opensAtItsGatewayInItsEpochAlone(t *testing.T) {
	key, err := token.NewSealKey()
	if err != nil {
		t.Fatal(err)
	}
	other, err := token.NewSealKey()
	if err != nil {
		t.Fatal(err)
	}
	fragments, err := Split(KindMessage, bytes.Repeat([]byte("x"), MaxContent+1))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range fragments {
		payload, err := SealSubmission(key.Public(), "gw.example", 2945, f)
		if err != nil || len(payload) != PayloadSize {
			t.Fatalf("%d octets, %v", len(payload), err)
		}
		got, err := OpenSubmission(key, "gw.example", 2945, payload)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(f, got); diff != "" {
			t.Error(diff)
		}
		flipped := bytes.Clone(payload)
		flipped[9000] ^= 1
		for why, err := range map[string]error{
			"another gateway": second(OpenSubmission(key, "gx.example", 2945, payload)),
			"another epoch":   second(OpenSubmission(key, "gw.example", 2946, payload)),
			"another key":     second(OpenSubmission(other, "gw.example", 2945, payload)),
			"a flipped bit":   second(OpenSubmission(key, "gw.example", 2945, flipped)),
			"cut":             second(OpenSubmission(key, "gw.example", 2945, payload[1:])),
			"an epoch beyond": second(OpenSubmission(key, "gw.example", 1<<32+2945, payload)),
		} {
			if !errors.Is(err, ErrOpen) {
				t.Errorf("%s: %v", why, err)
			}
		}
	}
	if _, err := SealSubmission(token.SealPublic{}, "gw.example", 1, fragments[0]); !errors.Is(err, token.ErrSealKey) {
		t.Errorf("no key: %v", err)
	}
	if _, err := SealSubmission(key.Public(), "gw.example", 1, Fragment{}); !errors.Is(err, ErrFragment) {
		t.Errorf("no fragment: %v", err)
	}
}

func second(_ Fragment, err error) error { return err }
