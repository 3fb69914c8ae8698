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

	"github.com/restante/restante/pool/record"
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

// files is the file system that the keys lie on. Tests let the power fail in its
// place.
type files interface {
	record.FS
	// Link gives a file another name, as os.Link does.
	Link(from, to string) error
	// SameFile says whether two names are one file's.
	SameFile(a, b string) bool
}

// disk is the operating system's.
type disk struct{ record.OS }

// Link is os.Link.
func (disk) Link(from, to string) error { return os.Link(from, to) }

// SameFile is os.SameFile.
func (disk) SameFile(a, b string) bool {
	x, errX := os.Stat(a)
	y, errY := os.Stat(b)
	return errX == nil && errY == nil && os.SameFile(x, y)
}

// A folder is where the key files lie. Every change in it is on stable storage
// when its method returns.
type folder struct {
	files
	dir  string
	lock *Lock // what wraps the key files; nil for nothing
}

func onDisk(dir string) folder { return folder{files: disk{}, dir: dir} }

// under is the folder with what wraps its key files.
func (f folder) under(l *Lock) folder {
	f.lock = l
	return f
}

// begin makes the folder where there is none, or returns [ErrExists] where there are
// keys in it.
func (f folder) begin() error {
	err := f.MkdirAll(f.dir)
	if err == nil {
		err = f.SyncDir(filepath.Dir(f.dir))
	}
	if err != nil {
		return fmt.Errorf("make the key folder: %w", err)
	}
	if f.has(signFile) {
		return ErrExists
	}
	return nil
}

func (f folder) path(name string) string { return filepath.Join(f.dir, name) }

// read returns a key and its epoch. The caller clears the key.
func (f folder) read(name string) (epoch uint64, secret []byte, err error) {
	text, err := record.ReadFile(f, f.path(name))
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
	err := f.Link(f.path(name), f.path(name+retired))
	if err != nil && !errors.Is(err, fs.ErrExist) { // it exists when an earlier try failed half-way
		return fmt.Errorf("replace a key: %w", err)
	}
	if err := f.write(name, epoch, secret); err != nil {
		return err
	}
	return f.shred(name + retired)
}

// destroy makes a key file unusable at once, and then its octets. It may be called
// again where it failed.
func (f folder) destroy(name string) error {
	if f.has(name + retired) { // an earlier try, to replace it perhaps, failed half-way
		if err := f.end(name + retired); err != nil {
			return err
		}
		if !f.has(name) {
			return nil
		}
	}
	if err := f.Rename(f.path(name), f.path(name+retired)); err != nil {
		return fmt.Errorf("destroy a key: %w", err)
	}
	return f.shred(name + retired)
}

// end ends what is left of a replacement or of a destruction: a file under the name of
// one on its way out. Where it still has its own name too, the new key did not come,
// and this one is in force.
func (f folder) end(old string) error {
	if f.same(strings.TrimSuffix(old, retired), old) {
		return f.unlink(old)
	}
	return f.shred(old)
}

// sweep ends what a crash in replace, destroy or write left half done.
func (f folder) sweep() error {
	all, err := f.ReadDir(f.dir)
	if err != nil {
		return fmt.Errorf("list the keys: %w", err)
	}
	for _, file := range all {
		end := f.end
		switch name := file.Name(); {
		case strings.HasSuffix(name, temporary):
			end = f.shred
		case !strings.HasSuffix(name, retired):
			continue
		}
		if err := end(file.Name()); err != nil {
			return err
		}
	}
	return nil
}

// same says whether two names are one file.
func (f folder) same(a, b string) bool { return f.SameFile(f.path(a), f.path(b)) }

func (f folder) unlink(name string) error {
	if err := f.Remove(f.path(name)); err != nil {
		return fmt.Errorf("remove a key file: %w", err)
	}
	return f.sync()
}

// shred overwrites a file with zeros, syncs it, and removes it. As far as the
// file system lets that reach the disk, what it held is gone. The names go to the disk
// first: else a crash could bring another name of the file back, with nothing in it.
func (f folder) shred(name string) error {
	if err := f.sync(); err != nil {
		return err
	}
	file, size, err := f.OpenFile(f.path(name), os.O_RDWR)
	if err != nil {
		return fmt.Errorf("destroy a key: %w", err)
	}
	_, err = file.WriteAt(make([]byte, size), 0)
	if err == nil {
		err = file.Sync()
	}
	if err = errors.Join(err, file.Close()); err != nil {
		return fmt.Errorf("overwrite a key: %w", err)
	}
	return f.unlink(name)
}

// put writes a whole file under its name, or leaves what was there, and perhaps a
// temporary one for sweep.
func (f folder) put(name string, text []byte) error {
	part := name + temporary
	if f.has(part) { // an earlier try failed
		if err := f.shred(part); err != nil {
			return err
		}
	}
	file, _, err := f.OpenFile(f.path(part), os.O_RDWR|os.O_CREATE|os.O_EXCL)
	if err != nil {
		return fmt.Errorf("write a key: %w", err)
	}
	err = f.sync() // or these octets could be on the disk under no name, and so could those of a key that this one replaces
	if err == nil {
		_, err = file.WriteAt(text, 0)
	}
	if err == nil {
		err = file.Sync()
	}
	err = errors.Join(err, file.Close())
	if err == nil {
		err = f.Rename(f.path(part), f.path(name))
	}
	if err != nil {
		return fmt.Errorf("write a key: %w", err)
	}
	return f.sync()
}

func (f folder) sync() error {
	if err := f.SyncDir(f.dir); err != nil {
		return fmt.Errorf("sync the key folder: %w", err)
	}
	return nil
}

// keyFiles lists the files that hold a key, by name.
func (f folder) keyFiles() ([]string, error) {
	all, err := f.ReadDir(f.dir)
	if err != nil {
		return nil, fmt.Errorf("list the keys: %w", err)
	}
	var names []string
	for _, file := range all {
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
	file, _, err := f.OpenFile(f.path(name), os.O_RDONLY)
	if err == nil {
		err = file.Close()
	}
	return !errors.Is(err, fs.ErrNotExist)
}
