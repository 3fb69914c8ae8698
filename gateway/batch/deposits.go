package batch

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/restante/restante/crypto/blind"
	"github.com/restante/restante/pool"
	"github.com/restante/restante/pool/record"
)

// errItem is a record that holds no deposit, although its sum is right.
var errItem = errors.New("a deposit can't be read")

// What an item is.
const (
	kindEntry byte = 1 // a sealed payload and its tag
	kindPost  byte = 2 // the text of a public post
	kindWaste byte = 3 // nothing: written for the time it takes
)

// An item is one thing deposited for one batch.
type item struct {
	kind  byte
	batch uint64
	tag   blind.Tag // of an entry
	turn  uint64    // of an entry: of two with one tag, the one with the higher turn leaves
	data  []byte
}

// itemHeader is what stands before an item's data: kind, batch, tag, turn, and
// the length of the data.
const itemHeader = 1 + 8 + blind.TagSize + 8 + 4

func (it item) octets() []byte { return append(appendItemHeader(nil, it), it.data...) }

func appendItemHeader(dst []byte, it item) []byte {
	dst = append(dst, it.kind)
	dst = binary.BigEndian.AppendUint64(dst, it.batch)
	dst = append(dst, it.tag[:]...)
	dst = binary.BigEndian.AppendUint64(dst, it.turn)
	return binary.BigEndian.AppendUint32(dst, uint32(len(it.data)))
}

// readItems reads the items of one record, which is one deposit.
func readItems(payload []byte) ([]item, error) {
	var items []item
	for len(payload) > 0 {
		if len(payload) < itemHeader {
			return nil, errItem
		}
		it := item{
			kind: payload[0], batch: binary.BigEndian.Uint64(payload[1:]), tag: blind.Tag(payload[9 : 9+blind.TagSize]),
			turn: binary.BigEndian.Uint64(payload[9+blind.TagSize:]),
		}
		size := int(binary.BigEndian.Uint32(payload[itemHeader-4:]))
		payload = payload[itemHeader:]
		if size > len(payload) || it.kind < kindEntry || it.kind > kindWaste {
			return nil, errItem
		}
		it.data, payload = slices.Clone(payload[:size]), payload[size:]
		items = append(items, it)
	}
	return items, nil
}

const (
	logSuffix  = ".log"
	newSuffix  = ".new"  // behind logSuffix: a file that does not have all that waits yet
	goneSuffix = ".gone" // of a file that is being destroyed: a later one has all that waits
)

// deposits is the queue's log: a file of records. A deposit is one record with
// all its items, so that a crash keeps all of them or none. With every batch a
// new file is started, which has what still waits, each item in a record of its
// own, and the old one is destroyed: what was deposited together stands together
// for one interval at most, and nothing that has left is kept.
type deposits struct {
	folder  folder
	reserve uint64 // octets of the disk that stay free

	mu      sync.RWMutex // held for reading while a deposit is written
	current *record.Writer
	number  uint64 // of the current file
	damaged int    // places in the files that were synced and could not be read
}

// openDeposits reads the log in dir and returns its items, each once and in no
// order. The log takes none until it is rotated.
func openDeposits(f folder, reserve uint64) (*deposits, []item, error) {
	d := &deposits{folder: f, reserve: reserve}
	numbers, err := d.files()
	if err != nil {
		return nil, nil, err
	}
	all := make(map[[sha256.Size]byte]item)
	for _, number := range numbers {
		items, err := d.read(number)
		if errors.Is(err, pool.ErrCorrupt) && number < numbers[len(numbers)-1] {
			d.damaged++ // its header is gone; the later one may have all of it
			continue
		}
		if err != nil {
			return nil, nil, err
		}
		maps.Copy(all, items) // a file begins with the latest of all that was in earlier ones
		d.number = number
	}
	return d, slices.Collect(maps.Values(all)), nil
}

// key is the same for items of which one alone may leave: copies of a post, and
// entries with one tag.
func (it item) key() [sha256.Size]byte {
	if it.kind == kindEntry {
		return sha256.Sum256(it.tag[:])
	}
	return sha256.Sum256(it.octets())
}

// files returns the numbers of the log's files, ascending.
func (d *deposits) files() ([]uint64, error) {
	names, err := d.folder.ReadDir(d.folder.dir)
	if err != nil {
		return nil, fmt.Errorf("read the queue: %w", err)
	}
	var numbers []uint64
	for _, name := range names {
		base, ok := strings.CutSuffix(name.Name(), logSuffix)
		if number, err := strconv.ParseUint(base, 10, 64); ok && err == nil {
			numbers = append(numbers, number)
		}
	}
	slices.Sort(numbers)
	return numbers, nil
}

func (d *deposits) path(number uint64) string {
	return filepath.Join(d.folder.dir, strconv.FormatUint(number, 10)+logSuffix)
}

