package batch

import (
	"encoding/binary"
	"errors"
	"fmt"
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

// load reads a plan. It returns an error that is fs.ErrNotExist when there is
// none under that name.
func (f folder) load(name string) (*plan, error) {
	path := filepath.Join(f.dir, name)
	there, _, err := f.OpenFile(path, os.O_RDONLY) // or the next line would make one
	if err == nil {
		err = there.Close()
	}
	if err != nil {
		return nil, err
	}
	var p *plan
	log, res, err := record.Open(f, path, 0, func(_ int64, payload []byte) error {
		if p == nil {
			if len(payload) != 8+len(p.manifest) {
				return errPlan
			}
			p = &plan{batch: binary.BigEndian.Uint64(payload), manifest: [32]byte(payload[8:])}
			return nil
		}
		p.texts = append(p.texts, append([]byte(nil), payload...))
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read a plan: %w", err)
	}
	if err := log.Close(); err != nil {
		return nil, err
	}
	if p == nil || res.Torn || len(res.Gaps)+len(res.Unsynced) > 0 {
		return nil, errPlan
	}
	return p, nil
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
