package token_test

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/restante/restante/crypto/identity"
	"github.com/restante/restante/crypto/token"
	"pgregory.net/rapid"
)

const domain = "gateway.example"

func newKey(tb testing.TB) *token.SealKey {
	tb.Helper()
	key, err := token.NewSealKey()
	if err != nil {
		tb.Fatal(err)
	}
	return key
}

func mint(tb testing.TB, key *token.SealKey, epoch uint64, box *identity.Mailbox) token.Token {
	tb.Helper()
	minted, err := token.Mint(key.Public(), domain, epoch, box)
	if err != nil {
		tb.Fatal(err)
	}
	return minted
}

func TestOpen_givesBackTheMailboxThroughAMessageID(t *testing.T) {
	key, seed := newKey(t), identity.NewSeed()
	rapid.Check(t, func(rt *rapid.T) {
		epoch := uint64(rapid.Uint32().Draw(rt, "epoch"))
		box := seed.Mailbox(rapid.Uint32().Draw(rt, "mailbox"))
		messageID := mint(t, key, epoch, box).MessageID(domain)
		parsed, at, err := token.Parse(messageID)
		if err != nil || at != domain || parsed.MessageID(at) != messageID {
			rt.Fatalf("%q: %v", at, err)
		}
		id, reply, err := parsed.Open(key, domain, epoch)
		if err != nil || !id.Equal(box.ID()) || !reply.Equal(box.ReplyKey()) {
			rt.Fatal(err)
		}
	})
}

func TestMint_isFreshEachTime(t *testing.T) {
	key, box := newKey(t), identity.NewSeed().Mailbox(0)
	first, second := mint(t, key, 7, box), mint(t, key, 7, box)
	if first.MessageID(domain) == second.MessageID(domain) {
		t.Fatal("two tokens of one mailbox are the same")
	}
}

func TestMessageID_isAtMost240Octets(t *testing.T) {
	key, box := newKey(t), identity.NewSeed().Mailbox(0)
	long := strings.Repeat("a", token.MaxDomain)
	minted, err := token.Mint(key.Public(), long, 1, box)
	if err != nil || len(minted.MessageID(long)) != 240 {
		t.Fatalf("%d octets, %v", len(minted.MessageID(long)), err)
	}
}

func TestMint_refusesWhatItCannotName(t *testing.T) {
	key, box := newKey(t), identity.NewSeed().Mailbox(0)
	for _, bad := range []string{"", ".", "a.", ".a", "a..b", "a b", "a\x00b", "a@b", "a>b", "ä.example", strings.Repeat("a", 87)} {
		if _, err := token.Mint(key.Public(), bad, 1, box); !errors.Is(err, token.ErrDomain) {
			t.Errorf("domain %q: %v", bad, err)
		}
	}
	if _, err := token.Mint(key.Public(), domain, math.MaxUint32+1, box); !errors.Is(err, token.ErrEpoch) {
		t.Errorf("an epoch of 33 bits: %v", err)
	}
	if _, err := token.Mint(token.SealPublic{}, domain, 1, box); !errors.Is(err, token.ErrSealKey) {
		t.Errorf("the zero key: %v", err)
	}
}

func TestEpoch_isTheOneHonoured(t *testing.T) {
	key, box := newKey(t), identity.NewSeed().Mailbox(0)
	for _, c := range []struct {
		minted, oldest, newest, want uint64
		err                          error
		why                          string
	}{
		{2946, 2934, 2946, 2946, nil, "this epoch's"},
		{2946, 2946, 2958, 2946, nil, "the oldest honoured"},
		{2946, 2947, 2959, 0, token.ErrEpoch, "one too old"},
		{2947, 2934, 2946, 0, token.ErrEpoch, "one from the future"},
		{255, 250, 262, 255, nil, "before the octet starts again"},
		{256, 250, 262, 256, nil, "after the octet starts again"},
		{0, 0, 0, 0, nil, "the first epoch of all"},
		{255, 0, 3, 0, token.ErrEpoch, "would be before the first"},
		{3, 0, 600, 515, nil, "more than 256 honoured: the newest"},
		{5, 6, 4, 0, token.ErrEpoch, "none honoured"},
	} {
		got, err := mint(t, key, c.minted, box).Epoch(c.oldest, c.newest)
		if got != c.want || !errors.Is(err, c.err) {
			t.Errorf("%s: %d, %v; want %d, %v", c.why, got, err, c.want, c.err)
		}
	}
}

