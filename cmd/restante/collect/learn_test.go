package collect

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/restante/restante/cmd/restante/mailbox"
	"github.com/restante/restante/crypto/identity"
	"github.com/restante/restante/crypto/note"
	"github.com/restante/restante/pool"
	"github.com/restante/restante/pool/entry"
)

// A printer makes a gateway's directories, one after the other.
type printer struct {
	t      *testing.T
	signer *note.Signer
	last   *note.Directory
	slots  uint64 // per batch
	signed map[pool.MessageID][]byte
	asked  int
}

func newPrinter(t *testing.T) *printer {
	t.Helper()
	signer, err := note.NewSigner(domain, note.GenerateSeed())
	if err != nil {
		t.Fatal(err)
	}
	return &printer{t: t, signer: signer, slots: 1, signed: make(map[pool.MessageID][]byte)}
}

// next is the directory of an epoch, signed by a new key where there is one.
func (p *printer) next(epoch uint64, replaced *note.Signer) []byte {
	p.t.Helper()
	signers := []*note.Signer{p.signer}
	if replaced != nil {
		signers = append(signers, replaced)
		p.signer = replaced
	}
	d := &note.Directory{
		Domain: domain, EpochLength: time.Hour, BatchInterval: time.Minute, BatchSize: 1, SlotsPerBatch: p.slots, PoolRetention: 4, TokenLife: 12,
		Sign: [32]byte(p.signer.Verifier().Public()), Seal: []note.EpochKey{{Epoch: epoch}, {Epoch: epoch + 1}},
	}
	if p.last != nil {
		d.Serial, d.Previous = p.last.Serial+1, note.Hash(p.last.Text())
	}
	signed, err := note.Sign(d.Text(), signers...)
	if err != nil {
		p.t.Fatal(err)
	}
	p.last = d
	p.signed[entry.DirectoryID(domain, d.Epoch(), d.Serial)] = signed
	return signed
}

func (p *printer) between(id pool.MessageID) ([]byte, error) {
	p.asked++
	return p.signed[id], nil
}

func newRun(t *testing.T) *run {
	t.Helper()
	mail, err := mailbox.Open(t.TempDir(), identity.NewSeed())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = mail.Close() })
	return &run{Options: Options{Mail: mail, Now: time.Now, Late: time.Minute}, chains: make(map[string]*note.Chain)}
}

// Who was away follows a gateway through the directories that she missed, over
// epochs and a replaced key.
func TestLearn_catchesUp(t *testing.T) {
	r, p := newRun(t), newPrinter(t)
	if err := r.learn(domain, nil, p.next(10, nil), nil); err != nil {
		t.Fatal(err)
	}
	replaced, err := note.NewSigner(domain, note.GenerateSeed())
	if err != nil {
		t.Fatal(err)
	}
	p.next(10, nil)
	p.next(12, replaced)
	p.next(15, nil)
	if err := r.learn(domain, nil, p.next(16, nil), p.between); err != nil {
		t.Fatal(err)
	}
	book, _ := r.Mail.Book(domain)
	if got := r.chains[domain].Directory(); got.Serial != 4 || got.Epoch() != 16 || len(book.Keys) != 2 || len(book.Sums) != 5 {
		t.Errorf("serial %d, %d keys, %d sums", got.Serial, len(book.Keys), len(book.Sums))
	}
}

func TestLearn_namesAGap(t *testing.T) {
	r, p := newRun(t), newPrinter(t)
	if err := r.learn(domain, nil, p.next(10, nil), nil); err != nil {
		t.Fatal(err)
	}
	lost := p.next(10, nil)
	newest := p.next(11, nil)
	for id, signed := range p.signed {
		if string(signed) == string(lost) {
			delete(p.signed, id)
		}
	}
	if err := r.learn(domain, nil, newest, p.between); !errors.Is(err, ErrGone) || p.asked == 0 {
		t.Errorf("%v, asked %d times", err, p.asked)
	}
	pinned := p.signer.Verifier() // as its message says
	if err := r.learn(domain, pinned, newest, p.between); err != nil {
		t.Errorf("with the key that was given: %v", err)
	}
}

// A gateway whose directory is of a passed epoch, or older than one that it showed
// before, keeps newer keys back.
func TestRecent_namesAnOldDirectory(t *testing.T) {
	r, p := newRun(t), newPrinter(t)
	g := &Gateway{Domain: domain}
	one := p.next(10, nil)
	if err := r.learn(domain, nil, one, nil); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		why string
		now time.Time
		old bool
	}{
		{"in its epoch", time.Unix(10*3600+5, 0), false},
		{"the next one began just now", time.Unix(11*3600+30, 0), false},
		{"the next one began a while ago", time.Unix(11*3600+61, 0), true},
		{"a clock that is behind", time.Unix(9*3600, 0), false},
	} {
		r.Now = func() time.Time { return c.now }
		if err := r.recent(g, one); errors.Is(err, ErrOld) != c.old {
			t.Errorf("%s: %v", c.why, err)
		}
	}
	r.Now = func() time.Time { return time.Unix(10*3600+5, 0) }
	if err := r.learn(domain, nil, p.next(10, nil), nil); err != nil {
		t.Fatal(err)
	}
	if err := r.recent(g, one); !errors.Is(err, ErrOld) {
		t.Errorf("the one before: %v", err)
	}
}

