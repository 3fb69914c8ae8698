package keyring

import (
	"bytes"
	"crypto/ed25519"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/restante/restante/crypto/note"
)

// follow starts a chain as a client does.
func follow(t *testing.T, r *Ring) *note.Chain {
	t.Helper()
	c, err := note.StartChain(r.Directory().Signed, r.Signer().Verifier())
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func extend(t *testing.T, c *note.Chain, r *Ring) {
	t.Helper()
	if fresh, err := c.Extend(r.Directory().Signed); err != nil || !fresh {
		t.Fatalf("the next directory does not follow: %v, %v", fresh, err)
	}
}

func TestRotateSeals_replacesThoseThatAreMintedWith(t *testing.T) {
	dir, r := created(t)
	advance(t, r, 1)
	chain := follow(t, r)
	old := map[uint64][]byte{}
	for e := uint64(1000); e <= 1002; e++ {
		key, err := r.Seal(e)
		if err != nil {
			t.Fatal(err)
		}
		old[e] = key.Public().Bytes()
	}
	if err := r.RotateSeals(); err != nil {
		t.Fatal(err)
	}
	extend(t, chain, r)
	for _, ring := range []*Ring{r, opened(t, dir)} {
		for e, want := range map[uint64]bool{1000: true, 1001: false, 1002: false} {
			key, err := ring.Seal(e)
			if err != nil || bytes.Equal(key.Public().Bytes(), old[e]) != want {
				t.Errorf("epoch %d: the same key is there: want %v, %v", e, want, err)
			}
		}
	}
}

func TestRotateRoot_isInForceAfterTheNextEpoch(t *testing.T) {
	dir, r := created(t)
	chain := follow(t, r)
	old := blindKeys(t, r)
	if err := r.RotateRoot(); err != nil {
		t.Fatal(err)
	}
	if err := r.RotateRoot(); !errors.Is(err, ErrRotating) {
		t.Errorf("a second time: %v", err)
	}
	extend(t, chain, r)
	now := blindKeys(t, r)
	for e := uint64(1000); e <= 1003; e++ {
		if same := bytes.Equal(now[e], old[e]); same != (e <= 1001) {
			t.Errorf("epoch %d has the same key: %v", e, same)
		}
	}
	for e := 1; e <= 6; e++ {
		r = opened(t, dir)
		advance(t, r, e)
		extend(t, chain, r)
		for epoch, key := range blindKeys(t, r) {
			if was := now[epoch]; was != nil && !bytes.Equal(was, key) {
				t.Errorf("in epoch %d the key of %d is another", 1000+e, epoch)
			}
		}
	}
	if _, err := os.Stat(filepath.Join(dir, nextRootFile)); err == nil {
		t.Error("the new root has not taken its place")
	}
	if err := r.RotateRoot(); err != nil {
		t.Errorf("once more: %v", err)
	}
}

// blindKeys returns the public keys of all epochs that the directory names.
func blindKeys(t *testing.T, r *Ring) map[uint64][]byte {
	t.Helper()
	d, err := note.PeekDirectory(r.Directory().Signed)
	if err != nil {
		t.Fatal(err)
	}
	keys := make(map[uint64][]byte)
	for _, k := range d.Blind {
		key, err := r.Blind(k.Epoch)
		if err != nil || !bytes.Equal(key.Public(), k.Key[:]) {
			t.Errorf("epoch %d: the directory has another key: %v", k.Epoch, err)
		}
		keys[k.Epoch] = k.Key[:]
	}
	return keys
}

func TestRotateSigner_theOldKeysLastWord(t *testing.T) {
	dir, r := created(t)
	chain := follow(t, r)
	old := r.Signer().Verifier()
	if err := r.RotateSigner(policy.Calendar.Batch(at(0))); err != nil {
		t.Fatal(err)
	}
	extend(t, chain, r)
	again := opened(t, dir)
	if again.Signer().Verifier().Public().Equal(old.Public()) || !again.Signer().Verifier().Public().Equal(r.Signer().Verifier().Public()) {
		t.Error("the signing key is not the new one")
	}
	advance(t, again, 1)
	extend(t, chain, again)
	if _, err := note.StartChain(again.Directory().Signed, old); !errors.Is(err, note.ErrSignature) {
		t.Errorf("the old key still signs: %v", err)
	}
}

// A replaced key is named, with the last batch that it may have signed, for as long as
// what it signed is retained and an epoch more, through restarts; and of many the last.
func TestRotateSigner_namesTheOldKeyAsLongAsItsEntriesAreKept(t *testing.T) {
	dir, r := created(t)
	chain := follow(t, r)
	old := r.Signer().Verifier()
	last := policy.Calendar.Batch(at(0))
	if err := r.RotateSigner(last); err != nil {
		t.Fatal(err)
	}
	for e := 0; e <= 5; e++ {
		r = opened(t, dir)
		advance(t, r, e)
		extend(t, chain, r)
		named := slices.ContainsFunc(r.Signers().For(last), func(v *note.Verifier) bool { return v.Public().Equal(old.Public()) })
		if want := e <= int(policy.Calendar.Retention)+1; named != want {
			t.Errorf("%d epochs later the old key is named: %v", e, named)
		}
		if len(r.Signers().For(last+1)) != 1 {
			t.Errorf("%d epochs later the old key is good for more than it may have signed", e)
		}
		if e == 0 {
			if err := r.RotateSeals(); err != nil { // another directory, which keeps it
				t.Fatal(err)
			}
			extend(t, chain, r)
		}
	}
	for n := range uint64(note.MaxReplaced + 2) {
		if err := r.RotateSigner(policy.Calendar.Batch(at(5)) + n); err != nil {
			t.Fatal(err)
		}
		extend(t, chain, r)
	}
	if n := len(opened(t, dir).Signers().For(policy.Calendar.Batch(at(5)))); n != note.MaxReplaced+1 {
		t.Errorf("%d keys are named", n)
	}
}

// Cut off anywhere, a change of the signing key is either done or undone.
func TestRotateSigner_afterACrash(t *testing.T) {
	t.Run("before the directory", func(t *testing.T) {
		dir, r := created(t)
		want := r.Signer().Verifier().Public()
		if err := onDisk(dir).write(nextSignFile, 0, note.GenerateSeed()); err != nil {
			t.Fatal(err)
		}
		checkSigner(t, dir, want)
	})
	t.Run("after the directory", func(t *testing.T) {
		dir, r := created(t)
		f := onDisk(dir)
		_, before, err := f.read(signFile)
		if err != nil {
			t.Fatal(err)
		}
		if err := r.RotateSigner(policy.Calendar.Batch(at(0))); err != nil {
			t.Fatal(err)
		}
		_, after, err := f.read(signFile)
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(f.replace(signFile, 0, before), f.write(nextSignFile, 0, after)); err != nil {
			t.Fatal(err)
		}
		checkSigner(t, dir, r.Signer().Verifier().Public())
	})
}

func checkSigner(t *testing.T, dir string, want ed25519.PublicKey) {
	t.Helper()
	r := opened(t, dir)
	if !r.Signer().Verifier().Public().Equal(want) {
		t.Error("opened, the signing key is another")
	}
	advance(t, r, 1)
	if onDisk(dir).has(nextSignFile) {
		t.Error("the next key is still there")
	}
	if !opened(t, dir).Signer().Verifier().Public().Equal(want) {
		t.Error("opened again, the signing key is another")
	}
}

func TestCosign_staysBesideTheKeys(t *testing.T) {
	dir, r := created(t)
	witness, err := note.NewSigner("mirror.example", note.GenerateSeed())
	if err != nil {
		t.Fatal(err)
	}
	cosigned, err := note.Cosign(r.Directory().Signed, r.Signer().Verifier(), witness)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.Cosign(cosigned, nil); !errors.Is(err, ErrOther) {
		t.Errorf("of a witness that nobody knows: %v", err)
	}
	for i, want := range []bool{true, false} {
		if fresh, err := r.Cosign(cosigned, nil, witness.Verifier()); err != nil || fresh != want {
			t.Errorf("time %d: %v, %v", i, fresh, err)
		}
	}
	again := opened(t, dir)
	if changed, err := again.Advance(at(0)); changed || err != nil {
		t.Errorf("a cosigned directory is made anew: %v, %v", changed, err)
	}
	if err := follow(t, again).Witnessed(1, witness.Verifier()); err != nil {
		t.Errorf("after a restart: %v", err)
	}
	advance(t, r, 1)
	if _, err := r.Cosign(cosigned, nil, witness.Verifier()); !errors.Is(err, ErrOther) {
		t.Errorf("of the directory before: %v", err)
	}
}

func TestAdvance_clockAheadDestroysNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		usual := policy
		usual.Jump = 0
		dir, _ := created(t)
		r, err := Open(dir, domain, usual)
		if err != nil {
			t.Fatal(err)
		}
		files := func() int {
			all, err := os.ReadDir(dir)
			if err != nil {
				t.Fatal(err)
			}
			return len(all)
		}
		before := files()
		for _, e := range []int{3, 4, 1000000} {
			if _, err := r.Advance(at(e)); !errors.Is(err, ErrClock) || files() != before {
				t.Errorf("%d epochs ahead after a restart: %v", e, err)
			}
		}
		if _, err := r.Advance(at(2)); err != nil {
			t.Fatalf("two ahead after a restart: %v", err)
		}
		// Little by little is no better than at once.
		for e := 3; e <= 4; e++ {
			if _, err := r.Advance(at(e)); err != nil {
				t.Errorf("%d ahead: %v", e-2, err)
			}
		}
		if _, err := r.Advance(at(5)); !errors.Is(err, ErrClock) {
			t.Errorf("one more: %v", err)
		}
		time.Sleep(time.Hour) // an epoch passes
		if _, err := r.Advance(at(5)); err != nil {
			t.Errorf("one more, an epoch later: %v", err)
		}
		if _, err := r.Advance(at(20)); !errors.Is(err, ErrClock) {
			t.Error(err)
		}
		if _, err := r.Accept(at(20)); err != nil {
			t.Fatal(err)
		}
		if _, err := r.Advance(at(21)); err != nil {
			t.Errorf("after it was accepted: %v", err)
		}
	})
}

