package mailbox

import (
	"crypto/cipher"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/gofrs/flock"
	"golang.org/x/crypto/chacha20poly1305"

	"github.com/restante/restante/crypto/identity"
	"github.com/restante/restante/pool"
	"github.com/restante/restante/pool/record"
)

// The errors of a mailbox. What they say is meant for its owner.
var (
	ErrInUse   = errors.New("another restante has this profile's mail open: wait for it, or end it")
	ErrKey     = errors.New("the mail on this machine is sealed with another key: is this the right profile?")
	ErrDamaged = errors.New("the mail file is damaged: what can still be read is there, but some of it is not")
	ErrNone    = errors.New("there is no message of that number")
	ErrNobody  = errors.New("there is no contact of that name: restante contacts lists them")
)

const (
	mailFile = "mail.log"
	lockFile = "mail.lock"
)

// place is where an event stands in the file.
type place struct {
	offset int64
	size   int
}

// A Mailbox is open. Its methods may be called from many goroutines.
type Mailbox struct {
	log  *record.Log
	lock *flock.Flock
	aead cipher.AEAD
	now  func() time.Time

	// Damaged says that a part of the file can't be read.
	Damaged bool

	mu sync.Mutex // guards what follows, and adding to log
	state
}

// Open opens the mail in a folder, and makes both where there is none. It returns
// [ErrInUse] when another process has it open, and [ErrKey].
func Open(dir string, seed *identity.Seed) (*Mailbox, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make the folder of the mail: %w", err)
	}
	lock := flock.New(filepath.Join(dir, lockFile), flock.SetPermissions(0o600))
	if ok, err := lock.TryLock(); err != nil {
		return nil, fmt.Errorf("lock the mail: %w", err)
	} else if !ok {
		return nil, ErrInUse
	}
	m, err := open(record.OS{}, filepath.Join(dir, mailFile), seed, compactFrom)
	if err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	m.lock = lock
	return m, nil
}

// open opens a file, and writes it anew where it has so many octets and most of it
// says nothing any more.
func open(files record.FS, path string, seed *identity.Seed, from int64) (*Mailbox, error) {
	key := seed.LocalKey()
	aead, err := chacha20poly1305.NewX(key[:])
	if err != nil {
		return nil, fmt.Errorf("open the mail: %w", err)
	}
	// That a new file took the name is on the disk before anything is added to it.
	if err := files.SyncDir(filepath.Dir(path)); err != nil {
		return nil, fmt.Errorf("open the mail: %w", err)
	}
	m := &Mailbox{aead: aead, now: time.Now}
	if err := m.load(files, path); err != nil {
		return nil, err
	}
	if !m.wasteful(from) {
		return m, nil
	}
	if err := m.compact(files, path); err != nil {
		return m, nil //nolint:nilerr // the old file is whole, and a full disk keeps nobody from her mail
	}
	if err := m.log.Close(); err != nil {
		return nil, fmt.Errorf("close the mail: %w", err)
	}
	if err := settle(files, path); err != nil {
		return nil, fmt.Errorf("write the mail anew: %w", err)
	}
	return m, m.load(files, path)
}

// load reads the file.
func (m *Mailbox) load(files record.Opener, path string) error {
	m.state = newState()
	opened := 0
	log, res, err := record.Open(files, path, 0, func(offset int64, payload []byte) error {
		e, err := m.unseal(offset, payload)
		if err != nil {
			m.Damaged = true
			return nil //nolint:nilerr // the rest may be whole
		}
		opened++
		m.apply(&e, place{offset, len(payload)})
		return nil
	})
	if err != nil {
		return fmt.Errorf("open the mail: %w", err)
	}
	if m.Damaged && opened == 0 {
		return fmt.Errorf("open the mail: %w", errors.Join(ErrKey, log.Close()))
	}
	m.log = log
	m.Damaged = m.Damaged || len(res.Gaps) > 0
	return nil
}

// Close closes the mail.
func (m *Mailbox) Close() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	return errors.Join(m.log.Close(), m.lock.Close())
}

// Put notes events, in their order. They are on stable storage when it returns
// without an error; after one none of them counts. It sets the Number and the
// Arrived of messages, and the Key of what is to be posted, where they are zero.
// What is to be posted is part of the message before it.
func (m *Mailbox) Put(events ...Event) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.put(events)
}

func (m *Mailbox) put(events []Event) error {
	next, key, of := m.next, m.nextOut, pool.Number(0)
	places := make([]place, len(events))
	for i := range events {
		e := &events[i]
		if e.Message != nil && e.Message.Number == 0 {
			e.Message.Number = next
			next++
		}
		if e.Message != nil {
			of = e.Message.Number
		}
		if e.Message != nil && e.Message.Arrived.IsZero() {
			e.Message.Arrived = m.now().UTC().Truncate(time.Second)
		}
		if e.Outgoing != nil && e.Outgoing.Key == 0 {
			e.Outgoing.Key, e.Outgoing.Number = key, of
			key++
		}
		sealed, err := m.seal(m.log.Next(), e)
		if err != nil {
			return err
		}
		offset, err := m.log.Add(sealed)
		if err != nil {
			return fmt.Errorf("write the mail: %w", err)
		}
		places[i] = place{offset, len(sealed)}
	}
	if err := m.log.Commit(); err != nil {
		return fmt.Errorf("write the mail: %w", err)
	}
	for i := range events {
		m.apply(&events[i], places[i])
	}
	return nil
}

// octets reads what belongs to an event.
func (m *Mailbox) octets(at place) ([]byte, error) {
	payload, err := m.log.Read(at.offset, at.size)
	if err != nil {
		return nil, fmt.Errorf("read the mail: %w", err)
	}
	e, err := m.unseal(at.offset, payload)
	return e.Octets, err
}

