package envelope_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/restante/restante/crypto/blind"
	"github.com/restante/restante/crypto/envelope"
	"github.com/restante/restante/crypto/identity"
	"github.com/restante/restante/crypto/token"
)

// updateVectors names the environment variable that has the vectors made anew:
//
//	RESTANTE_UPDATE_VECTORS=1 go test -run TestVectors ./crypto/envelope
//
// Tokens and payloads are randomised, so all of them change. A vector that
// changes is a protocol that changes: say why in the file's "changes".
const updateVectors = "RESTANTE_UPDATE_VECTORS"

// A vectorFile is testdata/vectors.json.
type vectorFile struct {
	About   string   `json:"about"`
	Changes []string `json:"changes"` // why vectors changed, oldest first; never taken away
	Vectors []vector `json:"vectors"`

	Shared map[string]string `json:"shared"` // inputs too long to repeat: every vector has them
}

// A vector is one derivation, with what must come of it.
type vector struct {
	Name    string            `json:"name"`
	Derive  string            `json:"derive"`  // a case of derive
	Outcome string            `json:"outcome"` // "valid", or why it must be refused
	In      map[string]string `json:"in"`
	Out     string            `json:"out,omitempty"`
}

// given is the vector with the shared inputs added.
func (v vector) given(shared map[string]string) vector {
	in := maps.Clone(shared)
	maps.Copy(in, v.In)
	v.In = in
	return v
}

// refusal is the one error that a refused derivation must return, whatever the
// outcome's name, unless the outcome is "malformed".
func refusal(v vector) error {
	switch v.Derive {
	case "token":
		if v.Outcome == "malformed" {
			return token.ErrNotToken
		}
		if v.Outcome == "expired" {
			return token.ErrEpoch
		}
		return token.ErrForged
	case "entry":
		return envelope.ErrOpen
	case "parse reply key":
		return identity.ErrReplyKey
	case "parse seal key":
		return token.ErrSealKey
	case "parse tag":
		return blind.ErrTag
	case "parse element":
		return blind.ErrElement
	}
	return nil
}

func TestVectors_everyDerivation(t *testing.T) {
	path := filepath.Join("testdata", "vectors.json")
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var file vectorFile
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&file); err != nil {
		t.Fatal(err)
	}
	if os.Getenv(updateVectors) != "" {
		file.Vectors, file.Shared = makeVectors(t)
		writeVectors(t, path, &file)
	}
	seen := map[string]bool{}
	for _, v := range file.Vectors {
		seen[v.Derive] = true
		t.Run(v.Derive+"/"+v.Name, func(t *testing.T) { checkVector(t, v.given(file.Shared)) })
	}
	for _, name := range []string{
		"seed", "id", "reply key", "e2e key", "cancel key", "next root", "public key", "blinded",
		"tag", "token", "entry", "parse reply key", "parse seal key", "parse tag", "parse element",
	} {
		if !seen[name] {
			t.Errorf("no vector derives %q", name)
		}
	}
}

func checkVector(t *testing.T, v vector) {
	got, err := derive(t, v)
	if v.Outcome != "valid" {
		if want := refusal(v); want == nil || !errors.Is(err, want) {
			t.Fatalf("outcome %s: got error %v, want %v", v.Outcome, err, want)
		}
		return
	}
	if err != nil {
		t.Fatalf("valid, but: %v", err)
	}
	if diff := cmp.Diff(v.Out, got); diff != "" {
		t.Fatalf("(-want +got)\n%s", diff)
	}
}

// derive does what a vector says, and returns hexadecimal octets or text.
func derive(t *testing.T, v vector) (string, error) {
	t.Helper()
	in := fields{t, v.In}
	switch v.Derive {
	case "seed":
		s := identity.FromPassphrase(in.text("domain"), in.text("handle"), in.text("passphrase"))
		return hex.EncodeToString(s.Bytes()), nil
	case "id":
		return hex.EncodeToString(in.mailbox().ID().AppendTo(nil)), nil
	case "reply key":
		return hex.EncodeToString(in.mailbox().ReplyKey().Bytes()), nil
	case "cancel key":
		key := in.mailbox().CancelKey(in.text("message-id"))
		return hex.EncodeToString(key[:]), nil
	case "e2e key": // 1,216 octets, of which the SHA-256 will do
		sum := sha256.Sum256(in.seed().E2EKey(uint32(in.number("mailbox"))).PublicKey().Bytes())
		return hex.EncodeToString(sum[:]), nil
	case "next root":
		return hex.EncodeToString(in.root().Next().Bytes()), nil
	case "public key":
		return hex.EncodeToString(in.key().Public()), nil
	case "blinded":
		b, err := in.key().Evaluate(in.mailbox().ID())
		if err != nil {
			return "", err
		}
		return hex.EncodeToString(b.Bytes()), nil
	case "tag":
		return in.blinded().Tag(in.number("batch"), uint16(in.number("slot"))).String(), nil
	case "token":
		return deriveToken(in)
	case "entry":
		return deriveEntry(in)
	}
	return deriveParsed(t, v, in)
}