// read returns the items of one file. Of those with one tag it is the one with
// the highest turn.
func (d *deposits) read(number uint64) (map[[sha256.Size]byte]item, error) {
	all := make(map[[sha256.Size]byte]item)
	log, res, err := record.Open(d.folder, d.path(number), 0, func(_ int64, payload []byte) error {
		items, err := readItems(payload)
		for _, it := range items {
			if it.kind == kindWaste {
				continue
			}
			key := it.key()
			if before, ok := all[key]; !ok || before.turn <= it.turn {
				all[key] = it
			}
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read the queue: %w", err)
	}
	d.damaged += len(res.Gaps)
	return all, log.Close()
}

// append puts the items of one deposit on stable storage, and calls accepted
// before the log can be rotated. It returns [pool.ErrDiskFull] when the disk has
// only its reserve left.
func (d *deposits) append(ctx context.Context, items []item, accepted func()) error {
	if free, err := record.Free(d.folder.dir); err == nil && free < d.reserve {
		return pool.ErrDiskFull
	}
	d.mu.RLock()
	defer d.mu.RUnlock()
	if d.current == nil {
		return ErrClosed
	}
	parts := make([][]byte, 0, 2*len(items))
	for _, it := range items {
		parts = append(parts, appendItemHeader(make([]byte, 0, itemHeader), it), it.data)
	}
	if _, err := d.current.Append(ctx, parts...); err != nil {
		return err
	}
	accepted()
	return nil
}

// rotate starts a new file with what still waits, and destroys the older ones.
// When it fails, the log goes on as it was.
func (d *deposits) rotate(waiting func() []item) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	log, err := d.begin(d.number+1, waiting())
	if err != nil {
		return err
	}
	before := d.current
	d.current, d.number = record.NewWriter(log), d.number+1
	if before != nil {
		if err := before.Close(); err != nil {
			return err
		}
	}
	return d.destroy()
}

// begin makes a file that has items. It gets its name once all of it is on
// stable storage: what a crash leaves of it is not taken for damage.
func (d *deposits) begin(number uint64, items []item) (*record.Log, error) {
	path := d.path(number)
	part := path + newSuffix
	if err := d.folder.erase(part); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	log, _, err := record.Open(d.folder, part, 0, func(int64, []byte) error { return nil })
	if err != nil {
		return nil, fmt.Errorf("start a queue file: %w", err)
	}
	for _, it := range items {
		if err == nil {
			_, err = log.Add(it.octets())
		}
	}
	log.Vouch()
	if err == nil {
		err = log.Commit()
	}
	if err == nil {
		err = d.folder.Rename(part, path)
	}
	if err == nil {
		err = d.folder.SyncDir(d.folder.dir)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("start a queue file: %w", err), log.Close(), d.folder.erase(part))
	}
	return log, nil
}

// destroy overwrites and removes the files before the current one.
func (d *deposits) destroy() error {
	numbers, err := d.files()
	if err != nil {
		return err
	}
	for _, number := range numbers {
		if number >= d.number {
			continue
		}
		if err := d.folder.Rename(d.path(number), d.path(number)+goneSuffix); err != nil {
			return fmt.Errorf("put a queue file aside: %w", err)
		}
	}
	if err := d.folder.SyncDir(d.folder.dir); err != nil { // or what a crash leaves half overwritten looks damaged
		return fmt.Errorf("put a queue file aside: %w", err)
	}
	names, err := d.folder.ReadDir(d.folder.dir)
	if err != nil {
		return fmt.Errorf("read the queue: %w", err)
	}
	for _, name := range names {
		if !strings.HasSuffix(name.Name(), goneSuffix) {
			continue
		}
		if err := d.folder.erase(filepath.Join(d.folder.dir, name.Name())); err != nil {
			return err
		}
	}
	return nil
}

// erase overwrites and removes a file.
func (f folder) erase(path string) error {
	if err := f.overwrite(path); err != nil {
		return err
	}
	if err := f.Remove(path); err != nil {
		return fmt.Errorf("remove a queue file: %w", err)
	}
	return nil
}

// overwrite writes zeros over a file's octets. As far as the file system lets
// that reach the disk, what it held is gone.
func (f folder) overwrite(path string) error {
	file, size, err := f.OpenFile(path, os.O_RDWR)
	if err != nil {
		return fmt.Errorf("overwrite a queue file: %w", err)
	}
	_, err = io.CopyN(io.NewOffsetWriter(file, 0), zeros{}, size)
	if err = errors.Join(err, file.Sync(), file.Close()); err != nil {
		return fmt.Errorf("overwrite a queue file: %w", err)
	}
	return nil
}

// zeros reads as zeros without end.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

func (d *deposits) close() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.current == nil {
		return nil
	}
	err := d.current.Close()
	d.current = nil
	return err
}
