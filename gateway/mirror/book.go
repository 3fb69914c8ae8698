// Package mirror keeps other gateways' pools: it knows these gateways by their
// directories, takes their entries and manifests only with their signature, sees
// from a manifest what is lacking, and witnesses that a gateway shows everybody
// the same keys (docs/protocol.md, sections 7, 8 and 12).
//
// It refuses to know whose an entry is, and how articles come.
package mirror

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/restante/restante/crypto/note"
	"github.com/restante/restante/crypto/token"
	"github.com/restante/restante/pool"
	"github.com/restante/restante/pool/entry"
	"github.com/restante/restante/pool/record"
)

const (
	// maxAhead bounds the directories of one gateway that wait for those before,
	// and maxWaiting the octets of all that wait.
	maxAhead   = 64
	maxWaiting = 16 << 20
	// maxDirectory bounds a signed directory in octets: one with 127 epochs of
	// either kind of key, and a hundred witnesses, has half of it.
	maxDirectory = 64 << 10
	// maxKeys bounds the signing keys that are remembered of one gateway, the first
	// included. Each is tried on what comes: an honest one replaces its key hardly ever.
	maxKeys = 32
)

// Known says what the operator has decided about a gateway.
type Known struct {
	Domain string
	Key    *note.Verifier // its signing key, from a trustworthy source; nil: learnt from what comes first
	Refuse bool           // take nothing of it
	Pardon uint64         // contradictions among its directories up to this serial number are forgiven
}

// A Book is the gateways that this one knows. Its methods may be called from
// many goroutines.
type Book struct {
	path  string
	own   string // our domain
	learn bool

	mu       sync.Mutex
	pinned   map[string]Known
	gateways map[string]*gateway
	unsigned map[string]unsigned // of gateways that could not be begun with
	bounds   Bounds
	calendar pool.Calendar // ours
	passing  map[pool.MessageID]*passing
	spent    map[string]*spending
	tallies  map[string]*tally
}

// A gateway is what is known of one.
type gateway struct {
	chain *note.Chain
	keys  [][]byte          // its signing keys: the one that was believed first, and those that followed from it
	ahead map[uint64][]byte // directories whose predecessors are lacking, by serial
	fork  *Fork
}

// page is what of a gateway is on disk.
type page struct {
	Signed []byte   `json:"signed"`
	Keys   [][]byte `json:"keys"`
	ForkA  []byte   `json:"fork_a,omitempty"`
	ForkB  []byte   `json:"fork_b,omitempty"`
}

// OpenBook opens the book at path, or begins one. own is our domain. learn says
// whether gateways are learnt of which the operator has said nothing.
func OpenBook(path, own string, known []Known, learn bool) (*Book, error) {
	b := &Book{
		path: path, own: own, gateways: make(map[string]*gateway), unsigned: make(map[string]unsigned),
		bounds:  Bounds{Gateways: 100, Octets: 64 << 30},
		passing: make(map[pool.MessageID]*passing), spent: make(map[string]*spending), tallies: make(map[string]*tally),
	}
	b.Set(known, learn)
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return b, nil
	}
	pages := make(map[string]page)
	if err == nil {
		err = json.Unmarshal(text, &pages)
	}
	if err != nil {
		return nil, fmt.Errorf("the book of other gateways can't be read: remove %s to learn them anew: %w", path, err)
	}
	for domain, p := range pages {
		chain, err := start(p.Signed, nil)
		if err != nil {
			return nil, fmt.Errorf("the book of other gateways is damaged: remove %s to learn them anew: %w", path, err)
		}
		g := &gateway{chain: chain, keys: p.Keys, ahead: make(map[uint64][]byte)}
		g.believe()
		if p.ForkA != nil {
			g.fork = newFork(domain, p.ForkA, p.ForkB)
		}
		b.gateways[domain] = g
	}
	return b, nil
}

// Set changes what the operator has decided.
func (b *Book) Set(known []Known, learn bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.learn, b.pinned = learn, make(map[string]Known, len(known))
	for _, k := range known {
		b.pinned[k.Domain] = k
	}
}

// start begins a chain with a directory. key is its gateway's, or nil to believe
// what it says itself.
func start(signed []byte, key *note.Verifier) (*note.Chain, error) {
	if key == nil {
		d, err := note.PeekDirectory(signed)
		if err != nil {
			return nil, err
		}
		if key, err = note.NewVerifier(d.Domain, d.Sign[:]); err != nil {
			return nil, err
		}
	}
	return note.StartChain(signed, key)
}

// taken says whether anything of a gateway may be taken.
func (b *Book) taken(domain string) bool {
	k, named := b.pinned[domain]
	return domain != b.own && !k.Refuse && (named || b.learn)
}

// believe notes the key that the chain has come to.
func (g *gateway) believe() {
	key := []byte(g.chain.Gateway().Public())
	if !slices.ContainsFunc(g.keys, func(k []byte) bool { return bytes.Equal(k, key) }) {
		g.keys = append(g.keys, key)
	}
	if more := len(g.keys) - maxKeys; more > 0 {
		g.keys = slices.Delete(g.keys, 1, 1+more)
	}
}

