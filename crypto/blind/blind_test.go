package blind

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/restante/restante/crypto/identity"
	"pgregory.net/rapid"
)

func newTestKey(tb testing.TB) *Key {
	tb.Helper()
	key, err := NewRoot().Key("gateway.example")
	if err != nil {
		tb.Fatal(err)
	}
	return key
}

func testIDs(n int) []identity.ID {
	seed := identity.NewSeed()
	out := make([]identity.ID, n)
	for i := range out {
		out[i] = seed.Mailbox(uint32(i)).ID()
	}
	return out
}

func newRequestFor(tb testing.TB, key *Key, ids []identity.ID) *Request {
	tb.Helper()
	client, err := NewClient(key.Public())
	if err != nil {
		tb.Fatal(err)
	}
	request, err := client.Blind(ids)
	if err != nil {
		tb.Fatal(err)
	}
	return request
}

func TestFinalize_givesWhatEvaluateGives(t *testing.T) {
	key := newTestKey(t)
	for _, n := range []int{1, 2, 9} {
		ids := testIDs(n)
		request := newRequestFor(t, key, ids)
		evaluated, proof, err := key.EvaluateBlinded(request.Elements())
		if err != nil {
			t.Fatal(err)
		}
		outputs, err := request.Finalize(evaluated, proof)
		if err != nil {
			t.Fatal(err)
		}
		for i, id := range ids {
			want, err := key.Evaluate(id)
			if err != nil || !outputs[i].Equal(want) {
				t.Errorf("id %d of %d: %v", i, n, err)
			}
		}
	}
}

func TestBlind_isFreshEachTime(t *testing.T) {
	key, ids := newTestKey(t), testIDs(1)
	if bytes.Equal(newRequestFor(t, key, ids).Elements()[0], newRequestFor(t, key, ids).Elements()[0]) {
		t.Fatal("the same element twice shows that an ID is the same")
	}
}

