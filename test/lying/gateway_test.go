package lying

import (
	"encoding/base64"
	"strings"
	"testing"

	"github.com/restante/restante/crypto/blind"
	"github.com/restante/restante/crypto/note"
	"github.com/restante/restante/test/harness"
)

// gatewayLies are lies of a gateway, or of whoever stands before it.
func gatewayLies() []*lieCase {
	return []*lieCase{
		{
			name: "a wrong blinding key in its directory", code: 4, kind: "other-key", mail: 1,
			home: func(*testing.T, *world) lie {
				return atKeys(func(signed string) string {
					at := strings.Index(signed, "\nblind ") + len("\nblind ")
					at += strings.Index(signed[at:], " ") + 5
					swap := map[bool]string{true: "B", false: "A"}[signed[at] == 'A']
					return signed[:at] + swap + signed[at+1:]
				})
			},
			says: "gateway " + domain + " answers with a directory that its key did not sign: somebody stands between",
		},
		{
			name: "a directory of another key", code: 4, kind: "other-key", mail: 1,
			home: resigned(func(*world) *note.Signer { return stranger() }, func(d *note.Directory, s *note.Signer) {
				d.Sign = [32]byte(s.Verifier().Public())
			}),
			says: "Ask its operator for the new key over another channel",
		},
		{
			name: "a key other than the one that was given", code: 4, kind: "other-key", fresh: true,
			gateway: "key = \"" + strangerLine() + "\"",
			says:    "answers with a directory that its key did not sign",
		},
		{
			name: "blinding with another key", code: 4, kind: "proof", fresh: true,
			home: otherBlinding,
			says: "blinded with another key than its directory says, which would show who you are: nothing of it was used",
			verify: func(t *testing.T, w *world, u *harness.User) {
				w.home.tell(honest)
				if r, said, code := synchronise(t, u); code != 0 || len(r.Troubles) > 0 {
					t.Errorf("from the true gateway: %d %s", code, said)
				}
			},
		},
		{
			name: "no proof", code: 4, kind: "proof", fresh: true,
			home: func(*testing.T, *world) lie {
				return func(r *reply) {
					if lines := strings.SplitAfter(r.block, "\r\n"); strings.HasPrefix(r.command, "XBLIND") {
						lines[9] = base64.RawURLEncoding.EncodeToString(make([]byte, 64)) + "\r\n"
						r.block = strings.Join(lines, "")
					}
				}
			},
			says: "Do not use this gateway until its operator can explain it",
		},
		{
			name: "another directory than before", code: 4, kind: "forked", mail: 1,
			home:   resigned((*world).own, func(d *note.Directory, _ *note.Signer) { d.Blind[1].Key[0] ^= 1 }),
			says:   "gateway " + domain + " has signed two directories that contradict each other",
			verify: proven,
		},
		{
			name: "another directory than others see", code: 4, kind: "forked", fresh: true,
			home: resigned((*world).own, func(d *note.Directory, _ *note.Signer) {
				d.Seal = append([]note.EpochKey(nil), d.Seal...)
				d.Seal[0].Key[0] ^= 1
			}),
			says:   "it shows you other keys than it shows others, or its key was stolen",
			verify: proven,
		},
		{
			name: "a directory that no witness has signed", code: 4, kind: "witnesses", mail: 1,
			gateway: "witnesses = [\"" + strangerLine() + "\"]\nwitnessed = 1",
			says:    "has a directory that too few of your witnesses have signed",
		},
		{
			name: "its old directory again", code: 4, kind: "old",
			before: func(t *testing.T, w *world, u *harness.User) {
				w.home.tell(resigned((*world).own, func(d *note.Directory, _ *note.Signer) {
					d.Previous, d.Serial = note.Hash(d.Text()), d.Serial+1
				})(t, w))
				if _, said, code := synchronise(t, u); code != 0 {
					t.Errorf("its newer directory: %d %s", code, said)
				}
				w.home.tell(honest)
			},
			says: "shows an old directory, with keys that it has replaced since",
		},
		{
			name: "nothing at all", code: 3, kind: "away", mail: 1,
			home: func(*testing.T, *world) lie { return func(r *reply) { r.line, r.block, r.silent = "", "", true } },
			says: "gateway " + domain + " can't be reached, or does not answer as it should. Mail that was looked up ahead still comes",
		},
		{
			name: "two accounts of one batch", code: 4, kind: "history", mail: 1,
			pool: twoAccounts,
			says: "has signed two accounts of what it released that contradict each other",
		},
	}
}

func (w *world) own() *note.Signer { return w.signer }

func stranger() *note.Signer {
	s, err := note.NewSigner(domain, []byte("a seed of somebody else: 32 octet"[:32]))
	if err != nil {
		panic(err)
	}
	return s
}

func strangerLine() string { return stranger().Verifier().Line() }

// atKeys alters the directory.
func atKeys(alter func(string) string) lie {
	return func(r *reply) {
		if r.command == "XKEYS" {
			r.block = strings.ReplaceAll(alter(strings.ReplaceAll(r.block, "\r\n", "\n")), "\n", "\r\n")
		}
	}
}

// resigned is a directory that was altered and signed again.
func resigned(by func(*world) *note.Signer, alter func(*note.Directory, *note.Signer)) func(*testing.T, *world) lie {
	return func(t *testing.T, w *world) lie {
		return atKeys(func(signed string) string {
			text, _, _ := strings.Cut(signed, "\n\n")
			d, err := note.ParseDirectory(text + "\n")
			if err != nil {
				t.Error(err)
				return signed
			}
			alter(d, by(w))
			again, err := note.Sign(d.Text(), by(w))
			if err != nil {
				t.Error(err)
			}
			return string(again) + ".\n"
		})
	}
}

// otherBlinding answers with a proof for a key that is not the directory's.
func otherBlinding(t *testing.T, _ *world) lie {
	key, err := blind.NewRoot().Key(domain)
	if err != nil {
		t.Fatal(err)
	}
	return func(r *reply) {
		fields := strings.Fields(r.command)
		if len(fields) != 3 || fields[0] != "XBLIND" {
			return
		}
		var elements [][]byte
		for text := range strings.SplitSeq(fields[2], ",") {
			octets, err := base64.RawURLEncoding.DecodeString(text)
			if err != nil {
				t.Error(err)
			}
			elements = append(elements, octets)
		}
		evaluated, proof, err := key.EvaluateBlinded(elements)
		if err != nil {
			t.Error(err)
			return
		}
		r.block = ""
		for _, octets := range append(evaluated, proof) {
			r.block += base64.RawURLEncoding.EncodeToString(octets) + "\r\n"
		}
		r.block += ".\r\n"
	}
}

// proven checks that she can show others the proof of a fork, and that nothing is
// sealed to that gateway any more.
func proven(t *testing.T, w *world, u *harness.User) {
	proof := u.Run("fork", domain)
	second := strings.LastIndex(proof, "restante directory v1\n")
	if second < 1 || !note.Contradict([]byte(proof[:second-1]), []byte(proof[second:]), w.signer.Verifier()) {
		t.Errorf("no proof:\n%s", proof)
	}
	if out, said, code := u.Try("card"); code != 4 || !strings.Contains(said, "contradicts itself") {
		t.Errorf("a card of a gateway that lies: %d %s%s", code, out, said)
	}
}
