package keyring

import (
	"bytes"
	"encoding/base64"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/restante/restante/crypto/identity"
	"github.com/restante/restante/crypto/note"
	"github.com/restante/restante/pool"
)

const domain = "gw.example"

var policy = Policy{
	Calendar: pool.Calendar{
		EpochLength: time.Hour, BatchInterval: time.Minute,
		Retention: 2, TokenLife: 3,
	},
	BatchSize: 8, SlotsPerBatch: 4, Jump: 99,
}

// at is a moment within epoch 1000 + e.
func at(e int) time.Time { return time.Unix(int64(1000+e)*3600+5, 0) }

func created(t *testing.T) (string, *Ring) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "keys")
	if err := Create(dir); err != nil {
		t.Fatal(err)
	}
	r := opened(t, dir)
	advance(t, r, 0)
	return dir, r
}

func opened(t *testing.T, dir string) *Ring {
	t.Helper()
	r, err := Open(dir, domain, policy)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func advance(t *testing.T, r *Ring, e int) {
	t.Helper()
	if _, err := r.Advance(at(e)); err != nil {
		t.Fatal(err)
	}
}

func TestCreate_isForTheOwnerAloneAndNeverOverwrites(t *testing.T) {
	dir, _ := created(t)
	before := map[string][]byte{}
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := e.Info()
		if err != nil {
			return err
		}
		if info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s has mode %v", e.Name(), info.Mode())
		}
		if !e.IsDir() {
			before[path], err = os.ReadFile(path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := Create(dir); !errors.Is(err, ErrExists) {
		t.Errorf("a second Create returned %v", err)
	}
	for path, want := range before {
		if got, err := os.ReadFile(path); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s changed", filepath.Base(path))
		}
	}
}

func TestOpen_settingsMayChangeUntilTheFirstStart(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "keys")
	if err := Create(dir); err != nil {
		t.Fatal(err)
	}
	for _, length := range []time.Duration{24 * time.Hour, time.Hour} {
		other := policy
		other.Calendar.EpochLength = length
		if _, err := Open(dir, domain, other); err != nil {
			t.Errorf("before the first start, with epochs of %v: %v", length, err)
		}
	}
	r := opened(t, dir)
	advance(t, r, 0)
	if _, err := r.Blind(1000); err != nil {
		t.Errorf("the first epoch's key: %v", err)
	}
}

func TestOpen_refusesSettingsThatWouldLoseMail(t *testing.T) {
	dir, _ := created(t)
	for name, change := range map[string]func(*Policy){
		"epoch_length":    func(p *Policy) { p.Calendar.EpochLength *= 2 },
		"batch_interval":  func(p *Policy) { p.Calendar.BatchInterval *= 2 },
		"batch_size":      func(p *Policy) { p.BatchSize-- },
		"slots_per_batch": func(p *Policy) { p.SlotsPerBatch-- },
	} {
		other := policy
		change(&other)
		before, err := os.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := Open(dir, domain, other); !errors.Is(err, ErrPolicy) || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: got %v, want ErrPolicy", name, err)
		}
		if after, err := os.ReadDir(dir); err != nil || len(after) != len(before) {
			t.Errorf("%s: a key was touched", name)
		}
	}
	larger := policy
	larger.BatchSize, larger.SlotsPerBatch, larger.Calendar.Retention = 99, 99, 9
	if _, err := Open(dir, domain, larger); err != nil {
		t.Errorf("larger batches: %v", err)
	}
}

func TestOpen_withoutKeys(t *testing.T) {
	if _, err := Open(t.TempDir(), domain, policy); !errors.Is(err, ErrNoKeys) {
		t.Errorf("got %v", err)
	}
}

