package mirror

import (
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/restante/restante/crypto/note"
)

// An Unheard is a gateway that the operator has named, and of which nothing is taken
// since no directory came with which to begin.
type Unheard struct {
	Domain string
	Key    *note.Verifier // that the operator has given; nil: none
}

// unsigned is the last directory that came of a gateway, and that the key which the
// operator had given for it had not signed.
type unsigned struct {
	signed []byte
	key    string
}

// Unheard returns the gateways that the operator has named and that are not known.
func (b *Book) Unheard() []Unheard {
	b.mu.Lock()
	defer b.mu.Unlock()
	var out []Unheard
	for _, domain := range slices.Sorted(maps.Keys(b.pinned)) {
		k := b.pinned[domain]
		if _, err := b.held(domain); err != nil && b.taken(domain) {
			out = append(out, Unheard{domain, k.Key})
		}
	}
	return out
}

// doubt notes a directory with which a gateway could not begin, if it is the
// operator's key that has not signed it: the gateway may have replaced that since. It
// may be from anybody, too.
func (b *Book) doubt(domain string, signed []byte, err error) {
	if pin := b.pinned[domain].Key; pin != nil && errors.Is(err, note.ErrSignature) {
		b.unsigned[domain] = unsigned{slices.Clone(signed), pin.Line()}
	}
}

// Unsigned returns of how many gateways directories have come, and none that the key
// which the operator has given for it has signed.
func (b *Book) Unsigned() (n int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for domain, u := range b.unsigned {
		if pin := b.pinned[domain].Key; pin != nil && pin.Line() == u.key {
			n++
		}
	}
	return n
}

// Retry begins with gateways for which the operator has given another key since a
// directory of theirs was refused: nobody sends that again.
func (b *Book) Retry(now time.Time) error {
	b.mu.Lock()
	again := make(map[string][]byte)
	for domain, u := range b.unsigned {
		if pin := b.pinned[domain].Key; pin == nil || pin.Line() != u.key {
			again[domain] = u.signed
			delete(b.unsigned, domain)
		}
	}
	b.mu.Unlock()
	for domain, signed := range again {
		if _, err := b.Learn(domain, signed, now); errors.Is(err, errBook) {
			return err
		} // else it is refused as it would be from a peer
	}
	return nil
}
