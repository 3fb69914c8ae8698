package bridge

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tyler-smith/go-bip39"

	"github.com/restante/restante/crypto/identity"
	"github.com/restante/restante/test/harness"
)

// mailboxes is how many of a user's IDs are looked for.
const mailboxes = 8

// unseen fails the test when one of the gateways or the mirror has logged or kept
// what was written, a user's seed, or the ID of one of her mailboxes.
func unseen(t *testing.T, w *World, words []string, users ...*harness.User) {
	t.Helper()
	secrets := make(map[string][]byte)
	for _, text := range words {
		secrets["what was written"+text] = []byte(text)
	}
	for i, u := range users {
		octets, err := bip39.EntropyFromMnemonic(strings.Join(strings.Fields(u.Run("backup")), " "))
		if err != nil {
			t.Fatal(err)
		}
		seed, err := identity.SeedFromBytes(octets)
		if err != nil {
			t.Fatal(err)
		}
		secrets["a seed"+string(rune('0'+i))] = octets
		for n := range uint32(mailboxes) {
			secrets["an ID"+string(rune('0'+i))+string(rune('0'+n))] = seed.Mailbox(n).ID().AppendTo(nil)
		}
	}
	searched := 0
	for _, g := range []*harness.Gateway{w.A, w.B, w.Mirror} {
		for _, octets := range append(files(t, g.Data), files(t, g.Log)...) {
			searched += len(octets)
			for what, secret := range secrets {
				if holds(octets, secret) {
					t.Errorf("a gateway has %s", what)
				}
			}
		}
	}
	t.Logf("%d octets of three servers were searched for %d secrets", searched, len(secrets))
	if searched < 1<<20 {
		t.Error("that is too little: where do they keep what they have?")
	}
}

// holds says whether a secret stands there, as it is or in a common encoding.
func holds(octets, secret []byte) bool {
	if bytes.Contains(octets, secret) || bytes.Contains(octets, []byte(hex.EncodeToString(secret))) {
		return true
	}
	for _, encoding := range []*base64.Encoding{base64.StdEncoding, base64.URLEncoding} {
		for before := range 3 {
			padded := append(make([]byte, before), secret...)
			inner := encoding.EncodeToString(padded[:len(padded)/3*3])[(before*4+2)/3:]
			if bytes.Contains(octets, []byte(inner)) {
				return true
			}
		}
	}
	return false
}

// files is what is in a file, or in all files below a folder.
func files(t *testing.T, path string) [][]byte {
	t.Helper()
	var out [][]byte
	err := filepath.WalkDir(path, func(name string, e fs.DirEntry, err error) error {
		if os.IsNotExist(err) || err == nil && e.IsDir() {
			return nil
		}
		octets, err := os.ReadFile(name)
		if os.IsNotExist(err) {
			return nil // gone meanwhile
		}
		out = append(out, octets)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestHolds_findsASecretInEveryForm(t *testing.T) {
	secret := octets(32)
	for before := range 4 {
		text := append(octets(before), secret...)
		text = append(text, octets(5)...)
		for _, form := range []string{string(text), hex.EncodeToString(text), base64.StdEncoding.EncodeToString(text), base64.RawURLEncoding.EncodeToString(text)} {
			if !holds([]byte(form), secret) {
				t.Errorf("not found behind %d octets", before)
			}
		}
	}
	if holds(octets(33)[1:], append(octets(31), 0)) {
		t.Error("found where it is not")
	}
}
