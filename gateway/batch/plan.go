package batch

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/restante/restante/pool"
	"github.com/restante/restante/pool/record"
)

// The files that say how far releases have come. A batch is first written as a
// plan, whole; then its articles go into the store; then the head of the plan is
// kept as the released one, and the plan goes. A crash in between is mended by
// filing the plan again: what is in the store already stays as it is.
const (
	planFile     = "plan"
	releasedFile = "released"
	partFile     = "plan.new"
)

var errPlan = errors.New("the plan of a batch can't be read")

// A plan is a batch as it leaves: which it is, the hash of its manifest's text,
// and the text of every article in order.
type plan struct {
	batch    uint64
	manifest [32]byte
	texts    [][]byte
}

// A folder is where the queue's files lie.
type folder struct {
	record.FS
	dir string
}

// save puts the plan on stable storage under a name.
func (f folder) save(p *plan, name string) error {
	part := filepath.Join(f.dir, partFile)
	if err := f.Remove(part); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("write a plan: %w", err)
	}
	log, _, err := record.Open(f, part, 0, func(int64, []byte) error { return nil })
	if err != nil {
		return fmt.Errorf("write a plan: %w", err)
	}
	head := append(binary.BigEndian.AppendUint64(nil, p.batch), p.manifest[:]...)
	for _, payload := range append([][]byte{head}, p.texts...) {
		if _, err := log.Add(payload); err != nil {
			return errors.Join(err, log.Close())
		}
	}
	log.Vouch()
	if err := errors.Join(log.Commit(), log.Close()); err != nil {
		return err
	}
	return f.rename(partFile, name)
}

// load reads a plan, and leaves its file as it is. It returns an error that is
// fs.ErrNotExist when there is none under that name, and errPlan when it is not whole.
func (f folder) load(name string) (*plan, error) {
	file, size, err := f.OpenFile(filepath.Join(f.dir, name), os.O_RDONLY)
	if err != nil {
		return nil, err
	}
	p, whole, err := readPlan(file, size)
	if err = errors.Join(err, file.Close()); err != nil {
		return nil, fmt.Errorf("read a plan: %w", err)
	}
	if p == nil || !whole && name == planFile { // the head is all that is needed of the released one
		return nil, errPlan
	}
	return p, nil
}

// readPlan reads what there is of a plan, nil without its head. It is whole if the file
// says so behind the last article: how many there are is nowhere else.
func readPlan(file io.ReaderAt, size int64) (p *plan, whole bool, err error) {
	r, err := record.NewReader(file)
	if err != nil {
		return nil, false, err
	}
	end := int64(0)
	res, err := r.Scan(size, 0, func(offset int64, payload []byte) error {
		end = offset + record.Overhead + int64(len(payload))
		if p != nil {
			p.texts = append(p.texts, bytes.Clone(payload))
			return nil
		}
		if len(payload) != 8+len(p.manifest) {
			return errPlan
		}
		p = &plan{batch: binary.BigEndian.Uint64(payload), manifest: [32]byte(payload[8:])}
		return nil
	})
	return p, len(res.Gaps)+len(res.Unsynced) == 0 && res.Synced >= end, err
}

func (f folder) rename(from, to string) error {
	if err := f.Rename(filepath.Join(f.dir, from), filepath.Join(f.dir, to)); err != nil {
		return fmt.Errorf("rename a plan: %w", err)
	}
	return f.SyncDir(f.dir)
}

// discard removes the plan.
func (f folder) discard() error {
	if err := f.Remove(filepath.Join(f.dir, planFile)); err != nil {
		return fmt.Errorf("remove a plan: %w", err)
	}
	return f.SyncDir(f.dir)
}

// readReleased returns the last batch released. A new queue starts with the
// batch of now, and remembers that.
func (f folder) readReleased(calendar pool.Calendar) (uint64, error) {
	p, err := f.load(releasedFile)
	if errors.Is(err, fs.ErrNotExist) {
		p = &plan{batch: calendar.Batch(time.Now())}
		err = f.save(p, releasedFile)
	}
	if err != nil {
		return 0, err
	}
	return p.batch, nil
}

// Kept says what the queue in dir remembers of releases: whether it remembers any
// time at all, and the last batch that left, or 0 where none did.
func Kept(dir string) (remembers bool, last uint64, err error) {
	p, err := folder{record.OS{}, dir}.load(releasedFile)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return false, 0, nil
	case err != nil:
		return false, 0, err
	case p.manifest == [32]byte{}: // where it begins
		return true, 0, nil
	}
	return true, p.batch, nil
}

// Begun returns the last batch that the queue in dir let out, or began to; 0 where
// it remembers none.
func Begun(dir string) (uint64, error) {
	f := folder{record.OS{}, dir}
	_, last, err := Kept(dir)
	if err != nil {
		return 0, err
	}
	planned, err := f.readPlanned()
	return max(last, planned), err
}

// readPlanned returns the batch of a plan that a crash left, or 0.
func (f folder) readPlanned() (uint64, error) {
	p, err := f.load(planFile)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	} else if err != nil {
		return 0, err
	}
	return p.batch, nil
}