// A gateway can't make its users compute tags without end.
func TestReliable_boundsTheSlots(t *testing.T) {
	for slots, want := range map[uint64]error{maxSlots: nil, maxSlots + 1: ErrSlots, 1 << 16: ErrSlots} {
		r, p := newRun(t), newPrinter(t)
		p.slots = slots
		if err := r.learn(domain, nil, p.next(10, nil), nil); err != nil {
			t.Fatal(err)
		}
		if err := r.reliable(&Gateway{Domain: domain}); !errors.Is(err, want) || (r.chains[domain] != nil) != (want == nil) {
			t.Errorf("%d slots: %v", slots, err)
		}
		if m, err := r.newMatcher(domain); err != nil || (m != nil) != (want == nil) {
			t.Errorf("%d slots: its pool is looked through: %v, %v", slots, m != nil, err)
		}
	}
}

// Who begins after a key was replaced, as with the words of her key on a new
// machine, learns the key from before, and what contradicts the directories of that
// time; but no key that the gateway's directories do not lead to.
func TestLearn_goesBackToAReplacedKey(t *testing.T) {
	r, p := newRun(t), newPrinter(t)
	first := p.signer
	replaced, err := note.NewSigner(domain, note.GenerateSeed())
	if err != nil {
		t.Fatal(err)
	}
	all := [][]byte{p.next(10, nil), p.next(11, nil), p.next(12, replaced), p.next(13, nil)}
	if err := r.learn(domain, nil, all[3], nil); err != nil {
		t.Fatal(err)
	}
	stranger := newPrinter(t)
	forged := stranger.next(11, nil)
	for _, signed := range [][]byte{forged, all[0], all[2], all[1], all[0]} {
		_ = r.learn(domain, nil, signed, nil) // the first two can't be told yet
	}
	book, _ := r.Mail.Book(domain)
	if len(book.Keys) != 2 || string(book.Keys[0]) != string(replaced.Verifier().Public()) || string(book.Keys[1]) != string(first.Verifier().Public()) {
		t.Errorf("%d keys: %x", len(book.Keys), book.Keys)
	}
	if got := r.chains[domain].Directory().Serial; got != 3 {
		t.Errorf("it goes on from %d", got)
	}
}

// The user's own gateway witnesses another one's directories, which has published a
// newer one since.
func TestBack_passesOverWhatIsWitnessed(t *testing.T) {
	r, p := newRun(t), newPrinter(t)
	all := [][]byte{p.next(10, nil), p.next(11, nil)}
	for _, signed := range all {
		if err := r.stranger(domain, signed); err != nil {
			t.Fatal(err)
		}
	}
	r.back(map[string]*Gateway{"home.example": {Domain: "home.example"}}, all)
	if got := r.chains[domain].Directory().Serial; got != 1 {
		t.Errorf("it goes on from %d", got)
	}
}

// Articles come in any order to a server: a gateway that is not the user's own is
// followed all the same.
func TestStranger_directoriesOutOfOrder(t *testing.T) {
	r, p := newRun(t), newPrinter(t)
	replaced, err := note.NewSigner(domain, note.GenerateSeed())
	if err != nil {
		t.Fatal(err)
	}
	all := [][]byte{p.next(10, nil), p.next(10, nil), p.next(11, nil), p.next(11, replaced), p.next(12, nil)}
	hear := func(indices ...int) {
		t.Helper()
		for _, i := range indices {
			if err := r.stranger(domain, all[i]); err != nil {
				t.Fatal(err)
			}
		}
		if err := r.closeGaps(p.between); err != nil {
			t.Fatal(err)
		}
	}
	hear(0, 2, 1)
	if got := r.chains[domain].Directory().Serial; got != 2 {
		t.Errorf("it goes on from %d", got)
	}
	hear(4)
	if got := r.chains[domain].Directory().Serial; got != 4 {
		t.Errorf("over a replaced key it goes on from %d", got)
	}
}

// What strangers post among the keys does not fill the user's disk.
func TestStranger_isBounded(t *testing.T) {
	p := newPrinter(t)
	first, large := p.next(10, nil), *p.last
	for epoch := range uint64(1500) {
		large.Blind = append(large.Blind, note.EpochKey{Epoch: epoch})
	}
	signed, err := note.Sign(large.Text(), p.signer)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		what   string
		known  int
		signed []byte
		taken  bool
	}{
		{"the last that there is room for", maxStrangers - 1, first, true},
		{"one too many", maxStrangers, first, false},
		{"a large one", 0, signed, false},
	} {
		r := newRun(t)
		var books []mailbox.Event
		for i := range c.known {
			books = append(books, mailbox.Event{Book: &mailbox.Book{Domain: fmt.Sprint(i)}})
		}
		if err := r.Mail.Put(books...); err != nil {
			t.Fatal(err)
		}
		if err := r.stranger(domain, c.signed); err != nil || r.Mail.Books() > c.known != c.taken {
			t.Errorf("%s: %v, %d of %d", c.what, err, r.Mail.Books(), c.known)
		}
	}
	r := newRun(t)
	for signed := first; p.last.Serial < maxSums+10; signed = p.next(10, nil) {
		if err := r.stranger(domain, signed); err != nil {
			t.Fatal(err)
		}
	}
	book, _ := r.Mail.Book(domain)
	if _, newest := book.Sums[p.last.Serial-1]; len(book.Sums) != maxSums || !newest {
		t.Errorf("%d sums are kept", len(book.Sums))
	}
}
