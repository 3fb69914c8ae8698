package collect

import (
	"context"
	"errors"
	"maps"
	"slices"

	"github.com/restante/restante/cmd/restante/mailbox"
	"github.com/restante/restante/crypto/note"
	"github.com/restante/restante/gateway/nntp"
	"github.com/restante/restante/gateway/pickup"
	"github.com/restante/restante/gateway/remote"
	"github.com/restante/restante/pool"
	"github.com/restante/restante/pool/article"
	"github.com/restante/restante/pool/entry"
)

// keysGroup is where directories are.
const keysGroup pool.Group = "restante.keys"

// Bounds on what is asked for to catch up with a gateway: so many directories, each
// at most so many epochs after the one before.
const (
	maxBehind = 1000
	maxOff    = 100
)

// Bounds on what is remembered of a gateway: an honest one has a directory an epoch,
// and a new signing key hardly ever.
const (
	maxSums = 200
	maxKeys = 100
)

// Bounds on gateways at which the user has no mailbox. Anybody can be one, and post
// among the keys.
const (
	maxStrangers = 1000
	maxDirectory = 64 << 10 // octets
	maxAsked     = 200      // directories asked for in one run, for the gaps of all of them
)

// keys asks a gateway for its directory, and follows it from the one that is held.
// Where the gateway is away the one that is held is gone on with.
func (r *run) keys(ctx context.Context, g *Gateway) error {
	conn, done, err := r.connect(ctx, g.Server)
	if err != nil {
		return r.hold(g, err)
	}
	defer done()
	conn.Extend(0)
	signed, err := pickup.Over(conn.R, conn.W).Directory()
	if err != nil {
		return r.hold(g, err)
	}
	if err := r.learn(g.Domain, g.Pinned, signed, func(id pool.MessageID) ([]byte, error) { return ask(conn, id) }); err != nil {
		return err
	}
	return r.recent(g, signed)
}

// recent says whether a directory that a gateway shows is its newest. An old one
// keeps keys from the user that the gateway has replaced, perhaps for a reason.
func (r *run) recent(g *Gateway, signed []byte) error {
	shown, err := note.PeekDirectory(signed)
	if err != nil {
		return &Trouble{g.Domain, ErrOtherKey, err}
	}
	held := r.chains[g.Domain].Directory()
	if shown.Serial < held.Serial || shown.Epoch() < calendar(shown).Epoch(r.Now().Add(-r.Late)) {
		return &Trouble{g.Domain, ErrOld, note.ErrOlder}
	}
	return nil
}

// hold goes on with the directory that is held, and says why.
func (r *run) hold(g *Gateway, cause error) error {
	if book, ok := r.Mail.Book(g.Domain); ok && book.ForkA == nil {
		if chain, err := restart(book); err == nil {
			r.chains[g.Domain] = chain
		}
	}
	return &Trouble{g.Domain, ErrAway, cause}
}

// restart makes a chain of a book.
func restart(book mailbox.Book) (*note.Chain, error) {
	d, err := note.PeekDirectory(book.Signed)
	if err != nil {
		return nil, err
	}
	key, err := note.NewVerifier(d.Domain, d.Sign[:])
	if err != nil {
		return nil, err
	}
	return note.StartChain(book.Signed, key)
}

