package envelope_test

import (
	"bytes"
	"crypto/hpke"
	"errors"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/restante/restante/crypto/blind"
	"github.com/restante/restante/crypto/envelope"
	"github.com/restante/restante/crypto/identity"
	"pgregory.net/rapid"
)

const entryID = "<AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA@gateway.example>"

func fragments() *rapid.Generator[envelope.Fragment] {
	return rapid.Custom(func(t *rapid.T) envelope.Fragment {
		count := rapid.Uint16Min(1).Draw(t, "count")
		size := rapid.OneOf(rapid.IntRange(0, 100), rapid.IntRange(envelope.MaxContent-2, envelope.MaxContent)).Draw(t, "size")
		return envelope.Fragment{
			Kind:    envelope.Kind(rapid.IntRange(0, 3).Draw(t, "kind")),
			Flags:   rapid.Byte().Draw(t, "flags"),
			Count:   count,
			Index:   rapid.Uint16Max(count-1).Draw(t, "index"),
			Handle:  [16]byte(rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "handle")),
			Content: bytes.Repeat([]byte{rapid.Byte().Draw(t, "content")}, size),
		}
	})
}

func TestOpen_givesBackWhatWasSealed(t *testing.T) {
	box, b := identity.NewSeed().Mailbox(0), blind.RandomBlinded()
	rapid.Check(t, func(t *rapid.T) {
		f := fragments().Draw(t, "fragment")
		payload, err := envelope.Seal(box.ReplyKey(), b, entryID, f)
		if err != nil || len(payload) != envelope.PayloadSize {
			t.Fatalf("%d octets, %v", len(payload), err)
		}
		got, err := envelope.Open(box, b, entryID, payload)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(f, got); diff != "" {
			t.Fatal(diff)
		}
	})
}

// Only the owner of a seed can seal these to herself, or a gateway gone wrong:
// the payload opens, and what is in it is refused.
func TestOpen_refusesMalformedPlaintext(t *testing.T) {
	good := make([]byte, envelope.PayloadSize-48)
	good[0], good[5], good[23], good[24] = 1, 1, 1, 'x' // message, fragment 0 of 1, one octet of content
	for name, spoil := range map[string]func(p []byte) []byte{
		"padding that isn't zero, next to the content": func(p []byte) []byte { p[25] = 1; return p },
		"padding that isn't zero, in the last octet":   func(p []byte) []byte { p[len(p)-1] = 1; return p },
		"length beyond the end":                        func(p []byte) []byte { p[22] = 0xff; return p },
		"index at the count":                           func(p []byte) []byte { p[3] = 1; return p },
		"no fragments":                                 func(p []byte) []byte { p[5] = 0; return p },
		"unknown kind":                                 func(p []byte) []byte { p[0] = 4; return p },
	} {
		if _, err := openPlain(t, spoil(slices.Clone(good))); !errors.Is(err, envelope.ErrOpen) {
			t.Errorf("%s: %v", name, err)
		}
	}
	f, err := openPlain(t, good)
	if err != nil || string(f.Content) != "x" {
		t.Errorf("the unspoilt one: %v, %v", f, err)
	}
}

// openPlain seals a plaintext as it is, then opens it.
func openPlain(t *testing.T, plaintext []byte) (envelope.Fragment, error) {
	t.Helper()
	box, b := identity.NewSeed().Mailbox(0), blind.RandomBlinded()
	info := b.AppendTo([]byte("restante entry v1\x00" + entryID + "\x00"))
	payload, err := hpke.Seal(box.ReplyKey().PublicKey(), hpke.HKDFSHA256(), hpke.ChaCha20Poly1305(), info, plaintext)
	if err != nil {
		t.Fatal(err)
	}
	return envelope.Open(box, b, entryID, payload)
}

