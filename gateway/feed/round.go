package feed

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/restante/restante/gateway/nntp"
	"github.com/restante/restante/gateway/remote"
	"github.com/restante/restante/pool"
	"github.com/restante/restante/pool/article"
)

// mostBroken is how many connections may break over an article in a row.
const mostBroken = 3

// A link is one connection to a peer that takes articles. It is for one
// goroutine.
type link struct {
	peer      *Peer
	queue     *queue
	conn      *remote.Conn
	streaming bool
	wanted    []parcel // the peer has asked for these
	asked     []parcel // offered, and not answered yet
	sent      int      // so many of asked, in front, went out whole

	head bytes.Buffer // of the article that is looked at
}

// A parcel is a job with its article, until that was sent.
type parcel struct {
	job
	id   pool.MessageID
	size int       // octets
	loan pool.Loan // nil once it was sent
}

// release gives the article back.
func (p *parcel) release() {
	if p.loan != nil {
		p.loan.Return()
		p.loan = nil
	}
}

// open connects, and asks whether the peer streams (RFC 4644, Section 2.3).
func (l *link) open(ctx context.Context) error {
	conn, err := l.peer.Server.Connect(ctx)
	if err != nil {
		return err
	}
	l.conn = conn
	defer context.AfterFunc(ctx, func() { _ = conn.Close() })()
	reply, err := conn.Send("MODE STREAM")
	if err != nil {
		return err
	}
	l.streaming = reply.Code == nntp.CodeStreaming
	if !l.streaming && reply.Code == nntp.CodeUnavailable {
		return &remote.Refused{Code: reply.Code}
	}
	return nil
}

// run feeds until there has been nothing to feed for a while, ctx ends, or
// something fails. What was not answered is offered again by another link.
func (l *link) run(ctx context.Context) error {
	defer l.giveBack()
	for ctx.Err() == nil {
		within := l.peer.idle()
		if len(l.wanted) > 0 {
			within = 0
		}
		jobs, err := l.queue.take(ctx, l.peer.window(), within)
		if err != nil {
			return err
		}
		fresh := l.pack(ctx, jobs)
		if len(jobs) == 0 && len(l.wanted) == 0 {
			return nil
		}
		if err := l.round(fresh); err != nil {
			return err
		}
	}
	return nil
}

// pack borrows the articles of jobs, and leaves out those that are not for this
// peer.
func (l *link) pack(ctx context.Context, jobs []job) []parcel {
	var out []parcel
	for _, j := range jobs {
		loan, err := pool.LendByNumber(ctx, l.queue.store, j.Group, j.Number)
		switch {
		case err == nil:
			p := parcel{job: j, id: loan.ID(), loan: loan}
			if l.due(&p) {
				out = append(out, p)
			} else {
				p.release()
			}
		case ctx.Err() != nil:
			l.queue.settle(j, unsent, 0)
		case errors.Is(err, pool.ErrNotFound), errors.Is(err, pool.ErrNoGroup): // withdrawn, or expired just now
			l.queue.settle(j, gone(j), 0)
		default: // damaged
			l.queue.offer(&j)
			l.queue.settle(j, lost, 0)
		}
	}
	return out
}

// due says whether an article is to be offered now, and settles it otherwise.
func (l *link) due(p *parcel) bool {
	about := p.loan.Summary()
	p.size = about.Size
	if !p.offered {
		l.head.Reset()
		if p.loan.WritePart(&l.head, pool.HeadPart) != nil {
			l.queue.offer(&p.job)
			l.queue.settle(p.job, lost, 0)
			return false
		}
		if !l.peer.wants(about, l.head.Bytes(), p.Group) {
			l.queue.settle(p.job, passed, 0)
			return false
		}
		if due := about.Arrived.Add(l.peer.Delay); time.Now().Before(due) {
			l.queue.wait(p.job, due)
			return false
		}
	}
	l.queue.offer(&p.job)
	if l.peer.Backlog > 0 && time.Since(about.Arrived) > l.peer.Backlog {
		l.queue.settle(p.job, lost, 0)
		return false
	}
	return true
}

// gone is what becomes of a job whose article is there no more.
func gone(j job) outcome {
	if j.offered {
		return lost
	}
	return passed
}

// giveBack lets other links offer what this one got no answer for. An article
// over which several connections broke is put off: there are articles over which
// a peer hangs up each time, and what is behind one must not wait for ever.
func (l *link) giveBack() {
	for i := range l.asked {
		l.asked[i].release()
	}
	for i := range l.wanted {
		l.wanted[i].release()
	}
	if l.sent > 0 {
		p := &l.asked[0]
		if p.broke++; p.broke >= mostBroken {
			l.queue.settle(p.job, deferred, 0)
			l.asked = l.asked[1:]
		}
	}
	for _, p := range slices.Backward(slices.Concat(l.asked, l.wanted)) { // each goes to the front
		l.queue.settle(p.job, unsent, 0)
	}
	l.wanted, l.asked, l.sent = nil, nil, 0
}

// round sends what the peer asked for, and offers more.
func (l *link) round(fresh []parcel) error {
	if !l.streaming {
		return l.oneByOne(fresh)
	}
	if l.peer.TakeThis {
		l.wanted, fresh = append(l.wanted, fresh...), nil
	}
	return l.stream(fresh)
}