// held returns what is held of a gateway. What was learnt before the operator
// gave a key counts only if the chain has been under that key. It returns
// [ErrUnknown].
func (b *Book) held(domain string) (*gateway, error) {
	g := b.gateways[domain]
	if g == nil || !b.taken(domain) {
		return nil, ErrUnknown
	}
	if pin := b.pinned[domain].Key; pin != nil &&
		!slices.ContainsFunc(g.keys, func(k []byte) bool { return bytes.Equal(k, pin.Public()) }) {
		return nil, ErrUnknown
	}
	return g, nil
}

// Learn takes a directory of a gateway. It says whether it is the newest one
// now. A directory whose predecessors are lacking is kept until they come.
// Errors:
//
//   - [ErrUnknown]: nothing of that gateway is taken.
//   - [ErrConvicted]: nothing is taken any more, since it contradicted itself.
//   - note.ErrSignature, note.ErrMalformed: it is not the gateway's.
//   - [ErrExcess]: its pool would be too large, or too many gateways are known.
//   - [ErrWindow]: it is of an epoch that has not begun or, where it would be the
//     first one, has had its time.
//   - note.ErrOlder: it was followed by another.
//   - note.ErrFork: it contradicts the one held. [Book.Forks] has the proof.
func (b *Book) Learn(domain string, signed []byte, now time.Time) (news bool, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.taken(domain) {
		return false, ErrUnknown
	}
	if len(signed) > maxDirectory || !proper(domain) {
		return false, note.ErrMalformed
	}
	d, err := note.PeekDirectory(signed)
	if err != nil {
		return false, err
	}
	if err := b.afford(d, now); err != nil {
		return false, err
	}
	if signed, err = note.Only(signed, b.signers(domain, d)...); err != nil { // whoever brings it may have added some
		return false, err
	}
	g, err := b.held(domain)
	if err != nil {
		if err := b.begin(domain, signed, now); err != nil {
			b.doubt(domain, signed, err)
			return false, err
		}
		delete(b.unsigned, domain)
		return true, b.save()
	}
	if b.convicted(domain, g) {
		return false, ErrConvicted
	}
	pardon := b.pinned[domain].Pardon
	news, err = g.extend(signed, pardon)
	switch {
	case errors.Is(err, note.ErrGap):
		err = b.wait(g, signed)
	case errors.Is(err, note.ErrFork):
		err = errors.Join(err, b.save())
	case err == nil:
		g.catchUp(pardon)
		err = b.save()
	}
	return news, err
}

// proper says whether a gateway can have that name (docs/protocol.md): a host name in
// lower case, as tokens bear it. In other letters it would be another gateway, whose
// names nobody reserves and whose users nobody can write to.
func proper(domain string) bool {
	return len(domain) <= token.MaxDomain && strings.Contains(domain, ".") &&
		strings.Trim(domain, "abcdefghijklmnopqrstuvwxyz0123456789.-") == ""
}

// signers is the keys of a gateway's by which a directory may be signed: the one that
// it names itself, the one that the operator has given, and those known before.
func (b *Book) signers(domain string, d *note.Directory) []*note.Verifier {
	keys := [][]byte{d.Sign[:]}
	if pin := b.pinned[domain].Key; pin != nil {
		keys = append(keys, pin.Public())
	}
	if g := b.gateways[domain]; g != nil {
		keys = append(keys, g.keys...)
	}
	var out []*note.Verifier
	for i, key := range keys {
		v, err := note.NewVerifier(domain, key)
		if err == nil && !slices.ContainsFunc(keys[:i], func(k []byte) bool { return bytes.Equal(k, key) }) {
			out = append(out, v)
		}
	}
	return out
}

// extend takes the next directory. Where it contradicts the one held, it keeps
// the proof or, if that is pardoned, goes on from the new one.
func (g *gateway) extend(signed []byte, pardon uint64) (news bool, err error) {
	news, err = g.chain.Extend(signed)
	if errors.Is(err, note.ErrFork) {
		f := newFork(g.chain.Directory().Domain, g.chain.Signed(), signed)
		if f.serial > pardon {
			g.fork = f
			return false, err
		}
		chain, err := note.StartChain(signed, g.chain.Gateway())
		if err != nil {
			return false, err
		}
		g.chain, news = chain, true
	} else if err != nil {
		return false, err
	}
	g.believe()
	return news, nil
}

func (b *Book) begin(domain string, signed []byte, now time.Time) error {
	chain, err := start(signed, b.pinned[domain].Key)
	if err != nil {
		return err
	}
	if chain.Directory().Domain != domain {
		return note.ErrSignature
	}
	if _, named := b.pinned[domain]; !named {
		if expired(chain.Directory(), now) {
			return ErrWindow
		}
		if err := b.room(now); err != nil && b.gateways[domain] == nil {
			return err
		}
	}
	g := &gateway{chain: chain, ahead: make(map[uint64][]byte)}
	if pin := b.pinned[domain].Key; pin != nil {
		g.keys = append(g.keys, pin.Public())
	}
	g.believe()
	b.gateways[domain] = g
	return nil
}

