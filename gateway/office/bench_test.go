package office

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/restante/restante/crypto/identity"
	"github.com/restante/restante/crypto/token"
	"github.com/restante/restante/gateway/batch"
	"github.com/restante/restante/gateway/keyring"
	"github.com/restante/restante/pool"
	"github.com/restante/restante/pool/article"
	"github.com/restante/restante/pool/memory"
)

const (
	domain    = "gw.example"
	poolGroup = pool.Group("restante.pool")
	maxSize   = 2 << 20

	alicePass = "correct-horse-battery-staple-violin-Stair-7"
	bobPass   = "tumbler-quorum-anvil-sextant-gravel-Moss-3"
)

// A bench is an office with all that is behind it, and a clock that a test
// bubble moves.
type bench struct {
	t     *testing.T
	keys  *keyring.Ring
	store pool.Store
	rel   *batch.Releaser
	*Office
}

func newBench(t *testing.T) *bench {
	t.Helper()
	shape := batch.Shape{
		Calendar: pool.Calendar{EpochLength: time.Hour, BatchInterval: time.Minute, Retention: 2, TokenLife: 3},
		Size:     8, Slots: 8, Backlog: 100, Posts: 8 << 20,
	}
	dir := t.TempDir()
	policy := keyring.Policy{Calendar: shape.Calendar, BatchSize: shape.Size, SlotsPerBatch: shape.Slots}
	if err := keyring.Create(filepath.Join(dir, "keys")); err != nil {
		t.Fatal(err)
	}
	keys, err := keyring.Open(filepath.Join(dir, "keys"), domain, policy)
	if err != nil {
		t.Fatal(err)
	}
	queue, err := batch.OpenQueue(filepath.Join(dir, "queue"), shape)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = queue.Close() })
	b := &bench{t: t, keys: keys, store: memory.New(domain)}
	for name, posting := range map[pool.Group]pool.Posting{
		poolGroup: pool.PostingDenied, batch.Manifest: pool.PostingDenied,
		Reply: pool.PostingAllowed, Cards: pool.PostingAllowed, "misc.test": pool.PostingAllowed,
	} {
		if err := b.store.SetGroup(t.Context(), pool.GroupInfo{Name: name, Posting: posting, Created: time.Now()}); err != nil {
			t.Fatal(err)
		}
	}
	b.rel = &batch.Releaser{Queue: queue, Store: b.store, Signer: keys.Signer(), Domain: domain, Group: poolGroup}
	b.Office = New(Options{
		Domain: domain, Group: poolGroup, Calendar: shape.Calendar, Slots: shape.Slots,
		Keys: keys, Queue: queue, Store: b.store, MaxArticle: maxSize, MinBits: 70, Logins: 2,
	})
	b.turn(0)
	return b
}

// turn lets n batches pass, each released in its time.
func (b *bench) turn(n int) {
	b.t.Helper()
	for i := 0; ; i++ {
		if _, err := b.keys.Advance(time.Now()); err != nil {
			b.t.Fatal(err)
		}
		for due, last := b.rel.Due(time.Now()); due <= last; due++ {
			if err := b.rel.Release(b.t.Context(), due); err != nil {
				b.t.Fatal(err)
			}
		}
		if oldest, _ := b.keys.Retained(); b.store.DropBefore(b.t.Context(), oldest) != nil {
			b.t.Fatal("the store drops nothing")
		}
		if i == n {
			return
		}
		time.Sleep(time.Until(b.Calendar.Start(b.Calendar.Batch(time.Now()) + 1)))
	}
}

func (b *bench) login(handle, passphrase string) *Mailbox {
	b.t.Helper()
	m, err := b.Login(b.t.Context(), handle, passphrase)
	if err != nil {
		b.t.Fatal(err)
	}
	return m
}

// crlf writes a test's article as it comes from the wire.
func crlf(text string) []byte { return []byte(strings.ReplaceAll(text, "\n", "\r\n")) }

func (b *bench) submit(from *Mailbox, text string) pool.MessageID {
	b.t.Helper()
	id, err := b.Submit(b.t.Context(), crlf(text), from)
	if err != nil {
		b.t.Fatal(err)
	}
	return id
}

// refused submits what must be refused and returns the sentence.
func (b *bench) refused(from *Mailbox, text string, cause error) string {
	b.t.Helper()
	_, err := b.Submit(b.t.Context(), crlf(text), from)
	var refusal *pool.Refusal
	if !errors.As(err, &refusal) || !errors.Is(err, cause) {
		b.t.Fatalf("got %v, want a refusal for: %v", err, cause)
	}
	return refusal.Sentence
}

// card posts a card from a fresh login and returns its message-id, a token.
func (b *bench) card(handle, passphrase string) pool.MessageID {
	b.t.Helper()
	return b.submit(b.login(handle, passphrase), "Newsgroups: restante.cards\nFrom: x@home.example\nSubject: card\n\nWrite to me.\n")
}

// stranger returns a token of a mailbox that nothing else was sent to.
func (b *bench) stranger() pool.MessageID {
	b.t.Helper()
	epoch, seal := b.keys.Mint()
	t, err := token.Mint(seal, domain, epoch, identity.NewSeed().Mailbox(0))
	if err != nil {
		b.t.Fatal(err)
	}
	return pool.MessageID(t.MessageID(domain))
}

func reply(to pool.MessageID, body string) string {
	return fmt.Sprintf("Newsgroups: restante.reply\nFrom: Robert <bob@work.example>\nSubject: Re: card\nReferences: %s\n\n%s\n", to, body)
}

// folder opens every article of one of a mailbox's groups.
func (b *bench) folder(m *Mailbox, group pool.Group) []*article.Article {
	b.t.Helper()
	if err := m.Refresh(b.t.Context()); err != nil {
		b.t.Fatal(err)
	}
	var numbers []pool.Number
	err := m.Scan(b.t.Context(), group, pool.All, func(n pool.Number, _ []byte) bool {
		numbers = append(numbers, n)
		return true
	})
	if err != nil {
		b.t.Fatal(err)
	}
	var out []*article.Article
	for _, n := range numbers {
		s, err := m.ByNumber(b.t.Context(), group, n)
		if err != nil {
			b.t.Fatal(err)
		}
		if s.In(group) != n {
			b.t.Errorf("article %d says it is %d", n, s.In(group))
		}
		a, err := article.Parse(article.Unstuff([]byte(string(s.Head()) + "\r\n" + string(s.Body()))))
		if err != nil {
			b.t.Fatal(err)
		}
		out = append(out, a)
	}
	return out
}
