package mirror

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/restante/restante/crypto/note"
	"github.com/restante/restante/pool"
	"github.com/restante/restante/pool/article"
	"github.com/restante/restante/pool/entry"
)

// The subjects of what a witness posts in the group of keys.
const (
	witnessSubject = "witness: a directory, signed once more"
	forkSubject    = "fork: two directories of one gateway that contradict each other"
)

// A Witness posts, in its own name, that it saw a gateway's directory, and raises
// the alarm about one that contradicts itself (docs/protocol.md, section 8). It is for
// one goroutine.
type Witness struct {
	Book   *Book
	Domain string
	Signer *note.Signer
	Group  pool.Group // of keys
	Store  pool.Store
	Keeps  func(now time.Time) uint64 // the epoch that what is posted now is dropped with

	given map[string]given // by gateway
}

// given is how much was said of a gateway beyond its share, at a time.
type given struct {
	octets float64
	at     time.Time
}

// Round posts what has not been posted yet.
func (w *Witness) Round(ctx context.Context, now time.Time) error {
	for _, f := range w.Book.Forks() {
		id := witnessID("f", w.Domain, texts(f.A, f.B))
		if err := w.postOnce(ctx, id, forkSubject, now, func() ([]byte, error) { return f.proof(), nil }); err != nil {
			return err
		}
	}
	all := w.Book.Gateways()
	maps.DeleteFunc(w.given, func(domain string, _ given) bool { return !slices.Contains(all, domain) })
	for _, domain := range all {
		if err := w.testify(ctx, domain, len(all), now); err != nil {
			return err
		}
	}
	return nil
}

// testify posts the newest directory of one of so many gateways, signed by it and us,
// as soon as it has its turn.
func (w *Witness) testify(ctx context.Context, domain string, gateways int, now time.Time) error {
	signed, key, err := w.Book.seen(domain)
	if err != nil {
		return nil //nolint:nilerr // nothing is taken of it any more
	}
	text, _, err := note.Open(signed, key)
	if err != nil {
		return err
	}
	return w.postOnce(ctx, testimonyID(w.Domain, text, w.Signer.Verifier()), witnessSubject, now, func() ([]byte, error) {
		alone, err := note.Only(signed, key) // other witnesses post by themselves
		if err != nil || !w.turn(domain, len(alone), gateways, now) {
			return nil, err
		}
		return note.Cosign(alone, key, w.Signer)
	})
}

// turn says whether a gateway has a turn to be spoken of, and takes it. Whoever has
// learnt us takes only so many octets of us in a day (keysOfLearnt). So each gateway
// that we know has the same share of these, be it used or not: one that publishes
// again and again is spoken of now and then, and the others none the less.
func (w *Witness) turn(domain string, octets, gateways int, now time.Time) bool {
	if w.given == nil {
		w.given = make(map[string]given)
	}
	// A third for a day: within one there may be what is left of the day before, what
	// comes, and what the last testimony goes beyond that.
	share := float64(keysOfLearnt) / 3 / float64(gateways)
	g := w.given[domain]
	g.octets = max(0, g.octets-share*max(0, now.Sub(g.at)).Hours()/24)
	g.at = now
	turn := g.octets < share
	if turn {
		g.octets += float64(octets)
	}
	w.given[domain] = g
	return turn
}

// postOnce posts what body makes under an ID, if that was not posted before. No body,
// and nothing is posted now.
func (w *Witness) postOnce(ctx context.Context, id pool.MessageID, subject string, now time.Time, body func() ([]byte, error)) error {
	if seen, err := w.Store.Seen(ctx, id); err != nil || seen {
		return err
	}
	text, err := body()
	if err != nil || text == nil {
		return err
	}
	return w.post(ctx, id, subject, text, now)
}

// testimonyID is the Message-ID of a witness's signature of a directory's text. The key
// goes into it: once the witness has replaced that it signs anew.
func testimonyID(domain, text string, key *note.Verifier) pool.MessageID {
	return witnessID("w", domain, append([]byte(text), key.Public()...))
}

// witnessID names what a witness posts by its content: it posts nothing twice.
func witnessID(kind, domain string, content []byte) pool.MessageID {
	sum := sha256.Sum256(content)
	return pool.MessageID(fmt.Sprintf("<%s.%s@%s>", kind, hex.EncodeToString(sum[:16]), domain))
}

func (w *Witness) post(ctx context.Context, id pool.MessageID, subject string, body []byte, now time.Time) error {
	a, err := entry.Note(w.Domain, w.Group, id, subject, now, body)
	if err != nil {
		return err
	}
	filed, err := a.File([]pool.Group{w.Group}, now, w.Keeps(now))
	if err != nil {
		return err
	}
	if _, err := w.Store.Append(ctx, filed); !errors.Is(err, pool.ErrDuplicate) {
		return err
	}
	return nil
}

// seen returns the newest directory of a gateway, signed, and its key.
func (b *Book) seen(domain string) ([]byte, *note.Verifier, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	g, err := b.used(domain)
	if err != nil {
		return nil, nil, err
	}
	return g.chain.Signed(), g.chain.Gateway(), nil
}

// testimony checks what a witness has posted, and takes it in: its signature on a
// directory, or the proof of a fork.
func (p *Policy) testimony(a *article.Article, witness string, signed []byte, _ time.Time) error {
	_, keys, err := p.Book.get(witness)
	if err != nil {
		return err
	}
	key := keys.Newest()
	id := a.Get("Message-ID")
	if a.Get("Subject") == forkSubject {
		one, two, ok := splitProof(signed)
		if !ok || id != string(witnessID("f", witness, texts(one, two))) {
			return ErrForm
		}
		return p.alarm(one, two)
	}
	if len(signed) > maxDirectory {
		return ErrForm
	}
	text, _, err := note.Open(signed, key)
	if err != nil {
		return ErrSignature
	}
	if a.Get("Subject") != witnessSubject || id != string(testimonyID(witness, text, key)) {
		return ErrForm
	}
	d, err := note.PeekDirectory(signed)
	if err != nil {
		return ErrSignature
	}
	if strings.EqualFold(d.Domain, p.Book.own) {
		if p.Cosigned != nil {
			p.Cosigned(signed, key)
		}
		return nil
	}
	return p.Book.cosign(d.Domain, signed, key)
}

// wanted says whether a witness's signature is one that those of strangers must
// leave room for: the operator has named it.
func (b *Book) wanted(witness string) bool {
	k, named := b.pinned[witness]
	return named && !k.Refuse
}

// Wants is wanted, for who does not have the lock.
func (b *Book) Wants(witness string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.wanted(witness)
}

// cosign adds a witness's signature to the newest directory of a gateway. On an
// older one, or one that we have not seen, it is passed over.
func (b *Book) cosign(domain string, signed []byte, witness *note.Verifier) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	g, err := b.used(domain)
	if err != nil {
		return err
	}
	merged, added, err := note.Merge(g.chain.Signed(), signed, g.chain.Gateway(), b.wanted, witness)
	if err != nil || added == 0 {
		return nil // of another directory than the newest there is nothing to add
	}
	if _, err := g.chain.Extend(merged); err != nil {
		return signature(err)
	}
	return b.save()
}
