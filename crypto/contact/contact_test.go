package contact

import (
	"bytes"
	"crypto/hpke"
	"encoding/base64"
	"errors"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/restante/restante/crypto/identity"
	"github.com/restante/restante/crypto/token"
)

const domain = "gateway.example"

// person is mailbox 1 of somebody new: the card and the private key.
func person(tb testing.TB, name string) (*Card, hpke.PrivateKey) {
	tb.Helper()
	seed := identity.NewSeed()
	seal, err := token.NewSealKey()
	if err != nil {
		tb.Fatal(err)
	}
	minted, err := token.Mint(seal.Public(), domain, 2945, seed.Mailbox(1))
	if err != nil {
		tb.Fatal(err)
	}
	private := seed.E2EKey(1)
	card, err := NewCard(name, minted.MessageID(domain), identity.NewE2EPublic(private))
	if err != nil {
		tb.Fatal(err)
	}
	return card, private
}

func same(a, b *Card) bool { return a.Name == b.Name && a.Token == b.Token && a.Key.Equal(b.Key) }

func TestCard_survivesWhatTextMeets(t *testing.T) {
	card, _ := person(t, "Zoë of the post office")
	text := card.Text()
	for why, changed := range map[string]string{
		"as it is":              text,
		"CRLF":                  strings.ReplaceAll(text, "\n", "\r\n"),
		"in a message":          "Hello,\n\nwrite to me:\n" + text + "-- \nZoë\n",
		"quoted":                "Zoë wrote:\n> " + strings.ReplaceAll(text, "\n", "\n> "),
		"quoted twice, tabs":    ">\t> " + strings.ReplaceAll(text, "\n", "\n>\t> "),
		"quoted with initials":  "ZW> " + strings.ReplaceAll(text, "\n", "\nZW> "),
		"initials, twice":       "AB> ZW> " + strings.ReplaceAll(text, "\n", "\nAB> ZW> "),
		"quoted, then joined":   strings.ReplaceAll(text, "\n", " > "),
		"indented":              strings.ReplaceAll("\n"+text, "\n", "\n    "),
		"spaces at line ends":   strings.ReplaceAll(text, "\n", "  \n"),
		"lines joined":          strings.ReplaceAll(text, "\n", " "),
		"lines wrapped anew":    wrap(text, 50),
		"behind a damaged one":  strings.Replace(text, "A", "B", 9) + text,
		"behind one cut short":  text[:200] + "\n[...]\n" + text,
		"behind another block":  armor(messageLabel, []byte("x")) + text,
		"signed by a newsgroup": text + "--=20\nsome footer\n",
	} {
		got, err := ParseCard(changed)
		if err != nil {
			t.Errorf("%s: %v", why, err)
		} else if !same(got, card) {
			t.Errorf("%s: another card", why)
		}
	}
	for line := range strings.SplitSeq(text, "\n") {
		if len(line) > 76 {
			t.Errorf("a line of %d characters", len(line))
		}
	}
}

// wrap breaks the inner lines of a block after so many characters.
func wrap(text string, columns int) string {
	first, rest, _ := strings.Cut(text, "\n")
	last := strings.LastIndex(rest, "-----END")
	packed := strings.ReplaceAll(rest[:last], "\n", "")
	var out strings.Builder
	for ; len(packed) > columns; packed = packed[columns:] {
		out.WriteString(packed[:columns] + "\n")
	}
	return first + "\n" + out.String() + packed + "\n" + rest[last:]
}

func TestParseCard_refusesEveryChange(t *testing.T) {
	card, _ := person(t, "Zoë")
	octets := appendSum(card.marshal())
	for i := range octets {
		changed := bytes.Clone(octets)
		changed[i] ^= 1 << (i % 8)
		if _, err := ParseCard(armor(cardLabel, changed)); !errors.Is(err, ErrNoCard) {
			t.Fatalf("octet %d changed: %v", i, err)
		}
	}
	for n := range octets {
		if _, err := ParseCard(armor(cardLabel, octets[:n])); !errors.Is(err, ErrNoCard) {
			t.Fatalf("cut to %d octets: %v", n, err)
		}
	}
}

