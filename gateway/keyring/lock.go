package keyring

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"filippo.io/age"

	"github.com/restante/restante/crypto/erase"
	"github.com/restante/restante/pool/record"
)

// The errors of a [Lock].
var (
	ErrLocked     = errors.New("the keys are wrapped, and what opens them was not given")
	ErrWrongLock  = errors.New("these keys are wrapped under another passphrase or key file")
	ErrPassphrase = errors.New("that is not the passphrase that the keys are wrapped under")
	ErrKeyFile    = errors.New("not a key file of age with one secret key in it")
	ErrWrapped    = errors.New("the keys are wrapped already")
	ErrPlain      = errors.New("the keys are not wrapped")
)

// lockFile is the key that wraps the others, itself wrapped under a passphrase.
// One derivation, which is slow on purpose, opens them all.
const lockFile = "lock.age"

// ageHead is how every file of age's format starts (age-encryption.org/v1).
const ageHead = "age-encryption.org/"

// A Lock wraps key files, each as a file of age's format.
type Lock struct {
	identity  age.Identity
	recipient age.Recipient
}

// A Wrapping is how the keys of a folder are wrapped.
type Wrapping int

// The wrappings.
const (
	Plain           Wrapping = iota
	UnderPassphrase          // there is a lock.age
	UnderKeyFile             // which lies elsewhere
)

// WrappingOf says how the keys in dir are wrapped; as soon as one is, or was about
// to be, they are. A gateway may be replacing and destroying keys meanwhile. It
// returns [ErrNoKeys] when there are none.
func WrappingOf(dir string) (Wrapping, error) { return onDisk(dir).wrapping() }

func (f folder) wrapping() (Wrapping, error) {
	if !f.has(signFile) {
		return Plain, ErrNoKeys
	}
	if f.has(lockFile) {
		return UnderPassphrase, nil
	}
	names, err := f.keyFiles()
	if err != nil {
		return Plain, err
	}
	for _, name := range names {
		wrapped, err := f.isWrapped(name)
		if err != nil {
			return Plain, err
		}
		if wrapped {
			return UnderKeyFile, nil
		}
	}
	return Plain, nil
}

// isWrapped says whether a key file is wrapped. One that was destroyed since it was
// listed is not.
func (f folder) isWrapped(name string) (wrapped bool, err error) {
	for range 3 { // a key is hardly replaced twice while it is read
		text, err := record.ReadFile(f, f.path(name))
		if errors.Is(err, fs.ErrNotExist) {
			return false, nil
		} else if err != nil {
			return false, fmt.Errorf("read a key: %w", err)
		}
		wrapped = isWrapped(text)
		shredded := len(text) > 0 && text[0] == 0
		clear(text)
		if !shredded { // else its name is another file's by now, or nobody's
			break
		}
	}
	return wrapped, nil
}

func isWrapped(text []byte) bool { return bytes.HasPrefix(text, []byte(ageHead)) }

// ReadKeyFile returns the lock of a key file that age-keygen wrote, or of any
// other file with one secret key of age in it. It returns [ErrKeyFile] for
// anything else.
func ReadKeyFile(path string) (*Lock, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read the key file: %w", err)
	}
	defer func() { _ = file.Close() }()
	return parseLock(file)
}

func parseLock(r io.Reader) (l *Lock, err error) {
	erase.Do(func() {
		identities, parseErr := age.ParseIdentities(io.LimitReader(r, 1<<16))
		if parseErr != nil || len(identities) != 1 {
			err = ErrKeyFile // the cause would show the key
			return
		}
		switch identity := identities[0].(type) {
		case *age.X25519Identity:
			l = &Lock{identity, identity.Recipient()}
		case *age.HybridIdentity:
			l = &Lock{identity, identity.Recipient()}
		default:
			err = ErrKeyFile
		}
	})
	return l, err
}

// What guessing a passphrase costs, as a power of two: age's own choice is 18,
// about a second and 256 MiB. maxWork bounds what a lock.age can make its opening
// cost.
const (
	work    = 18
	maxWork = 20
)

// NewPassphrase puts a new lock under a passphrase into dir, where [Wrap] will
// use it. It returns [ErrWrapped] when there is one.
func NewPassphrase(dir, passphrase string) (*Lock, error) {
	return onDisk(dir).newPassphrase(passphrase, work)
}

