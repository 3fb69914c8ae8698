package note

import (
	"bytes"
	stdcmp "cmp"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	sumdb "golang.org/x/mod/sumdb/note"
	"pgregory.net/rapid"
)

const domain = "gateway.example"

func newSigner(tb testing.TB, name string) *Signer {
	tb.Helper()
	s, err := NewSigner(name, GenerateSeed())
	if err != nil {
		tb.Fatal(err)
	}
	return s
}

func hashes() *rapid.Generator[[32]byte] {
	return rapid.Map(rapid.SliceOfN(rapid.Byte(), 32, 32), func(b []byte) [32]byte { return [32]byte(b) })
}

func previous() *rapid.Generator[[32]byte] { return rapid.OneOf(rapid.Just([32]byte{}), hashes()) }

func manifests() *rapid.Generator[*Manifest] {
	return rapid.Custom(func(t *rapid.T) *Manifest {
		m := &Manifest{Domain: domain, Batch: rapid.Uint64().Draw(t, "batch"), Previous: previous().Draw(t, "previous")}
		tags := rapid.SliceOfNDistinct(rapid.StringMatching(`[A-Za-z0-9_-]{32}`), 0, 12, rapid.ID).Draw(t, "tags")
		for _, tag := range tags {
			m.Entries = append(m.Entries, ManifestEntry{tag, hashes().Draw(t, "payload")})
		}
		return m
	})
}

func keys() *rapid.Generator[[]EpochKey] {
	return rapid.Custom(func(t *rapid.T) []EpochKey {
		var out []EpochKey
		for _, epoch := range rapid.SliceOfNDistinct(rapid.Uint64(), 0, 6, rapid.ID).Draw(t, "epochs") {
			out = append(out, EpochKey{epoch, hashes().Draw(t, "key")})
		}
		return out
	})
}

func replaced() *rapid.Generator[[]ReplacedKey] {
	return rapid.Custom(func(t *rapid.T) []ReplacedKey {
		var out []ReplacedKey
		for _, last := range rapid.SliceOfN(rapid.Uint64(), 0, MaxReplaced).Draw(t, "batches") {
			out = append(out, ReplacedKey{last, hashes().Draw(t, "key")})
		}
		return out
	})
}

func directories() *rapid.Generator[*Directory] {
	return rapid.Custom(func(t *rapid.T) *Directory {
		interval := time.Duration(rapid.IntRange(1, 3600).Draw(t, "interval")) * time.Second
		return &Directory{
			Domain: domain, Serial: rapid.Uint64().Draw(t, "serial"), Previous: previous().Draw(t, "previous"),
			BatchInterval: interval, EpochLength: interval * time.Duration(rapid.IntRange(1, 3000).Draw(t, "batches")),
			BatchSize: rapid.Uint64Min(1).Draw(t, "size"), SlotsPerBatch: rapid.Uint64Range(1, 65536).Draw(t, "slots"),
			PoolRetention: rapid.Uint64().Draw(t, "retention"), TokenLife: rapid.Uint64().Draw(t, "life"),
			Sign: hashes().Draw(t, "sign"), Replaced: replaced().Draw(t, "replaced"), Seal: keys().Draw(t, "seal"), Blind: keys().Draw(t, "blind"),
		}
	})
}

func TestManifest_comesBackSorted(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := manifests().Draw(t, "manifest")
		text := m.Text()
		got, err := ParseManifest(text)
		if err != nil {
			t.Fatal(err)
		}
		slices.SortFunc(m.Entries, func(a, b ManifestEntry) int { return strings.Compare(a.Tag, b.Tag) })
		if diff := cmp.Diff(m, got); diff != "" || got.Text() != text {
			t.Fatal(diff)
		}
	})
}

func TestDirectory_comesBackSorted(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := directories().Draw(t, "directory")
		text := d.Text()
		got, err := ParseDirectory(text)
		if err != nil {
			t.Fatalf("%v\n%s", err, text)
		}
		slices.SortStableFunc(d.Replaced, func(a, b ReplacedKey) int { return stdcmp.Compare(a.Last, b.Last) })
		slices.SortFunc(d.Seal, byEpoch)
		slices.SortFunc(d.Blind, byEpoch)
		if diff := cmp.Diff(d, got); diff != "" || got.Text() != text {
			t.Fatal(diff)
		}
	})
}

