package envelope_test

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/restante/restante/crypto/envelope"
	"github.com/restante/restante/crypto/identity"
	"github.com/restante/restante/crypto/token"
)

// What all vectors are made with.
const (
	vectorDomain = "gateway.example"
	vectorEpoch  = 2946
	vectorBatch  = 5939136
	smallOrder   = "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800"
)

// A maker gathers vectors; what a valid one must give is what it gives now.
type maker struct {
	t      *testing.T
	list   []vector
	shared map[string]string
}

func makeVectors(t *testing.T) ([]vector, map[string]string) {
	m := &maker{t: t, shared: map[string]string{}}
	m.identity()
	m.blinding()
	m.tokens()
	m.entries()
	m.parsing()
	return m.list, m.shared
}

// add adds a vector with the given pairs of inputs.
func (m *maker) add(derivation, outcome, name string, in map[string]string) string {
	v := vector{Name: name, Derive: derivation, Outcome: outcome, In: in}
	if outcome == "valid" {
		v.Out = must(derive(m.t, v.given(m.shared)))(m.t)
	}
	m.list = append(m.list, v)
	return v.Out
}

// with is in with one more pair, or another value.
func with(in map[string]string, pairs ...string) map[string]string {
	out := maps.Clone(in)
	for i := 0; i < len(pairs); i += 2 {
		out[pairs[i]] = pairs[i+1]
	}
	return out
}

// counting is 32 octets in a row, from first.
func counting(first byte) string {
	out := make([]byte, 32)
	for i := range out {
		out[i] = first + byte(i)
	}
	return hex.EncodeToString(out)
}

func (m *maker) identity() {
	login := map[string]string{"domain": vectorDomain, "handle": "alice", "passphrase": "correct horse battery staple"}
	m.add("seed", "valid", "a login", login)
	m.add("seed", "valid", "another domain", with(login, "domain", "other.example"))
	m.add("seed", "valid", "another handle", with(login, "handle", "bob"))
	m.add("seed", "valid", "nothing typed", with(login, "handle", "", "passphrase", ""))
	m.add("seed", "valid", "octets beyond ASCII", with(login, "handle", "zoë", "passphrase", "пароль"))
	for _, n := range []string{"0", "1", "256", "4294967295"} {
		in := map[string]string{"seed": counting(0), "mailbox": n}
		m.add("id", "valid", "mailbox "+n, in)
		m.add("reply key", "valid", "mailbox "+n, in)
		m.add("e2e key", "valid", "mailbox "+n, in)
	}
	m.cancelKeys()
}

func (m *maker) cancelKeys() {
	in := map[string]string{"seed": counting(0), "mailbox": "0", "message-id": "<12345@mid.example>"}
	m.add("cancel key", "valid", "mailbox 0", in)
	m.add("cancel key", "valid", "mailbox 1", with(in, "mailbox", "1"))
	m.add("cancel key", "valid", "another article", with(in, "message-id", "<12346@mid.example>"))
}

func (m *maker) blinding() {
	root := counting(64)
	for i := range 3 {
		name := "epoch " + strconv.Itoa(i)
		in := map[string]string{"root": root, "domain": vectorDomain, "seed": counting(0), "mailbox": "0"}
		m.add("public key", "valid", name, map[string]string{"root": root, "domain": vectorDomain})
		b := m.add("blinded", "valid", name, in)
		m.add("blinded", "valid", name+", mailbox 1", with(in, "mailbox", "1"))
		for _, slot := range []string{"0", "1", "7", "65535"} {
			m.add("tag", "valid", name+", slot "+slot, map[string]string{
				"blinded": b, "batch": strconv.Itoa(vectorBatch), "slot": slot,
			})
		}
		root = m.add("next root", "valid", name, map[string]string{"root": root})
	}
	m.add("public key", "valid", "another domain", map[string]string{"root": counting(64), "domain": "other.example"})
}