func TestOpen_damagedKey(t *testing.T) {
	for _, text := range []string{"", "restante-key-v1 3\n", "restante-key-v1 x AAAA\n", "restante-key-v1 3 AAAA\n", "other 3 " + strings.Repeat("A", 43)} {
		dir, _ := created(t)
		if err := os.WriteFile(filepath.Join(dir, rootFile), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := Open(dir, domain, policy); !errors.Is(err, ErrDamage) {
			t.Errorf("%q: got %v", text, err)
		}
	}
}

func TestAdvance_blindingKeysSurviveTheRatchetAndThenDie(t *testing.T) {
	dir, r := created(t)
	id := identity.NewSeed().Mailbox(0).ID()
	tagOf := func(r *Ring, epoch uint64) string {
		t.Helper()
		key, err := r.Blind(epoch)
		if err != nil {
			t.Fatal(err)
		}
		b, err := key.Evaluate(id)
		if err != nil {
			t.Fatal(err)
		}
		return b.Tag(7, 0).String()
	}
	advance(t, r, 0)
	want := tagOf(r, 1003) // derived ahead of time
	for e := 1; e <= 5; e++ {
		advance(t, r, e)
		r = opened(t, dir) // what counts is on the disk
		advance(t, r, e)
		if got := tagOf(r, 1003); got != want {
			t.Fatalf("in epoch %d the key of epoch 1003 has changed", 1000+e)
		}
	}
	advance(t, r, 6) // 1003 is older than two epochs now
	for _, ring := range []*Ring{r, opened(t, dir)} {
		if _, err := ring.Blind(1003); !errors.Is(err, ErrGone) {
			t.Errorf("after retention the key of epoch 1003 is still there: %v", err)
		}
		if _, err := ring.Blind(1004); err != nil {
			t.Errorf("a retained epoch's key: %v", err)
		}
	}
	if _, err := r.Blind(9999); !errors.Is(err, ErrAhead) {
		t.Errorf("an epoch far off: %v", err)
	}
}

func TestAdvance_clockBackRevivesNothing(t *testing.T) {
	_, r := created(t)
	advance(t, r, 8)
	oldest, newest := r.Retained()
	advance(t, r, 1)
	if o, n := r.Retained(); o != oldest || n != newest {
		t.Errorf("retained epochs went from %d–%d to %d–%d", oldest, newest, o, n)
	}
	if _, err := r.Seal(1001); !errors.Is(err, ErrGone) {
		t.Errorf("seal key of a passed epoch: %v", err)
	}
}

func TestAdvance_sealKeysLiveAsLongAsTokens(t *testing.T) {
	dir, r := created(t)
	advance(t, r, 0)
	first, err := r.Seal(1000)
	if err != nil {
		t.Fatal(err)
	}
	held, err := os.Open(filepath.Join(dir, sealFile(1000))) // the very file, whatever becomes of its name
	if err != nil {
		t.Fatal(err)
	}
	defer held.Close()
	secret, err := first.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	for e := 1; e <= 3; e++ {
		advance(t, r, e)
	}
	if _, err := r.Seal(1000); err != nil {
		t.Errorf("within the token life: %v", err)
	}
	advance(t, r, 4)
	for _, ring := range []*Ring{r, opened(t, dir)} {
		if _, err := ring.Seal(1000); !errors.Is(err, ErrGone) {
			t.Errorf("after the token life: %v", err)
		}
	}
	if left, err := io.ReadAll(held); err != nil || len(bytes.Trim(left, "\x00")) != 0 {
		t.Errorf("the key's octets were not overwritten, %v", err)
	}
	noFileHolds(t, dir, base64.RawURLEncoding.EncodeToString(secret))
}

func TestAdvance_destroysTheOldRoot(t *testing.T) {
	dir, r := created(t)
	old, err := os.ReadFile(filepath.Join(dir, rootFile))
	if err != nil {
		t.Fatal(err)
	}
	held, err := os.Open(filepath.Join(dir, rootFile)) // the very file, whatever its name becomes
	if err != nil {
		t.Fatal(err)
	}
	defer held.Close()
	advance(t, r, 5)
	now := make([]byte, len(old))
	if _, err := held.ReadAt(now, 0); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(now, make([]byte, len(old))) {
		t.Error("the old root's octets were not overwritten")
	}
	noFileHolds(t, dir, strings.Fields(string(old))[2])
}

func TestOpen_afterACrashInReplace(t *testing.T) {
	t.Run("before the new key", func(t *testing.T) {
		dir, _ := created(t)
		root := filepath.Join(dir, rootFile)
		if err := os.Link(root, root+retired); err != nil {
			t.Fatal(err)
		}
		advance(t, opened(t, dir), 0)
		advance(t, opened(t, dir), 5)
	})
	t.Run("after the new key", func(t *testing.T) {
		dir, r := created(t)
		root := filepath.Join(dir, rootFile)
		old, err := os.ReadFile(root)
		if err != nil {
			t.Fatal(err)
		}
		advance(t, r, 5)
		if err := os.WriteFile(root+retired, old, 0o600); err != nil {
			t.Fatal(err)
		}
		advance(t, opened(t, dir), 5)
		noFileHolds(t, dir, strings.Fields(string(old))[2])
	})
}

func TestDirectory_isSignedChainedAndWhole(t *testing.T) {
	dir, r := created(t)
	advance(t, r, 0)
	verifier := r.Signer().Verifier()
	var previous string
	for e := range 6 {
		advance(t, r, e)
		published := r.Directory()
		d, text, _, err := note.OpenDirectory(published.Signed, verifier)
		if err != nil {
			t.Fatal(err)
		}
		if previous != "" && d.Previous != note.Hash(previous) {
			t.Errorf("epoch %d: the chain is broken", e)
		}
		if want := uint64(e + 1); d.Serial != want || published.Epoch != uint64(1000+e) {
			t.Errorf("epoch %d: serial %d of epoch %d", e, d.Serial, published.Epoch)
		}
		oldest := 1000 + max(0, e-2)
		if d.Blind[0].Epoch != uint64(oldest) || d.Blind[len(d.Blind)-1].Epoch != uint64(1000+e+3) {
			t.Errorf("epoch %d: blinding keys from %d to %d", e, d.Blind[0].Epoch, d.Blind[len(d.Blind)-1].Epoch)
		}
		if last := d.Seal[len(d.Seal)-1].Epoch; last != uint64(1000+e+1) {
			t.Errorf("epoch %d: newest seal key is of %d", e, last)
		}
		previous = text
	}
	again := opened(t, dir)
	if changed, err := again.Advance(at(5)); err != nil || changed {
		t.Errorf("reopened in the same epoch: changed %v, %v", changed, err)
	}
	if !bytes.Equal(again.Directory().Signed, r.Directory().Signed) || again.Directory().ID != r.Directory().ID {
		t.Error("reopened, the directory is another")
	}
}

// noFileHolds fails the test when a file of the folder has that text in it.
func noFileHolds(t *testing.T, dir, text string) {
	t.Helper()
	files, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		got, err := os.ReadFile(filepath.Join(dir, f.Name()))
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(got, []byte(text)) {
			t.Errorf("%s still holds a destroyed key", f.Name())
		}
	}
}