const (
	zeros = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
	ones  = "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE"

	manifestText = "restante manifest v1\ndomain gateway.example\nbatch 5939136\nprevious -\nentries 2\n" +
		"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA " + zeros + "\nBAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA " + ones + "\n"

	directoryText = "restante directory v1\ndomain gateway.example\nserial 7\nprevious " + ones + "\n" +
		"epoch-length 604800\nbatch-interval 300\nbatch-size 8\nslots-per-batch 8\npool-retention 4\ntoken-life 12\n" +
		"sign " + ones + "\nreplaced 5937120 " + zeros + "\nreplaced 5939136 " + ones + "\nseal 2945 " + ones + "\nseal 2946 " + ones + "\nblind 2946 " + ones + "\n"
)

func TestManifest_hasThePagesText(t *testing.T) {
	m := &Manifest{Domain: domain, Batch: 5939136, Entries: []ManifestEntry{
		{"BAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", [32]byte(bytes.Repeat([]byte{1}, 32))},
		{"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", [32]byte{}},
	}}
	if diff := cmp.Diff(manifestText, m.Text()); diff != "" {
		t.Fatal(diff)
	}
}

func TestDirectory_hasThePagesText(t *testing.T) {
	one := [32]byte(bytes.Repeat([]byte{1}, 32))
	d := &Directory{
		Domain: domain, Serial: 7, Previous: one, EpochLength: 7 * 24 * time.Hour, BatchInterval: 5 * time.Minute,
		BatchSize: 8, SlotsPerBatch: 8, PoolRetention: 4, TokenLife: 12, Sign: one, Replaced: []ReplacedKey{{5939136, one}, {Last: 5937120}},
		Seal: []EpochKey{{2946, one}, {2945, one}}, Blind: []EpochKey{{2946, one}},
	}
	if diff := cmp.Diff(directoryText, d.Text()); diff != "" {
		t.Fatal(diff)
	}
}

func TestParse_refusesEveryOtherText(t *testing.T) {
	for _, c := range []struct{ text, old, new string }{
		{manifestText, "v1", "v2"},
		{manifestText, "domain gateway.example", "domain "},
		{manifestText, "domain gateway.example", "domain gateway example"},
		{manifestText, "domain gateway.example", "domain a+b"},
		{manifestText, "batch 5939136", "batch 05939136"},
		{manifestText, "batch 5939136", "batch +1"},
		{manifestText, "batch 5939136", "batch 18446744073709551616"},
		{manifestText, "batch", "Batch"},
		{manifestText, "previous -", "previous " + zeros},
		{manifestText, "previous -", "previous " + zeros[1:]},
		{manifestText, "previous -", "previous " + ones[:42] + "F"}, // bits to spare
		{manifestText, "entries 2", "entries 1"},
		{manifestText, "entries 2", "entries 3"},
		{manifestText, "entries 2", "entries 18446744073709551615"},
		{manifestText, "\nBAAA", "\nAAAA"},                    // a tag twice
		{manifestText, "\nAAAA", "\nCAAA"},                    // out of order
		{manifestText, "\nAAAA", "\nAAA"},                     // a short tag
		{manifestText, "\nAAAA", "\n+AAA"},                    // standard base64
		{manifestText, " " + ones, "  " + ones},               // two spaces
		{manifestText, ones + "\n", ones + " \n"},             // a space at the end
		{manifestText, ones + "\n", ones},                     // no line end
		{manifestText, ones + "\n", ones + "\n\n"},            // an empty line
		{manifestText, "\n", "\r\n"},                          // CRLF
		{directoryText, "v1", "v2"},                           //
		{directoryText, "serial 7\n", ""},                     // a line missing
		{directoryText, "serial 7\n", "serial 7\nserial 7\n"}, // a line twice
		{directoryText, "epoch-length 604800", "epoch-length 604801"},
		{directoryText, "epoch-length 604800", "epoch-length 0"},
		{directoryText, "batch-interval 300", "batch-interval 0"},
		{directoryText, "batch-interval 300", "batch-interval 9223372037"},
		{directoryText, "batch-size 8", "batch-size 0"},
		{directoryText, "slots-per-batch 8", "slots-per-batch 0"},
		{directoryText, "slots-per-batch 8", "slots-per-batch 65537"},
		{directoryText, "token-life 12", "token-life -1"},
		{directoryText, "sign " + ones, "sign -"},
		{directoryText, "replaced 5937120", "replaced 5939137"}, // out of order
		{directoryText, "replaced 5937120 " + zeros, "replaced 5937120"},
		{directoryText, "replaced 5937120", "replaced"},
		{directoryText, "replaced 5937120 ", strings.Repeat("replaced 5937120 "+zeros+"\n", MaxReplaced-1) + "replaced 5937120 "}, // too many
		{directoryText, "seal 2945", "seal 2946"},    // an epoch twice
		{directoryText, "seal 2945", "seal 2947"},    // out of order
		{directoryText, "seal 2945", "blind 2945"},   // kinds mixed
		{directoryText, "seal 2945", "other 2945"},   // unknown
		{directoryText, "seal 2945 ", "seal 02945 "}, //
	} {
		text := strings.Replace(c.text, c.old, c.new, 1)
		if text == c.text {
			t.Fatalf("%q is not there to replace", c.old)
		}
		_, errManifest := ParseManifest(text)
		_, errDirectory := ParseDirectory(text)
		if !errors.Is(errManifest, ErrMalformed) || !errors.Is(errDirectory, ErrMalformed) {
			t.Errorf("%q for %q is taken", c.new, c.old)
		}
	}
}

