package profile

import (
	"bytes"
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/restante/restante/crypto/identity"
)

func newProfile(t *testing.T) *Profile {
	t.Helper()
	p, err := At(t.TempDir(), "me")
	if err != nil {
		t.Fatal(err)
	}
	p.work = 10 // quick
	return p
}

func TestCreate_opensWithThePassphraseAlone(t *testing.T) {
	p, seed := newProfile(t), identity.NewSeed()
	if _, err := p.Open("x"); !errors.Is(err, ErrNone) {
		t.Errorf("before: %v", err)
	}
	if err := p.Create(seed, "right"); err != nil {
		t.Fatal(err)
	}
	got, err := p.Open("right")
	if err != nil || !bytes.Equal(got.Bytes(), seed.Bytes()) {
		t.Fatalf("%v", err)
	}
	for _, wrong := range []string{"", "wrong", "Right", "right "} {
		if _, err := p.Open(wrong); !errors.Is(err, ErrPassphrase) {
			t.Errorf("%q: %v", wrong, err)
		}
	}
	if err := p.Create(identity.NewSeed(), "other"); !errors.Is(err, ErrExists) {
		t.Errorf("again: %v", err)
	}
	if left, err := os.ReadDir(p.dir); err != nil || len(left) != 1 {
		t.Errorf("left in the folder: %v, %v", left, err)
	}
}

func TestOpen_refusesEveryChangedOctet(t *testing.T) {
	p := newProfile(t)
	if err := p.Create(identity.NewSeed(), "right"); err != nil {
		t.Fatal(err)
	}
	whole, err := p.Export()
	if err != nil {
		t.Fatal(err)
	}
	for i := range whole {
		changed := bytes.Clone(whole)
		changed[i] ^= 1
		if _, err := open(changed, "right"); !errors.Is(err, ErrPassphrase) && !errors.Is(err, ErrDamaged) {
			t.Fatalf("octet %d: %v", i, err)
		}
	}
	for n := range whole {
		if _, err := open(whole[:n], "right"); !errors.Is(err, ErrDamaged) && !errors.Is(err, ErrPassphrase) {
			t.Fatalf("cut to %d: %v", n, err)
		}
	}
}

func TestOpen_refusesAFileThatOthersRead(t *testing.T) {
	p := newProfile(t)
	if err := p.Create(identity.NewSeed(), "right"); err != nil {
		t.Fatal(err)
	}
	for _, mode := range []os.FileMode{0o640, 0o604, 0o620} {
		if err := os.Chmod(p.Key(), mode); err != nil {
			t.Fatal(err)
		}
		if _, err := p.Open("right"); !errors.Is(err, ErrReadable) {
			t.Errorf("%o: %v", mode, err)
		}
	}
}

func TestWords_makeTheSeedAgain(t *testing.T) {
	seed := identity.NewSeed()
	words, err := Words(seed)
	if err != nil || len(strings.Fields(words)) != 24 {
		t.Fatalf("%d words, %v", len(strings.Fields(words)), err)
	}
	got, err := FromWords("  " + strings.ToUpper(strings.ReplaceAll(words, " ", "\n ")) + "\r\n")
	if err != nil || !bytes.Equal(got.Bytes(), seed.Bytes()) {
		t.Fatal(err)
	}
	list := strings.Fields(words)
	list[0], list[1] = list[1], list[0]
	swapped := strings.Join(list, " ")
	for _, wrong := range []string{"", "abandon", swapped + " " + list[0], strings.Join(list[:23], " "), strings.Repeat("zzz ", 24), "abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon about"} {
		if _, err := FromWords(wrong); !errors.Is(err, ErrWords) {
			t.Errorf("%d words: %v", len(strings.Fields(wrong)), err)
		}
	}
}

func TestAt_refusesNamesThatLeaveTheFolder(t *testing.T) {
	for _, name := range []string{"", ".", "..", "../x", "a/b", `a\b`, "A", "a b", strings.Repeat("a", 33), "a\n"} {
		if _, err := At(t.TempDir(), name); !errors.Is(err, ErrName) {
			t.Errorf("%q: %v", name, err)
		}
	}
}