// A sum anybody can make: what it covers is checked all the same.
func TestParseCard_refusesWhatIsNoCardUnderARightSum(t *testing.T) {
	card, _ := person(t, "Zoë")
	low := card.Key.Bytes()
	copy(low[len(low)-32:], make([]byte, 32))
	build := func(version byte, name, messageID string, key []byte) string {
		b := append([]byte{version, byte(len(name))}, name...)
		b = append(append(append(b, byte(len(messageID))), messageID...), key...)
		return armor(cardLabel, appendSum(b))
	}
	key := card.Key.Bytes()
	if _, err := ParseCard(build(1, "Zoë", card.Token, key)); err != nil {
		t.Fatalf("the right one: %v", err)
	}
	for why, text := range map[string]string{
		"another version":   build(2, "Zoë", card.Token, key),
		"no name":           build(1, "", card.Token, key),
		"a name of lines":   build(1, "a\nb", card.Token, key),
		"a long name":       build(1, strings.Repeat("a", 65), card.Token, key),
		"not UTF-8":         build(1, "a\xff", card.Token, key),
		"direction changed": build(1, "a\u202eb", card.Token, key),
		"no token":          build(1, "Zoë", "<a@b.example>", key),
		"key of low order":  build(1, "Zoë", card.Token, low),
		"octets behind":     build(1, "Zoë", card.Token, append(key, 0)),
	} {
		if _, err := ParseCard(text); !errors.Is(err, ErrNoCard) {
			t.Errorf("%s: %v", why, err)
		}
	}
}

func TestNewCard_refuses(t *testing.T) {
	card, _ := person(t, "Zoë")
	if _, err := NewCard(" Zoë", card.Token, card.Key); !errors.Is(err, ErrName) {
		t.Errorf("a space in front: %v", err)
	}
	if _, err := NewCard("Zoë", "zoe@example.com", card.Key); !errors.Is(err, ErrToken) {
		t.Errorf("a mail address: %v", err)
	}
}

func TestFingerprint_isOfTheKeyAlone(t *testing.T) {
	card, private := person(t, "Zoë")
	again, err := NewCard("Somebody", strings.Replace(card.Token, "gateway", "another", 1), card.Key)
	if err != nil {
		t.Fatal(err)
	}
	if card.Fingerprint() != again.Fingerprint() || card.Fingerprint() != Fingerprint(identity.NewE2EPublic(private)) {
		t.Error("the fingerprint hangs on more than the key")
	}
	other, _ := person(t, "Zoë")
	if card.Fingerprint() == other.Fingerprint() || len(card.Fingerprint()) != 39 {
		t.Errorf("fingerprint %q", card.Fingerprint())
	}
}

func TestSeal_opensForItsOwnerAlone(t *testing.T) {
	alice, aliceKey := person(t, "Alice")
	bob, bobKey := person(t, "Bob")
	rapid.Check(t, func(t *rapid.T) {
		message := rapid.SliceOfN(rapid.Byte(), 0, 9000).Draw(t, "message")
		var from *Card
		if rapid.Bool().Draw(t, "with a card") {
			from = bob
		}
		text, err := Seal(alice.Key, from, message)
		if err != nil {
			t.Fatal(err)
		}
		gotFrom, got, err := Open(aliceKey, "quoted:\n> "+strings.ReplaceAll(text, "\n", "\n> "))
		if err != nil || !bytes.Equal(got, message) {
			t.Fatalf("%d octets, %v", len(got), err)
		}
		if (gotFrom == nil) != (from == nil) || from != nil && !same(gotFrom, from) {
			t.Fatal("another card")
		}
		if _, _, err := Open(bobKey, text); !errors.Is(err, ErrOpen) {
			t.Fatalf("Bob opens it: %v", err)
		}
	})
}