func TestVerifyEntry_takesOnlyWhatWasSigned(t *testing.T) {
	s := newSigner(t, domain)
	payload := [32]byte{1}
	signature := s.SignEntry("<a@b>", "restante.pool", "date", payload)
	want := ed25519.Sign(s.private, []byte("restante entry v1\n<a@b>\nrestante.pool\ndate\n\x01"+strings.Repeat("\x00", 31)))
	if signature != base64.RawURLEncoding.EncodeToString(want) || len(signature) != 86 {
		t.Fatalf("signature %s", signature)
	}
	v := s.Verifier()
	if err := v.VerifyEntry("<a@b>", "restante.pool", "date", payload, signature); err != nil {
		t.Fatal(err)
	}
	runOn := s.SignEntry("<a@b>", "restante.pool\ndate", "", payload)
	for name, err := range map[string]error{
		"message-id": v.VerifyEntry("<a@c>", "restante.pool", "date", payload, signature),
		"newsgroups": v.VerifyEntry("<a@b>", "restante.poo", "date", payload, signature),
		"date":       v.VerifyEntry("<a@b>", "restante.pool", "dat", payload, signature),
		"payload":    v.VerifyEntry("<a@b>", "restante.pool", "date", [32]byte{2}, signature),
		"signature":  v.VerifyEntry("<a@b>", "restante.pool", "date", payload, signature[1:]+"A"),
		"short":      v.VerifyEntry("<a@b>", "restante.pool", "date", payload, signature[1:]),
		"empty":      v.VerifyEntry("<a@b>", "restante.pool", "date", payload, ""),
		"key":        newSigner(t, domain).Verifier().VerifyEntry("<a@b>", "restante.pool", "date", payload, signature),
		"line feed":  v.VerifyEntry("<a@b>", "restante.pool\ndate", "", payload, runOn),
	} {
		if !errors.Is(err, ErrSignature) {
			t.Errorf("another %s: %v", name, err)
		}
	}
}

func TestOpen_agreesWithTheLibrary(t *testing.T) {
	s := newSigner(t, domain)
	signed, err := Sign(manifestText, s)
	if err != nil {
		t.Fatal(err)
	}
	n, err := sumdb.Open(signed, sumdb.VerifierList(s.Verifier()))
	if err != nil || n.Text != manifestText {
		t.Fatal(err)
	}
	m, text, err := OpenManifest(signed, s.Verifier())
	if err != nil || text != manifestText || m.Batch != 5939136 {
		t.Fatal(err)
	}
}

