package note

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
)

// textOf is directoryText with the key of the signer that it is to be signed by.
func textOf(s *Signer) string {
	key := base64.RawURLEncoding.EncodeToString(s.Verifier().Public())
	return strings.Replace(directoryText, "sign "+ones, "sign "+key, 1)
}

// A press makes one gateway's directories.
type press struct {
	t *testing.T
	*Signer
	next Directory
	text string
}

func newPress(t *testing.T) *press {
	t.Helper()
	s := newSigner(t, domain)
	p := &press{t: t, Signer: s, next: Directory{
		Domain: domain, Serial: 6, EpochLength: time.Hour, BatchInterval: time.Minute, BatchSize: 8, SlotsPerBatch: 8,
		Sign: [32]byte(s.Verifier().Public()),
		Seal: []EpochKey{{10, [32]byte{1}}, {11, [32]byte{2}}},
	}}
	for e := range uint64(5) {
		p.next.Blind = append(p.next.Blind, EpochKey{8 + e, [32]byte{byte(e)}})
	}
	return p
}

// print signs the next directory, as change makes it.
func (p *press) print(change func(*Directory), others ...*Signer) []byte {
	p.t.Helper()
	d := p.draft(change)
	p.next, p.text = d, d.Text()
	return signText(p.t, p.text, append([]*Signer{p.Signer}, others...)...)
}

func (p *press) draft(change func(*Directory)) Directory {
	d := p.next
	d.Blind = append([]EpochKey(nil), d.Blind...)
	d.Serial++
	if p.text != "" {
		d.Previous = Hash(p.text)
	}
	if change != nil {
		change(&d)
	}
	return d
}

func TestChain_takesWhatFollows(t *testing.T) {
	p := newPress(t)
	c, err := StartChain(p.print(nil), p.Verifier())
	if err != nil {
		t.Fatal(err)
	}
	for i := range 3 {
		signed := p.print(func(d *Directory) {
			d.Seal = append(d.Seal, EpochKey{12 + uint64(i), [32]byte{9}})
			d.Blind = d.Blind[1:]
		})
		if fresh, err := c.Extend(signed); !fresh || err != nil {
			t.Fatalf("the next directory: %v, %v", fresh, err)
		}
		if fresh, err := c.Extend(signed); fresh || err != nil {
			t.Fatalf("the same again: %v, %v", fresh, err)
		}
		if !bytes.Equal(c.Signed(), signed) || c.Directory().Serial != p.next.Serial {
			t.Error("the chain does not hold the newest")
		}
	}
}

func TestChain_findsWhatDoesNot(t *testing.T) {
	p := newPress(t)
	first := p.print(nil)
	second := p.print(func(d *Directory) { d.TokenLife = 1 })
	other := newSigner(t, domain)
	for name, row := range map[string]struct {
		change func(*Directory)
		want   error
	}{
		"the second number again":            {func(d *Directory) { d.Serial = 8; d.Previous = Hash("x\n") }, ErrFork},
		"another before it":                  {func(d *Directory) { d.Previous = Hash("x\n") }, ErrFork},
		"none before it":                     {func(d *Directory) { d.Previous = [32]byte{} }, ErrFork},
		"two ahead":                          {func(d *Directory) { d.Serial++ }, ErrGap},
		"a blinding key in force changed":    {func(d *Directory) { d.Blind[2].Key[0] ^= 1 }, ErrFork},
		"the next blinding key changed":      {func(d *Directory) { d.Blind[3].Key[0] ^= 1 }, ErrFork},
		"a later blinding key changed":       {func(d *Directory) { d.Blind[4].Key[0] ^= 1 }, nil},
		"epochs of another length":           {func(d *Directory) { d.EpochLength *= 2 }, ErrFork},
		"smaller batches":                    {func(d *Directory) { d.BatchSize-- }, ErrFork},
		"back by an epoch":                   {func(d *Directory) { d.Seal = d.Seal[:1] }, ErrFork},
		"another domain":                     {func(d *Directory) { d.Domain = "x.example" }, ErrSignature},
		"a signing key that signed nothing":  {func(d *Directory) { d.Sign = [32]byte(other.Verifier().Public()) }, ErrSignature},
		"a signing key that is none at all ": {func(d *Directory) { d.Sign = [32]byte{} }, ErrSignature},
	} {
		c, err := StartChain(first, p.Verifier())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.Extend(second); err != nil {
			t.Fatal(err)
		}
		d := p.draft(row.change)
		if _, err := c.Extend(signText(t, d.Text(), p.Signer)); !errors.Is(err, row.want) {
			t.Errorf("%s: %v, want %v", name, err, row.want)
		}
		if _, err := c.Extend(first); row.want != nil && !errors.Is(err, ErrOlder) {
			t.Errorf("%s: afterwards the chain is another: %v", name, err)
		}
		if d := p.draft(row.change); row.want == nil {
			continue
		} else if _, err := c.Extend(signText(t, d.Text(), other)); !errors.Is(err, ErrSignature) {
			t.Errorf("%s, signed by a stranger: %v", name, err)
		}
	}
}