// stream is one round of streaming: TAKETHIS for what is wanted and CHECK for
// what is next, all in one go, and then the replies, which come in that order
// (RFC 4644, Section 2.3.2).
func (l *link) stream(fresh []parcel) error {
	sent := l.wanted
	l.asked, l.wanted, l.sent = append(sent[:len(sent):len(sent)], fresh...), nil, len(sent)
	octets := 0
	for _, p := range sent {
		octets += p.size
	}
	l.conn.Extend(octets)
	for _, p := range sent {
		if err := l.conn.W.Command("TAKETHIS " + string(p.id)); err != nil {
			return err
		}
		if err := l.send(p); err != nil {
			return err
		}
	}
	for _, p := range fresh {
		if err := l.conn.W.Command("CHECK " + string(p.id)); err != nil {
			return err
		}
	}
	if l.conn.W.Flush() != nil {
		return remote.ErrLost
	}
	for i := range l.asked[:l.sent] {
		l.asked[i].release()
	}
	for len(l.asked) > 0 {
		if err := l.answered(l.sent > 0); err != nil {
			return err
		}
		l.sent = max(0, l.sent-1)
	}
	return nil
}

// answered reads the reply to the first of what was asked, which was sent or
// only offered.
func (l *link) answered(sent bool) error {
	p, octets := l.asked[0], 0
	if sent {
		octets = p.size
	}
	reply, err := l.conn.Reply()
	if err != nil {
		return err
	}
	id, _, _ := strings.Cut(reply.Text, " ")
	if reply.Code != nntp.CodeUnavailable && id != string(p.id) {
		return remote.ErrProtocol
	}
	var o outcome
	switch {
	case reply.Code == nntp.CodeStreamTaken && sent:
		o = accepted
	case reply.Code == nntp.CodeStreamRejected && sent:
		o = rejected
	case reply.Code == nntp.CodeStreamSend && !sent:
		l.asked = l.asked[1:]
		l.wanted = append(l.wanted, p)
		return nil
	case reply.Code == nntp.CodeStreamUnwanted && !sent:
		o = refused
	case reply.Code == nntp.CodeStreamLater && !sent:
		o = deferred
	default:
		return &remote.Refused{Code: reply.Code}
	}
	p.release()
	l.asked = l.asked[1:]
	l.queue.settle(p.job, o, octets)
	return nil
}

// send writes an article as a block.
func (l *link) send(p parcel) error {
	if p.loan.WritePart(l.conn.W, pool.Whole) != nil { // a part may have left already
		return remote.ErrLost
	}
	l.conn.W.End()
	return nil
}

// oneByOne feeds a peer that does not stream (RFC 3977, Section 6.3.2).
func (l *link) oneByOne(fresh []parcel) error {
	l.asked = fresh
	for len(l.asked) > 0 {
		p := l.asked[0]
		o, octets, err := l.ihave(p)
		if err != nil {
			return err
		}
		p.release()
		l.asked, l.sent = l.asked[1:], 0
		l.queue.settle(p.job, o, octets)
	}
	return nil
}

func (l *link) ihave(p parcel) (o outcome, octets int, err error) {
	reply, err := l.conn.Send("IHAVE " + string(p.id))
	if err != nil {
		return 0, 0, err
	}
	if reply.Code == nntp.CodeSendTransfer {
		octets, l.sent = p.size, 1
		l.conn.Extend(octets)
		if err := l.send(p); err != nil {
			return 0, 0, err
		}
		if l.conn.W.Flush() != nil {
			return 0, 0, remote.ErrLost
		}
		if reply, err = l.conn.Reply(); err != nil {
			return 0, 0, err
		}
	}
	switch {
	case reply.Code == nntp.CodeTransferred && octets > 0:
		return accepted, octets, nil
	case reply.Code == nntp.CodeTransferRejected && octets > 0:
		return rejected, octets, nil
	case reply.Code == nntp.CodeTransferNotWanted && octets == 0:
		return refused, 0, nil
	case reply.Code == nntp.CodeTransferLater:
		return deferred, octets, nil
	}
	return 0, 0, &remote.Refused{Code: reply.Code}
}

// wants says whether an article with that header, found in a group, is for this
// peer. An article in several groups is taken in the first of them that the peer
// subscribes to, and passed over in the others.
func (p *Peer) wants(about pool.Summary, head []byte, found pool.Group) bool {
	if p.MaxSize > 0 && about.Size > p.MaxSize {
		return false
	}
	for _, l := range about.Locations {
		if p.Groups.Group(l.Group) {
			if l.Group != found {
				return false
			}
			break
		}
	}
	named, _ := article.HeaderField(head, "Newsgroups")
	if !p.Groups.Article(newsgroups(named)) {
		return false
	}
	raw, _ := article.HeaderField(head, "Path")
	path, err := article.ParsePath(raw)
	if err != nil {
		return false
	}
	return !slices.ContainsFunc(append([]string{p.Path}, p.Exclude...), path.Passed)
}

func newsgroups(value string) []pool.Group {
	var out []pool.Group
	for name := range strings.SplitSeq(value, ",") {
		out = append(out, pool.Group(strings.TrimSpace(name)))
	}
	return out
}
