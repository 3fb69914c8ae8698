package bridge

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/tyler-smith/go-bip39"

	"github.com/restante/restante/crypto/identity"
	"github.com/restante/restante/test/harness"
)

// searched is what is looked for in all that gateways can see.
type searched struct {
	secrets search                       // must be nowhere
	ids     search                       // of mailboxes: must be nowhere but where something is deposited for them
	answers map[*harness.Gateway]*search // reply tokens of messages sealed from end to end, by the gateway that they are not for
	seeds   []*identity.Seed             // the users'
}

// mailboxes is how many of a user's are looked for.
const mailboxes = 8

func newSearched(t *testing.T, w *World, users ...*harness.User) *searched {
	t.Helper()
	s := &searched{answers: map[*harness.Gateway]*search{w.A: new(search), w.B: new(search)}}
	for _, u := range users {
		octets, err := bip39.EntropyFromMnemonic(strings.Join(strings.Fields(u.Run("backup")), " "))
		if err != nil {
			t.Fatal(err)
		}
		seed, err := identity.SeedFromBytes(octets)
		if err != nil {
			t.Fatal(err)
		}
		s.secrets.add("a seed", octets)
		for n := range uint32(mailboxes) {
			box := seed.Mailbox(n)
			name := fmt.Sprintf("mailbox %d of user %d", n, len(s.seeds))
			s.ids.add(name, box.ID().AppendTo(nil))
			private, err := box.PrivateKey().Bytes()
			if err != nil {
				t.Fatal(err)
			}
			s.secrets.add("a private key", private)
		}
		s.seeds = append(s.seeds, seed)
	}
	return s
}

// answer looks for the token under which a message is answered, at the gateway whose
// it is not.
func (s *searched) answer(t *testing.T, w *World, id string) {
	t.Helper()
	local, domain, _ := strings.Cut(strings.Trim(id, "<>"), "@")
	octets, err := base64.RawURLEncoding.DecodeString(local)
	if err != nil {
		t.Fatal(err)
	}
	other := w.A
	if domain == "a.example" {
		other = w.B
	}
	s.answers[other].add("a reply token of another gateway's user", octets)
}

// A visitor is somebody with a plain newsreader.
type visitor struct{ handle, passphrase, words string }

// visits has somebody log in at a gateway, and write to himself.
func visits(t *testing.T, g *harness.Gateway) visitor {
	t.Helper()
	v := visitor{"dave", harness.Passphrase(t), "The cello is in the attic, since no violin would be."}
	r := g.Dial()
	r.Login(v.handle, v.passphrase)
	card := r.Post("From: x@home.example\nNewsgroups: restante.cards\nSubject: card\n\nWrite to Dave.\n")
	r.Post("From: x@home.example\nNewsgroups: restante.reply\nSubject: hello\nReferences: " + card + "\n\n" + v.words + "\n")
	r.Await("restante.inbox", v.words)
	return v
}

// unseen fails the test when a gateway, or the mirror, has seen what it must not:
// what the gateways' functions were given, and what all three have logged or kept.
func unseen(t *testing.T, w *World, s *searched, seen map[*harness.Gateway][]sight) {
	t.Helper()
	kept, looked := 0, 0
	for _, g := range []*harness.Gateway{w.A, w.B, w.Mirror} {
		for _, octets := range append(files(t, g.Data), files(t, g.Log)...) {
			kept += len(octets)
			for what := range s.secrets.in(octets) {
				t.Errorf("a server keeps %s", what)
			}
			for what := range s.ids.in(octets) {
				t.Errorf("a server keeps the ID of %s", what)
			}
		}
	}
	var blinded search // IDs, as the gateways blinded them themselves
	at := make(map[string]map[string]bool)
	for g := range seen {
		for _, one := range seen[g] {
			if one.Place == "intake" && one.Function == "blind.BlindedFromBytes" && len(one.Octets) == 64 {
				blinded.add("a blinded ID", one.Octets)
			}
		}
		for _, one := range seen[g] {
			looked += len(one.Octets)
			for what := range s.answers[g].in(one.Octets) {
				t.Errorf("%s was given %s", one.Function, what)
			}
			for _, octets := range [][]byte{one.Octets, bytes.ReplaceAll(one.Octets, []byte("\r\n"), nil)} {
				for what := range s.secrets.in(octets) {
					t.Errorf("%s was given %s", one.Function, what)
				}
				for what := range s.ids.in(octets) {
					if at[what] == nil {
						at[what] = make(map[string]bool)
					}
					at[what][one.Place] = true
				}
				if one.Place == "session" && len(blinded.in(octets)) > 0 {
					t.Errorf("%s was given, in a session, an ID that was blinded at a deposit", one.Function)
				}
			}
		}
	}
	t.Logf("%d octets on disk and %d of what functions saw were searched; mailboxes were seen at %v", kept, looked, at)
	if len(blinded.needles) == 0 {
		t.Error("the gateways blinded nothing at deposits")
	}
	for _, must := range []string{"mailbox 0 of user 0", "mailbox 1 of user 0", "mailbox 2 of user 0", "mailbox 1 of user 1", "mailbox 1 of user 2"} {
		if !at[must]["intake"] {
			t.Errorf("nobody saw %s when something was deposited for it: this search finds nothing", must)
		}
	}
	for what, places := range at {
		delete(places, "intake")
		if len(places) > 0 {
			t.Errorf("%s was seen elsewhere than at a deposit: %v", what, places)
		}
	}
}

