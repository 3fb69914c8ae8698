package mirror

import (
	"errors"
	"strings"
	"testing"

	"github.com/restante/restante/crypto/note"
	"github.com/restante/restante/pool"
)

// liar is a gateway that showed us a second directory, and then somebody else
// another one. What we hold of it is the first of the two.
func liar(t *testing.T, p *Policy) (gw *publisher, contradiction string) {
	t.Helper()
	gw = newPublisher(t)
	for range 2 {
		teach(t, p, text(gw.directoryArticle(nil)))
	}
	before := *gw
	gw.last.Serial-- // shows somebody else another one
	contradiction = text(gw.directoryArticle(func(d *note.Directory) { d.BatchSize = 3 }))
	gw.last, gw.text = before.last, before.text
	gw.last.Serial = 2
	return gw, contradiction
}

func TestConviction_nothingMoreIsTakenOrSealed(t *testing.T) {
	p := newPolicy(t, nil, true)
	gw, contradiction := liar(t, p)
	entries, manifest := gw.batch(current())
	if _, err := check(t, p, text(entries[0])); err != nil {
		t.Fatalf("before: %v", err)
	}
	if _, err := check(t, p, contradiction); !errors.Is(err, ErrFork) {
		t.Fatalf("the contradiction: %v", err)
	}
	again := *p
	var err error
	if again.Book, err = OpenBook(p.Book.path, ours, nil, true); err != nil {
		t.Fatal(err)
	}
	next := text(gw.directoryArticle(nil))
	for what, p := range map[string]*Policy{"at once": p, "after a restart": &again} {
		for _, a := range []string{text(entries[1]), text(manifest), next} {
			if _, err := check(t, p, a); !errors.Is(err, ErrConvicted) {
				t.Errorf("%s: %v", what, err)
			}
		}
		if _, _, err := p.Book.Seal(far, now()); !errors.Is(err, ErrConvicted) {
			t.Errorf("%s: mail is sealed to it: %v", what, err)
		}
		if !p.Reserved(pool.MessageID(entries[1].Get("Message-ID"))) {
			t.Errorf("%s: anybody may take its names", what)
		}
		if ids, err := NewRepairer(p, newStore(t)).Lacking(t.Context(), now(), func(pool.MessageID) bool { return true }); err != nil || len(ids) > 0 {
			t.Errorf("%s: %d articles of it are asked for, %v", what, len(ids), err)
		}
		if list := p.Book.List(); len(list) != 1 || !list[0].Convicted || list[0].Taken || p.Book.Convicted() != 1 {
			t.Errorf("%s: it is listed as %+v", what, list)
		}
	}
	store := newStore(t)
	w, _ := witness(t, p, store)
	round(t, w)
	if all := posted(t, store); len(all) != 1 || !strings.Contains(all[0], forkSubject) {
		t.Errorf("%d articles are posted, where the alarm alone should be", len(all))
	}
}

func TestConviction_endsWithTheOperatorsPardon(t *testing.T) {
	p := newPolicy(t, nil, true)
	gw, contradiction := liar(t, p)
	if _, err := check(t, p, contradiction); !errors.Is(err, ErrFork) {
		t.Fatalf("the contradiction: %v", err)
	}
	alarm := p.Book.Forks()[0]
	entries, _ := gw.batch(current())
	pardon := []Known{{Domain: far, Pardon: alarm.Pardon()}}
	p.Book.Set([]Known{{Domain: far, Pardon: alarm.serial - 1}}, true)
	if _, err := check(t, p, text(entries[0])); !errors.Is(err, ErrConvicted) {
		t.Errorf("a pardon of something else: %v", err)
	}
	p.Book.Set(pardon, true)
	if _, err := check(t, p, text(entries[0])); err != nil {
		t.Errorf("an entry: %v", err)
	}
	if err := p.alarm(alarm.A, alarm.B); err != nil || p.Book.Convicted() != 0 {
		t.Errorf("the old proof once more: %v", err)
	}
	// It goes on from the other one of the two.
	if _, err := check(t, p, contradiction); err != nil {
		t.Fatalf("the one that it goes on from: %v", err)
	}
	d, _, err := p.Book.get(far)
	if err != nil || d.BatchSize != 3 {
		t.Fatalf("the book holds the one that led nowhere, %v", err)
	}
	gw.last, gw.text = d, d.Text()
	if _, err := check(t, p, text(gw.directoryArticle(func(d *note.Directory) { d.BatchSize = 3 }))); err != nil {
		t.Fatalf("the next one: %v", err)
	}
	before := *gw
	if _, err := check(t, p, text(gw.directoryArticle(func(d *note.Directory) { d.BatchSize = 3 }))); err != nil {
		t.Fatalf("the one after it: %v", err)
	}
	gw.last, gw.text = before.last, before.text
	if _, err := check(t, p, text(gw.directoryArticle(func(d *note.Directory) { d.BatchSize = 4 }))); !errors.Is(err, ErrFork) {
		t.Fatalf("a contradiction after the pardon: %v", err)
	}
	again, err := OpenBook(p.Book.path, ours, pardon, true)
	if err != nil {
		t.Fatal(err)
	}
	for what, b := range map[string]*Book{"at once": p.Book, "after a restart": again} {
		if b.Convicted() != 1 {
			t.Errorf("%s: one contradiction was forgiven, and all that come", what)
		}
	}
}
