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
// by CRLF, not dot-stuffed. It returns once the article has its turn. The
// function that it returns must be called, from any goroutine, after those of
// earlier calls have returned. It waits until the article is on stable storage,
// and returns a [*pool.Refusal] or [pool.ErrDuplicate] for one that will never
// be taken, and any other error for one that may be sent again later.
func (f *Feed) Take(ctx context.Context, id pool.MessageID, text []byte) (wait func() error) {
	d := f.desk
	d.flight.begin(id, f)
	asked := f.came(id)
	b, err := f.bring(ctx, id, text, asked)
	finish := func(err error) error {
		d.flight.end(id, f, err == nil || errors.Is(err, pool.ErrDuplicate), time.Now())
		b.passage.Done(err == nil)
		f.ledger.count(err)
		return err
	}
	switch {
	case err != nil:
		return func() error { return finish(err) }
	case b.request.Verb != "" || b.request.Target != "":
		// What it names may still be on its way in an earlier call.
		return func() error { return finish(d.perform(ctx, b)) }
	}
	filed := d.begin(ctx, b.article)
	return func() error { return finish(d.settle(ctx, b, <-filed)) }
}

// Refuse notes that an announced article came and could not be read, or did not
// come.
func (f *Feed) Refuse(id pool.MessageID, cause error) {
	f.desk.flight.abandon(id, f, true, time.Now())
	f.came(id)
	f.ledger.count(cause)
}

// begin gives an article its turn in the store. What the channel gives is the
// outcome.
func (d *Desk) begin(ctx context.Context, a *pool.Article) <-chan error {
	filed := make(chan error, 1)
	wait := func() ([]pool.Location, error) { return d.opts.Store.Append(ctx, a) }
	if s, ok := d.opts.Store.(pool.Beginner); ok {
		wait = s.Begin(ctx, a)
	}
	go func() {
		_, err := wait()
		filed <- err
	}()
	return filed
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
	if d.early.withdrew(b.article.ID, b.lock, time.Now()) {
		return d.opts.Store.Cancel(ctx, b.article.ID)
	}
	return nil
}

// perform does what a control message, or an article that supersedes another
// one, asks for, and files it. In that order, so that after a failure both can
// be tried again.
func (d *Desk) perform(ctx context.Context, b brought) error {
	store := d.opts.Store
	if seen, err := store.Seen(ctx, b.article.ID); err != nil {
		return err
	} else if seen {
		return pool.ErrDuplicate
	}
	if b.request.Target != "" {
		if err := d.withdraw(ctx, b.request); err != nil {
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
func (d *Desk) withdraw(ctx context.Context, r control.Request) error {
	d.early.add(r, time.Now())
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
func (f *Feed) bring(ctx context.Context, id pool.MessageID, text []byte, asked bool) (b brought, err error) {
	a, err := article.Parse(text)
	if err != nil {
		return brought{}, err
	}
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
	if b.article, err = a.File(named, now, passage.Epoch); err == nil {
		b.article.Groups = groups
	}
	return b, err
}
