package keyring

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"filippo.io/age"
)

// The files of a key folder. Each key file is one line: the format's name, the
// key's epoch, and 32 octets as base64url; or that line wrapped, as a file of
// age's format.
const (
	signFile      = "sign"
	nextSignFile  = "sign-next" // on its way to be sign
	rootFile      = "root"
	nextRootFile  = "root-next" // from its epoch on it is the root
	sealPrefix    = "seal-"
	directoryFile = "directory"
	temporary     = ".new" // a file not yet whole
	retired       = ".old" // a key on its way out

	format = "restante-key-v1"
)

func sealFile(epoch uint64) string { return sealPrefix + strconv.FormatUint(epoch, 10) }

// A folder is where the key files lie. Every change in it is on stable storage
// when its method returns.
type folder struct {
	dir  string
	lock *Lock // what wraps the key files; nil for nothing
}

// makeFolder makes an empty key folder, or returns [ErrExists].
func makeFolder(dir string) (folder, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return folder{}, fmt.Errorf("make the key folder: %w", err)
	}
	f := folder{dir: dir}
	if _, err := os.Lstat(f.path(signFile)); !errors.Is(err, fs.ErrNotExist) {
		return folder{}, ErrExists
	}
	return f, nil
}

func (f folder) path(name string) string { return filepath.Join(f.dir, name) }

// read returns a key and its epoch. The caller clears the key.
func (f folder) read(name string) (epoch uint64, secret []byte, err error) {
	text, err := os.ReadFile(f.path(name))
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil, ErrNoKeys
	} else if err != nil {
		return 0, nil, fmt.Errorf("read a key: %w", err)
	}
	defer func() { clear(text) }()
	if isWrapped(text) {
		if f.lock == nil {
			return 0, nil, ErrLocked
		}
		if text, err = f.lock.unwrap(text); err != nil {
			if none := (*age.NoIdentityMatchError)(nil); errors.As(err, &none) {
				return 0, nil, ErrWrongLock
			}
			return 0, nil, fmt.Errorf("%w: %s", ErrDamage, name)
		}
	}
	words := bytes.Fields(text)
	if len(words) != 3 || string(words[0]) != format {
		return 0, nil, fmt.Errorf("%w: %s", ErrDamage, name)
	}
	epoch, err = strconv.ParseUint(string(words[1]), 10, 64)
	if err != nil {
		return 0, nil, fmt.Errorf("%w: %s", ErrDamage, name)
	}
	secret = make([]byte, base64.RawURLEncoding.DecodedLen(len(words[2])))
	n, err := base64.RawURLEncoding.Decode(secret, words[2])
	if err != nil || n != 32 {
		return 0, nil, fmt.Errorf("%w: %s", ErrDamage, name)
	}
	return epoch, secret[:n], nil
}

// write makes a key file that is not there yet.
func (f folder) write(name string, epoch uint64, secret []byte) error {
	line := fmt.Appendf(make([]byte, 0, 128), "%s %d ", format, epoch) // with room, so that no copy stays behind
	line = append(base64.RawURLEncoding.AppendEncode(line, secret), '\n')
	defer clear(line)
	if f.lock == nil {
		return f.put(name, line)
	}
	wrapped, err := f.lock.wrap(line)
	if err != nil {
		return err
	}
	return f.put(name, wrapped)
}

// replace puts a new key in the place of an old one, which is then destroyed.
// At every moment one of the two is there.
func (f folder) replace(name string, epoch uint64, secret []byte) error {
	if f.has(name+retired) && !f.same(name, name+retired) { // an earlier try failed before it destroyed that one
		if err := f.shred(name + retired); err != nil {
			return err
		}
	}
	err := os.Link(f.path(name), f.path(name+retired))
	if err != nil && !errors.Is(err, fs.ErrExist) { // it exists when an earlier try failed half-way
		return fmt.Errorf("replace a key: %w", err)
	}
	if err := f.write(name, epoch, secret); err != nil {
		return err
	}
	return f.shred(name + retired)
}

// destroy makes a key file unusable at once, and then its octets.
func (f folder) destroy(name string) error {
	if err := os.Rename(f.path(name), f.path(name+retired)); err != nil {
		return fmt.Errorf("destroy a key: %w", err)
	}
	if err := f.sync(); err != nil {
		return err
	}
	return f.shred(name + retired)
}