func (m *maker) tokens() {
	key := must(token.SealKeyFromBytes(fields{m.t, map[string]string{"k": counting(128)}}.octets("k")))(m.t)
	box := must(identity.SeedFromBytes(fields{m.t, map[string]string{"k": counting(0)}}.octets("k")))(m.t).Mailbox(0)
	minted := must(token.Mint(key.Public(), vectorDomain, vectorEpoch, box))(m.t)
	in := map[string]string{
		"message-id": minted.MessageID(vectorDomain), "seal key": counting(128), "domain": vectorDomain,
		"oldest": "2934", "newest": "2946",
	}
	m.add("token", "valid", "in its own epoch", in)
	m.add("token", "valid", "in the last epoch of its life", with(in, "oldest", "2946", "newest", "2958"))
	m.add("token", "expired", "an epoch too late", with(in, "oldest", "2947", "newest", "2959"))
	m.add("token", "expired", "an epoch too early", with(in, "oldest", "2933", "newest", "2945"))
	m.add("token", "wrong-key", "another epoch's key", with(in, "seal key", counting(129)))
	m.add("token", "wrong-domain", "at another gateway", with(in, "domain", "other.example"))
	m.add("token", "wrong-epoch", "256 epochs later, same octet", with(in, "oldest", "3190", "newest", "3202"))
	m.badTokens(in, key, box)
}

func (m *maker) badTokens(in map[string]string, key *token.SealKey, box *identity.Mailbox) {
	id := in["message-id"]
	local, _, _ := strings.Cut(id[1:], "@")
	octets := must(base64.RawURLEncoding.DecodeString(local))(m.t)
	for _, at := range []int{1, 32, 33, 96, 97, 112} { // enc, ciphertext, authentication tag; first and last octet of each
		flipped := append([]byte(nil), octets...)
		flipped[at] ^= 0x01
		m.add("token", "flipped", "octet "+strconv.Itoa(at), with(in, "message-id", encodeToken(flipped)))
	}
	malformed := map[string]string{
		"no brackets": id[1 : len(id)-1], "no domain": "<" + local + "@>", "no at": "<" + local + ">",
		"a character less": "<" + local[1:] + "@" + vectorDomain + ">", "a character more": "<A" + local + "@" + vectorDomain + ">",
		"standard base64": "<+" + local[1:] + "@" + vectorDomain + ">", "padding": "<" + local[1:] + "=@" + vectorDomain + ">",
		"bits to spare":   "<" + local[:150] + "B@" + vectorDomain + ">",
		"a line end":      "<" + local[:150] + "\n@" + vectorDomain + ">",
		"domain too long": "<" + local + "@" + strings.Repeat("a", token.MaxDomain+1) + ">",
		"two ats":         "<" + local + "@" + vectorDomain + "@x>", "empty": "",
		"a tag": "<" + strings.Repeat("A", 32) + "@" + vectorDomain + ">",
	}
	for _, name := range sortedKeys(malformed) {
		m.add("token", "malformed", name, with(in, "message-id", malformed[name]))
	}
	info := binary.BigEndian.AppendUint32([]byte("restante token v1\x00"+vectorDomain+"\x00"), vectorEpoch)
	low := fields{m.t, map[string]string{"k": smallOrder}}.octets("k")
	plain := box.ID().AppendTo(nil)
	for i, reply := range [][]byte{low, make([]byte, 32)} {
		sealed := must(key.Public().Seal(info, append(plain[:32:32], reply...)))(m.t)
		m.add("token", "low-order", []string{"of order 8", "the zero key"}[i], with(in, "message-id", encodeToken(append([]byte{octets[0]}, sealed...))))
	}
}

func encodeToken(octets []byte) string {
	return "<" + base64.RawURLEncoding.EncodeToString(octets) + "@" + vectorDomain + ">"
}

