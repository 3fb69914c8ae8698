package mirror

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/restante/restante/crypto/note"
	"github.com/restante/restante/pool"
	"github.com/restante/restante/pool/article"
)

func TestBook_pinnedAndRefused(t *testing.T) {
	gw, liar := newPublisher(t), newPublisher(t)
	p := newPolicy(t, []Known{{Domain: far, Key: gw.signer.Verifier()}}, false)
	if _, err := check(t, p, text(liar.directoryArticle(nil))); !errors.Is(err, ErrSignature) {
		t.Errorf("somebody else's: %v", err)
	}
	if _, err := check(t, p, text(gw.directoryArticle(nil))); err != nil {
		t.Errorf("the right one: %v", err)
	}
	p.Book.Set([]Known{{Domain: far, Refuse: true}}, true)
	entries, _ := gw.batch(current())
	if _, err := check(t, p, text(entries[0])); !errors.Is(err, ErrUnknown) {
		t.Errorf("refused: %v", err)
	}
	p.Book.Set(nil, false)
	if _, err := check(t, p, text(entries[0])); !errors.Is(err, ErrUnknown) {
		t.Errorf("not learnt: %v", err)
	}
}

func TestBook_aKeyGivenLaterCountsForWhatWasLearntBefore(t *testing.T) {
	liar, gw := newPublisher(t), newPublisher(t)
	p := newPolicy(t, nil, true)
	if _, err := check(t, p, text(liar.directoryArticle(nil))); err != nil { // it came first
		t.Fatal(err)
	}
	pin := []Known{{Domain: far, Key: gw.signer.Verifier()}}
	entries, _ := liar.batch(current())
	again := *p
	var err error
	if again.Book, err = OpenBook(p.Book.path, ours, pin, true); err != nil {
		t.Fatal(err)
	}
	p.Book.Set(pin, true)
	for what, p := range map[string]*Policy{"reloaded": p, "restarted": &again} {
		if _, err := check(t, p, text(entries[0])); !errors.Is(err, ErrUnknown) {
			t.Errorf("%s: an entry of the liar's: %v", what, err)
		}
		if _, _, err := p.Book.Seal(far, now()); !errors.Is(err, ErrUnknown) {
			t.Errorf("%s: mail is sealed to the liar: %v", what, err)
		}
		if _, err := check(t, p, text(liar.directoryArticle(nil))); !errors.Is(err, ErrSignature) {
			t.Errorf("%s: the liar's next directory: %v", what, err)
		}
	}
	teach(t, p, text(gw.directoryArticle(nil)))
	entries, _ = gw.batch(current())
	if _, err := check(t, p, text(entries[0])); err != nil {
		t.Errorf("an entry of the right one: %v", err)
	}
}

func TestBook_aKeyThatWasReplacedStillCounts(t *testing.T) {
	gw := newPublisher(t)
	pin := []Known{{Domain: far, Key: gw.signer.Verifier()}}
	p := newPolicy(t, pin, false)
	teach(t, p, text(gw.directoryArticle(nil)))
	old := gw.signer
	gw.signer = newPublisher(t).signer
	_, signed := gw.directory(nil)
	text, _, err := note.Open(signed, gw.signer.Verifier())
	if err != nil {
		t.Fatal(err)
	}
	if signed, err = note.Sign(text, old, gw.signer); err != nil {
		t.Fatal(err)
	}
	if _, err := p.Book.Learn(far, signed, now()); err != nil {
		t.Fatal(err)
	}
	again, err := OpenBook(p.Book.path, ours, pin, false)
	if err != nil {
		t.Fatal(err)
	}
	for what, b := range map[string]*Book{"at once": p.Book, "after a restart": again} {
		if d, keys, err := b.get(far); err != nil || d.Serial != 2 || keys.Newest().Line() != gw.signer.Verifier().Line() {
			t.Errorf("%s: %v", what, err)
		}
	}
}

func TestBook_boundsWhatWaits(t *testing.T) {
	p, gw := newPolicy(t, nil, true), newPublisher(t)
	_, first := gw.directory(nil)
	if _, err := p.Book.Learn(far, first, now()); err != nil {
		t.Fatal(err)
	}
	gw.last.Serial += 10
	for range maxAhead + 5 {
		_, signed := gw.directory(nil)
		if _, err := p.Book.Learn(far, signed, now()); err != nil {
			t.Fatal(err)
		}
	}
	if n := len(p.Book.gateways[far].ahead); n != maxAhead {
		t.Errorf("%d directories wait", n)
	}
	if _, err := p.Book.Learn(far, append(first, bytes.Repeat([]byte("x"), maxDirectory)...), now()); !errors.Is(err, note.ErrMalformed) {
		t.Errorf("a directory of any size: %v", err)
	}
}

