package mirror

import (
	"errors"
	"os"
	"testing"

	"github.com/restante/restante/crypto/note"
	"github.com/restante/restante/pool/article"
)

// again is the policy after a restart.
func again(t *testing.T, p *Policy) *Policy {
	t.Helper()
	book, err := OpenBook(p.Book.path, ours, nil, true)
	if err != nil {
		t.Fatal(err)
	}
	return &Policy{Book: book, Groups: p.Groups, Calendar: p.Calendar}
}

func TestRelearn_whatWaitedBeforeARestart(t *testing.T) {
	p, gw, store := newPolicy(t, nil, true), newPublisher(t), newStore(t)
	var all []*article.Article
	for range 4 {
		all = append(all, gw.directoryArticle(nil))
	}
	bring := func(a *article.Article) {
		t.Helper()
		teach(t, p, text(a))
		file(t, store, a)
	}
	serial := func() uint64 {
		t.Helper()
		d, _, err := p.Book.get(far)
		if err != nil {
			t.Fatal(err)
		}
		return d.Serial
	}
	bring(all[0])
	bring(all[3]) // which are filed, and wait for the second
	bring(all[2])
	p = again(t, p)
	if err := p.Relearn(t.Context(), store, now()); err != nil {
		t.Fatal(err)
	}
	if got := serial(); got != 1 {
		t.Fatalf("the chain is at %d before what it lacks has come", got)
	}
	bring(all[1])
	if got := serial(); got != 4 {
		t.Errorf("the chain is at %d of 4, and nobody will bring the others again", got)
	}
}

// Who removes a damaged book is told that gateways are learnt anew.
func TestRelearn_withoutTheBook(t *testing.T) {
	p, gw, store := newPolicy(t, nil, true), newPublisher(t), newStore(t)
	for range 3 {
		a := gw.directoryArticle(nil)
		teach(t, p, text(a))
		file(t, store, a)
	}
	loseTheBook := func() {
		t.Helper()
		if err := os.Remove(p.Book.path); err != nil {
			t.Fatal(err)
		}
		p = again(t, p)
		if err := p.Relearn(t.Context(), store, now()); err != nil {
			t.Fatal(err)
		}
	}
	loseTheBook()
	if d, _, err := p.Book.get(far); err != nil || d.Serial != 3 {
		t.Fatalf("%v: the gateway is not known again: %v", d, err)
	}
	gw.last.Serial--
	if _, err := check(t, p, text(gw.directoryArticle(func(d *note.Directory) { d.BatchSize = 3 }))); !errors.Is(err, ErrFork) {
		t.Fatal(err)
	}
	w, _ := witness(t, p, store)
	round(t, w)
	loseTheBook()
	if p.Book.Convicted() != 1 {
		t.Error("that it has contradicted itself is forgotten")
	}
}
