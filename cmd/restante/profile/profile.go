// Package profile keeps what makes a user of the restante tool: one folder for
// each of her names, with the seed in it, sealed under a passphrase. It owns
// where these folders lie, who may read them, and the words that a seed is
// written down as. It refuses to know gateways, mailboxes and mail.
package profile

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"

	"filippo.io/age"
	"github.com/adrg/xdg"

	"github.com/restante/restante/crypto/identity"
)

// The errors of a profile. What they say is meant for its owner.
var (
	ErrName       = errors.New("a profile's name is 1 to 32 lower-case letters, digits, '-' and '_'")
	ErrExists     = errors.New("there is a key already, which is never overwritten: choose another --profile")
	ErrNone       = errors.New("there is no such profile: make one with restante init")
	ErrPassphrase = errors.New("that is not the passphrase of this key")
	ErrDamaged    = errors.New("the key file is damaged: bring it back with restante init --words, or from a copy")
	ErrReadable   = errors.New("others can read the key file")
)

const (
	keyFile    = "key.age"
	configFile = "restante.toml"
	stateDir   = "state"

	format  = "restante-seed-v1"
	maxFile = 64 << 10 // octets of a key file; more is none
)

// A Profile is one folder. Several programs may read it at the same time.
type Profile struct {
	Name string
	dir  string
	work int // log2 of scrypt's cost; 0: age's own choice, about a second
}

// Home is the folder of all profiles, where this system keeps such things.
func Home() string { return filepath.Join(xdg.DataHome, "restante") }

// At returns the profile of a name below home. It returns [ErrName], and makes
// nothing.
func At(home, name string) (*Profile, error) {
	if !regexp.MustCompile(`^[a-z0-9_-]{1,32}$`).MatchString(name) {
		return nil, ErrName
	}
	return &Profile{Name: name, dir: filepath.Join(home, name)}, nil
}

// All returns the names of the profiles below home that have a key.
func All(home string) ([]string, error) {
	found, err := filepath.Glob(filepath.Join(home, "*", keyFile))
	for i, path := range found {
		found[i] = filepath.Base(filepath.Dir(path))
	}
	slices.Sort(found)
	return found, err
}

// Config is where the profile's settings are.
func (p *Profile) Config() string { return filepath.Join(p.dir, configFile) }

// State is the folder of what follows from use: mail, directories seen.
func (p *Profile) State() string { return filepath.Join(p.dir, stateDir) }

// Key is where the key file is.
func (p *Profile) Key() string { return filepath.Join(p.dir, keyFile) }

// Exists says whether the profile has a key.
func (p *Profile) Exists() bool {
	_, err := os.Lstat(p.Key())
	return err == nil
}

// Create makes the profile with a seed, sealed under a passphrase, readable by
// its owner alone. It returns [ErrExists] and changes nothing when there is a
// key already.
func (p *Profile) Create(seed *identity.Seed, passphrase string) error {
	sealed, err := p.seal(seed, passphrase)
	if err != nil {
		return err
	}
	return p.put(sealed)
}

// Import makes the profile with a key file that [Profile.Export] gave. It
// returns [ErrExists], [ErrPassphrase] and [ErrDamaged], having changed
// nothing.
func (p *Profile) Import(sealed []byte, passphrase string) error {
	if _, err := open(sealed, passphrase); err != nil {
		return err
	}
	return p.put(sealed)
}

// Export returns the key file, sealed as it is.
func (p *Profile) Export() ([]byte, error) { return p.read() }

// Open opens the seed. It returns [ErrNone], [ErrReadable], [ErrPassphrase] and
// [ErrDamaged].
func (p *Profile) Open(passphrase string) (*identity.Seed, error) {
	sealed, err := p.read()
	if err != nil {
		return nil, err
	}
	return open(sealed, passphrase)
}