func TestOpen_refusesEveryChange(t *testing.T) {
	alice, key := person(t, "Alice")
	text, err := Seal(alice.Key, alice, []byte("hello"))
	if err != nil {
		t.Fatal(err)
	}
	var sealed []byte
	for b := range blocks(messageLabel, text) {
		sealed = b
	}
	for i := 0; i < len(sealed); i += 7 {
		changed := bytes.Clone(sealed)
		changed[i] ^= 1 << (i % 8)
		if _, _, err := Open(key, armor(messageLabel, changed)); !errors.Is(err, ErrOpen) {
			t.Fatalf("octet %d changed: %v", i, err)
		}
	}
	for _, n := range []int{0, 1, encSize, len(sealed) - 1} {
		if _, _, err := Open(key, armor(messageLabel, sealed[:n])); !errors.Is(err, ErrOpen) {
			t.Fatalf("cut to %d octets: %v", n, err)
		}
	}
	if _, _, err := Open(key, "no block"); !errors.Is(err, ErrNoMessage) {
		t.Fatal(err)
	}
	if !HasMessage(text) || HasMessage(alice.Text()) || HasMessage(armor(messageLabel, []byte("x"))) {
		t.Error("HasMessage")
	}
}

// A sender could mark a message in its padding, or make it longer than it need
// be, and tell by what comes back who opened it.
func TestOpen_refusesAnotherForm(t *testing.T) {
	alice, key := person(t, "Alice")
	kdf, aead := suite()
	for why, change := range map[string]func([]byte) []byte{
		"padding":       func(b []byte) []byte { b[len(b)-1] = 1; return b },
		"more padding":  func(b []byte) []byte { return append(b, make([]byte, 256)...) },
		"less padding":  func(b []byte) []byte { return b[:len(b)-1] },
		"length":        func(b []byte) []byte { b[2] = 1; return b },
		"card's length": func(b []byte) []byte { b[0] = 0xff; return b },
		"a card of its own": func(b []byte) []byte {
			b[1] = 3
			return b
		},
	} {
		plaintext := make([]byte, smallest)
		plaintext[5] = 5
		copy(plaintext[headSize:], "hello")
		sealed, err := hpke.Seal(alice.Key.PublicKey(), kdf, aead, []byte(labelMessage), change(plaintext))
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := Open(key, armor(messageLabel, sealed)); !errors.Is(err, ErrOpen) {
			t.Errorf("%s: %v", why, err)
		}
	}
}

func TestPadded_growsByAnEighthAtMost(t *testing.T) {
	for n := range 1 << 20 {
		p := padded(n)
		switch {
		case p < n, p < smallest, padded(p) != p:
			t.Fatalf("%d becomes %d", n, p)
		case n > smallest && (p-n)*8 >= n:
			t.Fatalf("%d becomes %d, too much", n, p)
		}
	}
}

func TestSeal_refusesTooLong(t *testing.T) {
	alice, _ := person(t, "Alice")
	if _, err := Seal(alice.Key, nil, make([]byte, MaxMessage+1)); !errors.Is(err, ErrTooLong) {
		t.Fatal(err)
	}
}

func FuzzParseCard(f *testing.F) {
	card, _ := person(f, "Zoë")
	f.Add(card.Text())
	f.Add("> " + strings.ReplaceAll(card.Text(), "\n", "\n> "))
	f.Add(begin(cardLabel) + begin(cardLabel) + "AAAA" + end(cardLabel))
	f.Add(strings.Repeat(begin(cardLabel)+base64.StdEncoding.EncodeToString([]byte{1, 255})+end(cardLabel), 3))
	f.Fuzz(func(t *testing.T, text string) {
		card, err := ParseCard(text)
		if err != nil {
			return
		}
		again, err := ParseCard(card.Text())
		if err != nil || !same(card, again) {
			t.Fatalf("%v", err)
		}
	})
}

func FuzzRead(f *testing.F) {
	card, _ := person(f, "Zoë")
	f.Add(make([]byte, smallest))
	f.Add(append(binaryHead(len(card.marshal()), 5), card.marshal()...))
	f.Fuzz(func(_ *testing.T, plaintext []byte) { _, _, _ = read(plaintext) })
}

func binaryHead(card, size int) []byte {
	return []byte{byte(card >> 8), byte(card), byte(size >> 24), byte(size >> 16), byte(size >> 8), byte(size)}
}

func BenchmarkSeal(b *testing.B) {
	alice, _ := person(b, "Alice")
	message := make([]byte, 2048)
	for b.Loop() {
		if _, err := Seal(alice.Key, alice, message); err != nil {
			b.Fatal(err)
		}
	}
}
