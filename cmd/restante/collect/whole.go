package collect

import (
	"maps"

	"github.com/restante/restante/cmd/restante/mailbox"
	"github.com/restante/restante/crypto/blind"
	"github.com/restante/restante/pool"
	"github.com/restante/restante/pool/entry"
)

// A watch compares what a server has with what the gateways' manifests say that
// it should have.
type watch struct {
	*run
	server  string
	batches map[batchKey]*mailbox.Batch
	known   map[batchKey]bool // written down before
	passed  map[string]uint64 // batches up to these are not judged
	newest  map[string]uint64 // the newest batches seen in this run
	next    pool.Number       // of the group of manifests
}

type batchKey struct {
	gateway string
	batch   uint64
}

func (r *run) newWatch(server string) *watch {
	w := &watch{
		run: r, server: server,
		batches: make(map[batchKey]*mailbox.Batch), known: make(map[batchKey]bool),
		passed: r.Mail.Cursor(server, r.Group).Unjudged, newest: make(map[string]uint64),
	}
	maps.Copy(w.newest, w.passed)
	for _, b := range r.Mail.Batches(server) {
		w.batches[batchKey{b.Gateway, b.Batch}] = &b
		w.known[batchKey{b.Gateway, b.Batch}] = true
	}
	return w
}

func (w *watch) batch(gateway string, n uint64) *mailbox.Batch {
	key := batchKey{gateway, n}
	if w.batches[key] == nil {
		w.batches[key] = &mailbox.Batch{Server: w.server, Gateway: gateway, Batch: n}
	}
	return w.batches[key]
}

// manifest takes an article of the group of manifests.
func (w *watch) manifest(text []byte) {
	m, manifest := w.manifestOf(text)
	if m == nil {
		return
	}
	b := w.batch(m.domain, manifest.Batch)
	if b.Listed {
		return
	}
	b.Listed, b.Named = true, make(map[string][32]byte)
	for _, e := range manifest.Entries {
		if _, seen := b.Seen[e.Tag]; !seen {
			b.Named[e.Tag] = e.Payload
		}
	}
	b.Seen = nil
}

// entry takes a signed entry, and says whether it is what its manifest says.
func (w *watch) entry(m *matcher, e *entry.Entry) bool {
	n := m.calendar.Batch(e.Date)
	w.newest[m.domain] = max(w.newest[m.domain], n)
	b, tag := w.batch(m.domain, n), e.Tag.String()
	if !b.Listed {
		if b.Seen == nil {
			b.Seen = make(map[string][32]byte)
		}
		b.Seen[tag] = digest(e)
		return true
	}
	named, ok := b.Named[tag]
	if ok && named != digest(e) {
		return false
	}
	delete(b.Named, tag)
	return true
}

// manifests holds back how far the manifests were read until the entries are: what
// they name is written down only where it is lacking then.
func (w *watch) manifests(next pool.Number, _ bool) []mailbox.Event {
	w.next = next
	return nil
}

// entries says what is to be written down with how far the pool was read.
func (w *watch) entries(next pool.Number, end bool) []mailbox.Event {
	cursor := &mailbox.Cursor{Server: w.server, Group: w.Group, Next: next}
	if !end {
		cursor.Unjudged = w.newest
		return []mailbox.Event{{Cursor: cursor}}
	}
	events := []mailbox.Event{{Cursor: cursor}}
	if w.next > 0 {
		events = append(events, mailbox.Event{Cursor: &mailbox.Cursor{Server: w.server, Group: manifestGroup, Next: w.next}})
	}
	for key, b := range w.batches {
		w.judge(b)
		if !b.Done || w.known[key] {
			events = append(events, mailbox.Event{Batch: b})
		}
	}
	return events
}

// judge says of a batch whether it is done with, and reports what is lacking of
// it once it has had time to come.
func (w *watch) judge(b *mailbox.Batch) {
	m := w.match[b.Gateway]
	if m == nil {
		return
	}
	c, now := m.calendar, w.Now()
	if b.Listed && len(b.Named) == 0 || b.Batch <= w.passed[b.Gateway] ||
		c.EpochOf(b.Batch) < c.OldestRetained(c.Epoch(now)) {
		b.Done = true
		return
	}
	if now.Before(c.Start(b.Batch).Add(w.Late)) {
		return
	}
	if !b.Listed {
		w.report.Unlisted++
		return
	}
	tags := m.tags(b.Batch)
	for text := range b.Named {
		w.report.Lacking++
		if tag, err := blind.ParseTag(text); err == nil {
			if _, mine := tags[tag]; mine {
				w.report.Mine++
			}
		}
	}
}
