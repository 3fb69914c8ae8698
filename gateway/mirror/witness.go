package mirror

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
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
// the alarm about one that contradicts itself (docs/protocol.md, section 8).
type Witness struct {
	Book   *Book
	Domain string
	Signer *note.Signer
	Group  pool.Group // of keys
	Store  pool.Store
}

// Round posts what has not been posted yet.
func (w *Witness) Round(ctx context.Context, now time.Time) error {
	for _, domain := range w.Book.Gateways() {
		signed, key, err := w.Book.seen(domain)
		if err != nil {
			continue // nothing is taken of it any more
		}
		text, _, err := note.Open(signed, key)
		if err != nil {
			return err
		}
		id := witnessID("w", w.Domain, []byte(text))
		if seen, err := w.Store.Seen(ctx, id); err != nil || seen {
			if err != nil {
				return err
			}
			continue
		}
		cosigned, err := note.Cosign(signed, key, w.Signer)
		if err != nil {
			return err
		}
		if err := w.post(ctx, id, witnessSubject, cosigned, now); err != nil {
			return err
		}
	}
	for _, f := range w.Book.Forks() {
		proof := f.proof()
		id := witnessID("f", w.Domain, texts(f.A, f.B))
		if seen, err := w.Store.Seen(ctx, id); err != nil || seen {
			if err != nil {
				return err
			}
			continue
		}
		if err := w.post(ctx, id, forkSubject, proof, now); err != nil {
			return err
		}
	}
	return nil
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
	filed, err := a.File([]pool.Group{w.Group}, now, 0)
	if err != nil {
		return err
	}
	if _, err := w.Store.Append(ctx, filed); !errors.Is(err, pool.ErrDuplicate) {
		return err
	}
	return nil
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

// seen returns the newest directory of a gateway, signed, and its key.
func (b *Book) seen(domain string) ([]byte, *note.Verifier, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	g, err := b.held(domain)
	if err != nil {
		return nil, nil, err
	}
	return g.chain.Signed(), g.chain.Gateway(), nil
}

// testimony checks what a witness has posted, and takes it in: its signature on a
// directory, or the proof of a fork.
func (p *Policy) testimony(a *article.Article, witness string, signed []byte) error {
	_, key, err := p.Book.get(witness)
	if err != nil {
		return err
	}
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
	if a.Get("Subject") != witnessSubject || id != string(witnessID("w", witness, []byte(text))) {
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
		if g.fork != nil {
			return nil
		}
		g.fork = &Fork{domain, bytes.Clone(one), bytes.Clone(two)}
		return b.save()
	}
	return ErrSignature
}

// cosign adds a witness's signature to the newest directory of a gateway. On an
// older one, or one that we have not seen, it is passed over.
func (b *Book) cosign(domain string, signed []byte, witness *note.Verifier) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	g, err := b.held(domain)
	if err != nil {
		return err
	}
	merged, added, err := note.Merge(g.chain.Signed(), signed, g.chain.Gateway(), witness)
	if err != nil || added == 0 {
		return nil // of another directory than the newest there is nothing to add
	}
	if _, err := g.chain.Extend(merged); err != nil {
		return signature(err)
	}
	return b.save()
}
