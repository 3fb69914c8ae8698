// Package keyring keeps a gateway's keys on disk: the signing key, the root
// from which each epoch's blinding key comes, and one seal key an epoch. It
// makes the coming ones, destroys those that have had their time, and says
// which are in force in a signed directory (docs/protocol.md, sections 2, 4, 5
// and 8). It knows nothing of mailboxes or messages.
package keyring

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/restante/restante/crypto/blind"
	"github.com/restante/restante/crypto/note"
	"github.com/restante/restante/crypto/token"
	"github.com/restante/restante/pool"
)

// The errors of a [Ring].
var (
	ErrExists = errors.New("there are keys already; they are never overwritten")
	ErrNoKeys = errors.New("no keys here; restanted init makes them")
	ErrGone   = errors.New("that epoch's key has been destroyed")
	ErrAhead  = errors.New("that epoch's key is not made yet")
	ErrDamage = errors.New("a key file is damaged")
	ErrPolicy = errors.New("these keys were made under other settings")
)

// ahead bounds how far beyond the current epoch a blinding key is derived, in
// epochs past the token life: the ratchet is cheap, but not endless.
const ahead = 2

// Policy is what a directory publishes beside the keys.
type Policy struct {
	Calendar      pool.Calendar
	BatchSize     int // entries in a batch
	SlotsPerBatch int // entries of one mailbox in a batch
}

// A Ring is an opened set of keys. Its methods may be called from many
// goroutines.
type Ring struct {
	folder folder
	domain string
	policy Policy
	signer *note.Signer

	mu        sync.Mutex
	epoch     uint64 // the newest epoch that Advance has seen; it never falls
	rootEpoch uint64
	root      blind.Root
	blinds    map[uint64]*blind.Key // derived from root on demand
	seals     map[uint64]*token.SealKey
	directory Directory
}

// notBegun is the epoch of a root that no epoch was derived from yet: the first
// [Ring.Advance] gives it the current one, under the settings of that time.
const notBegun = 0

// Create makes the lasting keys of a new gateway in dir, readable by its owner
// alone. It returns [ErrExists] and changes nothing when there are any.
func Create(dir string) error {
	f, err := makeFolder(dir)
	if err != nil {
		return err
	}
	if err := f.write(rootFile, notBegun, blind.NewRoot().Bytes()); err != nil {
		return err
	}
	return f.write(signFile, 0, note.GenerateSeed()) // last: with it the set is whole
}

// Check says whether there are keys in dir: [ErrNoKeys] when there are none. It
// changes nothing.
func Check(dir string) error {
	_, _, err := folder(dir).read(signFile)
	return err
}

// Open reads the keys in dir, and ends what a crash left half done. One process
// at a time may have them open. It returns [ErrNoKeys] when there are none, and
// [ErrDamage] when a file can't be read. Call [Ring.Advance] before use.
func Open(dir, domain string, policy Policy) (*Ring, error) {
	f := folder(dir)
	_, seed, err := f.read(signFile)
	if err != nil {
		return nil, err
	}
	if err := f.sweep(); err != nil {
		return nil, err
	}
	signer, err := note.NewSigner(domain, seed)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrDamage, err)
	}
	r := &Ring{
		folder: f, domain: domain, policy: policy, signer: signer,
		blinds: make(map[uint64]*blind.Key),
		seals:  make(map[uint64]*token.SealKey),
	}
	if err := r.load(); err != nil {
		return nil, err
	}
	return r, nil
}

func (r *Ring) load() error {
	epoch, secret, err := r.folder.read(rootFile)
	if err != nil {
		return err
	}
	root, err := blind.RootFromBytes(secret)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrDamage, err)
	}
	r.root, r.rootEpoch, r.epoch = root, epoch, epoch
	epochs, err := r.folder.sealEpochs()
	if err != nil {
		return err
	}
	for _, epoch := range epochs {
		_, secret, err := r.folder.read(sealFile(epoch))
		if err != nil {
			return err
		}
		key, err := token.SealKeyFromBytes(secret)
		if err != nil {
			return fmt.Errorf("%w: %w", ErrDamage, err)
		}
		r.seals[epoch] = key
	}
	return r.loadDirectory()
}

