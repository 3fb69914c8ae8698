package keyring

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"

	"github.com/restante/restante/crypto/note"
	"github.com/restante/restante/pool"
)

// A Directory is the gateway's current directory as it is published.
type Directory struct {
	ID     pool.MessageID
	Epoch  uint64
	Serial uint64
	Signed []byte // the signed note
}

// Directory returns the current directory.
func (r *Ring) Directory() Directory {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.directory
}

func (r *Ring) loadDirectory() error {
	signed, err := os.ReadFile(r.folder.path(directoryFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	} else if err != nil {
		return fmt.Errorf("read the directory: %w", err)
	}
	d, _, _, err := note.OpenDirectory(signed, r.signer.Verifier())
	if err != nil {
		return fmt.Errorf("%w: %s: %w", ErrDamage, directoryFile, err)
	}
	if err := r.policy.follows(d); err != nil {
		return err
	}
	r.publish(d, signed)
	return nil
}

// follows checks that a gateway that published d may go on under the policy.
// Epochs of another length would destroy keys that live and revive none; fewer
// slots would hide mail that is there, and smaller batches would grow.
func (p Policy) follows(d *note.Directory) error {
	switch {
	case p.Calendar.EpochLength != d.EpochLength:
		return fmt.Errorf("%w: put pool.epoch_length back to %v", ErrPolicy, d.EpochLength)
	case p.Calendar.BatchInterval != d.BatchInterval:
		return fmt.Errorf("%w: put pool.batch_interval back to %v", ErrPolicy, d.BatchInterval)
	case uint64(p.SlotsPerBatch) < d.SlotsPerBatch:
		return fmt.Errorf("%w: pool.slots_per_batch was %d and can only grow", ErrPolicy, d.SlotsPerBatch)
	case uint64(p.BatchSize) < d.BatchSize:
		return fmt.Errorf("%w: pool.batch_size was %d and can only grow", ErrPolicy, d.BatchSize)
	}
	return nil
}

// publish makes d the current directory. Its epoch is the one that was current
// when it was made: the newest seal key is the next one's.
func (r *Ring) publish(d *note.Directory, signed []byte) {
	epoch := uint64(0)
	for _, k := range d.Seal {
		epoch = max(epoch, k.Epoch-1)
	}
	id := pool.MessageID(fmt.Sprintf("<k.%d.%d@%s>", epoch, d.Serial, r.domain))
	r.directory = Directory{ID: id, Epoch: epoch, Serial: d.Serial, Signed: signed}
}

// renewDirectory makes a directory that says what the ring now holds, if the
// current one says something else. It follows that one in the chain.
func (r *Ring) renewDirectory() (bool, error) {
	next, err := r.describe()
	if err != nil {
		return false, err
	}
	if r.directory.Signed != nil {
		current, text, _, err := note.OpenDirectory(r.directory.Signed, r.signer.Verifier())
		if err != nil {
			return false, err
		}
		next.Serial, next.Previous = current.Serial, current.Previous
		if next.Text() == text {
			return false, nil
		}
		next.Previous = note.Hash(text)
	}
	next.Serial++
	signed, err := note.Sign(next.Text(), r.signer)
	if err != nil {
		return false, err
	}
	if err := r.folder.put(directoryFile, signed); err != nil {
		return false, err
	}
	r.publish(next, signed)
	return true, nil
}

// describe returns the directory of what the ring holds, without its place in
// the chain.
func (r *Ring) describe() (*note.Directory, error) {
	calendar := r.policy.Calendar
	d := &note.Directory{
		Domain:        r.domain,
		EpochLength:   calendar.EpochLength,
		BatchInterval: calendar.BatchInterval,
		BatchSize:     uint64(r.policy.BatchSize),
		SlotsPerBatch: uint64(r.policy.SlotsPerBatch),
		PoolRetention: calendar.Retention,
		TokenLife:     calendar.TokenLife,
		Sign:          [32]byte(r.signer.Verifier().Public()),
	}
	for epoch, key := range r.seals {
		d.Seal = append(d.Seal, note.EpochKey{Epoch: epoch, Key: [32]byte(key.Public().Bytes())})
	}
	for epoch := r.rootEpoch; epoch <= r.epoch+calendar.TokenLife; epoch++ {
		key, err := r.blind(epoch)
		if err != nil {
			return nil, err
		}
		d.Blind = append(d.Blind, note.EpochKey{Epoch: epoch, Key: [32]byte(key.Public())})
	}
	slices.SortFunc(d.Seal, func(a, b note.EpochKey) int { return int(a.Epoch) - int(b.Epoch) })
	return d, nil
}
