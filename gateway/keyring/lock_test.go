package keyring

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"filippo.io/age"

	"github.com/restante/restante/pool/record"
)

// keyFile makes a lock of a key file.
func keyFile(t *testing.T) *Lock {
	t.Helper()
	identity, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "age.key")
	if err := os.WriteFile(path, []byte("# a comment\n"+identity.String()+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	l, err := ReadKeyFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// plainFiles lists the key files that are not wrapped.
func plainFiles(t *testing.T, dir string) (names []string) {
	t.Helper()
	files, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		text, err := os.ReadFile(filepath.Join(dir, f.Name()))
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(text, []byte(format)) {
			names = append(names, f.Name())
		}
	}
	return names
}

func openedLocked(t *testing.T, dir string, l *Lock) *Ring {
	t.Helper()
	r, err := OpenLocked(dir, domain, policy, l)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// Whatever comes after the wrapping is wrapped too, and what was plain is
// overwritten.
func TestWrap_holdsThroughTheRatchet(t *testing.T) {
	dir, r := created(t)
	before, err := r.Blind(1003)
	if err != nil {
		t.Fatal(err)
	}
	held, err := os.Open(filepath.Join(dir, rootFile)) // the very file, whatever its name becomes
	if err != nil {
		t.Fatal(err)
	}
	defer held.Close()
	l := keyFile(t)
	if err := Wrap(dir, l); err != nil {
		t.Fatal(err)
	}
	old := make([]byte, 80)
	if _, err := held.ReadAt(old, 0); err == nil || len(bytes.Trim(old, "\x00")) != 0 {
		t.Errorf("the plain root is still on the disk: %q", old)
	}
	for e := range 6 {
		advance(t, openedLocked(t, dir, l), e)
		if names := plainFiles(t, dir); len(names) != 0 {
			t.Fatalf("epoch %d: in the clear are %v", e, names)
		}
	}
	if key, err := openedLocked(t, dir, l).Blind(1003); err != nil || !bytes.Equal(key.Public(), before.Public()) {
		t.Errorf("a retained epoch's key is another: %v", err)
	}
	if err := Unwrap(dir, l); err != nil {
		t.Fatal(err)
	}
	if key, err := opened(t, dir).Blind(1003); err != nil || !bytes.Equal(key.Public(), before.Public()) {
		t.Errorf("unwrapped, a retained epoch's key is another: %v", err)
	}
}

func TestOpenLocked_wrongLocksAreTold(t *testing.T) {
	dir, _ := created(t)
	if err := Wrap(dir, keyFile(t)); err != nil {
		t.Fatal(err)
	}
	before, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := OpenLocked(dir, domain, policy, nil); !errors.Is(err, ErrLocked) {
		t.Errorf("without a lock: %v", err)
	}
	if _, err := OpenLocked(dir, domain, policy, keyFile(t)); !errors.Is(err, ErrWrongLock) {
		t.Errorf("with another one: %v", err)
	}
	if err := Check(dir); err != nil {
		t.Errorf("there are keys: %v", err)
	}
	if after, err := os.ReadDir(dir); err != nil || len(after) != len(before) {
		t.Error("files have changed")
	}
}

// A crash between any two files of wrapping and unwrapping loses nothing.
func TestWrap_afterACrashHalfWay(t *testing.T) {
	dir, r := created(t)
	want := r.Directory().Signed
	l := keyFile(t)
	names, err := onDisk(dir).keyFiles()
	if err != nil || len(names) < 4 {
		t.Fatalf("%v, %v", names, err)
	}
	for range names {
		for _, name := range names { // wrapped up to here
			f := onDisk(dir).under(l)
			epoch, secret, err := f.read(name)
			if err != nil {
				t.Fatal(err)
			}
			if err := f.replace(name, epoch, secret); err != nil {
				t.Fatal(err)
			}
			if w, err := WrappingOf(dir); w != UnderKeyFile || err != nil {
				t.Errorf("half wrapped is %v, %v", w, err)
			}
			if got := openedLocked(t, dir, l).Directory().Signed; !bytes.Equal(got, want) {
				t.Error("the directory is another")
			}
			if left := plainFiles(t, dir); len(left) != 0 {
				t.Errorf("opened, %v are still in the clear", left)
			}
			if err := Unwrap(dir, l); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// A meddler does something to a key file as it is opened for reading: before, so that
// another one is opened or none, or after, so that another one is read.
type meddler struct {
	files
	name  string
	skip  int // openings of it that it lets pass
	early bool
	do    func()
}

func (m *meddler) OpenFile(path string, flag int) (record.File, int64, error) {
	if flag != os.O_RDONLY || filepath.Base(path) != m.name {
		return m.files.OpenFile(path, flag)
	}
	m.skip--
	if m.skip == -1 && m.early {
		m.do()
	}
	file, size, err := m.files.OpenFile(path, flag)
	if m.skip == -1 && !m.early {
		m.do()
	}
	return file, size, err
}

// Whoever asks while a gateway replaces and destroys keys has the right answer.
func TestWrappingOf_whileKeysAreReplaced(t *testing.T) {
	replace := func(f folder, name string) error { return f.replace(name, 1, make([]byte, 32)) }
	for _, c := range []struct {
		why     string
		m       meddler
		happens func(f folder, name string) error
	}{
		{"a key is destroyed", meddler{name: "seal-1", early: true}, folder.destroy},
		{"a key is destroyed as it is read", meddler{name: "seal-1"}, folder.destroy},
		{"the one that is wrapped is replaced", meddler{name: signFile, skip: 1, early: true}, replace}, // it is looked for before
		{"the one that is wrapped is replaced as it is read", meddler{name: signFile, skip: 1}, replace},
	} {
		f, l := onDisk(t.TempDir()), keyFile(t)
		for _, name := range []string{rootFile, "seal-1"} {
			if err := f.write(name, 1, make([]byte, 32)); err != nil {
				t.Fatal(err)
			}
		}
		if err := f.under(l).write(signFile, 0, make([]byte, 32)); err != nil {
			t.Fatal(err)
		}
		c.m.files = f.files
		c.m.do = func() {
			if err := c.happens(f.under(l), c.m.name); err != nil {
				t.Fatal(err)
			}
		}
		if w, err := (folder{files: &c.m, dir: f.dir}).wrapping(); w != UnderKeyFile || err != nil || c.m.skip >= 0 {
			t.Errorf("%s: %v, %v", c.why, w, err)
		}
	}
}

func TestPassphrase_opensTheLock(t *testing.T) {
	dir, _ := created(t)
	l, err := onDisk(dir).newPassphrase("tumbler quorum anvil", 10)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := NewPassphrase(dir, "another"); !errors.Is(err, ErrWrapped) {
		t.Errorf("a second lock: %v", err)
	}
	if err := Wrap(dir, l); err != nil {
		t.Fatal(err)
	}
	if again, err := UnlockPassphrase(dir, "tumbler quorum anvil"); err != nil {
		t.Error(err)
	} else {
		openedLocked(t, dir, again)
	}
	for _, wrong := range []string{"tumbler quorum", ""} {
		if _, err := UnlockPassphrase(dir, wrong); !errors.Is(err, ErrPassphrase) {
			t.Errorf("%q: %v", wrong, err)
		}
	}
	path := filepath.Join(dir, lockFile)
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for name, bad := range map[string]string{"cut": string(text[:len(text)-9]), "of too much work": strings.Replace(string(text), " 10\n", " 30\n", 1)} {
		if err := os.WriteFile(path, []byte(bad), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := UnlockPassphrase(dir, "tumbler quorum anvil"); !errors.Is(err, ErrDamage) {
			t.Errorf("a lock that is %s: %v", name, err)
		}
	}
}

func TestReadKeyFile_refusesWhatIsNone(t *testing.T) {
	one, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"empty": "", "two keys": one.String() + "\n" + one.String() + "\n", "a public key": one.Recipient().String(),
		"a damaged key": one.String()[:70], "something else": "password\n",
	} {
		path := filepath.Join(t.TempDir(), "key")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := ReadKeyFile(path); !errors.Is(err, ErrKeyFile) {
			t.Errorf("%s: %v", name, err)
		} else if strings.Contains(err.Error(), "AGE-SECRET") {
			t.Errorf("%s: the error shows a key", name)
		}
	}
}

// Whatever a key file holds, reading it ends with a key or an error.
func FuzzRead(f *testing.F) {
	f.Add([]byte("restante-key-v1 3 AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\n"))
	f.Add([]byte(ageHead + "v1\n-> X25519 AAAA\n"))
	f.Add([]byte{})
	dir := onDisk(f.TempDir())
	identity, err := age.GenerateX25519Identity()
	if err != nil {
		f.Fatal(err)
	}
	locked := dir.under(&Lock{identity, identity.Recipient()})
	f.Fuzz(func(t *testing.T, text []byte) {
		if err := os.WriteFile(dir.path(rootFile), text, 0o600); err != nil {
			t.Fatal(err)
		}
		for _, f := range []folder{dir, locked} {
			_, secret, err := f.read(rootFile)
			if err == nil && len(secret) != 32 {
				t.Fatalf("a key of %d octets", len(secret))
			}
		}
	})
}
