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
	"runtime"
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
	ErrClock  = errors.New("the clock has jumped ahead")
)

// ahead bounds how far beyond the current epoch a blinding key is derived, in
// epochs past the token life: the ratchet is cheap, but not endless.
const ahead = 2

// Policy is what a directory publishes beside the keys.
type Policy struct {
	Calendar      pool.Calendar
	BatchSize     int // entries in a batch
	SlotsPerBatch int // entries of one mailbox in a batch

	// Jump is how many epochs the clock may be ahead of what the ring expects. It
	// is not published. 0 stands for 2.
	Jump uint64
}

// A Ring is an opened set of keys. Its methods may be called from many
// goroutines.
type Ring struct {
	folder folder
	domain string
	policy Policy
	signer *note.Signer

	mu        sync.Mutex
	epoch     uint64 // the newest epoch seen, in this process or an earlier one; it never falls
	clock     clock
	rootEpoch uint64
	root      blind.Root
	next      *nextRoot             // nil while root is the root of all epochs
	blinds    map[uint64]*blind.Key // derived from a root on demand
	seals     map[uint64]*token.SealKey
	directory Directory
	signers   *note.Keys // that the directory names
	replaced  []note.ReplacedKey
}

// A nextRoot takes the root's place in an epoch to come.
type nextRoot struct {
	epoch uint64
	root  blind.Root
}

// notBegun is the epoch of a root that no epoch was derived from yet: the first
// [Ring.Advance] gives it the current one, under the settings of that time.
const notBegun = 0

// Create makes the lasting keys of a new gateway in dir, readable by its owner
// alone. It returns [ErrExists] and changes nothing when there are any.
func Create(dir string) error { return create(onDisk(dir)) }

func create(f folder) error {
	if err := f.begin(); err != nil {
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
	_, secret, err := onDisk(dir).read(signFile)
	clear(secret)
	if errors.Is(err, ErrLocked) {
		return nil
	}
	return err
}

// Open is [OpenLocked] for keys that are not wrapped.
func Open(dir, domain string, policy Policy) (*Ring, error) {
	return OpenLocked(dir, domain, policy, nil)
}

// OpenLocked reads the keys in dir, which l opens, and ends what a crash left
// half done. A key that should be wrapped and is not, is wrapped now. One process
// at a time may have them open. It returns [ErrNoKeys] when there are none,
// [ErrDamage] when a file can't be read, [ErrLocked] without the lock that is
// needed and [ErrWrongLock] with another one. Call [Ring.Advance] before use.
func OpenLocked(dir, domain string, policy Policy, l *Lock) (*Ring, error) {
	return open(onDisk(dir).under(l), domain, policy)
}

func open(f folder, domain string, policy Policy) (*Ring, error) {
	if !f.has(signFile) {
		return nil, ErrNoKeys
	}
	if _, secret, err := f.read(signFile); err != nil { // before anything is touched
		return nil, err
	} else {
		clear(secret)
	}
	if err := f.sweep(); err != nil {
		return nil, err
	}
	if f.lock != nil {
		if err := f.rewrap(true); err != nil {
			return nil, err
		}
	}
	r := &Ring{
		folder: f, domain: domain, policy: policy,
		blinds: make(map[uint64]*blind.Key),
		seals:  make(map[uint64]*token.SealKey),
	}
	if err := r.load(); err != nil {
		return nil, err
	}
	return r, nil
}

func (r *Ring) load() error {
	if err := r.loadSigner(); err != nil {
		return err
	}
	r.signers = note.KeysOf(r.signer.Verifier())
	var err error
	if r.rootEpoch, r.root, err = r.loadRoot(rootFile); err != nil {
		return err
	}
	r.epoch = r.rootEpoch
	if r.folder.has(nextRootFile) {
		r.next = new(nextRoot)
		if r.next.epoch, r.next.root, err = r.loadRoot(nextRootFile); err != nil {
			return err
		}
	}
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
		clear(secret)
		if err != nil {
			return fmt.Errorf("%w: %w", ErrDamage, err)
		}
		r.seals[epoch] = key
		// Each epoch's seal key is made in the epoch before: so the newest one
		// tells the newest epoch that was seen.
		r.epoch = max(r.epoch, epoch-min(epoch, 1))
	}
	r.clock.least = r.epoch
	return r.loadDirectory()
}