func TestOpen_saysTheSameForEveryFailure(t *testing.T) {
	key := newKey(t)
	minted := mint(t, key, 7, identity.NewSeed().Mailbox(0))
	for name, open := range map[string]func() (identity.ID, identity.ReplyKey, error){
		"another key":    func() (identity.ID, identity.ReplyKey, error) { return minted.Open(newKey(t), domain, 7) },
		"another domain": func() (identity.ID, identity.ReplyKey, error) { return minted.Open(key, "other.example", 7) },
		"same octet":     func() (identity.ID, identity.ReplyKey, error) { return minted.Open(key, domain, 7+256) },
		"another epoch":  func() (identity.ID, identity.ReplyKey, error) { return minted.Open(key, domain, 8) },
		"beyond 32 bits": func() (identity.ID, identity.ReplyKey, error) { return minted.Open(key, domain, 7+1<<32) },
		"low-order key":  func() (identity.ID, identity.ReplyKey, error) { return forged(t, key).Open(key, domain, 7) },
	} {
		_, _, err := open()
		if err != token.ErrForged { //nolint:errorlint // the very same, nothing wrapped
			t.Errorf("%s: %v", name, err)
		}
	}
}

// forged is a token shaped right that seals to a key of low order.
func forged(t *testing.T, key *token.SealKey) token.Token {
	t.Helper()
	sealed, err := key.Public().Seal([]byte("restante token v1\x00"+domain+"\x00\x00\x00\x00\x07"), make([]byte, 64))
	if err != nil {
		t.Fatal(err)
	}
	local := base64.RawURLEncoding.EncodeToString(append([]byte{7}, sealed...))
	parsed, _, err := token.Parse("<" + local + "@" + domain + ">")
	if err != nil {
		t.Fatal(err)
	}
	return parsed
}

// The epoch's octet is outside the seal, but not free: else a token would have
// 256 Message-IDs.
func TestOpen_refusesAChangedEpochOctet(t *testing.T) {
	key := newKey(t)
	id := mint(t, key, 0, identity.NewSeed().Mailbox(0)).MessageID(domain) // octet 0: the first character is 'A'
	changed, _, err := token.Parse("<B" + id[2:])
	if err != nil || changed.EpochByte() == 0 {
		t.Fatal(err)
	}
	if _, _, err := changed.Open(key, domain, 0); !errors.Is(err, token.ErrForged) {
		t.Fatal(err)
	}
}

func TestSealKey_survivesItsFile(t *testing.T) {
	key := newKey(t)
	octets, err := key.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	again, err := token.SealKeyFromBytes(octets)
	if err != nil {
		t.Fatal(err)
	}
	if string(again.Public().Bytes()) != string(key.Public().Bytes()) {
		t.Fatal("the public half changed")
	}
	parsed, err := token.ParseSealPublic(key.Public().Bytes())
	if err != nil {
		t.Fatal(err)
	}
	sealed, err := parsed.Seal([]byte("info"), []byte("plaintext"))
	if err != nil || len(sealed) != len("plaintext")+48 {
		t.Fatalf("%d octets, %v", len(sealed), err)
	}
	if plain, err := again.Open([]byte("info"), sealed); err != nil || string(plain) != "plaintext" {
		t.Fatalf("%q, %v", plain, err)
	}
	if _, err := again.Open([]byte("other info"), sealed); !errors.Is(err, token.ErrForged) {
		t.Fatal(err)
	}
	if _, err := token.SealKeyFromBytes(octets[1:]); !errors.Is(err, token.ErrSealKey) {
		t.Fatal(err)
	}
}

func TestSecrets_doNotShow(t *testing.T) {
	key := newKey(t)
	minted := mint(t, key, 7, identity.NewSeed().Mailbox(0))
	for _, v := range []any{key, minted} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x", "%q"} {
			if got := fmt.Sprintf(verb, v); got != "[secret]" {
				t.Errorf("%s of a %T is %q", verb, v, got)
			}
		}
		if got, err := json.Marshal(v); err != nil || string(got) != `"[secret]"` {
			t.Errorf("JSON of a %T is %s, %v", v, got, err)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add(mint(f, newKey(f), 7, identity.NewSeed().Mailbox(0)).MessageID(domain))
	f.Add("<" + strings.Repeat("A", 151) + "@a>")
	f.Add("<" + strings.Repeat("A", 150) + "B@a>")
	f.Add("<@>")
	key := newKey(f)
	f.Fuzz(func(t *testing.T, messageID string) {
		parsed, at, err := token.Parse(messageID)
		if err != nil {
			if !errors.Is(err, token.ErrNotToken) {
				t.Fatal(err)
			}
			return
		}
		if parsed.MessageID(at) != messageID || len(messageID) > 240 {
			t.Fatalf("%q comes back as %q", messageID, parsed.MessageID(at))
		}
		if _, _, err := parsed.Open(key, at, uint64(parsed.EpochByte())); !errors.Is(err, token.ErrForged) {
			t.Fatalf("opened with a key it can't know: %v", err)
		}
	})
}

func BenchmarkMint(b *testing.B) {
	public, box := newKey(b).Public(), identity.NewSeed().Mailbox(0)
	for b.Loop() {
		if _, err := token.Mint(public, domain, 7, box); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkOpen(b *testing.B) {
	key := newKey(b)
	minted := mint(b, key, 7, identity.NewSeed().Mailbox(0))
	for b.Loop() {
		if _, _, err := minted.Open(key, domain, 7); err != nil {
			b.Fatal(err)
		}
	}
}