func TestOpen_refusesWhatIsNotTheGateways(t *testing.T) {
	gateway, other := newSigner(t, domain), newSigner(t, "other.example")
	signed := signText(t, manifestText, gateway)
	flipped := bytes.Replace(signed, []byte("5939136"), []byte("5939137"), 1)
	for name, c := range map[string]struct {
		signed []byte
		want   error
	}{
		"a changed text":                    {flipped, ErrSignature},
		"another key of its name":           {signText(t, manifestText, newSigner(t, domain)), ErrSignature},
		"another gateway's":                 {signText(t, manifestText, other), ErrSignature},
		"no note":                           {[]byte("hello\n"), ErrSignature},
		"nothing":                           {nil, ErrSignature},
		"signed, but of another domain":     {signText(t, strings.Replace(manifestText, domain, "x.example", 1), gateway), ErrSignature},
		"signed, but no manifest":           {signText(t, "hello\n", gateway), ErrMalformed},
		"signed, but it is a directory now": {signText(t, directoryText, gateway), ErrMalformed},
	} {
		if _, _, err := OpenManifest(c.signed, gateway.Verifier()); !errors.Is(err, c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func signText(t *testing.T, text string, signers ...*Signer) []byte {
	t.Helper()
	signed, err := Sign(text, signers...)
	if err != nil {
		t.Fatal(err)
	}
	return signed
}

func TestCosign_isCountedAsAWitness(t *testing.T) {
	gateway, mirror, stranger := newSigner(t, domain), newSigner(t, "mirror.example"), newSigner(t, "stranger.example")
	signed := signText(t, textOf(gateway), gateway)
	for _, witness := range []*Signer{mirror, stranger} {
		var err error
		if signed, err = Cosign(signed, gateway.Verifier(), witness); err != nil {
			t.Fatal(err)
		}
	}
	_, text, by, err := OpenDirectory(signed, gateway.Verifier(), mirror.Verifier(), gateway.Verifier(), newSigner(t, "absent.example").Verifier())
	if err != nil || text != textOf(gateway) || !slices.Equal(by, []string{"mirror.example"}) {
		t.Fatalf("witnesses %v, %v", by, err)
	}
	if _, _, _, err := OpenDirectory(signText(t, textOf(gateway), mirror), gateway.Verifier(), mirror.Verifier()); !errors.Is(err, ErrSignature) {
		t.Errorf("a witness stands in for the gateway: %v", err)
	}
	if _, err := Cosign(signText(t, textOf(gateway), mirror), gateway.Verifier(), stranger); !errors.Is(err, ErrSignature) {
		t.Errorf("cosigned what the gateway didn't sign: %v", err)
	}
	if _, err := Sign("no line end", gateway); !errors.Is(err, ErrMalformed) {
		t.Errorf("signed a text without a line end: %v", err)
	}
}

func TestNewSigner_refusesBadKeysAndNames(t *testing.T) {
	for _, name := range []string{"", "a b", "a+b"} {
		if _, err := NewSigner(name, GenerateSeed()); !errors.Is(err, ErrKey) {
			t.Errorf("name %q: %v", name, err)
		}
	}
	if _, err := NewSigner(domain, make([]byte, 31)); !errors.Is(err, ErrKey) {
		t.Error(err)
	}
	if _, err := NewVerifier(domain, make([]byte, 31)); !errors.Is(err, ErrKey) {
		t.Error(err)
	}
}

func TestSigner_doesNotShow(t *testing.T) {
	s := newSigner(t, domain)
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x"} {
		if got := fmt.Sprintf(verb, s); got != "[secret]" {
			t.Errorf("%s is %q", verb, got)
		}
	}
	if got, err := json.Marshal(s); err != nil || string(got) != `"[secret]"` {
		t.Errorf("JSON is %s, %v", got, err)
	}
}

func FuzzParseManifest(f *testing.F) {
	f.Add(manifestText)
	f.Add("restante manifest v1\ndomain a\nbatch 0\nprevious -\nentries 0\n")
	f.Fuzz(func(t *testing.T, text string) {
		m, err := ParseManifest(text)
		if err == nil && m.Text() != text {
			t.Fatalf("%q comes back as %q", text, m.Text())
		}
		if err != nil && !errors.Is(err, ErrMalformed) {
			t.Fatal(err)
		}
	})
}

func FuzzParseDirectory(f *testing.F) {
	f.Add(directoryText)
	f.Fuzz(func(t *testing.T, text string) {
		d, err := ParseDirectory(text)
		if err == nil && d.Text() != text {
			t.Fatalf("%q comes back as %q", text, d.Text())
		}
		if err != nil && !errors.Is(err, ErrMalformed) {
			t.Fatal(err)
		}
	})
}

func BenchmarkVerifyEntry(b *testing.B) {
	s := newSigner(b, domain)
	v, signature := s.Verifier(), s.SignEntry("<a@b>", "restante.pool", "date", [32]byte{1})
	for b.Loop() {
		if err := v.VerifyEntry("<a@b>", "restante.pool", "date", [32]byte{1}, signature); err != nil {
			b.Fatal(err)
		}
	}
}