// A clock in the past when the program starts comes right later.
func TestAdvance_clockFarBackComesRight(t *testing.T) {
	usual := policy
	usual.Jump = 0
	dir, _ := created(t)
	r, err := Open(dir, domain, usual)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range []int{-990, 1} {
		if _, err := r.Advance(at(e)); err != nil {
			t.Errorf("%d: %v", e, err)
		}
	}
	if _, newest := r.Retained(); newest != 1001 {
		t.Errorf("the newest epoch is %d", newest)
	}
}

// What an earlier process has seen is not forgotten with it.
func TestOpen_remembersTheNewestEpoch(t *testing.T) {
	dir, r := created(t)
	advance(t, r, 5)
	again := opened(t, dir)
	advance(t, again, 1)
	if epoch, _ := again.Mint(); epoch != 1005 {
		t.Errorf("tokens are made for epoch %d", epoch)
	}
	if _, newest := again.Retained(); newest != 1005 {
		t.Errorf("the newest epoch is %d", newest)
	}
}

func TestList_needsNoSecret(t *testing.T) {
	dir, r := created(t)
	if err := errors.Join(r.RotateRoot(), Wrap(dir, keyFile(t))); err != nil {
		t.Fatal(err)
	}
	l, err := List(dir, domain)
	if err != nil || l.Wrapping != UnderKeyFile || !l.Rotating || l.Directory.Serial != 2 || len(l.Directory.Seal) != 2 {
		t.Errorf("%+v, %v", l, err)
	}
	if _, err := List(t.TempDir(), domain); !errors.Is(err, ErrNoKeys) {
		t.Error(err)
	}
}

// A directory from before the signing key was replaced is no reason to doubt the
// keys. Keys from before that can't go on after it.
func TestAdopt_afterTheSigningKeyWasReplaced(t *testing.T) {
	dir, r := created(t)
	first := r.Directory().Signed
	copied := filepath.Join(t.TempDir(), "keys")
	if err := os.CopyFS(copied, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	if err := r.RotateSigner(policy.Calendar.Batch(at(0))); err != nil {
		t.Fatal(err)
	}
	second := r.Directory().Signed
	for what, ring := range map[string]*Ring{"at once": r, "opened again": opened(t, dir)} {
		for _, signed := range [][]byte{first, second} {
			if older, err := ring.Adopt(signed); older || err != nil {
				t.Errorf("%s: older %v, %v", what, older, err)
			}
		}
	}
	advance(t, r, 1)
	old := opened(t, copied)
	for _, signed := range [][]byte{second, r.Directory().Signed} {
		if _, err := old.Adopt(signed); !errors.Is(err, ErrForeign) {
			t.Errorf("keys from before: %v", err)
		}
	}
	if old.Directory().Serial != 1 {
		t.Errorf("they go on from directory %d", old.Directory().Serial)
	}
}
