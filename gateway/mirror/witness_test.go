package mirror

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/restante/restante/crypto/note"
	"github.com/restante/restante/pool"
	"github.com/restante/restante/pool/article"
)

// posted is what a store holds of the keys' group, as it goes over the wire.
func posted(t *testing.T, s pool.Store) []string {
	t.Helper()
	var out []string
	var numbers []pool.Number
	if err := s.Scan(t.Context(), "restante.keys", pool.All, func(n pool.Number, _ []byte) bool {
		numbers = append(numbers, n)
		return true
	}); err != nil {
		t.Fatal(err)
	}
	for _, n := range numbers {
		stored, err := s.ByNumber(t.Context(), "restante.keys", n)
		if err != nil {
			t.Fatal(err)
		}
		text := string(article.Unstuff(stored.Wire[:len(stored.Wire)-len(".\r\n")]))
		out = append(out, text)
	}
	return out
}

// witness is a mirror that posts what it sees, and a directory of its own.
func witness(t *testing.T, p *Policy, s pool.Store) (*Witness, *publisher) {
	t.Helper()
	signer, err := note.NewSigner(ours, note.GenerateSeed())
	if err != nil {
		t.Fatal(err)
	}
	gw := &publisher{t: t, signer: signer}
	return &Witness{Book: p.Book, Domain: ours, Signer: signer, Group: "restante.keys", Store: s, Keeps: p.Keeps}, gw
}

func round(t *testing.T, w *Witness) {
	t.Helper()
	if err := w.Round(t.Context(), now()); err != nil {
		t.Fatal(err)
	}
}

// other is the policy of a third gateway, that of the publisher or of a mirror.
func other(t *testing.T, own string) *Policy {
	t.Helper()
	p := newPolicy(t, nil, true)
	p.Book.own = own
	return p
}

// ownDirectory is the directory by which the witness itself is known.
func ownDirectory(w *publisher) string {
	return strings.ReplaceAll(text(w.directoryArticle(func(d *note.Directory) { d.Domain = ours })), far, ours)
}

// holdsSignature checks that a gateway holds the publisher's directory with the
// signature of one witness.
func holdsSignature(t *testing.T, p *Policy, witness *note.Signer) {
	t.Helper()
	signed, key, err := p.Book.seen(far)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, by, err := note.OpenDirectory(signed, key, witness.Verifier()); err != nil || len(by) != 1 {
		t.Errorf("it holds the signatures of %v, %v", by, err)
	}
}

func TestWitness_signsWhatItSawAndTheGatewayHearsOfIt(t *testing.T) {
	p, gw, store := newPolicy(t, nil, true), newPublisher(t), newStore(t)
	w, self := witness(t, p, store)
	d := text(gw.directoryArticle(nil))
	teach(t, p, d)
	round(t, w)
	round(t, w)
	all := posted(t, store)
	if len(all) != 1 {
		t.Fatalf("%d articles are posted", len(all))
	}

	home := other(t, far)
	var cosigned []byte
	home.Cosigned = func(signed []byte, _ *note.Verifier) { cosigned = signed }
	if _, err := check(t, home, all[0]); !errors.Is(err, ErrUnknown) {
		t.Errorf("a witness that nobody knows: %v", err)
	}
	teach(t, home, ownDirectory(self))
	teach(t, home, all[0])
	_, _, by, err := note.OpenDirectory(cosigned, gw.signer.Verifier(), w.Signer.Verifier())
	if err != nil || len(by) != 1 || by[0] != ours {
		t.Errorf("signed by %v, %v", by, err)
	}

	third := other(t, "third.example")
	teach(t, third, ownDirectory(self), d, all[0])
	holdsSignature(t, third, w.Signer)

	forged := strings.Replace(all[0], "\r\n\r\nrestante", "\r\n\r\nRestante", 1)
	if _, err := check(t, third, forged); err == nil {
		t.Error("a forged testimony is taken")
	}
}

