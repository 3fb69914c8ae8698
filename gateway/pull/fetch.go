package pull

import (
	"context"
	"errors"
	"net/mail"
	"time"

	"github.com/restante/restante/gateway/nntp"
	"github.com/restante/restante/gateway/remote"
	"github.com/restante/restante/pool"
)

// Fetch asks a server for articles by Message-ID, and hands over those that it
// has. next says what to ask for next: it is called when everything before is
// settled, until it returns nothing.
func (p *Puller) Fetch(ctx context.Context, next func() []pool.MessageID) (Counts, error) {
	r := &run{Puller: p}
	ids := next()
	if len(ids) == 0 {
		return r.counts, nil
	}
	var err error
	if r.conn, err = p.Server.Connect(ctx); err != nil {
		return r.counts, err
	}
	defer func() { _ = r.conn.Close() }() // what mattered is answered
	defer context.AfterFunc(ctx, func() { _ = r.conn.Close() })()
	if _, err := r.conn.Send("MODE READER"); err != nil {
		return r.counts, err
	}
	for ; len(ids) > 0; ids = next() {
		if _, err := r.fetch(ctx, ids); err != nil {
			return r.counts, err
		}
	}
	_ = r.conn.Quit() // politeness alone
	return r.counts, nil
}

// Articles asks a server for articles by Message-ID and returns their text, in
// that order; nil for one that it does not have, or that comes malformed.
func (p *Puller) Articles(ctx context.Context, ids []pool.MessageID) ([][]byte, error) {
	out := make([][]byte, len(ids))
	at := make(map[pool.MessageID]int, len(ids))
	for i, id := range ids {
		at[id] = i
	}
	q := *p
	q.Taker = keeper{out, at}
	_, err := q.Fetch(ctx, func() []pool.MessageID { these := ids; ids = nil; return these })
	return out, err
}

// A keeper keeps what it takes.
type keeper struct {
	texts [][]byte
	at    map[pool.MessageID]int
}

// Claim implements [Taker].
func (keeper) Claim(pool.MessageID) bool { return true }

// Release implements [Taker].
func (keeper) Release(pool.MessageID) {}

// Take implements [Taker].
func (k keeper) Take(_ context.Context, id pool.MessageID, text []byte) func() error {
	k.texts[k.at[id]] = text
	return func() error { return nil }
}

const (
	// slowest is the size of an article, in octets, by which a server's time for
	// one is measured: one that hangs must not hold up what others have.
	slowest = 256 << 10

	// courtesy is how long others are waited for that are bringing some of what is
	// wanted: long enough for what is well on its way, and no more, as they may hang.
	courtesy = time.Second
	glance   = 50 * time.Millisecond // between two looks whether it came
)

// fetch asks for articles, a window of them ahead, and hands them over. What
// somebody else is bringing comes last, if it is not here by then. It says whether
// none has to be asked for again.
func (r *run) fetch(ctx context.Context, ids []pool.MessageID) (whole bool, err error) {
	window := r.Window
	if window <= 0 {
		window = 32
	}
	whole = true
	var others []pool.MessageID
	for waited := false; len(ids) > 0 && ctx.Err() == nil; {
		var mine []pool.MessageID
		for len(ids) > 0 && len(mine) < window {
			if waited || r.Taker.Claim(ids[0]) {
				mine = append(mine, ids[0])
			} else {
				others = append(others, ids[0])
			}
			ids = ids[1:]
		}
		ok, err := r.some(ctx, mine)
		if err != nil {
			return false, err
		}
		whole = whole && ok
		if len(ids) == 0 && !waited {
			waited = true
			if ids, err = r.await(ctx, others); err != nil {
				return false, err
			}
		}
	}
	return whole, ctx.Err()
}

// await waits a little for articles that others are bringing, and returns those
// that did not come.
func (r *run) await(ctx context.Context, ids []pool.MessageID) ([]pool.MessageID, error) {
	for end := time.Now().Add(courtesy); len(ids) > 0; {
		var left []pool.MessageID
		for _, id := range ids {
			seen, err := r.Store.Seen(ctx, id)
			if err != nil {
				return nil, err
			}
			if seen {
				r.counts.Had++
			} else {
				left = append(left, id)
			}
		}
		ids = left
		if len(ids) == 0 || !time.Now().Before(end) {
			break
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(glance):
		}
	}
	return ids, nil
}

// some fetches one window full. The articles share a sync.
func (r *run) some(ctx context.Context, ids []pool.MessageID) (whole bool, err error) {
	if len(ids) == 0 {
		return true, nil
	}
	r.conn.Extend(0)
	for _, id := range ids {
		if err := r.conn.W.Command("ARTICLE " + string(id)); err != nil {
			return false, err
		}
	}
	if r.conn.W.Flush() != nil {
		return false, remote.ErrLost
	}
	var waits []func() error
	for _, id := range ids {
		text, err := r.article()
		if err != nil {
			_ = r.settle(waits)
			return false, err
		}
		if text == nil {
			r.Taker.Release(id)
			r.counts.Missing++
			continue
		}
		r.counts.Octets += len(text)
		waits = append(waits, r.Taker.Take(ctx, id, text))
	}
	return r.settle(waits), nil
}

// article reads the answer to ARTICLE; nothing where there is none to be had.
func (r *run) article() ([]byte, error) {
	r.conn.Extend(min(r.Most, slowest))
	reply, err := r.conn.Reply()
	if err != nil {
		return nil, err
	}
	switch reply.Code {
	case nntp.CodeArticle:
	case nntp.CodeNoSuchArticle, nntp.CodeNoSuchNumber, nntp.CodeInternalFault:
		return nil, nil
	default:
		return nil, &remote.Refused{Code: reply.Code}
	}
	block, err := r.conn.Block(r.Most)
	switch {
	case errors.Is(err, nntp.ErrBlockMalformed), errors.Is(err, nntp.ErrBlockTooLarge):
		return nil, nil
	case err != nil:
		return nil, err
	}
	return block.Text(), nil
}

// settle waits for what was handed over.
func (r *run) settle(waits []func() error) (whole bool) {
	whole = true
	for _, wait := range waits {
		err := wait()
		var refusal *pool.Refusal
		switch {
		case err == nil:
			r.counts.Taken++
		case errors.Is(err, pool.ErrDuplicate):
			r.counts.Had++
		case errors.As(err, &refusal):
			r.counts.Refused++
		default:
			r.counts.Deferred++
			whole = false
		}
	}
	return whole
}

// tooOld goes by the Date of an article. One that can't be read is for the taker
// to refuse.
func (r *run) tooOld(date string) bool {
	if r.Since.IsZero() {
		return false
	}
	t, err := mail.ParseDate(date)
	return err == nil && t.Before(r.Since)
}