func (m *maker) entries() {
	box := fields{m.t, map[string]string{"seed": counting(0), "mailbox": "0"}}.mailbox()
	key := fields{m.t, map[string]string{"root": counting(64), "domain": vectorDomain}}.key()
	b := must(key.Evaluate(box.ID()))(m.t)
	id := b.Tag(vectorBatch, 0).MessageID(vectorDomain)
	f := envelope.Fragment{
		Kind: envelope.KindMessage, Index: 2, Count: 3,
		Handle: [16]byte{1, 2, 3}, Content: []byte("Subject: hello\r\n\r\nworld\r\n"),
	}
	payload := must(envelope.Seal(box.ReplyKey(), b, id, f))(m.t)
	in := map[string]string{
		"seed": counting(0), "mailbox": "0", "blinded": hex.EncodeToString(b.Bytes()), "message-id": id,
	}
	m.shared["payload"] = base64.StdEncoding.EncodeToString(payload)
	m.add("entry", "valid", "the last of three fragments", in)
	for _, bit := range []string{"0", "247", "256", "70000", "130943", "130944", "131071"} {
		m.add("entry", "flipped", "bit "+bit, with(in, "flip", bit))
	}
	m.add("entry", "malformed", "an octet short", with(in, "cut", "16383"))
	m.add("entry", "malformed", "empty", with(in, "cut", "0"))
	m.add("entry", "swapped", "another entry's message-id", with(in, "message-id", b.Tag(vectorBatch, 1).MessageID(vectorDomain)))
	m.add("entry", "wrong-key", "another mailbox", with(in, "mailbox", "1"))
	other := must(key.Evaluate(fields{m.t, with(in, "mailbox", "1")}.mailbox().ID()))(m.t)
	m.add("entry", "wrong-id", "another mailbox's server-blinded id", with(in, "blinded", hex.EncodeToString(other.Bytes())))
}

func (m *maker) parsing() {
	valid := hex.EncodeToString(fields{m.t, map[string]string{"seed": counting(0), "mailbox": "0"}}.mailbox().ReplyKey().Bytes())
	keys := map[string]string{
		"malformed/short": valid[2:], "malformed/long": valid + "00", "malformed/empty": "",
		"low-order/0": strings.Repeat("00", 32), "low-order/1": "01" + strings.Repeat("00", 31),
		"low-order/order 8": smallOrder, "low-order/the other of order 8": "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
		"low-order/p-1": "ec" + strings.Repeat("ff", 30) + "7f", "low-order/p": "ed" + strings.Repeat("ff", 30) + "7f",
		"low-order/p+1": "ee" + strings.Repeat("ff", 30) + "7f", "low-order/0, top bit set": strings.Repeat("00", 31) + "80",
	}
	for _, derivation := range []string{"parse reply key", "parse seal key"} {
		m.add(derivation, "valid", "an honest key", map[string]string{"key": valid})
		for _, name := range sortedKeys(keys) {
			outcome, name2, _ := strings.Cut(name, "/")
			m.add(derivation, outcome, name2, map[string]string{"key": keys[name]})
		}
	}
	tag := strings.Repeat("AbC-_019", 4)
	m.add("parse tag", "valid", "all kinds of characters", map[string]string{"tag": tag})
	tags := map[string]string{
		"short": tag[1:], "long": tag + "A", "empty": "", "standard base64": "+" + tag[1:], "padding": tag[1:] + "=",
		"a line end": tag[1:] + "\n", "a space": tag[1:] + " ",
	}
	for _, name := range sortedKeys(tags) {
		m.add("parse tag", "malformed", name, map[string]string{"tag": tags[name]})
	}
	m.elements()
}

func (m *maker) elements() {
	in := map[string]string{"root": counting(64), "domain": vectorDomain, "element": "e2f2ae0a6abc4e71a884a961c500515f58e30b6aa582dd8db6a65945e08d2d76"}
	m.add("parse element", "valid", "the generator (RFC 9496, A.1)", in)
	bad := map[string]string{
		"identity/the identity":                  strings.Repeat("00", 32),
		"malformed/short":                        strings.Repeat("00", 31),
		"malformed/empty":                        "",
		"non-canonical/above p (RFC 9496, A.2)":  "00" + strings.Repeat("ff", 31),
		"non-canonical/p, which is the identity": "ed" + strings.Repeat("ff", 30) + "7f",
		"non-canonical/negative (RFC 9496, A.2)": "01" + strings.Repeat("00", 31),
		"malformed/no square (RFC 9496, A.2)":    "26948d35ca62e643e26a83177332e6b6afeb9d08e4268b650f1f5bbd8d81d371",
	}
	for _, key := range sortedKeys(bad) {
		outcome, name, _ := strings.Cut(key, "/")
		m.add("parse element", outcome, name, with(in, "element", bad[key]))
	}
}

func sortedKeys(in map[string]string) []string {
	return slices.Sorted(maps.Keys(in))
}
