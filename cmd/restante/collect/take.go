package collect

import (
	"context"
	"crypto/sha256"
	"strconv"
	"strings"

	"github.com/restante/restante/crypto/note"
	"github.com/restante/restante/gateway/nntp"
	"github.com/restante/restante/gateway/remote"
	"github.com/restante/restante/pool"
	"github.com/restante/restante/pool/article"
	"github.com/restante/restante/pool/entry"
)

// manifestGroup is where manifests are.
const manifestGroup pool.Group = "restante.manifest"

// take takes what is new of the pool from a server.
func (r *run) take(ctx context.Context, server remote.Server) error {
	conn, done, err := r.connect(ctx, server)
	if err != nil {
		return err
	}
	defer done()
	for _, g := range r.Gateways {
		if r.match[g.Domain] == nil {
			if r.match[g.Domain], err = r.newMatcher(g.Domain); err != nil {
				return err
			}
		}
	}
	manifests := &fetcher{run: r, conn: conn, server: server.Address, group: manifestGroup}
	entries := &fetcher{run: r, conn: conn, server: server.Address, group: r.Group, must: true}
	if err := r.prepare(conn, manifests, entries); err != nil {
		return err
	}
	w := r.newWatch(server.Address)
	w.own = r.Matching
	manifests.note, entries.note = w.manifests, w.entries
	if err := manifests.all(ctx, func(_ pool.Number, text []byte) error { w.manifest(text); return nil }); err != nil {
		return err
	}
	if r.Matching {
		err = r.takeMatching(ctx, entries, w)
	} else {
		err = entries.all(ctx, func(_ pool.Number, text []byte) error { return r.entry(text, w) })
	}
	if err == nil {
		w.conclude(ctx)
	}
	return err
}

// entry looks at an article of the pool.
func (r *run) entry(text []byte, w *watch) error {
	a, err := article.Parse(text)
	if err != nil {
		return nil //nolint:nilerr // no entry
	}
	m := r.match[domainOf(a.Get("Message-ID"))]
	if m == nil {
		return nil // of a gateway at which the user has no mailbox
	}
	e, signature, err := entry.Parse(a, r.Group)
	if err != nil || !m.signed(e, signature) || !w.entry(m, e) {
		w.changed(m, a.Get("Message-ID"))
		return nil //nolint:nilerr // said in the report
	}
	box, blinded, ok := m.find(e)
	if !ok {
		return nil
	}
	return r.open(m.domain, box, blinded, e, m.calendar.Epoch(e.Date))
}

func domainOf(id string) string {
	_, domain, _ := strings.Cut(strings.TrimSuffix(id, ">"), "@")
	return domain
}

// signed says whether a key signed an entry that the gateway may have signed it with.
func (m *matcher) signed(e *entry.Entry, signature string) bool {
	return e.Verify(signature, m.keys.For(m.calendar.Batch(e.Date))...) == nil
}

// takeMatching asks a server for the user's own entries alone, by Message-ID, of
// every batch that it may have. The server learns which entries are one person's.
func (r *run) takeMatching(ctx context.Context, f *fetcher, w *watch) error {
	from, high, err := f.rest()
	if err != nil {
		return err
	}
	if high == 0 {
		return r.Mail.Put(f.noted(true)...)
	}
	for n := from; n <= high; n += keepEvery {
		last := min(n+keepEvery-1, high)
		wanted, err := r.list(f, n, last)
		if err != nil {
			return err
		}
		for len(wanted) > 0 {
			some := wanted[:min(window, len(wanted))]
			wanted = wanted[len(some):]
			if err := f.ask(some, func(_ int, text []byte) error { return r.entry(text, w) }); err != nil {
				return err
			}
		}
		f.at.Next = last + 1
		r.Progress(int(last-from)+1, int(high-from)+1)
		if err := r.Mail.Put(f.noted(last == high)...); err != nil {
			return err
		}
		if err := ctx.Err(); err != nil {
			return err
		}
	}
	return nil
}

// list reads the overview of a range, and returns the commands for what is the
// user's.
func (r *run) list(f *fetcher, from, to pool.Number) ([]string, error) {
	f.conn.Extend(0)
	reply, err := f.conn.Send("XOVER " + number(from) + "-" + number(to))
	if err != nil {
		return nil, err
	}
	switch reply.Code {
	case nntp.CodeOverview:
	case nntp.CodeNoSuchNumber, nntp.CodeNoCurrent:
		return nil, nil
	default:
		return nil, &remote.Refused{Code: reply.Code}
	}
	block, err := f.conn.Block(64 << 20)
	if err != nil {
		return nil, err
	}
	r.report.Octets += int64(block.Len())
	var wanted []string
	for line := range block.Lines() {
		fields := strings.Split(string(line), "\t")
		if len(fields) < 5 {
			continue
		}
		if n, err := strconv.ParseUint(fields[0], 10, 31); err == nil && pool.Number(n) <= to {
			f.at.Last, f.at.Article = pool.Number(n), fields[4]
		}
		if m := r.match[domainOf(fields[4])]; m != nil && m.lists(fields[3], fields[4]) {
			wanted = append(wanted, "ARTICLE "+fields[4])
		}
	}
	return wanted, nil
}

// manifestOf reads a manifest of a gateway at which the user has a mailbox, and the
// sum by which the next one names it; nil for anything else.
func (r *run) manifestOf(text []byte) (m *matcher, manifest *note.Manifest, sum [sha256.Size]byte) {
	domain, signed, err := noteOf(text, manifestGroup)
	m = r.match[domain]
	if err != nil || m == nil {
		return nil, nil, sum
	}
	if manifest, text, err := m.keys.OpenManifest(signed); err == nil {
		return m, manifest, note.Hash(text)
	}
	return nil, nil, sum
}

func digest(e *entry.Entry) [sha256.Size]byte { return sha256.Sum256(e.Payload) }
