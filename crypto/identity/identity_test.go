package identity

import (
	"bytes"
	"crypto/ecdh"
	"crypto/hpke"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestMailbox_isItsOwnEachTime(t *testing.T) {
	seed := NewSeed()
	again, err := SeedFromBytes(seed.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	if !seed.Mailbox(3).ID().Equal(again.Mailbox(3).ID()) || !seed.Mailbox(3).ReplyKey().Equal(again.Mailbox(3).ReplyKey()) {
		t.Error("the same seed and number make another mailbox")
	}
	if seed.Mailbox(3).ID().Equal(seed.Mailbox(4).ID()) || seed.Mailbox(3).ReplyKey().Equal(seed.Mailbox(4).ReplyKey()) {
		t.Error("two mailboxes share a key")
	}
	if seed.Mailbox(0).ID().Equal(NewSeed().Mailbox(0).ID()) {
		t.Error("two seeds share a mailbox")
	}
}

func TestE2EKey_opensWhatIsSealedToIt(t *testing.T) {
	seed := NewSeed()
	public, err := ParseE2EPublic(NewE2EPublic(seed.E2EKey(2)).Bytes())
	if err != nil {
		t.Fatal(err)
	}
	sealed, err := hpke.Seal(public.PublicKey(), hpke.HKDFSHA256(), hpke.ChaCha20Poly1305(), nil, []byte("hello"))
	if err != nil {
		t.Fatal(err)
	}
	plain, err := hpke.Open(seed.E2EKey(2), hpke.HKDFSHA256(), hpke.ChaCha20Poly1305(), nil, sealed)
	if err != nil || string(plain) != "hello" {
		t.Fatalf("%q, %v", plain, err)
	}
	if _, err := hpke.Open(seed.E2EKey(3), hpke.HKDFSHA256(), hpke.ChaCha20Poly1305(), nil, sealed); err == nil {
		t.Fatal("another mailbox's key opens it")
	}
}

func TestParseE2EPublic_refusesWhatIsNoKey(t *testing.T) {
	good := NewE2EPublic(NewSeed().E2EKey(0)).Bytes()
	lowOrder := append(bytes.Clone(good[:len(good)-Size]), make([]byte, Size)...)
	notReduced := append(bytes.Repeat([]byte{0xff}, 384), good[384:]...) // ML-KEM's coefficients are below 3329
	for name, octets := range map[string][]byte{
		"short": good[1:], "long": append(bytes.Clone(good), 0), "empty": nil,
		"low order": lowOrder, "coefficients out of range": notReduced,
	} {
		if _, err := ParseE2EPublic(octets); !errors.Is(err, ErrE2EKey) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestFromBytes_refusesAWrongLength(t *testing.T) {
	for _, n := range []int{0, 31, 33} {
		if _, err := SeedFromBytes(make([]byte, n)); !errors.Is(err, ErrSeed) {
			t.Errorf("seed of %d octets: %v", n, err)
		}
		if _, err := IDFromBytes(make([]byte, n)); !errors.Is(err, ErrID) {
			t.Errorf("id of %d octets: %v", n, err)
		}
	}
}

func TestID_keepsItsOctetsWhenTheirSourceChanges(t *testing.T) {
	source := bytes.Repeat([]byte{1}, Size)
	id, err := IDFromBytes(source)
	if err != nil {
		t.Fatal(err)
	}
	source[0] = 2
	id.AppendTo(nil)[0] = 3
	if got := id.AppendTo(nil); !bytes.Equal(got, bytes.Repeat([]byte{1}, Size)) {
		t.Fatalf("%x", got)
	}
	if id.Equal(ID{}) || (ID{}).Equal(id) || !(ID{}).Equal(ID{}) {
		t.Fatal("the zero id is like another")
	}
}

// What the look-up refuses must be what a key exchange refuses, bit for bit
// around each point.
func TestParseReplyKey_agreesWithKeyExchange(t *testing.T) {
	private, err := ecdh.X25519().GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	check := func(octets []byte) {
		point, err := ecdh.X25519().NewPublicKey(octets)
		if err != nil {
			t.Fatal(err)
		}
		_, errExchange := private.ECDH(point)
		if _, err := ParseReplyKey(octets); (err != nil) != (errExchange != nil) {
			t.Errorf("%x: parsing says %v, the exchange %v", octets, err, errExchange)
		}
	}
	points := [][]byte{
		bytes.Repeat([]byte{0}, Size),
		{0xe0, 0xeb, 0x7a, 0x7c, 0x3b, 0x41, 0xb8, 0xae, 0x16, 0x56, 0xe3, 0xfa, 0xf1, 0x9f, 0xc4, 0x6a, 0xda, 0x09, 0x8d, 0xeb, 0x9c, 0x32, 0xb1, 0xfd, 0x86, 0x62, 0x05, 0x16, 0x5f, 0x49, 0xb8, 0x00},
		{0x5f, 0x9c, 0x95, 0xbc, 0xa3, 0x50, 0x8c, 0x24, 0xb1, 0xd0, 0xb1, 0x55, 0x9c, 0x83, 0xef, 0x5b, 0x04, 0x44, 0x5c, 0xc4, 0x58, 0x1c, 0x8e, 0x86, 0xd8, 0x22, 0x4e, 0xdd, 0xd0, 0x9f, 0x11, 0x57},
	}
	for low := range 256 { // every octet string close to 0 and to p
		points = append(points, append([]byte{byte(low)}, bytes.Repeat([]byte{0}, Size-1)...))
		points = append(points, append(append([]byte{byte(low)}, bytes.Repeat([]byte{0xff}, Size-2)...), 0x7f))
	}
	for _, p := range points {
		check(p)
		top := bytes.Clone(p)
		top[Size-1] ^= 0x80
		check(top)
	}
	rapid.Check(t, func(t *rapid.T) { check(rapid.SliceOfN(rapid.Byte(), Size, Size).Draw(t, "octets")) })
}

func TestJudge_tellsStrongFromWeak(t *testing.T) {
	for _, c := range []struct {
		handle, passphrase string
		weak               bool
		why                string
	}{
		{"alice", "", true, "nothing"},
		{"alice", "password", true, "the commonest"},
		{"alice", "p4$$w0rd!P455w0rd", true, "leet"},
		{"alice", "Tr0ub4dor&3", true, "a classic"},
		{"alice", strings.Repeat("a", 500), true, "long but one letter"},
		{"alice", strings.Repeat("a", 64) + "x8Kq!vR3#pZ7mW2$", true, "strong beyond what is judged"},
		{"alice", strings.Repeat("я", 64), true, "one letter beyond ASCII"},
		{"alice", "абвгдеж", true, "an alphabet in order"},
		{"gq7vkx2mzpwt4hdj", "gq7vkx2mzpwt4hdj", true, "the handle itself"},
		{"alice", "gq7vkx2mzpwt4hdj", false, "sixteen random characters"},
		{"alice", "unrevised-slam-raider-voyage-strenuous-overcome", false, "six random words"},
	} {
		if err := Judge(c.handle, c.passphrase, MinBits); errors.Is(err, ErrWeakPassphrase) != c.weak {
			t.Errorf("%s: %v", c.why, err)
		}
	}
	if err := Judge("alice", "password", 0); err != nil {
		t.Errorf("asked for nothing: %v", err)
	}
}

// The estimator tries every reading of every leet symbol, which without a bound
// runs for hours on this input.
func TestJudge_isBoundedOnHostileInput(t *testing.T) {
	began := time.Now()
	for _, s := range []string{
		strings.Repeat(leetSymbols, 1000), strings.Repeat("1|7!", 1000), strings.Repeat("({[<1|7", 1000),
		strings.Repeat("\xff", 100000), strings.Repeat("11/11/11", 1000), strings.Repeat("İ", 1000),
	} {
		_ = Judge(s, s, MinBits)
	}
	if took := time.Since(began); took > 5*time.Minute {
		t.Fatalf("took %v", took)
	}
}

func TestJudge_takesAnyOctets(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		handle, passphrase := string(rapid.SliceOfN(rapid.Byte(), 0, 80).Draw(t, "h")), rapid.StringN(0, 80, -1).Draw(t, "p")
		if err := Judge(handle, passphrase, MinBits); err != nil && !errors.Is(err, ErrWeakPassphrase) {
			t.Fatal(err)
		}
	})
}

func TestNewPassphrase_isTakenAndFitsACommandLine(t *testing.T) {
	seen := map[string]bool{}
	for range 4 {
		phrase, err := NewPassphrase()
		if err != nil {
			t.Fatal(err)
		}
		list := strings.Split(phrase, "-")
		if len(list) != words || len(phrase) > 64 || strings.Trim(phrase, "abcdefghijklmnopqrstuvwxyz-") != "" || seen[phrase] {
			t.Errorf("passphrase of %d words and %d characters", len(list), len(phrase))
		}
		for _, handle := range append(list, "alice", "-", list[0]+"-", "-"+list[3]+"-") {
			if err := Judge(handle, phrase, MinBits); err != nil {
				t.Errorf("handle %q: %v", handle, err)
			}
		}
		seen[phrase] = true
	}
}

func TestSecrets_doNotShow(t *testing.T) {
	seed := NewSeed()
	box := seed.Mailbox(0)
	for _, v := range []any{seed, box, box.ID(), box.ReplyKey(), NewE2EPublic(seed.E2EKey(0))} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x", "%d", "%q"} {
			if got := fmt.Sprintf(verb, v); got != "[secret]" {
				t.Errorf("%s of a %T is %q", verb, v, got)
			}
		}
		if got, err := json.Marshal(v); err != nil || string(got) != `"[secret]"` {
			t.Errorf("JSON of a %T is %s, %v", v, got, err)
		}
		if got, err := json.Marshal(map[string]any{"v": v}); err != nil || string(got) != `{"v":"[secret]"}` {
			t.Errorf("JSON around a %T is %s, %v", v, got, err)
		}
		if got := fmt.Sprint(v.(fmt.Stringer).String()); got != "[secret]" {
			t.Errorf("String of a %T is %q", v, got)
		}
	}
	var hidden any = struct {
		id   ID
		seed *Seed
	}{box.ID(), seed}
	for _, verb := range []string{"%v", "%+v", "%#v", "%x"} {
		got := fmt.Sprintf(verb, hidden)
		for _, octets := range [][]byte{seed.Bytes(), box.ID().AppendTo(nil)} {
			if strings.Contains(got, fmt.Sprintf("%x", octets[:4])) || strings.Contains(got, strings.Trim(fmt.Sprintf("%d", octets), "[]")) {
				t.Errorf("%s of a struct shows what is in it", verb)
			}
		}
	}
}

func BenchmarkFromPassphrase(b *testing.B) {
	for b.Loop() {
		FromPassphrase("gateway.example", "alice", "correct horse battery staple")
	}
}

func BenchmarkMailbox(b *testing.B) {
	seed := NewSeed()
	for b.Loop() {
		seed.Mailbox(0)
	}
}

func BenchmarkJudge_worstFound(b *testing.B) {
	hostile := strings.Repeat("1|7!p", 13)
	for b.Loop() {
		_ = Judge("alice", hostile, MinBits)
	}
}
