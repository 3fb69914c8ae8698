package batch

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/restante/restante/crypto/blind"
	"github.com/restante/restante/pool/record"
)

// errItem is a record that holds no deposit, although its sum is right.
var errItem = errors.New("a deposit can't be read")

// What an item is.
const (
	kindEntry byte = 1 // a sealed payload and its tag
	kindPost  byte = 2 // the text of a public post
)

// An item is one thing deposited for one batch.
type item struct {
	kind  byte
	batch uint64
	tag   blind.Tag // of an entry
	data  []byte
}

// itemHeader is what stands before an item's data: kind, batch, tag, and the
// length of the data.
const itemHeader = 1 + 8 + blind.TagSize + 4

func appendItem(dst []byte, it item) []byte {
	dst = append(dst, it.kind)
	dst = binary.BigEndian.AppendUint64(dst, it.batch)
	dst = append(dst, it.tag[:]...)
	dst = binary.BigEndian.AppendUint32(dst, uint32(len(it.data)))
	return append(dst, it.data...)
}

// readItems reads the items of one record, which is one deposit.
func readItems(payload []byte) ([]item, error) {
	var items []item
	for len(payload) > 0 {
		if len(payload) < itemHeader {
			return nil, errItem
		}
		it := item{kind: payload[0], batch: binary.BigEndian.Uint64(payload[1:]), tag: blind.Tag(payload[9 : 9+blind.TagSize])}
		size := int(binary.BigEndian.Uint32(payload[itemHeader-4:]))
		payload = payload[itemHeader:]
		if size > len(payload) || it.kind != kindEntry && it.kind != kindPost {
			return nil, errItem
		}
		it.data, payload = slices.Clone(payload[:size]), payload[size:]
		items = append(items, it)
	}
	return items, nil
}

const logSuffix = ".log"

// deposits is the queue's log: files of records, each record one deposit with
// all its items, so that a crash keeps all of them or none. A new file is
// started with every batch, whether mail came or not, and goes when all its
// items are released.
type deposits struct {
	dir string
	fs  record.Opener

	mu      sync.RWMutex // held for reading while a deposit is written
	current *record.Writer
	number  uint64            // of the current file
	last    map[uint64]uint64 // the last batch that a file has an item for
	damaged int               // places in the files that can't be read

	lastMu sync.Mutex // guards last while mu is held for reading
}

// openDeposits reads the log in dir and returns its items.
func openDeposits(fs record.Opener, dir string) (*deposits, []item, error) {
	d := &deposits{dir: dir, fs: fs, last: make(map[uint64]uint64)}
	names, err := os.ReadDir(dir)
	if err != nil {
		return nil, nil, fmt.Errorf("read the queue: %w", err)
	}
	var all []item
	for _, name := range names {
		number, err := strconv.ParseUint(strings.TrimSuffix(name.Name(), logSuffix), 10, 64)
		if err != nil || !strings.HasSuffix(name.Name(), logSuffix) {
			continue
		}
		items, err := d.read(number)
		if err != nil {
			return nil, nil, err
		}
		all = append(all, items...)
		d.number = max(d.number, number)
	}
	return d, all, d.rotate()
}

func (d *deposits) path(number uint64) string {
	return filepath.Join(d.dir, strconv.FormatUint(number, 10)+logSuffix)
}

func (d *deposits) read(number uint64) ([]item, error) {
	var all []item
	log, res, err := record.Open(d.fs, d.path(number), 0, func(_ int64, payload []byte) error {
		items, err := readItems(payload)
		all = append(all, items...)
		d.note(number, items)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read the queue: %w", err)
	}
	d.damaged += len(res.Gaps)
	return all, log.Close()
}

// note remembers how long a file is needed.
func (d *deposits) note(number uint64, items []item) {
	d.lastMu.Lock()
	defer d.lastMu.Unlock()
	for _, it := range items {
		d.last[number] = max(d.last[number], it.batch)
	}
}

// append puts the items of one deposit on stable storage.
func (d *deposits) append(ctx context.Context, items []item) error {
	size := 0
	for _, it := range items {
		size += itemHeader + len(it.data)
	}
	payload := make([]byte, 0, size)
	for _, it := range items {
		payload = appendItem(payload, it)
	}
	d.mu.RLock()
	defer d.mu.RUnlock()
	if d.current == nil {
		return ErrClosed
	}
	if _, err := d.current.Append(ctx, payload); err != nil {
		return err
	}
	d.note(d.number, items)
	return nil
}

// rotate starts a new file.
func (d *deposits) rotate() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	number := d.number + 1
	next, _, err := record.OpenWriter(d.fs, d.path(number), func(int64, []byte) error { return nil })
	if err != nil {
		return fmt.Errorf("start a queue file: %w", err)
	}
	before := d.current
	d.current, d.number = next, number
	d.note(number, []item{{}})
	if before != nil {
		return before.Close()
	}
	return nil
}

// drop removes the files that hold nothing for a batch after released.
func (d *deposits) drop(released uint64) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	for number, last := range d.last {
		if number == d.number || last > released {
			continue
		}
		if err := os.Remove(d.path(number)); err != nil {
			return fmt.Errorf("remove a queue file: %w", err)
		}
		delete(d.last, number)
	}
	return nil
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