// learn takes a directory of a gateway. between gets one by its Message-ID; it
// may be nil.
func (r *run) learn(domain string, pinned *note.Verifier, signed []byte, between func(pool.MessageID) ([]byte, error)) error {
	book, known := r.Mail.Book(domain)
	if pinned != nil && book.Pinned != pinned.Line() { // what was believed so far is believed no more
		known = false
	}
	if !known {
		return r.begin(domain, pinned, signed)
	}
	if book.ForkA != nil {
		return &Trouble{domain, ErrForked, note.ErrFork}
	}
	chain, err := restart(book)
	if err != nil {
		return &Trouble{domain, ErrOtherKey, err}
	}
	_, err = chain.Extend(signed)
	if d, errPeek := note.PeekDirectory(signed); errors.Is(err, note.ErrSignature) && errPeek == nil && d.Serial < chain.Directory().Serial {
		err = note.ErrOlder // by a key from before, perhaps
	}
	switch {
	case between == nil:
	case errors.Is(err, note.ErrGap):
		err = r.catchUp(chain, &book, signed, between)
	case errors.Is(err, note.ErrSignature):
		// The key may have been replaced while the user was away: then the directories
		// in between say so, signed by both.
		if r.catchUp(chain, &book, signed, between) == nil {
			err = nil
		} else if chain, err = restart(book); err == nil {
			err = note.ErrSignature
		}
	}
	switch {
	case errors.Is(err, note.ErrOlder):
		had := len(book.Keys) + len(book.Sums)
		if err = r.older(&book, signed); err == nil && len(book.Keys)+len(book.Sums) > had {
			err = r.Mail.Put(mailbox.Event{Book: &book})
		}
	case err == nil && chain.Directory().Serial == serialOf(book):
		r.merge(&book, chain, signed)
	}
	switch {
	case errors.Is(err, note.ErrFork):
		book.ForkA, book.ForkB = book.Signed, signed
		return errors.Join(&Trouble{domain, ErrForked, err}, r.Mail.Put(mailbox.Event{Book: &book}))
	case errors.Is(err, note.ErrGap):
		return &Trouble{domain, ErrGone, err}
	case err != nil:
		return &Trouble{domain, ErrOtherKey, err}
	}
	r.chains[domain] = chain
	return r.keep(&book, chain)
}

// begin believes a directory: by the key that was given, or at first sight.
func (r *run) begin(domain string, pinned *note.Verifier, signed []byte) error {
	d, err := note.PeekDirectory(signed)
	if err != nil || d.Domain != domain {
		return &Trouble{domain, ErrOtherKey, errors.Join(err, note.ErrSignature)}
	}
	book := mailbox.Book{Domain: domain}
	key, err := note.NewVerifier(d.Domain, d.Sign[:])
	if pinned != nil {
		key, book.Pinned = pinned, pinned.Line()
	}
	if err != nil {
		return &Trouble{domain, ErrOtherKey, err}
	}
	chain, err := note.StartChain(signed, key)
	if err != nil {
		return &Trouble{domain, ErrOtherKey, err}
	}
	r.chains[domain] = chain
	return r.keep(&book, chain)
}

// catchUp follows the directories between the one held and the newest.
func (r *run) catchUp(chain *note.Chain, book *mailbox.Book, newest []byte, between func(pool.MessageID) ([]byte, error)) error {
	last, err := note.PeekDirectory(newest)
	if err != nil {
		return err
	}
	if held := chain.Directory().Serial; last.Serial <= held || last.Serial-held > maxBehind {
		return note.ErrGap
	}
	for chain.Directory().Serial+1 < last.Serial {
		d := chain.Directory()
		var signed []byte
		for epoch := d.Epoch(); epoch <= min(last.Epoch(), d.Epoch()+maxOff) && signed == nil; epoch++ {
			if signed, err = between(entry.DirectoryID(d.Domain, epoch, d.Serial+1)); err != nil {
				return err
			}
		}
		if signed == nil {
			return note.ErrGap
		}
		if _, err := chain.Extend(signed); err != nil {
			return err
		}
		sum(book, chain.Directory())
	}
	_, err = chain.Extend(newest)
	return err
}

