package peer

import (
	"context"
	"errors"
	"time"

	"github.com/restante/restante/gateway/mirror"
	"github.com/restante/restante/pool"
	"github.com/restante/restante/pool/article"
	"github.com/restante/restante/pool/control"
	"github.com/restante/restante/pool/entry"
)

// Take files an article that was announced as id: text is its lines, each ended
// by CRLF, not dot-stuffed. It returns once the article has its turn. text must not
// be changed until the outcome has been waited for.
func (f *Feed) Take(ctx context.Context, id pool.MessageID, text []byte) *Taking {
	checked, err := article.Check(text)
	return f.take(ctx, id, checked, err)
}

// TakeChecked is Take for who has looked at the lines already.
func (f *Feed) TakeChecked(ctx context.Context, id pool.MessageID, text pool.Checked) *Taking {
	return f.take(ctx, id, text, nil)
}

// take is Take for text that was checked, or failed to be.
func (f *Feed) take(ctx context.Context, id pool.MessageID, text pool.Checked, err error) *Taking {
	f.desk.flight.begin(id, f)
	t := &Taking{feed: f, id: id, ctx: ctx, draft: f.desk.drafts.take()}
	asked := f.came(id)
	if err == nil {
		err = t.draft.read.Read(text)
	}
	if err == nil {
		t.brought, err = f.bring(ctx, id, t.draft, asked)
	}
	t.err = err
	if t.err == nil && !t.performs() {
		t.begun = pool.Begin(ctx, f.desk.opts.Store, t.article)
	}
	return t
}

// A Taking is an article of a peer's that has its turn.
type Taking struct {
	feed *Feed
	id   pool.MessageID
	ctx  context.Context // of the call, which it is a part of
	brought
	draft *draft     // nil once it has been waited for
	begun pool.Begun // nil where err is not, and for one that is filed last
	err   error
}

// performs says whether the article asks for more than being filed. What it names
// may still be on its way in an earlier call: so it is done in turn.
func (t *Taking) performs() bool { return t.request.Verb != "" || t.request.Target != "" }

// Known says whether Wait would return at once.
func (t *Taking) Known() bool { return t.err != nil || t.begun != nil && t.begun.Known() }

// Wait waits until the article is on stable storage. It must be called once, from
// any goroutine, after those of earlier calls have returned. It returns a
// [*pool.Refusal] or [pool.ErrDuplicate] for an article that will never be taken,
// and any other error for one that may be sent again later.
func (t *Taking) Wait() error {
	err, d := t.err, t.feed.desk
	switch {
	case err != nil:
	case t.begun != nil:
		_, err = t.begun.Wait()
		err = d.settle(t.ctx, t.brought, err)
	default:
		err = d.perform(t.ctx, t.feed.peer.Name, t.brought)
	}
	d.flight.end(t.id, t.feed, err == nil || errors.Is(err, pool.ErrDuplicate))
	t.passage.Done(err == nil)
	t.feed.ledger.count(err)
	d.drafts.give(t.draft)
	t.brought, t.draft = brought{}, nil
	return err
}

// Refuse notes that an announced article came and could not be read, or did not
// come.
func (f *Feed) Refuse(id pool.MessageID, cause error) {
	f.desk.flight.abandon(id, f, true, time.Now())
	f.came(id)
	f.ledger.count(cause)
}

// settle ends the filing of an ordinary article. A cancel may have come since it
// was checked.
func (d *Desk) settle(ctx context.Context, b brought, err error) error {
	switch {
	case errors.Is(err, pool.ErrNoGroup): // a newsgroup went since
		return refuse(Unwanted)
	case err != nil:
		return err
	}
	if b.lock != "" && d.early.withdrew(b.article.ID, b.lock, time.Now()) {
		return d.opts.Store.Cancel(ctx, b.article.ID)
	}
	return nil
}

// perform does what a control message, or an article that supersedes another
// one, asks for, and files it. In that order, so that after a failure both can
// be tried again. from is the name of the peer that brought it.
func (d *Desk) perform(ctx context.Context, from string, b brought) error {
	store := d.opts.Store
	if seen, err := store.Seen(ctx, b.article.ID); err != nil {
		return err
	} else if seen {
		return pool.ErrDuplicate
	}
	if b.request.Target != "" {
		if err := d.withdraw(ctx, from, b.request); err != nil {
			return err
		}
	}
	if len(b.article.Groups) == 0 {
		return store.Remember(ctx, b.article.ID)
	}
	_, err := store.Append(ctx, b.article)
	return d.settle(ctx, b, err)
}

// withdraw obeys a request if it has the key. One that is ahead of its article
// is remembered first, so that an article that comes just now meets either.
func (d *Desk) withdraw(ctx context.Context, from string, r control.Request) error {
	d.early.add(from, r, time.Now())
	if _, err := r.Obey(ctx, d.opts.Store); err != nil {
		return err
	}
	came, err := d.opts.Store.Seen(ctx, r.Target)
	if came {
		d.early.remove(r)
	}
	return err
}

// brought is an article that passed all checks.
type brought struct {
	article *pool.Article   // without groups for one that is only remembered
	request control.Request // what it asks for
	lock    string          // its Cancel-Lock
	passage mirror.Passage  // to be told whether it was filed
}

// bring checks an article and gives it its place. asked says that it was looked for
// in the store before it came.
func (f *Feed) bring(ctx context.Context, id pool.MessageID, draft *draft, asked bool) (b brought, err error) {
	a := &draft.read
	now := time.Now()
	if f.back && f.desk.ownID(id) && !entry.NamesItself(a) {
		return f.takeBack(ctx, id, a, now)
	}
	path, err := f.desk.checkHeader(a, id, now)
	if err != nil {
		return brought{}, err
	}
	request, err := control.Parse(a)
	if err != nil {
		return brought{}, refuse(Control)
	}
	named, err := a.Newsgroups()
	if err != nil {
		return brought{}, err
	}
	passage, err := f.desk.gateways(ctx, a, id, named, asked, now)
	if err != nil {
		return brought{}, err
	}
	defer func() {
		if err != nil {
			passage.Done(false)
		}
	}()
	groups, err := f.route(ctx, named, a.Has("Approved"), request)
	if err != nil {
		return brought{}, err
	}
	b = brought{request: request, lock: a.Get("Cancel-Lock"), passage: passage}
	if f.desk.early.withdrew(id, b.lock, now) {
		return brought{}, refuse(Withdrawn)
	}
	if err := f.stamp(a, path); err != nil {
		return brought{}, err
	}
	if err := a.FileAs(&draft.filed, named, now, passage.Epoch); err != nil {
		return brought{}, err
	}
	b.article, draft.filed.Groups = &draft.filed, groups
	return b, nil
}
