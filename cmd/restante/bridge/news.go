package bridge

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/restante/restante/crypto/token"
	"github.com/restante/restante/gateway/nntp"
	"github.com/restante/restante/gateway/remote"
	"github.com/restante/restante/pool"
	"github.com/restante/restante/pool/article"
)

const (
	maxList    = 64 << 20 // octets of a list of groups
	maxArticle = 32 << 20 // octets of an article
	maxLines   = 8 << 20  // octets of one answer to XOVER

	listFresh  = 15 * time.Second // newsreaders see by the list what is new
	textFresh  = time.Hour        // descriptions hardly change
	firstLines = 32               // numbers that XOVER asks for at first; each time four times as many
	mostLines  = 2048             // and at most
)

// News is the groups of the server behind, read as a store is. Articles pass as
// they are.
type News struct {
	wires *wires

	mu     sync.Mutex
	list   []pool.GroupInfo // as of listed; nil: never
	listed time.Time
	texts  map[pool.Group]string
	texted time.Time

	seenMu sync.Mutex
	seen   map[pool.MessageID]bool // tokens that the server has shown as Message-IDs
}

var _ pool.Reader = (*News)(nil)

func newNews(w *wires) *News { return &News{wires: w, seen: make(map[pool.MessageID]bool)} }

// maxSeen bounds how many tokens are remembered.
const maxSeen = 1 << 16

// see notes a Message-ID that the server has shown.
func (n *News) see(id pool.MessageID) {
	if _, _, err := token.Parse(string(id)); err != nil {
		return
	}
	n.seenMu.Lock()
	defer n.seenMu.Unlock()
	if len(n.seen) >= maxSeen {
		clear(n.seen)
	}
	n.seen[id] = true
}

// askable says whether the server may be asked for a Message-ID. A newsreader asks
// for what a message refers to, and a correspondent's token must not get out that
// way: of tokens, it is asked only for those that it has shown itself.
func (n *News) askable(id pool.MessageID) bool {
	if _, _, err := token.Parse(string(id)); err != nil {
		return true
	}
	n.seenMu.Lock()
	defer n.seenMu.Unlock()
	return n.seen[id]
}

// Groups implements [pool.Reader]. While the server can't be reached it returns
// what the server had when it was last asked.
func (n *News) Groups(ctx context.Context) ([]pool.GroupInfo, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.list != nil && time.Since(n.listed) < listFresh {
		return slices.Clone(n.list), nil
	}
	var list []pool.GroupInfo
	err := n.wires.use(ctx, "", func(w *wire) error {
		if n.texts == nil || time.Since(n.texted) > textFresh {
			if texts, err := descriptions(w); err == nil {
				n.texts, n.texted = texts, time.Now()
			} else if !reusable(err) {
				return err
			}
		}
		var err error
		list, err = active(w, n.texts)
		return err
	})
	switch {
	case err == nil:
		n.list, n.listed = list, time.Now()
	case n.list == nil || ctx.Err() != nil:
		return nil, err
	}
	return slices.Clone(n.list), nil
}

func active(w *wire, texts map[pool.Group]string) ([]pool.GroupInfo, error) {
	if _, err := w.Ask("LIST ACTIVE", nntp.CodeList); err != nil {
		return nil, err
	}
	w.Extend(maxList / 16)
	block, err := w.Block(maxList)
	if err != nil {
		return nil, err
	}
	list := []pool.GroupInfo{}
	for line := range block.Lines() {
		f := strings.Fields(string(line))
		if len(f) < 4 {
			continue
		}
		name, err := pool.ParseGroup(f[0])
		high, okHigh := number(f[1])
		low, okLow := number(f[2])
		if err != nil || !okHigh || !okLow {
			continue // a group that no newsreader could be told of
		}
		info := pool.GroupInfo{Name: name, Description: texts[name], Posting: posting(f[3]), Low: max(low, 1), High: high}
		if info.Low <= high {
			info.Count = int(high-info.Low) + 1
		} else {
			info.Low = high + 1
		}
		list = append(list, info)
	}
	slices.SortFunc(list, func(a, b pool.GroupInfo) int { return cmp.Compare(a.Name, b.Name) })
	return slices.CompactFunc(list, func(a, b pool.GroupInfo) bool { return a.Name == b.Name }), nil
}

