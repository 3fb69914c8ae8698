// Package pull takes articles from a news server that feeds nobody: it reads
// what is new there as a newsreader would, by OVER or by NEWNEWS, and hands it
// over as if a peer had brought it. It remembers on disk how far it has come.
//
// It refuses to know which articles are taken, and why; and it logs nothing.
package pull

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/restante/restante/gateway/nntp"
	"github.com/restante/restante/gateway/remote"
	"github.com/restante/restante/pool"
)

// A Taker takes an article as a peer's feed does.
type Taker interface {
	// Claim says that an article is about to be asked for. It returns false where
	// somebody else is just bringing it, and Release that it is not there.
	Claim(id pool.MessageID) bool
	Release(id pool.MessageID)
	Take(ctx context.Context, id pool.MessageID, text []byte) (wait func() error)
}

// A Puller pulls from one server. Everything without a stated default must be
// set.
type Puller struct {
	Server  remote.Server
	Groups  nntp.Wildmat // of those that are carried here
	Since   time.Time    // what is dated before is left; zero: everything
	NewNews bool         // ask by NEWNEWS what has come since, in place of OVER
	Most    int          // octets of the largest article
	Store   pool.Store   // what is seen there is not asked for
	Taker   Taker
	State   string // file that says how far it has come; "": begin anew
	Window  int    // articles asked for ahead; 0: 32

	// Progress is told after each article how many were dealt with and how many
	// there are, as far as that is known. nil: nobody.
	Progress func(done, all int)
}

// Counts is what became of the articles there.
type Counts struct {
	Listed   int // that the server listed
	Had      int // of these, were here before
	Taken    int // and are here now
	Refused  int // and are not taken here
	Missing  int // and were gone when they were asked for, or came damaged
	Deferred int // and could not be taken now: the next run asks again
	Octets   int // of articles that came
}

// ErrNoOverview is a server that knows neither OVER nor XOVER.
var ErrNoOverview = errors.New("the server lists no overview: pull with NEWNEWS")

const (
	chunk    = 500      // overview lines asked for at a time
	maxLists = 64 << 20 // octets of a list
)

// Run pulls until it has come to the end, and returns what became of the
// articles that it came to. A run that was broken off goes on where it was.
func (p *Puller) Run(ctx context.Context) (Counts, error) {
	r := &run{Puller: p}
	var err error
	if r.state, err = loadState(p.State); err != nil {
		return r.counts, err
	}
	if r.conn, err = p.Server.Connect(ctx); err != nil {
		return r.counts, err
	}
	defer context.AfterFunc(ctx, func() { _ = r.conn.Close() })()
	if p.NewNews {
		err = r.news(ctx)
	} else {
		err = r.groups(ctx)
	}
	if err == nil {
		_ = r.conn.Quit() // politeness alone
	} else {
		_ = r.conn.Close()
		if ctx.Err() != nil {
			err = ctx.Err()
		}
	}
	return r.counts, errors.Join(err, saveState(p.State, r.state))
}

// A run is one pass.
type run struct {
	*Puller
	conn   *remote.Conn
	state  *state
	counts Counts
	all    int
	done   int
}

// groups pulls each group that both sides carry.
func (r *run) groups(ctx context.Context) error {
	if _, err := r.conn.Send("MODE READER"); err != nil { // whatever it says: most need it not
		return err
	}
	carried, err := r.Store.Groups(ctx)
	if err != nil {
		return err
	}
	var marks []mark
	for _, g := range carried {
		if !r.Groups.Match(string(g.Name)) {
			continue
		}
		m, ok, err := r.mark(g)
		if err != nil {
			return err
		}
		if ok {
			marks = append(marks, m)
			r.all += m.count()
		}
	}
	for _, m := range marks {
		if err := r.group(ctx, m); err != nil {
			return err
		}
	}
	return nil
}

// A mark is what a group holds there that was not looked at yet.
type mark struct {
	group pool.GroupInfo // as it is here
	done  reached        // up to where it was looked at
	to    pool.Number    // there
}

func (m mark) count() int {
	if m.to < m.done.Next {
		return 0
	}
	return int(m.to-m.done.Next) + 1
}

// mark asks for a group's marks; ok is false where the server has no such group.
func (r *run) mark(g pool.GroupInfo) (m mark, ok bool, err error) {
	before := r.state.of(g)
	reply, same, err := r.enter(g.Name, before)
	if err != nil {
		return mark{}, false, err
	}
	switch reply.Code {
	case nntp.CodeGroup:
	case nntp.CodeNoSuchGroup:
		return mark{}, false, nil
	default:
		return mark{}, false, &remote.Refused{Code: reply.Code}
	}
	fields := strings.Fields(reply.Text)
	if len(fields) < 3 {
		return mark{}, false, remote.ErrProtocol
	}
	low, err1 := strconv.ParseUint(fields[1], 10, 31)
	high, err2 := strconv.ParseUint(fields[2], 10, 31)
	if err1 != nil || err2 != nil {
		return mark{}, false, remote.ErrProtocol
	}
	m = mark{group: g, to: pool.Number(high)}
	if same && before.Next <= m.to+1 {
		m.done = before
	}
	m.done.Next = max(m.done.Next, pool.Number(low), 1)
	return m, true, nil
}

