package bridge

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
)

// A search looks for many secrets at once: as they are, and in hexadecimal, base64
// and base64url.
type search struct {
	needles map[uint64][]needle // by their first octets
	likely  [1 << 16]bool       // by their first two
}

// A needle is one form of a secret.
type needle struct {
	what   string
	octets []byte
}

// start is how many octets of a needle it is found by.
const start = 8

// add looks for a secret, which has 16 octets or more.
func (s *search) add(what string, secret []byte) {
	if s.needles == nil {
		s.needles = make(map[uint64][]needle)
	}
	forms := [][]byte{secret, []byte(hex.EncodeToString(secret)), bytes.ToUpper([]byte(hex.EncodeToString(secret)))}
	for _, encoding := range []*base64.Encoding{base64.StdEncoding, base64.URLEncoding} {
		for before := range 3 {
			padded := append(make([]byte, before), secret...)
			forms = append(forms, []byte(encoding.EncodeToString(padded[:len(padded)/3*3])[(before*4+2)/3:]))
		}
	}
	for _, f := range forms {
		key := binary.BigEndian.Uint64(f)
		s.needles[key] = append(s.needles[key], needle{what, f})
		s.likely[binary.BigEndian.Uint16(f)] = true
	}
}

// in returns the names of what is there.
func (s *search) in(octets []byte) map[string]bool {
	found := make(map[string]bool)
	for i := 0; i+start <= len(octets); i++ {
		if !s.likely[uint16(octets[i])<<8|uint16(octets[i+1])] {
			continue
		}
		for _, n := range s.needles[binary.BigEndian.Uint64(octets[i:])] {
			if bytes.HasPrefix(octets[i:], n.octets) {
				found[n.what] = true
			}
		}
	}
	return found
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

func TestSearch_findsASecretInEveryForm(t *testing.T) {
	secret := Octets(32)
	var s, other search
	s.add("it", secret)
	other.add("another", Octets(64)[32:])
	for before := range 4 {
		text := append(Octets(before), secret...)
		text = append(text, Octets(5)...)
		for _, form := range []string{string(text), hex.EncodeToString(text), base64.StdEncoding.EncodeToString(text), base64.RawURLEncoding.EncodeToString(text)} {
			if !s.in([]byte(form))["it"] {
				t.Errorf("not found behind %d octets", before)
			}
			if len(other.in([]byte(form))) > 0 {
				t.Error("found what is not there")
			}
		}
	}
}
