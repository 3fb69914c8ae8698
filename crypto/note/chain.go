package note

import (
	"errors"
	"slices"
)

// What a [Chain] finds wrong with a directory.
var (
	// ErrOlder is returned for a directory from before the one that is held.
	ErrOlder = errors.New("directory is older than the one held")
	// ErrGap is returned when directories in between are needed first.
	ErrGap = errors.New("directories in between are missing")
	// ErrFork is returned when the gateway has signed two directories that
	// can't both be its own: it shows different people different keys.
	ErrFork = errors.New("the gateway has signed two directories that contradict each other")
	// ErrWitnesses is returned when too few of the known witnesses signed.
	ErrWitnesses = errors.New("too few witnesses signed the directory")
)

// A Chain is one gateway's directories as one client or mirror has seen them. It
// holds the newest, and takes only what follows from it. It is for one goroutine.
type Chain struct {
	gateway   *Verifier // the key that must sign the next directory
	keys      *Keys     // those of the newest
	directory *Directory
	text      string
	signed    []byte
}

// StartChain starts with a directory that gateway signed, or whose successor it
// did. Whether that key is the gateway's own, nothing says: it is pinned at first
// use, or came another way.
func StartChain(signed []byte, gateway *Verifier) (*Chain, error) {
	c := &Chain{gateway: gateway}
	d, text, _, err := OpenDirectory(signed, gateway)
	if err != nil {
		return nil, err
	}
	if err := c.hold(d, text, signed); err != nil {
		return nil, err
	}
	return c, nil
}

// hold makes d the newest directory, and its signing key the one that is pinned.
func (c *Chain) hold(d *Directory, text string, signed []byte) error {
	keys, err := d.Keys()
	if err != nil {
		return err
	}
	c.gateway, c.keys, c.directory, c.text, c.signed = keys.newest, keys, d, text, slices.Clone(signed)
	return nil
}

// Directory returns the newest directory.
func (c *Chain) Directory() *Directory { return c.directory }

// Signed returns the newest directory's signed note, for keeping it.
func (c *Chain) Signed() []byte { return slices.Clone(c.signed) }

// Gateway returns the signing key that is pinned now.
func (c *Chain) Gateway() *Verifier { return c.gateway }

// Keys returns the signing keys that the newest directory names.
func (c *Chain) Keys() *Keys { return c.keys }

// Extend takes the next directory, or the newest one again, perhaps with more
// signatures. It says whether it is new. Errors, after which the chain is as it
// was:
//
//   - ErrSignature, ErrMalformed: it is not the gateway's.
//   - ErrOlder: ask again; a server may lag.
//   - ErrGap: fetch those in between from restante.keys, and extend by each.
//   - ErrFork: two directories of one number, one that does not name the one
//     before, or one that changes a key which no honest gateway changes. Keep
//     both: signed, they are proof.
func (c *Chain) Extend(signed []byte) (bool, error) {
	d, text, _, err := OpenDirectory(signed, c.gateway)
	if err != nil {
		return false, err
	}
	held := c.directory
	switch {
	case d.Serial < held.Serial:
		return false, ErrOlder
	case d.Serial == held.Serial && text == c.text:
		c.signed = slices.Clone(signed)
		return false, nil
	case d.Serial == held.Serial:
		return false, ErrFork
	case d.Serial > held.Serial+1:
		return false, ErrGap
	case d.Previous != Hash(c.text) || d.Epoch() < held.Epoch() || !held.allows(d):
		return false, ErrFork
	}
	return true, c.hold(d, text, signed)
}

// Contradict says whether two directories prove that a gateway shows different
// people different keys: both are signed by its key, and neither can be where the
// other is.
func Contradict(one, two []byte, gateway *Verifier) bool {
	for _, pair := range [...][2][]byte{{one, two}, {two, one}} {
		c, err := StartChain(pair[0], gateway)
		if err != nil {
			continue
		}
		if _, err = c.Extend(pair[1]); errors.Is(err, ErrFork) {
			return true
		}
	}
	return false
}

// allows says whether next may follow d: time is cut as it was, and no blinding
// key is another once its epoch, or the one before that, has begun.
func (d *Directory) allows(next *Directory) bool {
	if next.EpochLength != d.EpochLength || next.BatchInterval != d.BatchInterval ||
		next.SlotsPerBatch < d.SlotsPerBatch || next.BatchSize < d.BatchSize {
		return false
	}
	keys := make(map[uint64][32]byte)
	for _, k := range next.Blind {
		keys[k.Epoch] = k.Key
	}
	for _, k := range d.Blind {
		if key, ok := keys[k.Epoch]; ok && key != k.Key && k.Epoch <= next.Epoch()+1 {
			return false
		}
	}
	return true
}

// Witnessed returns ErrWitnesses unless at least n of the given witnesses signed
// the newest directory, those of one name counted once.
func (c *Chain) Witnessed(n int, witnesses ...*Verifier) error {
	_, _, by, err := OpenDirectory(c.signed, c.gateway, witnesses...)
	if err != nil {
		return err
	}
	if len(by) < n {
		return ErrWitnesses
	}
	return nil
}
