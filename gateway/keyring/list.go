package keyring

import (
	"github.com/restante/restante/crypto/note"
)

// A Listing is what a key folder tells without being opened. Nothing in it is a
// secret.
type Listing struct {
	Wrapping  Wrapping
	Rotating  bool            // a new root waits for its epoch
	Directory *note.Directory // nil before the first start
	Signed    []byte          // the signed note it comes from
}

// List returns what the keys in dir are, without opening or changing them, be it
// that a gateway is using them. It returns [ErrNoKeys] when there are none.
func List(dir, domain string) (*Listing, error) {
	f := onDisk(dir)
	wrapping, err := f.wrapping()
	if err != nil {
		return nil, err
	}
	r := &Ring{folder: f, domain: domain}
	l := &Listing{Wrapping: wrapping, Rotating: r.folder.has(nextRootFile)}
	if l.Signed, err = r.readDirectory(); err != nil || l.Signed == nil {
		return l, err
	}
	l.Directory, err = note.PeekDirectory(l.Signed)
	if err != nil {
		return nil, ErrDamage
	}
	return l, nil
}