// sweep ends what a crash in replace, destroy or write left half done.
func (f folder) sweep() error {
	files, err := os.ReadDir(f.dir)
	if err != nil {
		return fmt.Errorf("list the keys: %w", err)
	}
	for _, file := range files {
		base, old := strings.CutSuffix(file.Name(), retired)
		if !old && !strings.HasSuffix(file.Name(), temporary) {
			continue
		}
		end := f.shred
		if old && f.same(base, file.Name()) {
			end = f.unlink // replace was cut off before the new key: this one is in force
		}
		if err := end(file.Name()); err != nil {
			return err
		}
	}
	return nil
}

// same says whether two names are one file.
func (f folder) same(a, b string) bool {
	x, errX := os.Stat(f.path(a))
	y, errY := os.Stat(f.path(b))
	return errX == nil && errY == nil && os.SameFile(x, y)
}

func (f folder) unlink(name string) error {
	if err := os.Remove(f.path(name)); err != nil {
		return fmt.Errorf("remove a key file: %w", err)
	}
	return f.sync()
}

// shred overwrites a file with zeros, syncs it, and removes it. As far as the
// file system lets that reach the disk, what it held is gone.
func (f folder) shred(name string) error {
	file, err := os.OpenFile(f.path(name), os.O_RDWR, 0)
	if err != nil {
		return fmt.Errorf("destroy a key: %w", err)
	}
	defer func() { _ = file.Close() }()
	if err := overwrite(file); err != nil {
		return err
	}
	return f.unlink(name)
}

func overwrite(file *os.File) error {
	info, err := file.Stat()
	if err != nil {
		return fmt.Errorf("overwrite a key: %w", err)
	}
	if _, err := file.WriteAt(make([]byte, info.Size()), 0); err != nil {
		return fmt.Errorf("overwrite a key: %w", err)
	}
	if err := file.Sync(); err != nil {
		return fmt.Errorf("overwrite a key: %w", err)
	}
	return nil
}

// put writes a whole file under its name, or leaves what was there.
func (f folder) put(name string, text []byte) error {
	file, err := os.OpenFile(f.path(name+temporary), os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return fmt.Errorf("write a key: %w", err)
	}
	_, err = file.Write(text)
	err = errors.Join(err, file.Sync(), file.Close())
	if err == nil {
		err = os.Rename(file.Name(), f.path(name))
	}
	if err != nil {
		return fmt.Errorf("write a key: %w", err)
	}
	return f.sync()
}

func (f folder) sync() error {
	dir, err := os.Open(f.dir)
	if err != nil {
		return fmt.Errorf("sync the key folder: %w", err)
	}
	if err := errors.Join(dir.Sync(), dir.Close()); err != nil {
		return fmt.Errorf("sync the key folder: %w", err)
	}
	return nil
}

// keyFiles lists the files that hold a key, by name.
func (f folder) keyFiles() ([]string, error) {
	files, err := os.ReadDir(f.dir)
	if err != nil {
		return nil, fmt.Errorf("list the keys: %w", err)
	}
	var names []string
	for _, file := range files {
		switch name := file.Name(); name {
		case signFile, nextSignFile, rootFile, nextRootFile:
			names = append(names, name)
		default:
			number, ok := strings.CutPrefix(name, sealPrefix)
			if _, err := strconv.ParseUint(number, 10, 64); ok && err == nil {
				names = append(names, name)
			}
		}
	}
	return names, nil
}

// sealEpochs lists the epochs that have a seal key, ascending.
func (f folder) sealEpochs() ([]uint64, error) {
	names, err := f.keyFiles()
	if err != nil {
		return nil, err
	}
	var epochs []uint64
	for _, name := range names {
		number, _ := strings.CutPrefix(name, sealPrefix)
		if epoch, err := strconv.ParseUint(number, 10, 64); err == nil {
			epochs = append(epochs, epoch)
		}
	}
	slices.Sort(epochs)
	return epochs, nil
}

// has says whether there is a file of that name.
func (f folder) has(name string) bool {
	_, err := os.Lstat(f.path(name))
	return err == nil
}
