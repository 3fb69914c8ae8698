package mirror

import (
	"bytes"
	"fmt"
	"maps"
	"slices"

	"github.com/restante/restante/crypto/note"
)

// A Fork is the proof that a gateway contradicts itself: two directories, both
// signed by it. From then on nothing of it is taken, and nothing sealed to it,
// unless the operator pardons it.
type Fork struct {
	Domain string
	A, B   []byte

	serial uint64 // the larger one of the two
}

func newFork(domain string, a, b []byte) *Fork {
	f := &Fork{Domain: domain, A: bytes.Clone(a), B: bytes.Clone(b)}
	for _, signed := range [...][]byte{a, b} {
		if d, err := note.PeekDirectory(signed); err == nil {
			f.serial = max(f.serial, d.Serial)
		}
	}
	return f
}

// Pardon is the serial number up to which contradictions must be forgiven for
// this one to be: with the one that it ends in, the next directory still
// contradicts the one that led nowhere.
func (f *Fork) Pardon() uint64 { return f.serial + 1 }

// convicted says whether a gateway has contradicted itself, and is not pardoned.
func (b *Book) convicted(domain string, g *gateway) bool {
	return g.fork != nil && g.fork.serial > b.pinned[domain].Pardon
}

// Forks returns the proofs that gateways contradict themselves, those of pardoned
// ones too.
func (b *Book) Forks() []Fork {
	b.mu.Lock()
	defer b.mu.Unlock()
	var out []Fork
	for _, domain := range slices.Sorted(maps.Keys(b.gateways)) {
		if f := b.gateways[domain].fork; f != nil {
			out = append(out, *f)
		}
	}
	return out
}

// A Standing is what is known of a gateway.
type Standing struct {
	Domain    string
	Key       *note.Verifier // its signing key
	Serial    uint64         // of its newest directory
	Named     bool           // the operator has a table for it
	Taken     bool           // its pool is taken
	Fork      *Fork          // it contradicted itself; nil: never
	Convicted bool           // for which nothing of it is taken
}

// List returns what is known of each gateway.
func (b *Book) List() []Standing {
	b.mu.Lock()
	defer b.mu.Unlock()
	var out []Standing
	for _, domain := range slices.Sorted(maps.Keys(b.gateways)) {
		g := b.gateways[domain]
		_, named := b.pinned[domain]
		_, err := b.used(domain)
		out = append(out, Standing{
			Domain: domain, Key: g.chain.Gateway(), Serial: g.chain.Directory().Serial,
			Named: named, Taken: err == nil, Fork: g.fork, Convicted: b.convicted(domain, g),
		})
	}
	return out
}

// Convicted returns how many gateways are convicted.
func (b *Book) Convicted() (n int) {
	for _, s := range b.List() {
		if s.Convicted {
			n++
		}
	}
	return n
}

// proof is both directories, one behind the other, with an empty line between.
func (f *Fork) proof() []byte {
	return append(append(bytes.Clone(f.A), '\n'), f.B...)
}

// texts is both texts of a proof, one behind the other. A proof is named by them
// alone: anybody can add signatures to it, and would have endless names for it.
func texts(a, b []byte) []byte {
	one, _, _ := bytes.Cut(a, []byte("\n\n"))
	two, _, _ := bytes.Cut(b, []byte("\n\n"))
	return slices.Concat(one, []byte("\n"), two, []byte("\n"))
}

// splitProof takes a proof apart.
func splitProof(body []byte) (a, b []byte, ok bool) {
	const head = "\n\nrestante directory v1\n"
	at := bytes.LastIndex(body, []byte(head))
	if at < 0 || at > maxDirectory || len(body)-at > maxDirectory {
		return nil, nil, false
	}
	return body[:at+1], body[at+2:], true
}

// alarm checks the proof of a fork: it must convict a gateway that is known, by
// itself. That it convicts one of which that is known already is not enough: then
// anything could be filed beside one of its directories.
func (p *Policy) alarm(one, two []byte) error {
	d, err := note.PeekDirectory(one)
	if err != nil {
		return ErrForm
	}
	return p.Book.convict(d.Domain, one, two)
}

// convict takes the proof that a gateway contradicts itself. It returns
// [ErrSignature] for one that proves nothing.
func (b *Book) convict(domain string, one, two []byte) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	g, err := b.held(domain)
	if err != nil {
		return err
	}
	for _, key := range g.keys {
		v, err := note.NewVerifier(domain, key)
		if err != nil {
			return fmt.Errorf("the book of other gateways: %w", err)
		}
		if !note.Contradict(one, two, v) {
			continue
		}
		f := newFork(domain, one, two)
		if b.convicted(domain, g) || f.serial <= b.pinned[domain].Pardon {
			return nil
		}
		g.fork = f
		return b.save()
	}
	return ErrSignature
}
