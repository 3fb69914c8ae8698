package collect

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/restante/restante/cmd/restante/mailbox"
	"github.com/restante/restante/gateway/nntp"
	"github.com/restante/restante/gateway/remote"
	"github.com/restante/restante/pool"
	"github.com/restante/restante/pool/article"
)

const (
	maxArticle = 1 << 20 // octets of an article of the gateways' groups
	window     = 32      // articles asked for ahead
	keepEvery  = 256     // articles after which it is noted how far the group was read
)

// ErrNoGroup is a server that does not carry what is needed of it.
var ErrNoGroup = errors.New("it does not carry the pool")

// A fetcher takes a group from a server, article by article and all of them, so
// that the server learns nothing but that somebody reads the group.
type fetcher struct {
	*run
	conn   *remote.Conn
	server string
	group  pool.Group
	must   bool                                              // the server has to carry the group
	note   func(at mailbox.Cursor, end bool) []mailbox.Event // what is to be noted with how far it has come; nil: that alone

	at mailbox.Cursor // how far it has come
}

// prepare makes ready to read groups of a server. Where the numbers of one have begun anew all
// are read from their start, since what one says is compared with another.
func (r *run) prepare(conn *remote.Conn, groups ...*fetcher) error {
	if _, err := conn.Send("MODE READER"); err != nil {
		return err
	}
	anew := false
	var start []mailbox.Event
	for _, f := range groups {
		is, err := f.anew()
		if err != nil {
			return err
		}
		anew = anew || is
		start = append(start, mailbox.Event{Cursor: &mailbox.Cursor{Server: f.server, Group: f.group, Next: 1}})
	}
	if !anew {
		return nil
	}
	return r.Mail.Put(start...)
}

// anew says whether a server's numbers have begun anew since the group was read, as after
// the loss of its disk: there are fewer, or another article has the number of the last.
// That this one is gone is no sign of that.
func (f *fetcher) anew() (bool, error) {
	before := f.Mail.Cursor(f.server, f.group)
	if before.Next == 1 {
		return false, nil
	}
	_, high, err := f.marks()
	if err != nil || high == 0 {
		return false, err
	}
	if before.Next > high+1 || before.Last == 0 {
		return before.Next > high+1, nil
	}
	reply, err := f.conn.Send("STAT " + number(before.Last))
	id, ok := reply.Article()
	return ok && string(id) != before.Article, err
}

// all hands over every article that came since the last time.
func (f *fetcher) all(ctx context.Context, each func(n pool.Number, text []byte) error) error {
	from, high, err := f.rest()
	if err != nil {
		return err
	}
	if high == 0 { // there is nothing, which is to be judged as well
		return f.Mail.Put(f.noted(true)...)
	}
	all, since := int(high-from)+1, from
	for n := from; n <= high; n += window {
		if err := ctx.Err(); err != nil {
			return err
		}
		last := min(n+window-1, high)
		if err := f.some(n, last, each); err != nil {
			return err
		}
		f.at.Next = last + 1
		f.Progress(int(last-from)+1, all)
		if last-since >= keepEvery && last < high {
			if err := f.Mail.Put(f.noted(false)...); err != nil {
				return err
			}
			since = last
		}
	}
	return f.Mail.Put(f.noted(true)...)
}

// rest returns what of the group was not read yet; zeros where there is nothing.
func (f *fetcher) rest() (from, high pool.Number, err error) {
	f.at = f.Mail.Cursor(f.server, f.group)
	low, high, err := f.marks()
	if err != nil || high == 0 {
		return 0, 0, err
	}
	from = max(f.at.Next, low)
	if from > high+1 { // it has begun anew just now
		from = low
	}
	f.at.Next = from
	return from, high, nil
}

func (f *fetcher) noted(end bool) []mailbox.Event {
	if f.note != nil {
		return f.note(f.at, end)
	}
	if f.Mail.Cursor(f.server, f.group).Next == f.at.Next {
		return nil
	}
	at := f.at
	at.Unjudged = nil
	return []mailbox.Event{{Cursor: &at}}
}

// marks asks for a group's water marks; zeros where there is nothing.
func (f *fetcher) marks() (low, high pool.Number, err error) {
	reply, err := f.conn.Send("GROUP " + string(f.group))
	switch {
	case err != nil:
		return 0, 0, err
	case reply.Code == nntp.CodeNoSuchGroup && !f.must:
		return 0, 0, nil
	case reply.Code == nntp.CodeNoSuchGroup:
		return 0, 0, ErrNoGroup
	case reply.Code != nntp.CodeGroup:
		return 0, 0, &remote.Refused{Code: reply.Code}
	}
	return parseMarks(reply.Text)
}

// parseMarks reads "count low high group".
func parseMarks(text string) (low, high pool.Number, err error) {
	fields := strings.Fields(text)
	if len(fields) < 3 {
		return 0, 0, remote.ErrProtocol
	}
	count, err0 := strconv.ParseUint(fields[0], 10, 32)
	l, err1 := strconv.ParseUint(fields[1], 10, 31)
	h, err2 := strconv.ParseUint(fields[2], 10, 31)
	if err0 != nil || err1 != nil || err2 != nil {
		return 0, 0, remote.ErrProtocol
	}
	if count == 0 || h < l {
		return 0, 0, nil
	}
	return max(pool.Number(l), 1), pool.Number(h), nil
}

// some takes a window full of articles.
func (f *fetcher) some(from, to pool.Number, each func(n pool.Number, text []byte) error) error {
	commands := make([]string, 0, window)
	for n := from; n <= to; n++ {
		commands = append(commands, fmt.Sprintf("ARTICLE %d", n))
	}
	return f.ask(commands, func(i int, text []byte) error {
		n := from + pool.Number(i)
		if id, ok := article.HeaderField(text, "Message-ID"); ok {
			f.at.Last, f.at.Article = n, id
		}
		return each(n, text)
	})
}

// ask sends commands together, and hands over the articles that they bring.
func (f *fetcher) ask(commands []string, each func(i int, text []byte) error) error {
	f.conn.Extend(len(commands) * maxArticle / 16)
	for _, c := range commands {
		if err := f.conn.W.Command(c); err != nil {
			return err
		}
	}
	if f.conn.W.Flush() != nil {
		return remote.ErrLost
	}
	for i := range commands {
		reply, err := f.conn.Reply()
		if err != nil {
			return err
		}
		switch reply.Code {
		case nntp.CodeArticle:
		case nntp.CodeNoSuchNumber, nntp.CodeNoSuchArticle, nntp.CodeInternalFault:
			continue
		default:
			return &remote.Refused{Code: reply.Code}
		}
		block, err := f.conn.Block(maxArticle)
		if errors.Is(err, nntp.ErrBlockMalformed) || errors.Is(err, nntp.ErrBlockTooLarge) {
			continue
		} else if err != nil {
			return err
		}
		f.report.Taken++
		f.report.Octets += int64(block.Len())
		if err := each(i, block.Text()); err != nil {
			return err
		}
	}
	return nil
}
