package collect

import (
	"context"
	"maps"
	"slices"

	"github.com/restante/restante/cmd/restante/mailbox"
	"github.com/restante/restante/crypto/blind"
	"github.com/restante/restante/crypto/note"
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
	passed  map[string]uint64 // batches up to these are done with, but for what is known
	newest  map[string]uint64 // the newest batches seen in this run
	read    *mailbox.Cursor   // of the group of manifests
	history map[string]*history
	found   map[string]*Finding
	own     bool // only the user's own entries are asked for, and only they can be lacking
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
		history: make(map[string]*history), found: make(map[string]*Finding),
	}
	for i := range r.Gateways {
		// Where every gateway serves its own pool, others' need not be there.
		g := &r.Gateways[i]
		if r.match[g.Domain] != nil && (len(r.Fetch) == 1 || g.Server.Address == server) {
			w.history[g.Domain] = newHistory(r.Mail.History(server, g.Domain))
			w.found[g.Domain] = &Finding{Server: server, Gateway: g.Domain}
		}
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
	m, manifest, sum := w.manifestOf(text)
	if m == nil || w.found[m.domain] == nil {
		return
	}
	w.history[m.domain].add(manifest, sum)
	if manifest.Batch <= w.passed[m.domain] && !w.known[batchKey{m.domain, manifest.Batch}] {
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

// changed takes an article that is not what the gateway signed. It counts where it
// has the name of an entry of the gateway's: others anybody may post.
func (w *watch) changed(m *matcher, id string) {
	tag, _, err := blind.ParseMessageID(id)
	if err != nil || w.found[m.domain] == nil {
		return
	}
	for key, b := range w.batches {
		if _, named := b.Named[tag.String()]; named && key.gateway == m.domain {
			w.found[m.domain].Swapped++
			return
		}
	}
}

// entry takes a signed entry, and says whether it is what its manifest says.
func (w *watch) entry(m *matcher, e *entry.Entry) bool {
	n := m.calendar.Batch(e.Date)
	w.newest[m.domain] = max(w.newest[m.domain], n)
	if w.found[m.domain] == nil || n <= w.passed[m.domain] && !w.known[batchKey{m.domain, n}] {
		return true
	}
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
func (w *watch) manifests(at mailbox.Cursor, _ bool) []mailbox.Event {
	w.read = &at
	return nil
}

// entries says what is to be written down with how far the pool was read.
func (w *watch) entries(at mailbox.Cursor, end bool) []mailbox.Event {
	cursor := &at
	cursor.Unjudged = nil
	if w.own {
		cursor.Unjudged = w.today()
	}
	events := []mailbox.Event{{Cursor: cursor}}
	if !end {
		// Whoever breaks off here must not get away with what was lacking so far.
		cursor.Unjudged = maps.Clone(w.newest)
		for key, b := range w.batches {
			if whole := b.Listed && len(b.Named) == 0; key.batch <= w.newest[key.gateway] && (!whole || w.known[key]) {
				b.Done = whole
				events = append(events, mailbox.Event{Batch: b})
				w.known[key] = !whole
			}
		}
		return events
	}
	for domain, h := range w.history {
		c := w.match[domain].calendar
		h.forget(c.FirstBatch(c.OldestRetained(c.Epoch(w.Now()))))
		if h.changed {
			events = append(events, mailbox.Event{History: &h.History})
		}
	}
	if w.read != nil {
		events = append(events, mailbox.Event{Cursor: w.read})
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
	m, found := w.match[b.Gateway], w.found[b.Gateway]
	if m == nil || found == nil {
		return
	}
	mine := w.mine(m, b)
	c, now := m.calendar, w.Now()
	if b.Listed && len(b.Named) == 0 || c.EpochOf(b.Batch) < c.OldestRetained(c.Epoch(now)) {
		b.Done = true
		return
	}
	if now.Before(c.Start(b.Batch).Add(w.Late)) {
		return
	}
	if !b.Listed {
		found.Unlisted++
		return
	}
	found.Mine += mine
	found.Lacking += len(b.Named)
}

// mine returns how many of the entries that are lacking of a batch are the user's.
// Where she asked for her own alone the others are lacking of course.
func (w *watch) mine(m *matcher, b *mailbox.Batch) int {
	if len(b.Named) == 0 {
		return 0
	}
	tags, mine := m.tags(b.Batch), 0
	for text := range b.Named {
		tag, err := blind.ParseTag(text)
		if _, ok := tags.find(tag); ok && err == nil {
			mine++
		} else if w.own {
			delete(b.Named, text)
		}
	}
	return mine
}

// conclude reports what is wrong with what the server has, once all of it was seen.
func (w *watch) conclude(ctx context.Context) {
	for _, domain := range slices.Sorted(maps.Keys(w.found)) {
		h, found, c := w.history[domain], w.found[domain], w.match[domain].calendar
		due := func(batch uint64) bool { return !w.Now().Before(c.Start(batch).Add(w.Late)) }
		oldest := c.FirstBatch(c.OldestRetained(c.Epoch(w.Now())))
		found.Batches = h.holes(oldest, due)
		if h.forked {
			w.trouble(domain, &Trouble{domain, ErrHistory, note.ErrFork})
		}
		if first := h.begins(oldest); first > 0 {
			w.report.Begins = append(w.report.Begins, Moment{w.server, domain, c.Start(first)})
		}
		if next := max(h.newest()+1, oldest); due(next) {
			w.behind(ctx, domain, next)
		}
		if found.Wrong() {
			w.findings = append(w.findings, found)
		}
	}
}

// behind asks a gateway whether it has released anything from a batch on that is due
// and not on the server: it may have been off.
func (w *watch) behind(ctx context.Context, domain string, next uint64) {
	since := w.match[domain].calendar.Start(next)
	for i := range w.Gateways {
		g := &w.Gateways[i]
		if g.Domain != domain {
			continue
		}
		newest, err := w.released(ctx, g)
		if err == nil && newest >= next && g.Server.Address != w.server {
			w.found[domain].Since = since
			return
		}
	}
	w.silent = append(w.silent, Moment{w.server, domain, since})
}

// released asks a gateway for its newest manifest, and returns its batch; 0 where
// there is none.
func (w *watch) released(ctx context.Context, g *Gateway) (batch uint64, err error) {
	conn, done, err := w.connect(ctx, g.Server)
	if err != nil {
		return 0, err
	}
	defer done()
	f := &fetcher{run: w.run, conn: conn, group: manifestGroup}
	_, high, err := f.marks()
	if err != nil || high == 0 {
		return 0, err
	}
	err = f.some(max(high, window)-window+1, high, func(_ pool.Number, text []byte) error {
		if m, manifest, _ := w.manifestOf(text); m != nil && m.domain == g.Domain {
			batch = max(batch, manifest.Batch)
		}
		return nil
	})
	return batch, err
}