func TestBook_findsAForkAmongWhatWaited(t *testing.T) {
	p, gw := newPolicy(t, nil, true), newPublisher(t)
	_, first := gw.directory(nil)
	_, second := gw.directory(nil)
	_, third := gw.directory(func(d *note.Directory) { d.Previous = [32]byte{1} })
	for _, signed := range [][]byte{first, third, second} {
		if _, err := p.Book.Learn(far, signed, now()); err != nil {
			t.Fatal(err)
		}
	}
	if len(p.Book.Forks()) != 1 {
		t.Error("it was not seen")
	}
}

func TestBook_followsTheChainInAnyOrderAndAcrossARestart(t *testing.T) {
	p, gw := newPolicy(t, nil, true), newPublisher(t)
	store := newStore(t)
	r := NewRepairer(p, store)
	var all []*article.Article
	for range 4 {
		all = append(all, gw.directoryArticle(nil))
	}
	for _, i := range []int{0, 3, 2, 1, 1, 0} {
		if _, err := check(t, p, text(all[i])); err != nil {
			t.Fatalf("directory %d: %v", i, err)
		}
		if i == 3 { // two are lacking between
			ids, err := r.Lacking(t.Context(), now(), func(pool.MessageID) bool { return true })
			if err != nil || !slices.Contains(ids, pool.MessageID(all[1].Get("Message-ID"))) {
				t.Errorf("the next directory is not asked for, %v", err)
			}
		}
	}
	again, err := OpenBook(p.Book.path, ours, nil, true)
	if err != nil {
		t.Fatal(err)
	}
	d, _, err := again.get(far)
	if err != nil || d.Serial != 4 {
		t.Fatalf("%v, %v", d, err)
	}
	epoch, key, err := again.Seal(far, now())
	if err != nil || epoch != 2950 || !bytes.Equal(key.Bytes(), d.Seal[0].Key[:]) {
		t.Errorf("seal key of epoch %d, %v", epoch, err)
	}
}

func TestLearn_refusesNamesThatNoGatewayHas(t *testing.T) {
	for _, domain := range []string{"Far.example", "far", "far.example/../x", "<far.example>", strings.Repeat("a", 80) + ".example"} {
		p := newPolicy(t, nil, true)
		signer, err := note.NewSigner(domain, note.GenerateSeed())
		if err != nil {
			t.Fatal(err)
		}
		gw := &publisher{t: t, signer: signer}
		_, signed := gw.directory(func(d *note.Directory) { d.Domain = domain })
		if _, err := p.Book.Learn(domain, signed, now()); !errors.Is(err, note.ErrMalformed) {
			t.Errorf("%s: %v", domain, err)
		}
	}
}

// What is sealed to a key that its gateway has destroyed is lost, and nobody is told.
func TestBook_sealsToNoKeyThatIsDestroyed(t *testing.T) {
	p, gw := newPolicy(t, nil, true), newPublisher(t)
	_, signed := gw.directory(nil) // whose newest key is of the next epoch
	if _, err := p.Book.Learn(far, signed, now()); err != nil {
		t.Fatal(err)
	}
	const week = 7 * 24 * time.Hour
	if epoch, _, err := p.Book.Seal(far, now().Add(13*week)); err != nil || epoch != 2951 {
		t.Errorf("while it is honoured: epoch %d, %v", epoch, err)
	}
	if _, _, err := p.Book.Seal(far, now().Add(14*week)); !errors.Is(err, ErrUnknown) {
		t.Errorf("afterwards: %v", err)
	}
}

func TestBook_keepsTheProofOfAFork(t *testing.T) {
	p, gw := newPolicy(t, nil, true), newPublisher(t)
	teach(t, p, text(gw.directoryArticle(nil)))
	a := text(gw.directoryArticle(nil))
	teach(t, p, a)
	gw.last.Serial-- // shows somebody else another one
	b := gw.directoryArticle(func(d *note.Directory) { d.BatchSize = 3 })
	if _, err := check(t, p, text(b)); !errors.Is(err, ErrFork) {
		t.Fatalf("%v", err)
	}
	again, err := OpenBook(p.Book.path, ours, nil, true)
	if err != nil {
		t.Fatal(err)
	}
	forks := again.Forks()
	if len(forks) != 1 || forks[0].Domain != far {
		t.Fatalf("%d forks", len(forks))
	}
	for _, signed := range [][]byte{forks[0].A, forks[0].B} {
		if _, _, _, err := note.OpenDirectory(signed, gw.signer.Verifier()); err != nil {
			t.Errorf("no proof: %v", err)
		}
	}
}