func posting(letter string) pool.Posting {
	switch p := pool.Posting(letter[0]); p {
	case pool.PostingAllowed, pool.PostingModerated:
		return p
	}
	return pool.PostingDenied
}

func descriptions(w *wire) (map[pool.Group]string, error) {
	if _, err := w.Ask("LIST NEWSGROUPS", nntp.CodeList); err != nil {
		return nil, err
	}
	w.Extend(maxList / 16)
	block, err := w.Block(maxList)
	if err != nil {
		return nil, err
	}
	texts := make(map[pool.Group]string)
	for line := range block.Lines() {
		if name, text, ok := strings.Cut(string(line), "\t"); ok {
			texts[pool.Group(name)] = strings.TrimSpace(text)
		}
	}
	return texts, nil
}

func number(s string) (pool.Number, bool) {
	n, err := strconv.ParseUint(s, 10, 64)
	return pool.Number(min(n, uint64(pool.MaxNumber))), err == nil
}

// enter selects a group and returns what the server says of it.
func enter(w *wire, name pool.Group) (pool.GroupInfo, error) {
	reply, err := w.Ask("GROUP "+string(name), nntp.CodeGroup)
	refused, ok := errors.AsType[*remote.Refused](err)
	switch {
	case ok && (refused.Code == nntp.CodeNoSuchGroup || refused.Code >= nntp.CodeUnknownCommand):
		return pool.GroupInfo{}, pool.ErrNoGroup
	case err != nil:
		return pool.GroupInfo{}, err
	}
	f := strings.Fields(reply.Text)
	if len(f) < 3 {
		return pool.GroupInfo{}, remote.ErrProtocol
	}
	count, okCount := number(f[0])
	low, okLow := number(f[1])
	high, okHigh := number(f[2])
	if !okCount || !okLow || !okHigh {
		return pool.GroupInfo{}, remote.ErrProtocol
	}
	w.group = name
	info := pool.GroupInfo{Name: name, Posting: pool.PostingAllowed, Low: max(low, 1), High: high, Count: int(count)}
	if info.Low > high {
		info.Low, info.Count = high+1, 0
	}
	return info, nil
}

// Group implements [pool.Reader].
func (n *News) Group(ctx context.Context, name pool.Group) (info pool.GroupInfo, err error) {
	err = n.wires.use(ctx, name, func(w *wire) error {
		info, err = enter(w, name)
		return err
	})
	return info, err
}

// Scan implements [pool.Reader]. It asks for a few lines first, since often no more
// than one is wanted. What it has is yielded before more is asked for, with no
// connection held, and from the place that was reached another one can go on.
func (n *News) Scan(ctx context.Context, name pool.Group, r pool.Range, yield func(pool.Number, []byte) bool) error {
	info, err := n.Group(ctx, name)
	if err != nil {
		return err
	}
	from, to := max(r.From, info.Low), min(r.To, info.High)
	if info.Count == 0 {
		return nil
	}
	for size := pool.Number(firstLines); from <= to; size = min(4*size, mostLines) {
		last := min(to, from+size-1)
		lines, err := n.lines(ctx, name, pool.Range{From: from, To: last})
		if err != nil {
			return err
		}
		for line := range lines.Lines() {
			number, id, overview, ok := overviewLine(line)
			if ok {
				n.see(id)
			}
			if ok && number >= from && number <= last && !yield(number, overview) {
				return nil
			}
		}
		from = last + 1
	}
	return nil
}

