package keyring

import (
	"crypto/ed25519"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/restante/restante/crypto/blind"
	"github.com/restante/restante/crypto/note"
)

// ErrRotating is a root that is replaced already, and not yet in force.
var ErrRotating = errors.New("a new root waits for its epoch already")

// rootDelay is how many epochs after the current one a new root is in force from.
// Entries may be booked ahead into the next epoch, under tags of the old one.
const rootDelay = 2

// RotateSeals puts new seal keys in the place of those that tokens are minted
// with now, and destroys these: every token made in this epoch is dead. Those of
// earlier epochs are honoured as before. Advance must have been called.
func (r *Ring) RotateSeals() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, epoch := range r.minted() {
		if err := r.makeSeal(epoch, r.folder.replace); err != nil {
			return err
		}
	}
	_, err := r.renewDirectory()
	return err
}

// RotateRoot makes a root that follows from nothing, which is the root from the
// epoch after the next one on. Until then, and for what is retained from then,
// the old one holds. It returns [ErrRotating] when one waits already. Advance
// must have been called.
func (r *Ring) RotateRoot() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.next != nil {
		return ErrRotating
	}
	next := &nextRoot{r.epoch + rootDelay, blind.NewRoot()}
	secret := next.root.Bytes()
	defer clear(secret)
	if err := r.folder.write(nextRootFile, next.epoch, secret); err != nil {
		return err
	}
	r.next = next
	maps.DeleteFunc(r.blinds, func(e uint64, _ *blind.Key) bool { return e >= next.epoch })
	_, err := r.renewDirectory()
	return err
}

// RotateSigner makes another signing key. The old one's last act is to sign,
// beside the new one, the directory that names it; then it is destroyed. What it
// signed of batches up to last is still good: that is the last one which may have
// left. What holds the [Ring.Signer] of before must be made anew. Advance must have
// been called.
func (r *Ring) RotateSigner(last uint64) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	seed := note.GenerateSeed()
	defer clear(seed)
	signer, err := note.NewSigner(r.domain, seed)
	if err != nil {
		return err
	}
	if err := r.folder.write(nextSignFile, 0, seed); err != nil {
		return err
	}
	old := r.signer
	r.signer = signer
	r.replaced = append(slices.Clone(r.replaced), note.ReplacedKey{Last: last, Key: [32]byte(old.Verifier().Public())})
	if _, err := r.renewDirectory(old); err != nil {
		return err
	}
	return r.promoteSigner(seed)
}

// promoteSigner makes sign-next the signing key.
func (r *Ring) promoteSigner(seed []byte) error {
	if err := r.folder.replace(signFile, 0, seed); err != nil {
		return err
	}
	return r.folder.destroy(nextSignFile)
}

// loadSigner reads the signing key. A crash may have left a next one: the
// directory says whether that one is in force already.
func (r *Ring) loadSigner() error {
	signer, seed, err := r.readSigner(signFile)
	if err != nil {
		return err
	}
	clear(seed)
	r.signer = signer
	if !r.folder.has(nextSignFile) {
		return nil
	}
	next, seed, err := r.readSigner(nextSignFile)
	if err != nil {
		return err
	}
	defer clear(seed)
	if !r.names(next) {
		return r.folder.destroy(nextSignFile)
	}
	r.signer = next
	return r.promoteSigner(seed)
}

func (r *Ring) readSigner(name string) (*note.Signer, []byte, error) {
	_, seed, err := r.folder.read(name)
	if err != nil {
		return nil, nil, err
	}
	signer, err := note.NewSigner(r.domain, seed)
	if err != nil {
		return nil, nil, fmt.Errorf("%w: %w", ErrDamage, err)
	}
	return signer, seed, nil
}

// names says whether the directory on disk is signed by a key and names it.
func (r *Ring) names(signer *note.Signer) bool {
	signed, err := r.readDirectory()
	if err != nil || signed == nil {
		return false
	}
	d, _, _, err := note.OpenDirectory(signed, signer.Verifier())
	return err == nil && ed25519.PublicKey(d.Sign[:]).Equal(signer.Verifier().Public())
}
