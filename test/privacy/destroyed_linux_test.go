package privacy

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cloudflare/circl/oprf"

	"github.com/restante/restante/crypto/blind"
	"github.com/restante/restante/test/harness"
)

// epochLength is short, so that keys die while one waits, and long enough for a card
// to be answered within it on a busy machine.
const epochLength = 6 * time.Second

// TestDestroyed_keysAreNotOnTheDisk looks for destroyed keys in every block of the
// gateway's file system.
func TestDestroyed_keysAreNotOnTheDisk(t *testing.T) {
	disk := newVolume(t)
	g, keys := lived(t, harness.Program(t))
	g.Stop() // else it may be destroying a key just while the disk is read
	keys.mustBeGone(func() []place { return disk.raw(t) })
}

// lived returns a gateway of that program that has lived through epochs, with mail,
// logins and a restart, and what was seen of its keys while they were in force.
func lived(t *testing.T, program string) (*harness.Gateway, *keyWatch) {
	t.Helper()
	g := harness.StartAs(t, program,
		harness.Setting{Key: "epoch_length", Value: strconv.Quote(epochLength.String())},
		harness.Setting{Key: "retention", Value: "1"}, harness.Setting{Key: "token_life", Value: "1"},
		harness.Setting{Key: "backlog", Value: "4"}, harness.Setting{Key: "disk_reserve", Value: "1048576"})
	keys := &keyWatch{t: t, dir: filepath.Join(g.Data, "keys"), seals: map[string][]byte{}, roots: map[uint64][]byte{}}
	alice := harness.Passphrase(t)
	for round := range 4 {
		reader := g.Dial()
		reader.Login(aliceHandle, alice)
		card := reader.Post("Newsgroups: restante.cards\nFrom: x\nSubject: card\n\nx\n")
		g.Dial().Post("Newsgroups: restante.reply\nFrom: x\nSubject: x\nReferences: " + card + "\n\nx\n")
		reader.Await("restante.inbox", "x")
		if round == 1 {
			g.Restart()
		}
		keys.wait(epochLength)
	}
	return g, keys
}

// mustBeGone searches places for every form of every key that was destroyed before
// they are taken. The same search must find those in force.
func (w *keyWatch) mustBeGone(take func() []place) {
	w.t.Helper()
	dead, live := w.sorted()
	places := take()
	if len(dead) < 6 || len(live) < 3 {
		w.t.Fatalf("%d keys were destroyed and %d are in force: too few to look for", len(dead), len(live))
	}
	octets := 0
	for _, p := range places {
		octets += len(p.octets)
	}
	found, alive := search(places, dead), search(places, live)
	for _, f := range found {
		w.t.Error(f)
	}
	if len(alive) == 0 {
		w.t.Error("not even the keys in force are found")
	}
	w.t.Logf("%d octets searched: %d hits of %d destroyed secrets, %d of %d in force", octets, len(found), len(dead), len(alive), len(live))
}

// A keyWatch copies the keys that it sees come.
type keyWatch struct {
	t     *testing.T
	dir   string
	seals map[string][]byte // by file
	roots map[uint64][]byte // by epoch
}

// wait looks at the keys for so long.
func (w *keyWatch) wait(d time.Duration) {
	w.t.Helper()
	for end := time.Now().Add(d); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
		w.look()
	}
}

// settle waits until an epoch is well under way and no key is on its way out: what
// is seen then is seen of keys that are in force or gone.
func (w *keyWatch) settle() {
	w.t.Helper()
	for {
		in := time.Duration(time.Now().UnixNano()) % epochLength
		leaving, err := filepath.Glob(filepath.Join(w.dir, "*.*"))
		if err != nil {
			w.t.Fatal(err)
		}
		if in > epochLength*3/8 && in < epochLength/2 && len(leaving) == 0 {
			return
		}
		w.wait(epochLength / 16)
	}
}

func (w *keyWatch) look() {
	w.t.Helper()
	names, err := filepath.Glob(filepath.Join(w.dir, "seal-*"))
	if err != nil {
		w.t.Fatal(err)
	}
	for _, name := range append(names, filepath.Join(w.dir, "root")) {
		text, err := os.ReadFile(name)
		words := strings.Fields(string(text))
		if err != nil || len(words) != 3 || strings.Contains(filepath.Base(name), ".") {
			continue // on its way out
		}
		epoch, err := strconv.ParseUint(words[1], 10, 64)
		if err != nil {
			w.t.Fatal(err)
		}
		secret, err := base64.RawURLEncoding.DecodeString(words[2])
		if err != nil {
			w.t.Fatal(err)
		}
		if strings.HasSuffix(name, "root") {
			w.roots[epoch] = secret
		} else {
			w.seals[filepath.Base(name)] = secret
		}
	}
}

// sorted returns the secrets of what has been destroyed and of what is in force:
// of each epoch the root, the blinding key that follows from it, and the seal
// key. What the current root leads to is in force, of course.
func (w *keyWatch) sorted() (dead, live []secret) {
	w.t.Helper()
	w.look()
	newest := uint64(0)
	for epoch := range w.roots {
		newest = max(newest, epoch)
	}
	for epoch, octets := range w.roots {
		s := []secret{
			{fmt.Sprintf("the root of epoch %+d", int64(epoch)-int64(newest)), octets},
			{fmt.Sprintf("the blinding key of epoch %+d", int64(epoch)-int64(newest)), w.scalar(octets)},
		}
		if epoch < newest {
			dead = append(dead, s...)
		} else {
			live = append(live, s...)
		}
	}
	for name, octets := range w.seals {
		if _, err := os.Stat(filepath.Join(w.dir, name)); err == nil {
			live = append(live, secret{name, octets})
		} else {
			dead = append(dead, secret{name + ", destroyed", octets})
		}
	}
	return dead, live
}

// scalar is the private half of the blinding key that a root leads to, as the
// library encodes it.
func (w *keyWatch) scalar(root []byte) []byte {
	w.t.Helper()
	r, err := blind.RootFromBytes(root)
	if err != nil {
		w.t.Fatal(err)
	}
	seed := expand(w.t, root, "restante blind v1")
	private, err := oprf.DeriveKey(oprf.SuiteRistretto255, oprf.VerifiableMode, seed, []byte("restante blind "+harness.Domain))
	if err != nil {
		w.t.Fatal(err)
	}
	key, err := r.Key(harness.Domain)
	if err != nil {
		w.t.Fatal(err)
	}
	public, err := private.Public().MarshalBinary()
	if err != nil || !bytes.Equal(public, key.Public()) {
		w.t.Fatal("the test derives another key than the gateway", err)
	}
	octets, err := private.MarshalBinary()
	if err != nil {
		w.t.Fatal(err)
	}
	return octets
}
