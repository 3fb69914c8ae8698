package mirror

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/restante/restante/crypto/blind"
	"github.com/restante/restante/crypto/note"
	"github.com/restante/restante/pool"
	"github.com/restante/restante/pool/article"
	"github.com/restante/restante/pool/entry"
)

// Why an article of a gateway's group is not taken. Test for them with errors.Is.
var (
	ErrUnknown   = errors.New("nothing is taken of that gateway")
	ErrConvicted = errors.New("that gateway has contradicted itself")
	ErrForm      = errors.New("not of the form that a gateway gives it")
	ErrSignature = errors.New("the gateway's signature is missing or wrong")
	ErrWindow    = errors.New("dated outside the time in which it may come")
	ErrFork      = errors.New("it contradicts what the gateway has signed before")
	ErrExcess    = errors.New("more of that gateway than is taken")
	ErrMixed     = errors.New("in a gateway's group and others at once")
)

// slack is how far another gateway's clock may be ahead of ours.
const slack = 10 * time.Minute

// Groups is the names of the groups that gateways fill.
type Groups struct {
	Pool, Manifest, Keys pool.Group
}

// A Policy says which articles of gateways' groups are taken from elsewhere.
type Policy struct {
	Book     *Book
	Groups   Groups
	Calendar pool.Calendar // ours: it says when an entry is dropped here

	// Own is how what our own disk has lost may come back. nil: nothing may.
	Own *Own

	// Cosigned gets a copy of our own directory that a witness has signed too,
	// and the witness's key. nil: nobody does.
	Cosigned func(signed []byte, witness *note.Verifier)
}

// Covers says whether a group, in any case of letters, is one that gateways fill
// or in which only sealed submissions are.
func (p *Policy) Covers(g pool.Group) bool {
	for _, own := range [...]pool.Group{p.Groups.Pool, p.Groups.Manifest, p.Groups.Keys, entry.Submit} {
		if strings.EqualFold(string(own), string(g)) {
			return true
		}
	}
	return false
}

// Check says whether an article that names a covered group is taken: nil, and its
// passage. What a directory says is learnt.
func (p *Policy) Check(a *article.Article, named []pool.Group, now time.Time) (Passage, error) {
	if len(named) != 1 {
		return Passage{}, ErrMixed
	}
	switch named[0] {
	case p.Groups.Pool:
		return p.entry(a, now)
	case p.Groups.Manifest:
		return p.manifest(a, now)
	case p.Groups.Keys:
		return p.keys(a, now)
	case entry.Submit:
		if _, err := entry.ParseSubmission(a); err != nil {
			return Passage{}, ErrForm
		}
		return Passage{Epoch: p.Calendar.Epoch(now)}, nil
	}
	return Passage{}, ErrForm // a group's name in other letters
}

// Reserved says whether a Message-ID is of the form that a known gateway gives
// its entries, manifests and directories. Only these may have it: were another
// article filed under it first, the right one would be a duplicate.
func (p *Policy) Reserved(id pool.MessageID) bool {
	local, domain, ok := strings.Cut(strings.TrimPrefix(strings.TrimSuffix(string(id), ">"), "<"), "@")
	if !ok {
		return false
	}
	if !p.Book.knows(strings.ToLower(domain)) {
		return false
	}
	_, err := blind.ParseTag(local)
	if err == nil {
		return true
	}
	kind, _, dotted := strings.Cut(local, ".")
	return dotted && (kind == "m" || kind == "k" || kind == "w" || kind == "f")
}

// entry checks a pool entry (docs/protocol.md, section 6).
func (p *Policy) entry(a *article.Article, now time.Time) (Passage, error) {
	e, signature, err := entry.Parse(a, p.Groups.Pool)
	if err != nil {
		return Passage{}, ErrForm
	}
	d, keys, err := p.Book.get(e.Domain)
	if err != nil {
		return Passage{}, err
	}
	if e.Verify(signature, keys.For(calendar(d).Batch(e.Date))...) != nil {
		return Passage{}, ErrSignature
	}
	epoch, err := p.window(d, e.Date, now)
	if err != nil {
		return Passage{}, err
	}
	return p.Book.enter(e.MessageID(), d, e.Date, epoch, now)
}