// wait keeps a directory whose predecessors are lacking. Nothing of it is
// believed yet.
func (b *Book) wait(g *gateway, signed []byte) error {
	d, err := note.PeekDirectory(signed)
	if err != nil {
		return err
	}
	waiting := len(signed)
	for _, other := range b.gateways {
		for _, signed := range other.ahead {
			waiting += len(signed)
		}
	}
	if len(g.ahead) < maxAhead && waiting <= maxWaiting {
		g.ahead[d.Serial] = slices.Clone(signed)
	}
	return nil
}

// catchUp follows the chain through what has waited.
func (g *gateway) catchUp(pardon uint64) {
	for {
		next := g.chain.Directory().Serial + 1
		signed, ok := g.ahead[next]
		if !ok {
			return
		}
		delete(g.ahead, next)
		if _, err := g.extend(signed, pardon); err != nil {
			return
		}
	}
}

// save writes the book, durably: with an older one a gateway could show another
// directory in the place of the last, unnoticed.
func (b *Book) save() error {
	pages := make(map[string]page, len(b.gateways))
	for domain, g := range b.gateways {
		p := page{Signed: g.chain.Signed(), Keys: g.keys}
		if g.fork != nil {
			p.ForkA, p.ForkB = g.fork.A, g.fork.B
		}
		pages[domain] = p
	}
	text, err := json.Marshal(pages)
	if err == nil {
		err = os.MkdirAll(filepath.Dir(b.path), 0o700)
	}
	if err == nil {
		err = record.Replace(record.OS{}, b.path, text)
	}
	if err != nil {
		return fmt.Errorf("%w: %w", errBook, err)
	}
	return nil
}

// errBook is a fault of the disk's, and says nothing about a directory.
var errBook = errors.New("write the book of other gateways")

// used is held, but for a gateway that is convicted: it returns [ErrConvicted].
func (b *Book) used(domain string) (*gateway, error) {
	g, err := b.held(domain)
	if err == nil && b.convicted(domain, g) {
		err = ErrConvicted
	}
	return g, err
}

// knows says whether a gateway is known, be it convicted.
func (b *Book) knows(domain string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	_, err := b.held(domain)
	return err == nil
}

// get returns the newest directory of a gateway and the signing keys in it. It
// returns [ErrUnknown] for one that is not known, or of which nothing is taken any
// more, and [ErrConvicted].
func (b *Book) get(domain string) (*note.Directory, *note.Keys, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	g, err := b.used(domain)
	if err != nil {
		return nil, nil, err
	}
	return g.chain.Directory(), g.chain.Keys(), nil
}

// Seal returns the seal key that something is sealed to for a gateway now, and
// its epoch. It returns [ErrConvicted], and [ErrUnknown] also where nothing has been
// heard of that gateway for so long that it has destroyed the key: what is sealed to
// it would be lost behind a 240.
func (b *Book) Seal(domain string, now time.Time) (epoch uint64, key token.SealPublic, err error) {
	d, _, err := b.get(domain)
	if err != nil {
		return 0, token.SealPublic{}, err
	}
	current := calendar(d).Epoch(now)
	for _, k := range d.Seal {
		if k.Epoch <= current && k.Epoch >= epoch {
			epoch = k.Epoch
			if key, err = token.ParseSealPublic(k.Key[:]); err != nil {
				return 0, token.SealPublic{}, err
			}
		}
	}
	if key.Bytes() == nil || epoch < calendar(d).OldestHonoured(current) {
		return 0, token.SealPublic{}, ErrUnknown
	}
	return epoch, key, nil
}

// calendar is a directory's.
func calendar(d *note.Directory) pool.Calendar {
	return pool.Calendar{
		EpochLength: d.EpochLength, BatchInterval: d.BatchInterval,
		Retention: d.PoolRetention, TokenLife: d.TokenLife,
	}
}

// directories returns the Message-IDs of the directory that is held, and those that
// the next one may have: it is of the same epoch or of the one after. Who feeds us
// has perhaps sent that one once, and not again.
func (b *Book) directories(d *note.Directory) []pool.MessageID {
	if d.Domain == b.own { // which follow from our keys
		return nil
	}
	return []pool.MessageID{
		entry.DirectoryID(d.Domain, d.Epoch(), d.Serial),
		entry.DirectoryID(d.Domain, d.Epoch(), d.Serial+1), entry.DirectoryID(d.Domain, d.Epoch()+1, d.Serial+1),
	}
}

// Gateways returns the domains of the gateways that are known.
func (b *Book) Gateways() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Sorted(maps.Keys(b.gateways))
}