// Advance makes the keys that the epoch of now and the next one need, and
// destroys those that have had their time. A clock that goes back changes
// nothing. It says whether the directory changed.
func (r *Ring) Advance(now time.Time) (bool, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.epoch = max(r.epoch, r.policy.Calendar.Epoch(now))
	if r.rootEpoch == notBegun {
		if err := r.folder.replace(rootFile, r.epoch, r.root.Bytes()); err != nil {
			return false, err
		}
		r.rootEpoch = r.epoch
	}
	for _, epoch := range []uint64{r.epoch, r.epoch + 1} {
		if r.seals[epoch] == nil {
			if err := r.makeSeal(epoch); err != nil {
				return false, err
			}
		}
	}
	if err := r.destroySeals(r.policy.Calendar.OldestHonoured(r.epoch)); err != nil {
		return false, err
	}
	if err := r.ratchet(r.policy.Calendar.OldestRetained(r.epoch)); err != nil {
		return false, err
	}
	return r.renewDirectory()
}

func (r *Ring) makeSeal(epoch uint64) error {
	key, err := token.NewSealKey()
	if err != nil {
		return err
	}
	secret, err := key.Bytes()
	if err != nil {
		return err
	}
	if err := r.folder.write(sealFile(epoch), epoch, secret); err != nil {
		return err
	}
	r.seals[epoch] = key
	return nil
}

func (r *Ring) destroySeals(oldest uint64) error {
	for _, epoch := range slices.Sorted(maps.Keys(r.seals)) {
		if epoch >= oldest {
			break
		}
		if err := r.folder.destroy(sealFile(epoch)); err != nil {
			return err
		}
		delete(r.seals, epoch)
	}
	return nil
}

// ratchet moves the root on to epoch and destroys what came before it.
func (r *Ring) ratchet(epoch uint64) error {
	if epoch <= r.rootEpoch {
		return nil
	}
	root := r.root
	for range epoch - r.rootEpoch {
		root = root.Next()
	}
	if err := r.folder.replace(rootFile, epoch, root.Bytes()); err != nil {
		return err
	}
	r.root, r.rootEpoch = root, epoch
	maps.DeleteFunc(r.blinds, func(e uint64, _ *blind.Key) bool { return e < epoch })
	return nil
}

// Blind returns the blinding key of an epoch. It returns [ErrGone] when that is
// destroyed and [ErrAhead] when it is too far off.
func (r *Ring) Blind(epoch uint64) (*blind.Key, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.blind(epoch)
}

func (r *Ring) blind(epoch uint64) (*blind.Key, error) {
	switch {
	case epoch < r.rootEpoch:
		return nil, ErrGone
	case epoch > r.epoch+r.policy.Calendar.TokenLife+ahead:
		return nil, ErrAhead
	}
	if key := r.blinds[epoch]; key != nil {
		return key, nil
	}
	root := r.root
	for range epoch - r.rootEpoch {
		root = root.Next()
	}
	key, err := root.Key(r.domain)
	if err != nil {
		return nil, err
	}
	r.blinds[epoch] = key
	return key, nil
}

// Seal returns the seal key of an epoch, or [ErrGone].
func (r *Ring) Seal(epoch uint64) (*token.SealKey, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if key := r.seals[epoch]; key != nil {
		return key, nil
	}
	return nil, ErrGone
}

// Mint returns the epoch whose seal key new tokens are made with, and that
// key's public half.
func (r *Ring) Mint() (uint64, token.SealPublic) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.epoch, r.seals[r.epoch].Public()
}

// Honoured returns the oldest and the newest epoch whose tokens are honoured.
func (r *Ring) Honoured() (oldest, newest uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.policy.Calendar.OldestHonoured(r.epoch), r.epoch + 1
}

// Retained returns the oldest epoch whose entries can still be found, and the
// newest that Advance has seen.
func (r *Ring) Retained() (oldest, newest uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.rootEpoch, r.epoch
}

// Signer signs entries and notes in the gateway's name.
func (r *Ring) Signer() *note.Signer { return r.signer }