func sum(book *mailbox.Book, d *note.Directory) {
	if book.Sums == nil {
		book.Sums = make(map[uint64][32]byte)
	}
	book.Sums[d.Serial] = note.Hash(d.Text())
	if _, known := book.Sums[d.Serial-1]; d.Serial > 0 && !known {
		book.Sums[d.Serial-1] = d.Previous
	}
	for len(book.Sums) > maxSums {
		delete(book.Sums, slices.Min(slices.Collect(maps.Keys(book.Sums))))
	}
	if !slices.ContainsFunc(book.Keys, func(k []byte) bool { return string(k) == string(d.Sign[:]) }) {
		book.Keys = append(book.Keys, d.Sign[:])
		book.Keys = book.Keys[max(len(book.Keys), maxKeys)-maxKeys:]
	}
}

// older compares a directory from before with what the gateway has shown then. One
// that a later one names is the gateway's, and so is the key that it is signed with.
func (r *run) older(book *mailbox.Book, signed []byte) error {
	d, err := note.PeekDirectory(signed)
	if err != nil || d.Domain != book.Domain {
		return note.ErrSignature
	}
	if known, ok := book.Sums[d.Serial]; ok && known == note.Hash(d.Text()) {
		book.Sums, book.Keys = maps.Clone(book.Sums), slices.Clone(book.Keys)
		sum(book, d)
		return nil
	}
	if !slices.ContainsFunc(book.Keys, func(k []byte) bool { return string(k) == string(d.Sign[:]) }) {
		return note.ErrSignature // nobody knows that key: not the gateway's word
	}
	if known, ok := book.Sums[d.Serial]; ok && known != note.Hash(d.Text()) {
		return note.ErrFork
	}
	return nil
}

// merge keeps the witnesses' signatures of both copies of a directory.
func (r *run) merge(book *mailbox.Book, chain *note.Chain, other []byte) {
	for i := range r.Gateways {
		if g := &r.Gateways[i]; g.Domain == book.Domain {
			if merged, _, err := note.Merge(book.Signed, other, chain.Gateway(), nil, g.Witnesses...); err == nil {
				_, _ = chain.Extend(merged) // the same text
				return
			}
		}
	}
	if len(other) < len(book.Signed) {
		_, _ = chain.Extend(book.Signed)
	}
}

func serialOf(book mailbox.Book) uint64 {
	d, err := note.PeekDirectory(book.Signed)
	if err != nil {
		return 0
	}
	return d.Serial
}

// keep notes how far a chain has come.
func (r *run) keep(book *mailbox.Book, chain *note.Chain) error {
	if string(book.Signed) == string(chain.Signed()) {
		return nil
	}
	book.Sums = maps.Clone(book.Sums)
	sum(book, chain.Directory())
	book.Signed = chain.Signed()
	return r.Mail.Put(mailbox.Event{Book: book})
}

// reliable says whether enough witnesses have signed what a gateway shows.
func (r *run) reliable(g *Gateway) error {
	chain := r.chains[g.Domain]
	if chain == nil {
		return nil
	}
	if chain.Directory().SlotsPerBatch > maxSlots {
		delete(r.chains, g.Domain)
		return &Trouble{g.Domain, ErrSlots, nil}
	}
	if g.Witnessed == 0 {
		return nil
	}
	if err := chain.Witnessed(g.Witnessed, g.Witnesses...); err != nil {
		delete(r.chains, g.Domain)
		return &Trouble{g.Domain, ErrWitnessed, err}
	}
	return nil
}

// ask asks for the note in an article; nothing where the server has none.
func ask(conn *remote.Conn, id pool.MessageID) ([]byte, error) {
	reply, err := conn.Send("ARTICLE " + string(id))
	if err != nil {
		return nil, err
	}
	if reply.Code != nntp.CodeArticle {
		return nil, nil
	}
	block, err := conn.Block(maxArticle)
	if err != nil {
		return nil, err
	}
	_, signed, err := noteOf(block.Text(), keysGroup)
	if err != nil {
		return nil, nil //nolint:nilerr // not what was asked for
	}
	return signed, nil
}

