package mailbox

import (
	"cmp"

	"github.com/restante/restante/pool"
)

func compare[T cmp.Ordered](a, b T) int { return cmp.Compare(a, b) }

type (
	kept struct {
		Message
		at place
	}
	part struct {
		Part
		at place
	}
	outgoing struct {
		Outgoing
		at place
	}
	cursorKey struct {
		server string
		group  pool.Group
	}
	numbered struct {
		server, gateway string
		number          uint64 // an epoch, or a batch
	}
)

// A state is what follows from all events so far.
type state struct {
	next     pool.Number   // the next message's
	numbers  []pool.Number // ascending
	messages map[pool.Number]*kept
	ids      map[pool.MessageID]pool.Number
	handles  map[[16]byte]bool
	contacts map[string]Contact
	boxes    uint32
	parts    map[[16]byte]map[uint16]part
	lookups  map[numbered]Lookup
	books    map[string]Book
	cursors  map[cursorKey]Cursor
	batches  map[numbered]Batch
	history  map[numbered]History // number is 0
	nextOut  uint64
	outgoing map[uint64]outgoing
}

func newState() state {
	return state{
		next: 1, boxes: 1, nextOut: 1,
		messages: make(map[pool.Number]*kept),
		ids:      make(map[pool.MessageID]pool.Number),
		handles:  make(map[[16]byte]bool),
		contacts: make(map[string]Contact),
		parts:    make(map[[16]byte]map[uint16]part),
		lookups:  make(map[numbered]Lookup),
		books:    make(map[string]Book),
		cursors:  make(map[cursorKey]Cursor),
		batches:  make(map[numbered]Batch),
		history:  make(map[numbered]History),
		outgoing: make(map[uint64]outgoing),
	}
}

// apply makes what holds of what happened.
func (s *state) apply(e *Event, at place) {
	switch {
	case e.Message != nil:
		s.keep(*e.Message, at)
	case len(e.Drop) == 16:
		s.handles[[16]byte(e.Drop)] = true
		delete(s.parts, [16]byte(e.Drop))
	case e.Read != nil:
		if m := s.messages[*e.Read]; m != nil {
			m.Read = true
		}
	case e.Contact != nil:
		s.contact(*e.Contact)
	case e.Forget != "":
		delete(s.contacts, e.Forget)
	case e.Boxes != nil:
		s.boxes = max(s.boxes, *e.Boxes)
	case e.Part != nil:
		s.fragment(*e.Part, at)
	case e.Lookup != nil:
		s.lookups[numbered{gateway: e.Lookup.Gateway, number: e.Lookup.Epoch}] = *e.Lookup
	case e.Book != nil:
		s.books[e.Book.Domain] = *e.Book
	case e.Cursor != nil:
		s.cursors[cursorKey{e.Cursor.Server, e.Cursor.Group}] = *e.Cursor
	case e.Batch != nil:
		key := numbered{e.Batch.Server, e.Batch.Gateway, e.Batch.Batch}
		s.batches[key] = *e.Batch
		if e.Batch.Done {
			delete(s.batches, key)
		}
	case e.History != nil:
		s.history[numbered{server: e.History.Server, gateway: e.History.Gateway}] = *e.History
	case e.Outgoing != nil:
		s.outgoing[e.Outgoing.Key] = outgoing{*e.Outgoing, at}
		s.nextOut = max(s.nextOut, e.Outgoing.Key+1)
	case e.Posted != 0:
		delete(s.outgoing, e.Posted)
	}
}

func (s *state) keep(m Message, at place) {
	if s.messages[m.Number] == nil {
		s.numbers = append(s.numbers, m.Number)
	}
	s.messages[m.Number] = &kept{m, at}
	s.next = max(s.next, m.Number+1)
	if _, taken := s.ids[m.ID]; !taken {
		s.ids[m.ID] = m.Number
	}
	if len(m.Handle) == 16 {
		s.handles[[16]byte(m.Handle)] = true
		delete(s.parts, [16]byte(m.Handle))
	}
	s.boxes = max(s.boxes, m.Box+1)
}

// contact notes a contact. Messages go with a name that changes: who has the old one
// next is somebody else.
func (s *state) contact(c Contact) {
	if c.Was != "" && c.Was != c.Name {
		for _, m := range s.messages {
			if m.Contact == c.Was {
				m.Contact = c.Name
			}
		}
		delete(s.contacts, c.Was)
	}
	c.Was = ""
	s.contacts[c.Name] = c
	s.boxes = max(s.boxes, c.Box+1)
}

func (s *state) fragment(p Part, at place) {
	if s.handles[p.Handle] {
		return
	}
	if s.parts[p.Handle] == nil {
		s.parts[p.Handle] = make(map[uint16]part)
	}
	s.parts[p.Handle][p.Index] = part{p, at}
}
