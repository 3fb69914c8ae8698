package keyring

import (
	"crypto/ed25519"
	"errors"
	"fmt"
	"io/fs"
	"slices"

	"github.com/restante/restante/crypto/note"
	"github.com/restante/restante/pool"
	"github.com/restante/restante/pool/record"
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

// readDirectory returns the signed directory on disk, or nil.
func (r *Ring) readDirectory() ([]byte, error) {
	signed, err := record.ReadFile(r.folder, r.folder.path(directoryFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	} else if err != nil {
		return nil, fmt.Errorf("read the directory: %w", err)
	}
	return signed, nil
}

func (r *Ring) loadDirectory() error {
	signed, err := r.readDirectory()
	if err != nil || signed == nil {
		return err
	}
	d, _, _, err := note.OpenDirectory(signed, r.signer.Verifier())
	if err != nil {
		return fmt.Errorf("%w: %s: %w", ErrDamage, directoryFile, err)
	}
	if err := r.policy.follows(d); err != nil {
		return err
	}
	return r.publish(d, signed)
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

// publish makes d the current directory.
func (r *Ring) publish(d *note.Directory, signed []byte) error {
	signers, err := d.Keys()
	if err != nil {
		return fmt.Errorf("%w: %s: %w", ErrDamage, directoryFile, err)
	}
	epoch := d.Epoch()
	id := pool.MessageID(fmt.Sprintf("<k.%d.%d@%s>", epoch, d.Serial, r.domain))
	r.directory = Directory{ID: id, Epoch: epoch, Serial: d.Serial, Signed: signed}
	r.signers, r.replaced = signers, d.Replaced
	return nil
}

// renewDirectory makes a directory that says what the ring now holds, if the
// current one says something else. It follows that one in the chain, and is
// signed by the ring's key, and before it by others if they are given.
func (r *Ring) renewDirectory(others ...*note.Signer) (bool, error) {
	next, err := r.describe()
	if err != nil {
		return false, err
	}
	if r.directory.Signed != nil {
		signer := append(others, r.signer)[0]
		current, text, _, err := note.OpenDirectory(r.directory.Signed, signer.Verifier())
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
	signed, err := note.Sign(next.Text(), append(others, r.signer)...)
	if err != nil {
		return false, err
	}
	if err := r.folder.put(directoryFile, signed); err != nil {
		return false, err
	}
	return true, r.publish(next, signed)
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
		Replaced:      r.stillNamed(),
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

// stillNamed returns the replaced signing keys that may have signed what is retained,
// here or, for an epoch more, where clocks are behind: the latest, if they are too many.
func (r *Ring) stillNamed() []note.ReplacedKey {
	oldest := r.policy.Calendar.OldestRetained(r.epoch)
	var named []note.ReplacedKey
	for _, k := range r.replaced {
		if r.policy.Calendar.EpochOf(k.Last)+1 >= oldest {
			named = append(named, k)
		}
	}
	return named[max(len(named), note.MaxReplaced)-note.MaxReplaced:]
}

// The errors of what comes from outside about the directory.
var (
	ErrForeign = errors.New("the directory published last is signed by another key than these")
	ErrOther   = errors.New("not a cosignature of the current directory")
)

// Adopt takes over a directory that this gateway published, when it is newer than
// the ring's own: then the keys are an older copy, and without it numbers would be
// given twice, so that the gateway seemed to show different people different
// keys. It says whether it was so. It returns [ErrForeign] for one that these
// keys did not sign.
func (r *Ring) Adopt(signed []byte) (bool, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if d, err := note.PeekDirectory(signed); err == nil && d.Serial < r.directory.Serial {
		return false, nil // perhaps by a key that these have replaced
	}
	d, text, _, err := note.OpenDirectory(signed, r.signer.Verifier())
	if err != nil {
		return false, fmt.Errorf("%w: %w", ErrForeign, err)
	}
	if !ed25519.PublicKey(d.Sign[:]).Equal(r.signer.Verifier().Public()) {
		return false, ErrForeign // these keys' last word: another has taken the signing key's place
	}
	if own, _, err := note.Open(r.directory.Signed, r.signer.Verifier()); err == nil && own == text {
		return false, nil
	}
	if err := r.policy.follows(d); err != nil {
		return false, err
	}
	if err := r.folder.put(directoryFile, signed); err != nil {
		return false, err
	}
	if err := r.publish(d, signed); err != nil {
		return false, err
	}
	r.epoch = max(r.epoch, d.Epoch())
	r.clock.least = max(r.clock.least, r.epoch)
	return true, nil
}

// Cosign adds to the current directory what known witnesses have signed of it,
// and keeps that beside the keys. Signatures whose name is wanted find room, be it a
// stranger's; nil wants all. It says whether there was anything new. It
// returns [ErrOther] for anything else than this directory's text with a good
// signature of a witness.
func (r *Ring) Cosign(signed []byte, wanted func(name string) bool, witnesses ...*note.Verifier) (bool, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	merged, added, err := note.Merge(r.directory.Signed, signed, r.signer.Verifier(), wanted, witnesses...)
	if err != nil {
		return false, fmt.Errorf("%w: %w", ErrOther, err)
	}
	if added == 0 {
		return false, nil
	}
	if err := r.folder.put(directoryFile, merged); err != nil {
		return false, err
	}
	r.directory.Signed = merged
	return true, nil
}
