package office

import (
	"context"

	"github.com/restante/restante/pool"
)

// A Mailbox is read as a store is.
var _ pool.Reader = (*Mailbox)(nil)

// Groups returns restante.inbox and restante.sent.
func (m *Mailbox) Groups(ctx context.Context) ([]pool.GroupInfo, error) {
	groups := m.office.Private()
	for i := range groups {
		info, err := m.Group(ctx, groups[i].Name)
		if err != nil {
			return nil, err
		}
		groups[i] = info
	}
	return groups, nil
}

// Group returns one of the two groups. An empty one has the marks 1 and 0,
// which all newsreaders take for a group that never held anything.
func (m *Mailbox) Group(ctx context.Context, name pool.Group) (pool.GroupInfo, error) {
	if err := ctx.Err(); err != nil {
		return pool.GroupInfo{}, err
	}
	for _, info := range m.office.Private() {
		if info.Name != name {
			continue
		}
		messages := m.messages(name)
		if info.Count = len(messages); info.Count > 0 {
			info.Low, info.High = messages[0].number, messages[info.Count-1].number
		}
		return info, nil
	}
	return pool.GroupInfo{}, pool.ErrNoGroup
}

// Scan implements [pool.Reader].
func (m *Mailbox) Scan(ctx context.Context, name pool.Group, r pool.Range, yield func(pool.Number, []byte) bool) error {
	if _, err := m.Group(ctx, name); err != nil {
		return err
	}
	for _, msg := range m.messages(name) {
		if r.Contains(msg.number) && !yield(msg.number, msg.overview) {
			break
		}
	}
	return nil
}

// ByNumber implements [pool.Reader].
func (m *Mailbox) ByNumber(ctx context.Context, name pool.Group, n pool.Number) (*pool.Stored, error) {
	if _, err := m.Group(ctx, name); err != nil {
		return nil, err
	}
	for _, msg := range m.messages(name) {
		if msg.number == n {
			return m.read(ctx, msg)
		}
	}
	return nil, pool.ErrNotFound
}

// ByID implements [pool.Reader].
func (m *Mailbox) ByID(ctx context.Context, id pool.MessageID) (*pool.Stored, error) {
	m.mu.Lock()
	msg := m.ids[id]
	m.mu.Unlock()
	if msg == nil {
		return nil, pool.ErrNotFound
	}
	return m.read(ctx, msg)
}

// messages returns a copy of one folder as it is now.
func (m *Mailbox) messages(name pool.Group) []*message {
	m.mu.Lock()
	defer m.mu.Unlock()
	return append([]*message(nil), m.folders[name]...)
}

// read opens a filed message. One whose keys or entries are gone meanwhile is
// no longer there.
func (m *Mailbox) read(ctx context.Context, msg *message) (*pool.Stored, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	shown, err := m.show(ctx, msg)
	if err != nil && ctx.Err() == nil {
		return nil, pool.ErrNotFound
	}
	return shown, err
}