// window checks that a date is the start of a batch of the gateway's which has
// left, and has not expired with it or with us.
func (p *Policy) window(d *note.Directory, date, now time.Time) (epoch uint64, err error) {
	theirs := calendar(d)
	switch {
	case !theirs.Start(theirs.Batch(date)).Equal(date):
		return 0, ErrForm
	case date.After(now.Add(slack)):
		return 0, ErrWindow
	case theirs.Epoch(date) < theirs.OldestRetained(theirs.Epoch(now)):
		return 0, ErrWindow
	case p.Calendar.Epoch(date) < p.Calendar.OldestRetained(p.Calendar.Epoch(now)):
		return 0, ErrWindow
	}
	return p.Calendar.Epoch(date), nil
}

// manifest checks a manifest (docs/protocol.md, section 7).
func (p *Policy) manifest(a *article.Article, now time.Time) (Passage, error) {
	domain, date, signed, err := entry.ParseNote(a, p.Groups.Manifest)
	if err != nil {
		return Passage{}, ErrForm
	}
	d, keys, err := p.Book.get(domain)
	if err != nil {
		return Passage{}, err
	}
	m, _, err := keys.OpenManifest(signed)
	if err != nil {
		return Passage{}, signature(err)
	}
	if a.Get("Message-ID") != string(entry.ManifestID(domain, m.Batch)) ||
		a.Get("Subject") != entry.ManifestSubject(m.Batch) ||
		!calendar(d).Start(m.Batch).Equal(date) || note.Signatures(signed) != 1 {
		return Passage{}, ErrForm
	}
	if n := uint64(len(m.Entries)); n == 0 || n > d.BatchSize { // batches have grown, perhaps
		return Passage{}, ErrForm
	}
	epoch, err := p.window(d, date, now)
	return Passage{Epoch: epoch}, err
}

// Keeps is the epoch of ours that something of another gateway among the keys is
// dropped with: as long as its tokens may be honoured it is of use.
func (p *Policy) Keeps(now time.Time) uint64 {
	c := p.Calendar
	return c.Epoch(now) + max(c.TokenLife, c.Retention) - c.Retention
}

// keys checks a directory, and learns it (docs/protocol.md, section 8).
func (p *Policy) keys(a *article.Article, now time.Time) (Passage, error) {
	domain, _, signed, err := entry.ParseNote(a, p.Groups.Keys)
	if err != nil {
		return Passage{}, ErrForm
	}
	check, kind := p.directory, directories
	if s := a.Get("Subject"); s == witnessSubject || s == forkSubject {
		check, kind = p.testimony, testimonies
	}
	passage, err := p.Book.spend(pool.MessageID(a.Get("Message-ID")), domain, kind, len(signed), p.Keeps(now), now)
	if err == nil {
		if err = check(a, domain, signed, now); err != nil {
			passage.Done(false)
		}
	}
	return passage, err
}

// directory checks a directory of a gateway, and learns it.
func (p *Policy) directory(a *article.Article, domain string, signed []byte, now time.Time) error {
	d, err := note.PeekDirectory(signed)
	if err != nil {
		return ErrForm
	}
	if d.Domain != domain || a.Get("Message-ID") != string(entry.DirectoryID(domain, d.Epoch(), d.Serial)) ||
		a.Get("Subject") != entry.DirectorySubject(d.Epoch(), d.Serial) {
		return ErrForm
	}
	_, err = p.Book.Learn(domain, signed, now)
	switch {
	case errors.Is(err, note.ErrFork):
		return ErrFork
	case errors.Is(err, note.ErrOlder): // true once, and of use to who checks the chain
		return nil
	}
	return signature(err)
}

// signature says in this package's words what package note found wrong.
func signature(err error) error {
	switch {
	case errors.Is(err, note.ErrSignature):
		return ErrSignature
	case errors.Is(err, note.ErrMalformed):
		return ErrForm
	case err != nil:
		return fmt.Errorf("the book of gateways: %w", err)
	}
	return nil
}