func (n *News) lines(ctx context.Context, name pool.Group, r pool.Range) (block nntp.Block, err error) {
	err = n.wires.use(ctx, name, func(w *wire) error {
		if err := selected(w, name); err != nil {
			return err
		}
		_, err := w.Ask(fmt.Sprintf("XOVER %d-%d", r.From, r.To), nntp.CodeOverview)
		if refused, ok := errors.AsType[*remote.Refused](err); ok && (refused.Code == nntp.CodeNoSuchNumber || refused.Code == nntp.CodeNoCurrent) {
			return nil // none of them is there
		} else if err != nil {
			return err
		}
		w.Extend(maxLines / 16)
		block, err = w.Block(maxLines)
		return err
	})
	return block, err
}

// selected selects a group on a connection where it is not.
func selected(w *wire, name pool.Group) error {
	if w.group == name {
		return nil
	}
	_, err := enter(w, name)
	return err
}

// overviewLine takes a line of XOVER apart. Behind the seven fields that all have,
// only Xref is kept: which others there are, each server says for itself.
func overviewLine(line []byte) (at pool.Number, id pool.MessageID, overview []byte, ok bool) {
	f := bytes.Split(line, []byte("\t"))
	const first = 8 // number, subject, from, date, message-id, references, bytes, lines
	if len(f) < first {
		return 0, "", nil, false
	}
	at, ok = number(string(f[0]))
	out := bytes.Join(f[1:first], []byte("\t"))
	for _, field := range f[first:] {
		if len(field) > len("Xref:") && strings.EqualFold(string(field[:len("Xref:")]), "Xref:") {
			out = append(append(out, '\t'), field...)
			break
		}
	}
	return at, pool.MessageID(f[4]), out, ok && at > 0
}

// ByNumber implements [pool.Reader].
func (n *News) ByNumber(ctx context.Context, name pool.Group, number pool.Number) (*pool.Stored, error) {
	stored, err := n.article(ctx, name, strconv.FormatUint(uint64(number), 10))
	if err == nil {
		n.see(stored.ID)
		stored.Locations = []pool.Location{{Group: name, Number: number}}
	}
	return stored, err
}

// ByID implements [pool.Reader].
func (n *News) ByID(ctx context.Context, id pool.MessageID) (*pool.Stored, error) {
	if !n.askable(id) {
		return nil, pool.ErrNotFound
	}
	return n.article(ctx, "", string(id))
}

func (n *News) article(ctx context.Context, name pool.Group, which string) (stored *pool.Stored, err error) {
	err = n.wires.use(ctx, name, func(w *wire) error {
		if name != "" {
			if err := selected(w, name); err != nil {
				return err
			}
		}
		_, err := w.Ask("ARTICLE "+which, nntp.CodeArticle)
		if refused, ok := errors.AsType[*remote.Refused](err); ok && refused.Code >= 410 && refused.Code < 440 {
			return pool.ErrNotFound
		} else if err != nil {
			return err
		}
		w.Extend(maxArticle / 16)
		block, err := w.Block(maxArticle)
		if errors.Is(err, nntp.ErrBlockMalformed) || errors.Is(err, nntp.ErrBlockTooLarge) {
			return pool.ErrCorrupt
		} else if err != nil {
			return err
		}
		stored, err = asStored(block)
		return err
	})
	return stored, err
}

// asStored makes of an article as it came what a session shows.
func asStored(block nntp.Block) (*pool.Stored, error) {
	wire := append(slices.Clone(block.Wire()), ".\r\n"...)
	at := bytes.Index(wire, []byte("\r\n\r\n"))
	if at < 0 {
		return nil, pool.ErrCorrupt
	}
	stored := &pool.Stored{Wire: wire, HeadSize: at + len("\r\n"), Arrived: time.Now()}
	field := func(name string) string {
		raw, _ := article.RawField(stored.Head(), name)
		return strings.TrimSpace(article.Flatten(raw))
	}
	id, err := pool.ParseMessageID(field("Message-ID"))
	if err != nil {
		return nil, pool.ErrCorrupt
	}
	stored.ID = id
	overview := pool.Overview{
		Subject: field("Subject"), From: field("From"), Date: field("Date"), References: field("References"),
		Bytes: block.Len(), Lines: bytes.Count(stored.Body(), []byte("\n")),
	}
	stored.Overview = overview.AppendLine(nil, id, field("Xref"))
	return stored, nil
}