// noteOf reads a gateway's note out of an article.
func noteOf(text []byte, group pool.Group) (domain string, signed []byte, err error) {
	a, err := article.Parse(text)
	if err != nil {
		return "", nil, err
	}
	domain, _, signed, err = entry.ParseNote(a, group)
	return domain, signed, err
}

// published reads the directories at a server that the pool is taken from: it
// shows whether a gateway tells others what it tells this user, and brings the
// keys of those whom she may be written to from.
func (r *run) published(ctx context.Context, server remote.Server) error {
	conn, done, err := r.connect(ctx, server)
	if err != nil {
		return err
	}
	defer done()
	own := make(map[string]*Gateway)
	for i := range r.Gateways {
		own[r.Gateways[i].Domain] = &r.Gateways[i]
	}
	f := &fetcher{run: r, conn: conn, server: server.Address, group: keysGroup}
	var before [][]byte // what own gateways have posted: directories, which name the ones before them
	if err := r.prepare(conn, f); err != nil {
		return err
	}
	err = f.all(ctx, func(_ pool.Number, text []byte) error {
		domain, signed, err := noteOf(text, keysGroup)
		if err != nil {
			return nil //nolint:nilerr // not a gateway's
		}
		g := own[domain]
		if g == nil {
			return r.stranger(domain, signed)
		}
		_, held := r.Mail.Book(domain)
		if !held {
			return nil // the gateway itself is to be heard first, or its key given
		}
		before = append(before, signed)
		err = r.learn(domain, g.Pinned, signed, nil)
		if errors.Is(err, note.ErrFork) {
			delete(r.chains, domain)
			r.trouble(domain, err)
		}
		return nil
	})
	if err == nil {
		err = r.closeGaps(func(id pool.MessageID) ([]byte, error) { return ask(conn, id) })
	}
	r.back(own, before)
	return err
}

// back goes from the newest directories of the user's own gateways to those before.
// What such a gateway posts among the keys may be another's that it witnesses.
func (r *run) back(own map[string]*Gateway, before [][]byte) {
	for _, signed := range slices.Backward(before) {
		d, err := note.PeekDirectory(signed)
		if err != nil || own[d.Domain] == nil {
			continue
		}
		if chain := r.chains[d.Domain]; chain != nil && d.Serial < chain.Directory().Serial {
			_ = r.learn(d.Domain, own[d.Domain].Pinned, signed, nil) // what was wrong was said before
		}
	}
}

// stranger learns a directory of a gateway at which the user has no mailbox, but
// whose users she may write to. One that lacks those before it is noted.
func (r *run) stranger(domain string, signed []byte) error {
	if _, known := r.Mail.Book(domain); len(signed) > maxDirectory || !known && r.Mail.Books() >= maxStrangers {
		return nil
	}
	err := r.learn(domain, nil, signed, nil)
	if r.gaps == nil {
		r.gaps = make(map[string][]byte)
	}
	// One that the known key has not signed may have others before it that say why.
	if errors.Is(err, note.ErrGap) || errors.Is(err, note.ErrSignature) && r.gaps[domain] == nil {
		r.gaps[domain] = signed
	}
	return unlessTheirs(err)
}

// unlessTheirs leaves out what is wrong with a stranger: only who writes there need
// hear of it.
func unlessTheirs(err error) error {
	var t *Trouble
	if errors.As(err, &t) {
		return nil
	}
	return err
}

// closeGaps asks for the directories that strangers' newest ones lack. They come in
// any order to a server, and it perhaps lacked them when it was read before.
func (r *run) closeGaps(between func(pool.MessageID) ([]byte, error)) error {
	asked := 0
	for _, domain := range slices.Sorted(maps.Keys(r.gaps)) {
		err := r.learn(domain, nil, r.gaps[domain], func(id pool.MessageID) ([]byte, error) {
			if asked++; asked > maxAsked {
				return nil, note.ErrGap
			}
			return between(id)
		})
		if err := unlessTheirs(err); err != nil {
			return err
		}
	}
	r.gaps = nil
	return nil
}