// showsALogin fails the test unless a gateway has seen everything of somebody who
// has logged in: so it would be seen of the others, too.
func showsALogin(t *testing.T, seen []sight, v visitor) {
	t.Helper()
	var own search
	own.add("the passphrase", []byte(v.passphrase))
	own.add("the words", []byte(v.words))
	seed := identity.FromPassphrase("a.example", v.handle, v.passphrase)
	own.add("the seed", seed.Bytes())
	own.add("the ID", seed.Mailbox(0).ID().AppendTo(nil))
	found := make(map[string]bool)
	for _, one := range seen {
		if one.Place == "session" {
			maps.Copy(found, own.in(one.Octets))
		}
	}
	if len(found) != 4 {
		t.Errorf("of a plain newsreader's login only %v was seen: the watching does not work", found)
	}
}

// clock is the time of day, which two articles may have in common.
var clock = regexp.MustCompile(`\d\d:\d\d(:\d\d)?`)

// Strings that two deposits must not share are of piece octets, and no part of core
// octets of theirs is in others' deposits: a letter of a token beside a word that
// stands in every article tells nobody apart.
const (
	piece = 16
	core  = 8
)

// A deposit is all that a gateway's functions saw while something was deposited.
type deposit struct {
	pieces map[[piece]byte]bool
	cores  map[[core]byte]bool
}

func (d *deposit) add(octets []byte) {
	octets = clock.ReplaceAll(octets, nil)
	for i := 0; i+core <= len(octets); i++ {
		d.cores[[core]byte(octets[i:])] = true
		if i+piece <= len(octets) {
			d.pieces[[piece]byte(octets[i:])] = true
		}
	}
}

// share returns a string that two deposits have in common, and none of others.
func (d *deposit) share(with *deposit, others []*deposit) (string, bool) {
	for p := range d.pieces {
		if !with.pieces[p] {
			continue
		}
		usual := false
		for i := 0; i+core <= piece && !usual; i++ {
			usual = slices.ContainsFunc(others, func(o *deposit) bool { return o.cores[[core]byte(p[i:])] })
		}
		if !usual {
			return string(p[:]), true
		}
	}
	return "", false
}

// depositsAt returns the deposits that a curious gateway has seen, by the mailbox
// that they are for.
func depositsAt(t *testing.T, seen []sight, s *searched) map[string][]*deposit {
	t.Helper()
	out := make(map[string][]*deposit)
	fresh := func() (*deposit, map[string]bool) {
		return &deposit{make(map[[piece]byte]bool), make(map[[core]byte]bool)}, make(map[string]bool)
	}
	d, boxes := fresh()
	for _, one := range seen {
		switch {
		case one.Place != "intake":
		case one.Function == "END":
			if len(boxes) > 1 {
				t.Errorf("one deposit showed %v", boxes)
			}
			for box := range boxes {
				out[box] = append(out[box], d)
			}
			d, boxes = fresh()
		default:
			maps.Copy(boxes, s.ids.in(one.Octets))
			d.add(one.Octets)
		}
	}
	return out
}

// unlinked fails the test when the gateway could tell that two of its mailboxes have
// one owner: by anything that it sees when something is deposited for them, and does
// not see at other deposits.
func unlinked(t *testing.T, seen []sight, s *searched) {
	t.Helper()
	deposits := depositsAt(t, seen, s)
	bobs, carols, others := deposits["mailbox 1 of user 0"], deposits["mailbox 2 of user 0"], deposits["mailbox 1 of user 2"]
	if len(bobs) < 2 || len(carols) < 1 || len(others) < 1 {
		t.Fatalf("%d, %d and %d deposits", len(bobs), len(carols), len(others))
	}
	if _, ok := bobs[0].share(bobs[1], others); !ok {
		t.Error("two deposits for one mailbox have nothing in common: this comparison finds nothing")
	}
	for _, b := range bobs {
		for _, c := range carols {
			if found, ok := b.share(c, others); ok {
				t.Errorf("deposits for two mailboxes of one user share what others do not have: %q", found)
			}
		}
	}
}