func TestSeal_refusesWhatIsNoFragment(t *testing.T) {
	box, b := identity.NewSeed().Mailbox(0), blind.RandomBlinded()
	for name, f := range map[string]envelope.Fragment{
		"no fragments":      {Kind: envelope.KindMessage},
		"index at count":    {Kind: envelope.KindMessage, Index: 3, Count: 3},
		"unknown kind":      {Kind: 4, Count: 1},
		"an octet too long": {Kind: envelope.KindMessage, Count: 1, Content: make([]byte, envelope.MaxContent+1)},
	} {
		if _, err := envelope.Seal(box.ReplyKey(), b, entryID, f); !errors.Is(err, envelope.ErrFragment) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := envelope.Seal(identity.ReplyKey{}, b, entryID, envelope.Fragment{Count: 1}); !errors.Is(err, identity.ErrReplyKey) {
		t.Errorf("the zero key: %v", err)
	}
}

func TestCover_isAPayloadNobodyOpens(t *testing.T) {
	first, second := must(envelope.Cover(entryID))(t), must(envelope.Cover(entryID))(t)
	if len(first) != envelope.PayloadSize || bytes.Equal(first, second) {
		t.Fatalf("%d octets, the same twice: %v", len(first), bytes.Equal(first, second))
	}
	if _, err := envelope.Open(identity.NewSeed().Mailbox(0), blind.RandomBlinded(), entryID, first); !errors.Is(err, envelope.ErrOpen) {
		t.Fatal(err)
	}
}

func TestJoin_givesBackWhatWasSplitInAnyOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		size := rapid.OneOf(
			rapid.IntRange(0, 3), rapid.IntRange(envelope.MaxContent-1, envelope.MaxContent+1),
			rapid.IntRange(3*envelope.MaxContent-1, 3*envelope.MaxContent+1),
		).Draw(t, "size")
		content := bytes.Repeat([]byte("0123456789abcdefg"), size/17+1)[:size]
		list, err := envelope.Split(envelope.KindMessage, content)
		if err != nil {
			t.Fatal(err)
		}
		if want := max(1, (size+envelope.MaxContent-1)/envelope.MaxContent); len(list) != want {
			t.Fatalf("%d fragments of %d octets, want %d", len(list), size, want)
		}
		got, err := envelope.Join(rapid.Permutation(list).Draw(t, "order"))
		if err != nil || !bytes.Equal(got, content) {
			t.Fatalf("%d octets of %d: %v", len(got), size, err)
		}
	})
}

func TestJoin_refusesWhatIsNotOneMessage(t *testing.T) {
	list := must(envelope.Split(envelope.KindMessage, make([]byte, 2*envelope.MaxContent+1)))(t)
	changed := func(change func(f *envelope.Fragment)) []envelope.Fragment {
		out := slices.Clone(list)
		change(&out[1])
		return out
	}
	for name, fragments := range map[string][]envelope.Fragment{
		"none":            nil,
		"one missing":     list[:2],
		"one twice":       {list[0], list[1], list[1]},
		"one too many":    append(slices.Clone(list), list[0]),
		"another handle":  changed(func(f *envelope.Fragment) { f.Handle[0]++ }),
		"another kind":    changed(func(f *envelope.Fragment) { f.Kind = envelope.KindReceipt }),
		"another count":   changed(func(f *envelope.Fragment) { f.Count = 4 }),
		"index at count":  changed(func(f *envelope.Fragment) { f.Index = 3 }),
		"a zero fragment": {{}},
	} {
		if _, err := envelope.Join(fragments); !errors.Is(err, envelope.ErrJoin) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func FuzzOpen(f *testing.F) {
	box, b := identity.NewSeed().Mailbox(0), blind.RandomBlinded()
	payload, err := envelope.Seal(box.ReplyKey(), b, entryID, envelope.Fragment{Kind: envelope.KindMessage, Count: 1, Content: []byte("hello")})
	if err != nil {
		f.Fatal(err)
	}
	plain := make([]byte, 30)
	plain[0], plain[5], plain[23] = 1, 1, 3
	f.Add([]byte{}, plain)
	f.Add(payload[:100], plain[:24])
	f.Fuzz(func(t *testing.T, forged, plain []byte) {
		if _, err := envelope.Open(box, b, entryID, forged); !errors.Is(err, envelope.ErrOpen) {
			t.Fatalf("a forged payload: %v", err)
		}
		// What opens must be what seals: padded to size, as its author would.
		padded := append(plain[:min(len(plain), envelope.PayloadSize-48)], make([]byte, max(0, envelope.PayloadSize-48-len(plain)))...)
		got, err := openPlain(t, padded)
		if err != nil {
			if !errors.Is(err, envelope.ErrOpen) {
				t.Fatal(err)
			}
			return
		}
		if _, err := envelope.Seal(box.ReplyKey(), b, entryID, got); err != nil {
			t.Fatalf("opened, but doesn't seal: %v", err)
		}
	})
}

func BenchmarkSeal(b *testing.B) {
	key, blinded := identity.NewSeed().Mailbox(0).ReplyKey(), blind.RandomBlinded()
	f := envelope.Fragment{Kind: envelope.KindMessage, Count: 1, Content: make([]byte, envelope.MaxContent)}
	for b.Loop() {
		must(envelope.Seal(key, blinded, entryID, f))(b)
	}
}

func BenchmarkOpen(b *testing.B) {
	box, blinded := identity.NewSeed().Mailbox(0), blind.RandomBlinded()
	payload := must(envelope.Seal(box.ReplyKey(), blinded, entryID, envelope.Fragment{Kind: envelope.KindMessage, Count: 1}))(b)
	for b.Loop() {
		must(envelope.Open(box, blinded, entryID, payload))(b)
	}
}

func BenchmarkCover(b *testing.B) {
	for b.Loop() {
		must(envelope.Cover(entryID))(b)
	}
}