func deriveParsed(t *testing.T, v vector, in fields) (string, error) {
	t.Helper()
	switch v.Derive {
	case "parse reply key":
		k, err := identity.ParseReplyKey(in.octets("key"))
		return hex.EncodeToString(k.Bytes()), err
	case "parse seal key":
		k, err := token.ParseSealPublic(in.octets("key"))
		return hex.EncodeToString(k.Bytes()), err
	case "parse tag":
		tag, err := blind.ParseTag(in.text("tag"))
		return hex.EncodeToString(tag[:]), err
	case "parse element":
		evaluated, _, err := in.key().EvaluateBlinded([][]byte{in.octets("element")})
		if err != nil {
			return "", err
		}
		return hex.EncodeToString(evaluated[0]), nil
	}
	t.Fatalf("no derivation is called %q", v.Derive)
	return "", nil
}

// deriveToken opens a token as a gateway does, and returns ID and reply key.
func deriveToken(in fields) (string, error) {
	tok, _, err := token.Parse(in.text("message-id"))
	if err != nil {
		return "", err
	}
	epoch, err := tok.Epoch(in.number("oldest"), in.number("newest"))
	if err != nil {
		return "", err
	}
	key, err := token.SealKeyFromBytes(in.octets("seal key"))
	if err != nil {
		return "", err
	}
	id, reply, err := tok.Open(key, in.text("domain"), epoch)
	if err != nil {
		return "", err
	}
	return hex.EncodeToString(append(id.AppendTo(nil), reply.Bytes()...)), nil
}

// deriveEntry opens a payload, with one bit of it flipped if asked, and returns
// the fragment's fields.
func deriveEntry(in fields) (string, error) {
	payload, err := base64.StdEncoding.DecodeString(in.text("payload"))
	if err != nil {
		return "", err
	}
	if _, ok := in.values["flip"]; ok {
		bit := in.number("flip")
		payload[bit/8] ^= 1 << (bit % 8)
	}
	if _, ok := in.values["cut"]; ok {
		payload = payload[:in.number("cut")]
	}
	f, err := envelope.Open(in.mailbox(), in.blinded(), in.text("message-id"), payload)
	if err != nil {
		return "", err
	}
	return fragmentText(f), nil
}

func fragmentText(f envelope.Fragment) string {
	return strconv.Itoa(int(f.Kind)) + " " + strconv.Itoa(int(f.Flags)) + " " +
		strconv.Itoa(int(f.Index)) + "/" + strconv.Itoa(int(f.Count)) + " " +
		hex.EncodeToString(f.Handle[:]) + " " + hex.EncodeToString(f.Content)
}

// fields reads a vector's inputs.
type fields struct {
	t      *testing.T
	values map[string]string
}

func (f fields) text(name string) string {
	f.t.Helper()
	value, ok := f.values[name]
	if !ok {
		f.t.Fatalf("the vector has no %q", name)
	}
	return value
}

func (f fields) octets(name string) []byte {
	f.t.Helper()
	return must(hex.DecodeString(f.text(name)))(f.t)
}

func (f fields) number(name string) uint64 {
	f.t.Helper()
	return must(strconv.ParseUint(f.text(name), 10, 64))(f.t)
}

func (f fields) seed() *identity.Seed {
	f.t.Helper()
	return must(identity.SeedFromBytes(f.octets("seed")))(f.t)
}

func (f fields) mailbox() *identity.Mailbox {
	f.t.Helper()
	return f.seed().Mailbox(uint32(f.number("mailbox")))
}

func (f fields) root() blind.Root {
	f.t.Helper()
	return must(blind.RootFromBytes(f.octets("root")))(f.t)
}

func (f fields) key() *blind.Key {
	f.t.Helper()
	return must(f.root().Key(f.text("domain")))(f.t)
}

func (f fields) blinded() *blind.Blinded {
	f.t.Helper()
	return must(blind.BlindedFromBytes(f.octets("blinded")))(f.t)
}

// must returns what a call returned, failing the test on an error.
func must[T any](v T, err error) func(testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func writeVectors(t *testing.T, path string, file *vectorFile) {
	t.Helper()
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "\t")
	if err := encoder.Encode(file); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, out.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
}