func TestChain_followsAChangeOfTheSigningKey(t *testing.T) {
	p := newPress(t)
	c, err := StartChain(p.print(nil), p.Verifier())
	if err != nil {
		t.Fatal(err)
	}
	old := p.Signer
	p.Signer = newSigner(t, domain)
	rename := func(d *Directory) { d.Sign = [32]byte(p.Verifier().Public()) }
	usurped := p.draft(rename)
	if _, err := c.Extend(signText(t, usurped.Text(), p.Signer)); !errors.Is(err, ErrSignature) {
		t.Errorf("a new key without the old one's word: %v", err)
	}
	if _, err := c.Extend(p.print(rename, old)); err != nil {
		t.Fatalf("both signed: %v", err)
	}
	back := p.draft(nil)
	if _, err := c.Extend(signText(t, back.Text(), old)); !errors.Is(err, ErrSignature) {
		t.Errorf("the old key still signs: %v", err)
	}
	if _, err := c.Extend(p.print(nil)); err != nil {
		t.Errorf("the new key: %v", err)
	}
}

func TestChain_countsWitnesses(t *testing.T) {
	p := newPress(t)
	signed := p.print(nil)
	a, b, same := newSigner(t, "a.example"), newSigner(t, "b.example"), newSigner(t, "a.example")
	stranger := newSigner(t, "stranger.example")
	for _, w := range []*Signer{a, same, stranger} {
		var err error
		if signed, err = Cosign(signed, p.Verifier(), w); err != nil {
			t.Fatal(err)
		}
	}
	c, err := StartChain(signed, p.Verifier())
	if err != nil {
		t.Fatal(err)
	}
	known := []*Verifier{a.Verifier(), b.Verifier(), same.Verifier()}
	if err := c.Witnessed(1, known...); err != nil {
		t.Errorf("one of two: %v", err)
	}
	if err := c.Witnessed(2, known...); !errors.Is(err, ErrWitnesses) {
		t.Errorf("two keys of one name, and a stranger, count for two: %v", err)
	}
	more, err := Cosign(signText(t, p.text, p.Signer), p.Verifier(), b)
	if err != nil {
		t.Fatal(err)
	}
	merged, added, err := Merge(signed, more, p.Verifier(), nil, known...)
	if err != nil || added != 1 {
		t.Fatalf("merged %d, %v", added, err)
	}
	if _, err := c.Extend(merged); err != nil {
		t.Fatal(err)
	}
	if err := c.Witnessed(2, known...); err != nil {
		t.Errorf("merged, two of two: %v", err)
	}
}

func TestMerge_takesGoodSignaturesOfTheSameTextOnly(t *testing.T) {
	p := newPress(t)
	own := p.print(nil)
	witness, stranger := newSigner(t, "a.example"), newSigner(t, "stranger.example")
	cosigned, err := Cosign(own, p.Verifier(), witness)
	if err != nil {
		t.Fatal(err)
	}
	text := p.text
	next := p.print(nil)
	for name, row := range map[string]struct {
		other []byte
		want  error
	}{
		"the witness's":              {cosigned, nil},
		"no witness's":               {own, ErrSignature},
		"a stranger's":               {signText(t, text, p.Signer, stranger), ErrSignature},
		"the witness's alone":        {signText(t, text, witness), ErrSignature},
		"of another directory":       {signText(t, p.text, p.Signer, witness), ErrMalformed},
		"changed":                    {bytes.Replace(cosigned, []byte("batch-size 8"), []byte("batch-size 9"), 1), ErrSignature},
		"the next one's, unsigned":   {next, ErrMalformed},
		"nothing":                    {nil, ErrSignature},
		"a wrong witness's sig line": {bytes.Replace(cosigned, []byte("— a.example "), []byte("— a.example A"), 1), ErrSignature},
	} {
		merged, _, err := Merge(own, row.other, p.Verifier(), nil, witness.Verifier())
		if !errors.Is(err, row.want) {
			t.Errorf("%s: %v, want %v", name, err, row.want)
		}
		if _, _, _, bad := OpenDirectory(merged, p.Verifier()); err == nil && bad != nil {
			t.Errorf("%s: merged, it is no directory: %v", name, bad)
		}
	}
}

