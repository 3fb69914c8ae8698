package office

import (
	"context"
	"errors"
	"slices"
	"sync"

	"github.com/restante/restante/crypto/envelope"
	"github.com/restante/restante/crypto/identity"
	"github.com/restante/restante/gateway/batch"
	"github.com/restante/restante/pool"
	"github.com/restante/restante/pool/entry"
)

// A Mailbox is one person's mail for as long as a login lasts: the groups
// restante.inbox and restante.sent as a [pool.Reader]. Article numbers are
// those of the pool's own group. It keeps no message opened: each is opened
// again when it is read.
type Mailbox struct {
	office *Office
	box    *identity.Mailbox
	blind  batch.Blinder // guarded by mu

	mu      sync.Mutex
	scanned uint64 // last batch looked through
	partial map[[handleSize]byte]*message
	whole   map[[handleSize]byte]bool // a message that was sealed twice is shown once
	folders map[pool.Group][]*message // whole messages, by ascending number
	ids     map[pool.MessageID]*message
}

const handleSize = len(envelope.Fragment{}.Handle)

// A message is where the fragments of one message lie, and once all are there
// how it is shown.
type message struct {
	kind     envelope.Kind
	parts    []part // by fragment; those still lacking have no ID
	lacking  int
	group    pool.Group
	number   pool.Number // of the fragment that completed it
	overview []byte
}

// A part is one entry of a message.
type part struct {
	id    pool.MessageID
	epoch uint64
}

func newMailbox(o *Office, box *identity.Mailbox) *Mailbox {
	return &Mailbox{
		office:  o,
		box:     box,
		blind:   o.blinder(box.ID()),
		partial: make(map[[handleSize]byte]*message),
		whole:   make(map[[handleSize]byte]bool),
		folders: map[pool.Group][]*message{Inbox: nil, Sent: nil},
		ids:     make(map[pool.MessageID]*message),
	}
}

// Refresh looks through the batches released since the last time, or at first
// through all that are retained, for entries of this mailbox.
func (m *Mailbox) Refresh(ctx context.Context) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	through, err := m.office.walk(ctx, m.blind, m.scanned+1, func(p part) error { return m.take(ctx, p) })
	m.scanned = max(m.scanned, through)
	if err != nil {
		return err
	}
	for _, messages := range m.folders {
		slices.SortFunc(messages, func(a, b *message) int { return int(a.number) - int(b.number) })
	}
	return nil
}

// take looks for one entry and files what it holds. An entry that is not there,
// or is no entry of this mailbox after all, is passed over.
func (m *Mailbox) take(ctx context.Context, p part) error {
	stored, err := m.office.Store.ByID(ctx, p.id)
	if err != nil {
		return skipMissing(err)
	}
	fragment, err := m.open(stored, p.epoch)
	if err != nil || fragment.Kind == envelope.KindCover {
		return nil //nolint:nilerr // whoever made an entry that does not open, it is nobody's mail
	}
	if m.whole[fragment.Handle] {
		return nil
	}
	msg := m.partial[fragment.Handle]
	if msg == nil {
		msg = &message{kind: fragment.Kind, parts: make([]part, fragment.Count), lacking: int(fragment.Count)}
		m.partial[fragment.Handle] = msg
	}
	if msg.kind != fragment.Kind || len(msg.parts) != int(fragment.Count) || msg.parts[fragment.Index].id != "" {
		return nil
	}
	msg.parts[fragment.Index] = p
	msg.lacking--
	msg.number = max(msg.number, stored.In(m.office.Group))
	if msg.lacking > 0 {
		return nil
	}
	delete(m.partial, fragment.Handle)
	m.whole[fragment.Handle] = true
	return m.complete(ctx, msg)
}

func skipMissing(err error) error {
	if errors.Is(err, pool.ErrNotFound) || errors.Is(err, pool.ErrCorrupt) {
		return nil
	}
	return err
}

func (m *Mailbox) open(stored *pool.Stored, epoch uint64) (envelope.Fragment, error) {
	payload, err := entry.Payload(stored)
	if err != nil {
		return envelope.Fragment{}, err
	}
	id, err := m.blind(epoch)
	if err != nil {
		return envelope.Fragment{}, err
	}
	return envelope.Open(m.box, id, string(stored.ID), payload)
}

// complete files a message whose fragments are all there. One that is no
// article is passed over: no newsreader could show it.
func (m *Mailbox) complete(ctx context.Context, msg *message) error {
	msg.group = Inbox
	if msg.kind == envelope.KindReceipt {
		msg.group = Sent
	}
	shown, err := m.show(ctx, msg)
	if errors.Is(err, errNotShown) {
		return nil
	} else if err != nil {
		return skipMissing(err)
	}
	msg.overview = shown.Overview
	m.folders[msg.group] = append(m.folders[msg.group], msg)
	if m.ids[shown.ID] == nil {
		m.ids[shown.ID] = msg
	}
	return nil
}