// Messages returns what is in a group, by ascending number; all for "".
func (m *Mailbox) Messages(group pool.Group) []Message {
	m.mu.Lock()
	defer m.mu.Unlock()
	var out []Message
	for _, n := range m.numbers {
		if kept := m.messages[n]; group == "" || kept.Group == group {
			out = append(out, kept.Message)
		}
	}
	return out
}

// Message returns a message. It returns [ErrNone].
func (m *Mailbox) Message(n pool.Number) (Message, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	kept, ok := m.messages[n]
	if !ok {
		return Message{}, ErrNone
	}
	return kept.Message, nil
}

// Article returns a message's article: header, empty line and body, with lines
// ended by CRLF. It returns [ErrNone].
func (m *Mailbox) Article(n pool.Number) ([]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	kept, ok := m.messages[n]
	if !ok {
		return nil, ErrNone
	}
	return m.octets(kept.at)
}

// ByID returns the message with that Message-ID. It returns [ErrNone].
func (m *Mailbox) ByID(id pool.MessageID) (Message, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if kept, ok := m.messages[m.ids[id]]; ok {
		return kept.Message, nil
	}
	return Message{}, ErrNone
}

// Had says whether a message of that handle was kept.
func (m *Mailbox) Had(handle [16]byte) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.handles[handle]
}

// Contacts returns all contacts, by name.
func (m *Mailbox) Contacts() []Contact {
	m.mu.Lock()
	defer m.mu.Unlock()
	var out []Contact
	for _, c := range m.contacts {
		out = append(out, c)
	}
	slices.SortFunc(out, func(a, b Contact) int { return compare(a.Name, b.Name) })
	return out
}

// Contact returns the contact of a name. It returns [ErrNobody].
func (m *Mailbox) Contact(name string) (Contact, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	c, ok := m.contacts[name]
	if !ok {
		return Contact{}, ErrNobody
	}
	return c, nil
}

// Behind returns the contact who was given a mailbox at a gateway.
func (m *Mailbox) Behind(gateway string, box uint32) (Contact, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, c := range m.contacts {
		if box != 0 && c.Box == box && c.Gateway == gateway {
			return c, true
		}
	}
	return Contact{}, false
}

// Boxes is how many mailboxes were given away: the number of the next fresh one.
func (m *Mailbox) Boxes() uint32 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.boxes
}

// Lookups returns the server-blinded IDs at a gateway, by epoch.
func (m *Mailbox) Lookups(gateway string) map[uint64]Lookup {
	m.mu.Lock()
	defer m.mu.Unlock()
	out := make(map[uint64]Lookup)
	for at, l := range m.lookups {
		if at.gateway == gateway {
			out[at.number] = l
		}
	}
	return out
}

// Book returns what is known of a gateway's keys.
func (m *Mailbox) Book(domain string) (Book, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	b, ok := m.books[domain]
	return b, ok
}

// Books is of how many gateways something is known.
func (m *Mailbox) Books() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.books)
}

// Cursor returns how far a group was read at a server. Its Next is at least 1.
func (m *Mailbox) Cursor(server string, group pool.Group) Cursor {
	m.mu.Lock()
	defer m.mu.Unlock()
	c := m.cursors[cursorKey{server, group}]
	c.Server, c.Group, c.Next = server, group, max(c.Next, 1)
	return c
}

// Batches returns the batches of which something is lacking at a server.
func (m *Mailbox) Batches(server string) []Batch {
	m.mu.Lock()
	defer m.mu.Unlock()
	var out []Batch
	for _, b := range m.batches {
		if b.Server == server {
			out = append(out, b)
		}
	}
	return out
}

// History returns what a server has shown of a gateway's manifests.
func (m *Mailbox) History(server, gateway string) History {
	m.mu.Lock()
	defer m.mu.Unlock()
	h := m.history[numbered{server: server, gateway: gateway}]
	h.Server, h.Gateway = server, gateway
	return h
}

// Parts returns the fragments of a message that are here, with their contents.
func (m *Mailbox) Parts(handle [16]byte) ([]Part, [][]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var parts []Part
	var contents [][]byte
	for _, p := range m.parts[handle] {
		content, err := m.octets(p.at)
		if err != nil {
			return nil, nil, err
		}
		parts, contents = append(parts, p.Part), append(contents, content)
	}
	return parts, contents, nil
}

// Waiting returns how many messages wait for fragments.
func (m *Mailbox) Waiting() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.parts)
}

// Unfinished returns of each message that waits for fragments the one here that is
// of the newest epoch.
func (m *Mailbox) Unfinished() []Part {
	m.mu.Lock()
	defer m.mu.Unlock()
	var out []Part
	for _, parts := range m.parts {
		out = append(out, slices.MaxFunc(slices.Collect(maps.Values(parts)), func(a, b part) int { return compare(a.Epoch, b.Epoch) }).Part)
	}
	return out
}

// Outgoing returns what is still to be posted, in order.
func (m *Mailbox) Outgoing() []Outgoing {
	m.mu.Lock()
	defer m.mu.Unlock()
	var out []Outgoing
	for _, o := range m.outgoing {
		out = append(out, o.Outgoing)
	}
	slices.SortFunc(out, func(a, b Outgoing) int { return compare(a.Key, b.Key) })
	return out
}

// ToPost returns an article that is to be posted, lines ended by CRLF.
func (m *Mailbox) ToPost(key uint64) ([]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	o, ok := m.outgoing[key]
	if !ok {
		return nil, ErrNone
	}
	return m.octets(o.at)
}