// enter selects a group, and asks at once whether the last article there that was looked
// at is the same.
func (r *run) enter(g pool.Group, before reached) (group nntp.Reply, same bool, err error) {
	r.conn.Extend(0)
	err = r.conn.W.Command("GROUP " + string(g))
	if err == nil && before.Last > 0 {
		err = r.conn.W.Command(fmt.Sprintf("STAT %d", before.Last))
	}
	if err != nil {
		return nntp.Reply{}, false, err
	}
	if r.conn.W.Flush() != nil {
		return nntp.Reply{}, false, remote.ErrLost
	}
	if group, err = r.conn.Reply(); err != nil || before.Last == 0 {
		return group, true, err
	}
	there, err := r.conn.Reply()
	return group, !before.differs(there), err
}

func (r *run) group(ctx context.Context, m mark) error {
	if m.count() == 0 {
		return r.reach(ctx, m)
	}
	if _, err := r.conn.Ask("GROUP "+string(m.group.Name), nntp.CodeGroup); err != nil {
		return err
	}
	for m.done.Next <= m.to {
		from := m.done.Next
		m.done.Next = min(from+chunk, m.to+1)
		wanted, err := r.overview(ctx, from, &m.done)
		if err != nil {
			return err
		}
		whole, err := r.fetch(ctx, wanted)
		if err != nil {
			return err
		}
		r.done += int(m.done.Next - from)
		r.tell()
		if !whole { // what could not be taken now is asked for again
			return nil
		}
		if err := r.reach(ctx, m); err != nil {
			return err
		}
		if err := saveState(r.State, r.state); err != nil {
			return err
		}
	}
	return nil
}

// reach notes how far a group was looked at.
func (r *run) reach(ctx context.Context, m mark) error {
	here, err := r.Store.Group(ctx, m.group.Name)
	switch {
	case errors.Is(err, pool.ErrNoGroup): // it went just now
		return nil
	case err != nil:
		return err
	}
	r.state.set(here, m.done)
	return nil
}

// overview lists what is wanted of the articles from a number on up to where done
// says, and notes there the last one that there is.
func (r *run) overview(ctx context.Context, from pool.Number, done *reached) ([]pool.MessageID, error) {
	reply, err := r.conn.Send(fmt.Sprintf("XOVER %d-%d", from, done.Next-1)) // which every server knows
	if err != nil {
		return nil, err
	}
	switch reply.Code {
	case nntp.CodeOverview:
	case nntp.CodeNoSuchNumber, nntp.CodeNoCurrent:
		return nil, nil
	case nntp.CodeUnknownCommand, nntp.CodeNotSupported:
		return nil, ErrNoOverview
	default:
		return nil, &remote.Refused{Code: reply.Code}
	}
	block, err := r.conn.Block(maxLists)
	if err != nil {
		return nil, err
	}
	var wanted []pool.MessageID
	for line := range block.Lines() {
		fields := strings.Split(string(line), "\t")
		if len(fields) < 5 {
			continue
		}
		id, err := pool.ParseMessageID(fields[4])
		if err != nil {
			continue
		}
		if n, err := strconv.ParseUint(fields[0], 10, 31); err == nil && pool.Number(n) < done.Next {
			done.Last, done.Article = pool.Number(n), digest(id)
		}
		if r.tooOld(fields[3]) {
			continue
		}
		if wanted, err = r.unlessSeen(ctx, wanted, id); err != nil {
			return nil, err
		}
	}
	return wanted, nil
}

func (r *run) unlessSeen(ctx context.Context, wanted []pool.MessageID, id pool.MessageID) ([]pool.MessageID, error) {
	r.counts.Listed++
	seen, err := r.Store.Seen(ctx, id)
	if err != nil {
		return nil, err
	}
	if seen {
		r.counts.Had++
		return wanted, nil
	}
	return append(wanted, id), nil
}

// news pulls what the server says has come since.
func (r *run) news(ctx context.Context) error {
	if _, err := r.conn.Send("MODE READER"); err != nil {
		return err
	}
	carried, err := r.Store.Groups(ctx)
	if err != nil {
		return err
	}
	var wanted []pool.MessageID
	listed := make(map[pool.MessageID]bool)
	for _, g := range carried {
		if !r.Groups.Match(string(g.Name)) {
			continue
		}
		since := r.Since.UTC()
		if since.Before(time.Unix(0, 0)) {
			since = time.Unix(0, 0).UTC()
		}
		if _, err := r.conn.Ask("NEWNEWS "+string(g.Name)+since.Format(" 20060102 150405 GMT"), nntp.CodeNewNews); err != nil {
			return err
		}
		block, err := r.conn.Block(maxLists)
		if err != nil {
			return err
		}
		for line := range block.Lines() {
			id, err := pool.ParseMessageID(string(line))
			if err != nil || listed[id] {
				continue
			}
			listed[id] = true
			if wanted, err = r.unlessSeen(ctx, wanted, id); err != nil {
				return err
			}
		}
	}
	r.all = len(wanted)
	for part := range slices.Chunk(wanted, chunk) {
		if _, err := r.fetch(ctx, part); err != nil {
			return err
		}
		r.done += len(part)
		r.tell()
	}
	return nil
}

func (r *run) tell() {
	if r.Progress != nil {
		r.Progress(r.done, r.all)
	}
}