func TestMerge_neverMakesANoteThatNobodyOpens(t *testing.T) {
	p := newPress(t)
	own := p.print(nil)
	merged := own
	for i := range maxSignatures + 5 {
		witness := newSigner(t, fmt.Sprintf("w%d.example", i))
		cosigned, err := Cosign(own, p.Verifier(), witness)
		if err != nil {
			t.Fatal(err)
		}
		if merged, _, err = Merge(merged, cosigned, p.Verifier(), nil, witness.Verifier()); err != nil {
			t.Fatalf("witness %d: %v", i, err)
		}
		if _, _, _, err := OpenDirectory(merged, p.Verifier()); err != nil {
			t.Fatalf("with %d witnesses: %v", i+1, err)
		}
	}
}

func FuzzChain(f *testing.F) {
	s, err := NewSigner(domain, bytes.Repeat([]byte{7}, 32))
	if err != nil {
		f.Fatal(err)
	}
	signed, err := Sign(textOf(s), s)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(signed)
	f.Add([]byte("restante directory v1\n\n— gateway.example AAAA\n"))
	f.Fuzz(func(t *testing.T, other []byte) {
		c, err := StartChain(signed, s.Verifier())
		if err != nil {
			t.Fatal(err)
		}
		if fresh, err := c.Extend(other); fresh {
			t.Errorf("something that nobody signed is taken: %v", err)
		}
		if _, added, err := Merge(signed, other, s.Verifier(), nil); err == nil && added > 0 {
			t.Error("something that nobody signed is merged")
		}
	})
}

func FuzzParseVerifier(f *testing.F) {
	s, err := NewSigner(domain, bytes.Repeat([]byte{7}, 32))
	if err != nil {
		f.Fatal(err)
	}
	line := s.Verifier().Line()
	f.Add(line)
	f.Add(line + "=")
	f.Add("a+12345678+AAAA")
	f.Fuzz(func(t *testing.T, line string) {
		v, err := ParseVerifier(line)
		if err == nil && v.Line() != line {
			t.Fatalf("%q comes back as %q", line, v.Line())
		}
		if err != nil && !errors.Is(err, ErrKey) {
			t.Fatal(err)
		}
	})
}

// Those that somebody asked for find room among any number of others.
func TestMerge_strangersLeaveRoomForThoseWanted(t *testing.T) {
	p := newPress(t)
	own := p.print(nil)
	wanted := func(name string) bool { return strings.HasPrefix(name, "w") }
	merge := func(merged []byte, name string) ([]byte, int) {
		t.Helper()
		witness := newSigner(t, name)
		cosigned, err := Cosign(own, p.Verifier(), witness)
		if err != nil {
			t.Fatal(err)
		}
		merged, added, err := Merge(merged, cosigned, p.Verifier(), wanted, witness.Verifier())
		if err != nil {
			t.Fatal(err)
		}
		return merged, added
	}
	merged, strangers, taken := own, 0, 0
	for i := range maxSignatures {
		var added int
		merged, added = merge(merged, fmt.Sprintf("s%d.example", i))
		strangers += added
	}
	if strangers != maxStrangers {
		t.Errorf("%d strangers' signatures are taken", strangers)
	}
	for i := range maxSignatures {
		var added int
		merged, added = merge(merged, fmt.Sprintf("w%d.example", i))
		taken += added
	}
	if taken != maxSignatures-1 || strings.Contains(string(merged), "— s") {
		t.Errorf("of %d that were wanted %d are taken", maxSignatures, taken)
	}
	if _, added := merge(merged, "s.example"); added != 0 {
		t.Error("a stranger took the place of one that was wanted")
	}
	if _, _, err := Open(merged, p.Verifier()); err != nil {
		t.Errorf("what came of it: %v", err)
	}
}