func (f folder) newPassphrase(passphrase string, work int) (*Lock, error) {
	if f.has(lockFile) {
		return nil, ErrWrapped
	}
	identity, err := age.GenerateHybridIdentity()
	if err != nil {
		return nil, fmt.Errorf("make a lock: %w", err)
	}
	recipient, err := age.NewScryptRecipient(passphrase)
	if err != nil {
		return nil, fmt.Errorf("make a lock: %w", err)
	}
	recipient.SetWorkFactor(work)
	under := &Lock{recipient: recipient}
	wrapped, err := under.wrap([]byte(identity.String() + "\n"))
	if err != nil {
		return nil, err
	}
	if err := f.put(lockFile, wrapped); err != nil {
		return nil, err
	}
	return &Lock{identity, identity.Recipient()}, nil
}

// UnlockPassphrase opens the lock in dir. It takes about a second. It returns
// [ErrPassphrase] for a wrong passphrase, and [ErrDamage] for a file that no
// passphrase opens.
func UnlockPassphrase(dir, passphrase string) (*Lock, error) {
	return onDisk(dir).unlock(passphrase)
}

func (f folder) unlock(passphrase string) (*Lock, error) {
	text, err := record.ReadFile(f, f.path(lockFile))
	if err != nil {
		return nil, fmt.Errorf("read the lock of the keys: %w", err)
	}
	identity, err := age.NewScryptIdentity(passphrase)
	if err != nil {
		return nil, ErrPassphrase // an empty one
	}
	identity.SetMaxWorkFactor(maxWork)
	secret, err := (&Lock{identity: identity}).unwrap(text)
	switch none := (*age.NoIdentityMatchError)(nil); {
	case errors.As(err, &none):
		return nil, ErrPassphrase
	case err != nil:
		return nil, fmt.Errorf("%w: %s", ErrDamage, lockFile)
	}
	defer clear(secret)
	return parseLock(bytes.NewReader(secret))
}

func (l *Lock) wrap(text []byte) ([]byte, error) {
	var out bytes.Buffer
	var err error
	erase.Do(func() {
		var w io.WriteCloser
		if w, err = age.Encrypt(&out, l.recipient); err != nil {
			return
		}
		_, err = w.Write(text)
		err = errors.Join(err, w.Close())
	})
	if err != nil {
		return nil, fmt.Errorf("wrap a key: %w", err)
	}
	return bytes.Clone(out.Bytes()), nil // public by now, so in memory that nothing erases
}

func (l *Lock) unwrap(wrapped []byte) (text []byte, err error) {
	erase.Do(func() {
		var r io.Reader
		if r, err = age.Decrypt(bytes.NewReader(wrapped), l.identity); err == nil {
			text, err = io.ReadAll(r)
		}
	})
	return text, err
}

// Wrap wraps every key file in dir that is not wrapped yet under l, and destroys
// the plain ones. Nobody may have the keys open. Cut off by a crash, it can be
// called again; [OpenLocked] goes on with it too.
func Wrap(dir string, l *Lock) error { return onDisk(dir).under(l).rewrap(true) }

// Unwrap puts a plain file in the place of every key file in dir that l wraps,
// and destroys the lock under a passphrase, if there is one. It can be called
// again after a crash.
func Unwrap(dir string, l *Lock) error { return onDisk(dir).under(l).unwrap() }

func (f folder) unwrap() error {
	if err := f.rewrap(false); err != nil {
		return err
	}
	if !f.has(lockFile) {
		return nil
	}
	return f.destroy(lockFile) // half overwritten under its name it would look like a lock that nothing opens
}

// rewrap makes every key file a wrapped one, or a plain one.
func (f folder) rewrap(wrapped bool) error {
	if err := f.sweep(); err != nil {
		return err
	}
	names, err := f.keyFiles()
	if err != nil {
		return err
	}
	for _, name := range names {
		is, err := f.isWrapped(name)
		if err != nil {
			return err
		}
		if is == wrapped {
			continue
		}
		epoch, secret, err := f.read(name)
		if err != nil {
			return err
		}
		to := f
		if !wrapped {
			to.lock = nil
		}
		err = to.replace(name, epoch, secret)
		clear(secret)
		if err != nil {
			return err
		}
	}
	return nil
}