func TestWitness_raisesTheAlarm(t *testing.T) {
	p, gw, store := newPolicy(t, nil, true), newPublisher(t), newStore(t)
	w, self := witness(t, p, store)
	first := text(gw.directoryArticle(nil))
	a := text(gw.directoryArticle(nil))
	gw.last.Serial--
	b := text(gw.directoryArticle(func(d *note.Directory) { d.BatchSize = 3 }))
	teach(t, p, first, a)
	if _, err := check(t, p, b); !errors.Is(err, ErrFork) {
		t.Fatalf("%v", err)
	}
	round(t, w)
	round(t, w)
	var alarms []string
	for _, text := range posted(t, store) {
		if strings.Contains(text, "Subject: "+forkSubject) {
			alarms = append(alarms, text)
		}
	}
	if len(alarms) != 1 {
		t.Fatalf("%d alarms", len(alarms))
	}
	third := other(t, "third.example")
	teach(t, third, ownDirectory(self), first, alarms[0])
	if forks := third.Book.Forks(); len(forks) != 1 {
		t.Errorf("a third gateway knows of %d forks", len(forks))
	}
	innocent := other(t, "fourth.example")
	teach(t, innocent, ownDirectory(self), first, a)
	lie := Fork{A: []byte(body(a)), B: []byte(body(a))}
	slander := newStore(t)
	if err := (&Witness{Book: p.Book, Domain: ours, Signer: w.Signer, Group: "restante.keys", Store: slander, Keeps: p.Keeps}).post(
		t.Context(), witnessID("f", ours, texts(lie.A, lie.B)), forkSubject, lie.proof(), now()); err != nil {
		t.Fatal(err)
	}
	if _, err := check(t, innocent, posted(t, slander)[0]); !errors.Is(err, ErrSignature) {
		t.Errorf("an alarm that convicts nobody: %v", err)
	}
	if _, err := check(t, third, posted(t, slander)[0]); !errors.Is(err, ErrSignature) {
		t.Errorf("the same, where the gateway was convicted before: %v", err)
	}
	for range 3 { // the gateway went on since: the proof holds all the same
		gw.directory(nil)
	}
	_, head := gw.directory(nil)
	late := other(t, "late.example")
	teach(t, late, ownDirectory(self))
	if _, err := late.Book.Learn(far, head, now()); err != nil {
		t.Fatal(err)
	}
	if _, err := check(t, late, alarms[0]); err != nil || len(late.Book.Forks()) != 1 {
		t.Errorf("a proof from before the directory held: %v", err)
	}
}

// A gateway that publishes without end uses up its own share of what others take of a
// witness in a day, and nobody else's. It is spoken of again once it has a turn.
func TestWitness_givesEveryGatewayItsShare(t *testing.T) {
	p, gw, store := newPolicy(t, nil, true), newPublisher(t), newStore(t)
	w, self := witness(t, p, store)
	const quiet = "quiet.example"
	signer, err := note.NewSigner(quiet, note.GenerateSeed())
	if err != nil {
		t.Fatal(err)
	}
	modest := &publisher{t: t, signer: signer}
	var last []byte
	for range 30 {
		_, last = gw.directory(func(d *note.Directory) {
			d.Blind = nil
			for e := range uint64(900) {
				d.Blind = append(d.Blind, note.EpochKey{Epoch: 2100 + e})
			}
		})
		if _, err := p.Book.Learn(far, last, now()); err != nil {
			t.Fatal(err)
		}
		round(t, w)
	}
	_, signed := modest.directory(func(d *note.Directory) { d.Domain = quiet })
	if _, err := p.Book.Learn(quiet, signed, now()); err != nil {
		t.Fatal(err)
	}
	round(t, w)
	third := other(t, "third.example")
	teach(t, third, ownDirectory(self))
	for _, signed := range [][]byte{signed, last} {
		d, err := note.PeekDirectory(signed)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := third.Book.Learn(d.Domain, signed, now()); err != nil {
			t.Fatal(err)
		}
	}
	all := posted(t, store)
	for _, a := range all {
		if _, err := check(t, third, a); err != nil {
			t.Errorf("of %d testimonies one is not taken: %v", len(all), err)
		}
	}
	if !strings.Contains(all[len(all)-1], "domain "+quiet) {
		t.Error("the last one is not of the gateway that came last")
	}
	if err := w.Round(t.Context(), now().Add(48*time.Hour)); err != nil {
		t.Fatal(err)
	}
	if later := posted(t, store)[len(all):]; len(later) != 1 || !strings.Contains(body(later[0]), "serial 30\n") {
		t.Errorf("after two days %d testimonies of the newest directory", len(later))
	}
	delete(p.Book.gateways, far)
	if round(t, w); len(w.given) != 1 {
		t.Errorf("shares are remembered of %d gateways, and one is known", len(w.given))
	}
}

// body is the note in an article's text.
func body(text string) string {
	_, b, _ := strings.Cut(text, "\r\n\r\n")
	return strings.ReplaceAll(b, "\r\n", "\n")
}