func TestFinalize_refusesAWrongAnswer(t *testing.T) {
	key, other := newTestKey(t), newTestKey(t)
	request := newRequestFor(t, key, testIDs(2))
	evaluated, proof, err := key.EvaluateBlinded(request.Elements())
	if err != nil {
		t.Fatal(err)
	}
	elsewhere, otherProof, err := other.EvaluateBlinded(request.Elements())
	if err != nil {
		t.Fatal(err)
	}
	flipped := slices.Clone(proof)
	flipped[0] ^= 1
	for name, c := range map[string]struct {
		evaluated [][]byte
		proof     []byte
		want      error
	}{
		"another key, its proof":       {elsewhere, otherProof, ErrProof},
		"another key, this key's":      {elsewhere, proof, ErrProof},
		"order changed":                {[][]byte{evaluated[1], evaluated[0]}, proof, ErrProof},
		"a bit of the proof":           {evaluated, flipped, ErrProof},
		"scalar not reduced":           {evaluated, bytes.Repeat([]byte{0xff}, ProofSize), ErrProof},
		"no proof":                     {evaluated, nil, ErrProof},
		"proof cut":                    {evaluated, proof[1:], ErrProof},
		"one too few":                  {evaluated[:1], proof, ErrElement},
		"the identity":                 {[][]byte{evaluated[0], make([]byte, ElementSize)}, proof, ErrElement},
		"nil elements":                 {[][]byte{nil, nil}, proof, ErrElement},
		"another's elements unproven ": {request.Elements(), proof, ErrProof},
	} {
		if _, err := request.Finalize(c.evaluated, c.proof); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
}

func TestEvaluateBlinded_refusesAnyBadElementOfABatch(t *testing.T) {
	key := newTestKey(t)
	good := newRequestFor(t, key, testIDs(1)).Elements()[0]
	for name, elements := range map[string][][]byte{
		"none":                   nil,
		"too many":               make([][]byte, MaxElements+1),
		"the identity, last":     {good, make([]byte, ElementSize)},
		"nil":                    {nil},
		"short":                  {good[1:]},
		"long":                   {append(slices.Clone(good), 0)},
		"above the field's size": {bytes.Repeat([]byte{0xff}, ElementSize)},
	} {
		if _, _, err := key.EvaluateBlinded(elements); !errors.Is(err, ErrElement) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Any 32 octets are either refused, or the one encoding of an element.
func TestEvaluateBlinded_takesCanonicalElementsOnly(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		octets := rapid.SliceOfN(rapid.Byte(), ElementSize, ElementSize).Draw(t, "octets")
		element, err := parseElement(octets)
		if err != nil {
			if !errors.Is(err, ErrElement) {
				t.Fatal(err)
			}
			return
		}
		again, err := element.MarshalBinaryCompress()
		if err != nil || !bytes.Equal(again, octets) || element.IsIdentity() {
			t.Fatalf("%x is taken for %x: %v", octets, again, err)
		}
	})
}

func TestNewClient_refusesBadPublicKeys(t *testing.T) {
	for _, key := range [][]byte{nil, make([]byte, ElementSize), bytes.Repeat([]byte{0xff}, ElementSize), make([]byte, 31)} {
		if _, err := NewClient(key); !errors.Is(err, ErrPublicKey) {
			t.Errorf("%x: %v", key, err)
		}
	}
}

func TestZeroID_isRefused(t *testing.T) {
	key := newTestKey(t)
	if _, err := key.Evaluate(identity.ID{}); !errors.Is(err, identity.ErrID) {
		t.Error(err)
	}
	client, err := NewClient(key.Public())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := client.Blind([]identity.ID{{}}); !errors.Is(err, identity.ErrID) {
		t.Error(err)
	}
	if _, err := client.Blind(nil); !errors.Is(err, ErrElement) {
		t.Error(err)
	}
}

func TestRoot_refusesAWrongLength(t *testing.T) {
	if _, err := RootFromBytes(make([]byte, 31)); !errors.Is(err, ErrRoot) {
		t.Error(err)
	}
	if _, err := BlindedFromBytes(make([]byte, 63)); !errors.Is(err, ErrBlinded) {
		t.Error(err)
	}
	if _, err := NewRoot().Key(strings.Repeat("a", maxKeyInfo)); !errors.Is(err, ErrDomain) {
		t.Error(err)
	}
}

// A key fresh from its root serves many goroutines: run with -race.
func TestKey_servesManyAtOnce(t *testing.T) {
	key, ids := newTestKey(t), testIDs(1)
	request := newRequestFor(t, key, ids)
	var group sync.WaitGroup
	for range 4 {
		group.Go(func() {
			evaluated, proof, err := key.EvaluateBlinded(request.Elements())
			if err != nil {
				t.Error(err)
				return
			}
			if _, err := request.Finalize(evaluated, proof); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
}

func TestParseMessageID_givesBackTagAndDomain(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		tag := Tag(rapid.SliceOfN(rapid.Byte(), TagSize, TagSize).Draw(t, "tag"))
		got, domain, err := ParseMessageID(tag.MessageID("gateway.example"))
		if err != nil || got != tag || domain != "gateway.example" {
			t.Fatalf("%v %q %v", got, domain, err)
		}
	})
	for _, bad := range []string{"", "<>", "@", "<@>", RandomTag().String(), "<" + RandomTag().String() + ">"} {
		if _, _, err := ParseMessageID(bad); !errors.Is(err, ErrTag) {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

func TestSecrets_doNotShow(t *testing.T) {
	root, key := NewRoot(), newTestKey(t)
	b := RandomBlinded()
	request := newRequestFor(t, key, testIDs(1))
	for _, v := range []any{root, key, b, b.Tagger(), request} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x", "%d", "%q"} {
			if got := fmt.Sprintf(verb, v); got != "[secret]" {
				t.Errorf("%s of a %T is %q", verb, v, got)
			}
		}
	}
	var hidden any = struct {
		root Root
		b    *Blinded
	}{root, b}
	for _, verb := range []string{"%v", "%+v", "%#v", "%x"} {
		got := fmt.Sprintf(verb, hidden)
		for _, octets := range [][]byte{root.Bytes(), b.Bytes()} {
			if strings.Contains(got, fmt.Sprintf("%x", octets[:4])) || strings.Contains(got, strings.Trim(fmt.Sprintf("%d", octets), "[]")) {
				t.Errorf("%s of a struct shows what is in it: %s", verb, got)
			}
		}
	}
}

func BenchmarkEvaluate(b *testing.B) {
	key, id := newTestKey(b), testIDs(1)[0]
	for b.Loop() {
		if _, err := key.Evaluate(id); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkEvaluateBlinded_nine(b *testing.B) {
	key := newTestKey(b)
	request := newRequestFor(b, key, testIDs(9))
	for b.Loop() {
		if _, _, err := key.EvaluateBlinded(request.Elements()); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkTagger(b *testing.B) {
	tagger := RandomBlinded().Tagger()
	b.ReportAllocs()
	batch := uint64(0)
	for b.Loop() {
		tagger.Tag(batch, 0)
		batch++
	}
}