func (p *Profile) seal(seed *identity.Seed, passphrase string) ([]byte, error) {
	recipient, err := age.NewScryptRecipient(passphrase)
	if err != nil {
		return nil, fmt.Errorf("seal the key: %w", err)
	}
	if p.work > 0 {
		recipient.SetWorkFactor(p.work)
	}
	var sealed bytes.Buffer
	w, err := age.Encrypt(&sealed, recipient)
	if err != nil {
		return nil, fmt.Errorf("seal the key: %w", err)
	}
	_, err = fmt.Fprintf(w, "%s %s\n", format, base64.RawURLEncoding.EncodeToString(seed.Bytes()))
	if err = errors.Join(err, w.Close()); err != nil {
		return nil, fmt.Errorf("seal the key: %w", err)
	}
	return sealed.Bytes(), nil
}

func open(sealed []byte, passphrase string) (*identity.Seed, error) {
	id, err := age.NewScryptIdentity(passphrase)
	if err != nil {
		return nil, ErrPassphrase
	}
	r, err := age.Decrypt(bytes.NewReader(sealed), id)
	// scrypt took a quarter of a gigabyte. Left to itself it stays with the process,
	// which may run for weeks, and lets as much again pile up beside it.
	debug.FreeOSMemory()
	var wrong *age.NoIdentityMatchError
	if errors.As(err, &wrong) {
		return nil, ErrPassphrase
	} else if err != nil {
		return nil, ErrDamaged
	}
	text, err := io.ReadAll(io.LimitReader(r, maxFile))
	if err != nil {
		return nil, ErrDamaged
	}
	name, packed, ok := strings.Cut(strings.TrimSuffix(string(text), "\n"), " ")
	octets, err := base64.RawURLEncoding.Strict().DecodeString(packed)
	if !ok || name != format || err != nil {
		return nil, ErrDamaged
	}
	seed, err := identity.SeedFromBytes(octets)
	if err != nil {
		return nil, ErrDamaged
	}
	return seed, nil
}

// put writes the key file, durable when it returns. A link gives it its name,
// since that never overwrites one.
func (p *Profile) put(sealed []byte) error {
	if err := os.MkdirAll(p.dir, 0o700); err != nil {
		return fmt.Errorf("make the profile's folder: %w", err)
	}
	file, err := os.CreateTemp(p.dir, keyFile+".*") // with mode 0600
	if err != nil {
		return fmt.Errorf("write the key: %w", err)
	}
	defer func() { _ = os.Remove(file.Name()) }()
	_, err = file.Write(sealed)
	if err = errors.Join(err, file.Sync(), file.Close()); err != nil {
		return fmt.Errorf("write the key: %w", err)
	}
	if err := os.Link(file.Name(), p.Key()); errors.Is(err, fs.ErrExist) {
		return ErrExists
	} else if err != nil {
		return fmt.Errorf("write the key: %w", err)
	}
	return syncDir(p.dir)
}

func (p *Profile) read() ([]byte, error) {
	file, err := os.Open(p.Key())
	if errors.Is(err, fs.ErrNotExist) {
		return nil, ErrNone
	} else if err != nil {
		return nil, fmt.Errorf("read the key: %w", err)
	}
	defer func() { _ = file.Close() }()
	info, err := file.Stat()
	if err != nil {
		return nil, fmt.Errorf("read the key: %w", err)
	}
	if runtime.GOOS != "windows" && info.Mode().Perm()&0o077 != 0 { // there it is access lists that count
		return nil, fmt.Errorf("%w: run chmod 600 %s", ErrReadable, p.Key())
	}
	sealed, err := io.ReadAll(io.LimitReader(file, maxFile))
	if err != nil {
		return nil, fmt.Errorf("read the key: %w", err)
	}
	return sealed, nil
}

// syncDir makes names in a folder durable, where the system can.
func syncDir(dir string) error {
	if runtime.GOOS == "windows" {
		return nil
	}
	f, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("write the key: %w", err)
	}
	return errors.Join(f.Sync(), f.Close())
}