// A replacement that failed between writing the new key and destroying the old one
// is tried again: neither of them may be left on the disk.
func TestReplace_againAfterAFailureLeavesNoKey(t *testing.T) {
	f := onDisk(filepath.Join(t.TempDir(), "keys"))
	if err := f.begin(); err != nil {
		t.Fatal(err)
	}
	one, two, three := bytes.Repeat([]byte{1}, 32), bytes.Repeat([]byte{2}, 32), bytes.Repeat([]byte{3}, 32)
	if err := f.write(rootFile, 1, one); err != nil {
		t.Fatal(err)
	}
	if err := os.Link(f.path(rootFile), f.path(rootFile+retired)); err != nil {
		t.Fatal(err)
	}
	if err := f.write(rootFile, 2, two); err != nil {
		t.Fatal(err)
	}
	var files []*os.File // what lies in the two files' places, whatever becomes of their names
	for _, name := range []string{rootFile, rootFile + retired} {
		file, err := os.Open(f.path(name))
		if err != nil {
			t.Fatal(err)
		}
		defer file.Close()
		files = append(files, file)
	}
	if err := f.replace(rootFile, 3, three); err != nil {
		t.Fatal(err)
	}
	for i, file := range files {
		octets, err := io.ReadAll(file)
		if err != nil || len(octets) == 0 || !bytes.Equal(octets, make([]byte, len(octets))) {
			t.Errorf("key %d is still there, %v", 2-i, err)
		}
	}
	if _, secret, err := f.read(rootFile); err != nil || !bytes.Equal(secret, three) {
		t.Errorf("the new key: %v", err)
	}
	if f.has(rootFile + retired) {
		t.Error("an old file is left")
	}
}
