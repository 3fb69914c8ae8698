package collect

import (
	"strconv"
	"time"

	"github.com/restante/restante/crypto/blind"
	"github.com/restante/restante/crypto/note"
	"github.com/restante/restante/pool"
	"github.com/restante/restante/pool/article"
	"github.com/restante/restante/pool/entry"
)

// A matcher finds a user's entries among those of one gateway, by itself.
type matcher struct {
	domain   string
	calendar pool.Calendar
	slots    uint64
	keys     *note.Keys // that the gateway signs with
	epochs   map[uint64]*epoch
	batches  map[uint64]*tagSet // of the batches looked at lately
	order    []uint64           // their numbers, the one computed longest ago first
}

// An epoch is the mailboxes as the gateway has blinded them for it.
type epoch struct {
	blinded []*blind.Blinded // by number of the mailbox
	taggers []*blind.Tagger
}

// maxBatches bounds the batches whose tags are held. Entries come by batches.
const maxBatches = 16

// newMatcher makes the matcher of a gateway; nil where nothing is known of it, or it
// has more slots than there may be.
func (r *run) newMatcher(domain string) (*matcher, error) {
	book, ok := r.Mail.Book(domain)
	if !ok {
		return nil, nil
	}
	d, err := note.PeekDirectory(book.Signed)
	if err != nil {
		return nil, err
	}
	if d.SlotsPerBatch > maxSlots {
		return nil, nil
	}
	keys, err := d.Keys()
	if err != nil {
		return nil, err
	}
	m := &matcher{
		domain: domain, calendar: calendar(d), slots: d.SlotsPerBatch, keys: keys,
		epochs: make(map[uint64]*epoch), batches: make(map[uint64]*tagSet),
	}
	for number, l := range r.Mail.Lookups(domain) {
		e := new(epoch)
		for _, octets := range l.Blinded {
			b, err := blind.BlindedFromBytes(octets)
			if err != nil {
				return nil, err
			}
			e.blinded, e.taggers = append(e.blinded, b), append(e.taggers, b.Tagger())
		}
		m.epochs[number] = e
	}
	return m, nil
}

// tags returns the user's tags in a batch.
func (m *matcher) tags(batch uint64) *tagSet {
	if tags, ok := m.batches[batch]; ok {
		return tags
	}
	tags := new(tagSet)
	if len(m.order) >= maxBatches {
		tags = m.batches[m.order[0]]
		delete(m.batches, m.order[0])
		m.order = m.order[1:]
	}
	var taggers []*blind.Tagger
	if e := m.epochs[m.calendar.EpochOf(batch)]; e != nil {
		taggers = e.taggers
	}
	tags.fill(taggers, batch, m.slots)
	m.batches[batch], m.order = tags, append(m.order, batch)
	return tags
}

// find says whose an entry is: which of the user's mailboxes', if any.
func (m *matcher) find(e *entry.Entry) (box uint32, b *blind.Blinded, ok bool) {
	batch := m.calendar.Batch(e.Date)
	box, ok = m.tags(batch).find(e.Tag)
	if !ok {
		return 0, nil, false
	}
	return box, m.epochs[m.calendar.EpochOf(batch)].blinded[box], true
}

// lists says whether a line of an overview is of one of the user's entries.
func (m *matcher) lists(date, id string) bool {
	t, err := article.ParseDate(date)
	if err != nil || t.Before(time.Unix(0, 0)) {
		return false
	}
	tag, _, err := blind.ParseMessageID(id)
	if err != nil {
		return false
	}
	_, ok := m.tags(m.calendar.Batch(t)).find(tag)
	return ok
}

func number(n pool.Number) string { return strconv.FormatUint(uint64(n), 10) }