func (r *Ring) loadRoot(name string) (uint64, blind.Root, error) {
	epoch, secret, err := r.folder.read(name)
	if err != nil {
		return 0, blind.Root{}, err
	}
	defer clear(secret)
	root, err := blind.RootFromBytes(secret)
	if err != nil {
		return 0, blind.Root{}, fmt.Errorf("%w: %w", ErrDamage, err)
	}
	return epoch, root, nil
}

// Advance makes the keys that the epoch of now and the next one need, and
// destroys those that have had their time. A clock that goes back changes
// nothing. With a clock that has jumped ahead it changes nothing either, and
// returns [ErrClock] ([Ring.Clock]). It says whether the directory changed.
func (r *Ring) Advance(now time.Time) (bool, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.jumped(now); err != nil {
		return false, err
	}
	return r.advance(now)
}

// Accept is Advance whatever the clock says, for an operator who knows that it is
// right.
func (r *Ring) Accept(now time.Time) (bool, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.clock.told = time.Time{}
	return r.advance(now)
}

func (r *Ring) advance(now time.Time) (bool, error) {
	r.clock.see(now)
	r.epoch = max(r.epoch, r.policy.Calendar.Epoch(now))
	if r.rootEpoch == notBegun {
		if err := r.replaceRoot(r.epoch, r.root); err != nil {
			return false, err
		}
		r.rootEpoch = r.epoch
	}
	for _, epoch := range r.minted() {
		if r.seals[epoch] == nil {
			if err := r.makeSeal(epoch, r.folder.write); err != nil {
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

// minted is the epochs whose seal keys new tokens may be made with.
func (r *Ring) minted() [2]uint64 { return [2]uint64{r.epoch, r.epoch + 1} }

// makeSeal makes an epoch's seal key and lets put file it.
func (r *Ring) makeSeal(epoch uint64, put func(name string, epoch uint64, secret []byte) error) error {
	key, err := token.NewSealKey()
	if err != nil {
		return err
	}
	secret, err := key.Bytes()
	if err != nil {
		return err
	}
	defer clear(secret)
	if err := put(sealFile(epoch), epoch, secret); err != nil {
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
	moves := epoch > r.rootEpoch
	if moves {
		root := r.rootAt(epoch)
		if err := r.replaceRoot(epoch, root); err != nil {
			return err
		}
		r.root.Destroy()
		r.root, r.rootEpoch = root, epoch
		maps.DeleteFunc(r.blinds, func(e uint64, _ *blind.Key) bool { return e < epoch })
	}
	taken := r.next != nil && r.next.epoch <= r.rootEpoch // its place, perhaps just before a crash
	if taken {
		if err := r.folder.destroy(nextRootFile); err != nil {
			return err
		}
		r.next.root.Destroy()
		r.next = nil
	}
	if moves || taken {
		// The keys that were dropped are in the libraries' hands and can't be
		// overwritten from here. Collected now, they are erased where the program
		// was built for that (package erase), and on their way to be used for
		// something else where it was not.
		runtime.GC()
	}
	return nil
}

func (r *Ring) replaceRoot(epoch uint64, root blind.Root) error {
	secret := root.Bytes()
	defer clear(secret)
	return r.folder.replace(rootFile, epoch, secret)
}

// rootAt returns a copy of an epoch's root.
func (r *Ring) rootAt(epoch uint64) blind.Root {
	if r.next != nil && epoch >= r.next.epoch {
		return r.next.root.Ahead(epoch - r.next.epoch)
	}
	return r.root.Ahead(epoch - r.rootEpoch)
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
	root := r.rootAt(epoch)
	defer root.Destroy()
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

// Mint returns the epoch whose seal key new tokens are made with, and that key's
// public half: a zero one when the key is missing, which takes an old copy of the
// keys and a clock that is not right.
func (r *Ring) Mint() (uint64, token.SealPublic) {
	r.mu.Lock()
	defer r.mu.Unlock()
	key := r.seals[r.epoch]
	if key == nil {
		return r.epoch, token.SealPublic{}
	}
	return r.epoch, key.Public()
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

// Signers returns the signing keys that the current directory names: that of
// [Ring.Signer], and those that it has replaced and of which entries are retained.
func (r *Ring) Signers() *note.Keys {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.signers
}
