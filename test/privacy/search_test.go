package privacy

import (
	"bytes"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"unicode/utf16"
)

// A secret is something that must be nowhere.
type secret struct {
	what  string
	value []byte
}

// A form is one way in which a secret may stand somewhere.
type form struct {
	what, how string
	octets    []byte
}

// forms returns a secret in every common encoding.
func (s secret) forms() []form {
	out := []form{
		{s.what, "as it is", s.value},
		{s.what, "in lower case", bytes.ToLower(s.value)},
		{s.what, "in upper case", bytes.ToUpper(s.value)},
		{s.what, "in hex", []byte(hex.EncodeToString(s.value))},
		{s.what, "in HEX", bytes.ToUpper([]byte(hex.EncodeToString(s.value)))},
		{s.what, "in UTF-16, little end first", wide(s.value, binary.LittleEndian)},
		{s.what, "in UTF-16, big end first", wide(s.value, binary.BigEndian)},
	}
	for before := range 3 {
		out = append(out,
			form{s.what, "in base64", inner64(base64.StdEncoding, s.value, before)},
			form{s.what, "in base64url", inner64(base64.URLEncoding, s.value, before)})
	}
	return out
}

func wide(text []byte, order binary.AppendByteOrder) []byte {
	var out []byte
	for _, unit := range utf16.Encode([]rune(string(text))) {
		out = order.AppendUint16(out, unit)
	}
	return out
}

// inner64 is the characters that a value surely has in base64, when so many
// octets stand before it and others behind it.
func inner64(encoding *base64.Encoding, value []byte, before int) []byte {
	padded := append(make([]byte, before), value...)
	whole := []byte(encoding.EncodeToString(padded[:len(padded)/3*3]))
	return whole[(before*4+2)/3:]
}

// A place is octets to be searched, with a name for the report.
type place struct {
	name   string
	octets []byte
}

// search reports each form of each secret that is in one of the places.
func search(places []place, secrets []secret) []string {
	var found []string
	for _, s := range secrets {
		for _, f := range s.forms() {
			for _, p := range places {
				if bytes.Contains(p.octets, f.octets) {
					found = append(found, f.what+" "+f.how+" in "+p.name)
				}
			}
		}
	}
	return found
}

// files reads every file below folder.
func files(t *testing.T, folder string) []place {
	t.Helper()
	var places []place
	err := filepath.WalkDir(folder, func(path string, e fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil // gone since the folder was read
		} else if err != nil {
			return err
		}
		name, _ := filepath.Rel(folder, path)
		places = append(places, place{"the name of " + name, []byte(name)})
		if e.IsDir() {
			return nil
		}
		octets, err := os.ReadFile(path)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		places = append(places, place{name, octets})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return places
}

func TestSearch_findsEveryForm(t *testing.T) {
	s := secret{"a word", []byte("Quicksilver marmalade, 17 jars")}
	for before := range 7 {
		text := append(bytes.Repeat([]byte{'~'}, before), s.value...)
		text = append(text, "~~~~~"...)
		for name, octets := range map[string][]byte{
			"raw":       text,
			"lower":     bytes.ToLower(text),
			"hex":       []byte(hex.EncodeToString(text)),
			"base64":    []byte(base64.StdEncoding.EncodeToString(text)),
			"base64url": []byte(base64.RawURLEncoding.EncodeToString(text)),
			"utf-16":    wide(text, binary.LittleEndian),
		} {
			if len(search([]place{{name, octets}}, []secret{s})) == 0 {
				t.Errorf("not found in %s behind %d octets", name, before)
			}
		}
	}
}

// expand is HKDF-SHA256-Expand to 32 octets.
func expand(t *testing.T, secret []byte, label string) []byte {
	t.Helper()
	out, err := hkdf.Expand(sha256.New, secret, label, 32)
	if err != nil {
		t.Fatal(err)
	}
	return out
}
