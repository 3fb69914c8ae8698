package batch

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"io/fs"
	mathrand "math/rand/v2"
	"slices"
	"time"

	"github.com/rs/zerolog"

	"github.com/restante/restante/crypto/blind"
	"github.com/restante/restante/crypto/envelope"
	"github.com/restante/restante/crypto/note"
	"github.com/restante/restante/pool"
	"github.com/restante/restante/pool/article"
	"github.com/restante/restante/pool/control"
	"github.com/restante/restante/pool/entry"
	"github.com/restante/restante/pool/record"
)

// Manifest is the group that says what each batch released.
const Manifest pool.Group = "restante.manifest"

// A Releaser lets batches out of a queue into a store, in the gateway's name.
// One goroutine calls it.
type Releaser struct {
	Queue  *Queue
	Store  pool.Store
	Signer *note.Signer
	Domain string
	Group  pool.Group // the pool's
	Log    zerolog.Logger

	// Pace is what the moment at which a batch appears is rounded up to, from the
	// call of Release on. Making a batch takes a little less or more by what is in
	// it, and may wait for a deposit under way: rounded, none of that can be seen.
	// At 0 nothing is rounded.
	Pace time.Duration
}

// Due returns the first and the last batch that should have left by now; there
// is none when first is larger than last. What lies before the oldest epoch
// still retained is left out: nobody could fetch it any more.
func (r *Releaser) Due(now time.Time) (first, last uint64) {
	calendar := r.Queue.shape.Calendar
	last = calendar.Batch(now)
	oldest := calendar.OldestRetained(calendar.Epoch(now))
	return max(r.Queue.Released()+1, calendar.FirstBatch(oldest)), last
}

// Release lets a batch out: exactly as many entries as the shape says, its
// manifest, and the public posts that waited for it. When it returns without an
// error, all of that is in the store. After an error it may be called again,
// for the same batch; no article is ever filed twice.
func (r *Releaser) Release(ctx context.Context, batch uint64) error {
	begun := time.Now()
	if err := r.resume(ctx); err != nil {
		return err
	}
	if batch <= r.Queue.Released() {
		return nil
	}
	p, err := r.compose(batch)
	if err != nil {
		return err
	}
	if err := r.Queue.folder.save(p, planFile); err != nil {
		return err
	}
	if err := r.pause(ctx, begun); err != nil {
		return err
	}
	return r.finish(ctx, p)
}

// pause waits for the moment at which a batch appears whose release was begun
// then.
func (r *Releaser) pause(ctx context.Context, begun time.Time) error {
	if r.Pace <= 0 {
		return nil
	}
	moment := time.NewTimer(r.Pace - time.Since(begun)%r.Pace)
	defer moment.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-moment.C:
		return nil
	}
}

// resume lets a batch out whose plan a crash or a failure left, if there is one. The
// plan is written anew first: after a sync of the folder that failed the disk may not
// know of it, and must before anybody else does.
func (r *Releaser) resume(ctx context.Context) error {
	p, err := r.Queue.folder.load(planFile)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil && p.batch > r.Queue.Released() {
		err = r.Queue.folder.save(p, planFile)
	}
	if err != nil {
		return err
	}
	return r.finish(ctx, p)
}

// finish files a plan that is on disk. Once it is the released one the batch is
// settled: whatever fails from then on, it must not be composed again.
func (r *Releaser) finish(ctx context.Context, p *plan) error {
	if p.batch > r.Queue.Released() {
		for _, text := range p.texts {
			if err := r.file(ctx, text, p.batch); err != nil {
				return err
			}
		}
		head := plan{batch: p.batch, manifest: p.manifest}
		if err := r.Queue.folder.save(&head, releasedFile); err != nil {
			return err
		}
		if lost := r.Queue.settle(p.batch); lost > 0 {
			r.Log.Warn().Int("entries", lost).Msg("private mail is lost: it waited, with the gateway down, for longer than entries are kept")
		}
	}
	return errors.Join(r.Queue.folder.discard(), r.Queue.log.rotate(r.Queue.waiting))
}

// compose makes the articles of a batch: what was deposited, cover up to the
// batch's size, both in random order, the manifest, and the public posts.
func (r *Releaser) compose(batch uint64) (*plan, error) {
	before, err := r.Queue.folder.load(releasedFile)
	if err != nil {
		return nil, err
	}
	entries, posts := split(r.Queue.collect(batch))
	if entries, err = r.fill(entries); err != nil {
		return nil, err
	}
	shuffle(entries)
	shuffle(posts)
	slices.SortStableFunc(posts, func(a, b item) int { return withdraws(a.data) - withdraws(b.data) })
	p := &plan{batch: batch}
	manifest := note.Manifest{Domain: r.Domain, Batch: batch, Previous: before.manifest}
	for _, it := range entries {
		a, err := r.entry(it, batch).Article(r.Signer)
		if err != nil {
			return nil, err
		}
		p.texts = append(p.texts, a.Text())
		manifest.Entries = append(manifest.Entries, note.ManifestEntry{Tag: it.tag.String(), Payload: sha256.Sum256(it.data)})
	}
	text := manifest.Text()
	p.manifest = note.Hash(text)
	a, err := r.manifest(text, batch)
	if err != nil {
		return nil, err
	}
	p.texts = append(p.texts, a.Text())
	for _, it := range posts {
		p.texts = append(p.texts, it.data)
	}
	return p, nil
}

// fill adds cover up to the batch's size. It makes a whole batch of cover every
// time, and forgets what is not needed: the moment at which a batch appears
// would say how much of it took no making.
func (r *Releaser) fill(entries []item) ([]item, error) {
	covers := make([]item, r.Queue.shape.Size)
	for i := range covers {
		var err error
		if covers[i], err = r.cover(); err != nil {
			return nil, err
		}
	}
	return append(entries, covers[min(len(entries), len(covers)):]...), nil
}

func (r *Releaser) entry(it item, batch uint64) *entry.Entry {
	return &entry.Entry{
		Domain: r.Domain, Group: r.Group, Tag: it.tag,
		Date: r.Queue.shape.Calendar.Start(batch), Payload: it.data,
	}
}

// cover is an entry for nobody: a random tag, and nothing sealed to a random
// key.
func (r *Releaser) cover() (item, error) {
	tag := blind.RandomTag()
	payload, err := envelope.Cover(tag.MessageID(r.Domain))
	return item{kind: kindEntry, tag: tag, data: payload}, err
}

func (r *Releaser) manifest(text string, batch uint64) (*article.Article, error) {
	signed, err := note.Sign(text, r.Signer)
	if err != nil {
		return nil, err
	}
	id := entry.ManifestID(r.Domain, batch)
	return entry.Note(r.Domain, Manifest, id, entry.ManifestSubject(batch), r.Queue.shape.Calendar.Start(batch), signed)
}

// file puts one article of a plan into the store, in those of its groups that
// are carried. Only what the gateway itself made goes with the batch's epoch.
// What asks for the withdrawal of an article gets it first, if it has the key
// (RFC 8315, Section 3.5), and a cancel is filed among the control messages.
func (r *Releaser) file(ctx context.Context, text []byte, batch uint64) error {
	a, err := article.Parse(text)
	if err != nil {
		return err
	}
	request, err := control.Parse(a)
	if err != nil {
		return err
	}
	groups, epoch, err := r.place(ctx, a, batch)
	if err != nil || len(groups) == 0 { // its groups were removed since it was accepted
		return err
	}
	filed, err := a.File(groups, time.Now(), epoch)
	if err != nil {
		return err
	}
	if _, err := request.Obey(ctx, r.Store); err != nil {
		return err
	}
	if request.Verb != "" {
		group, err := request.Group(ctx, r.Store)
		if err != nil {
			return err
		}
		if group == "" {
			return unlessDuplicate(r.Store.Remember(ctx, filed.ID))
		}
		filed.Groups = []pool.Group{group}
	}
	_, err = r.Store.Append(ctx, filed)
	if epoch == 0 && (errors.Is(err, pool.ErrGroupFull) || errors.Is(err, record.ErrSize)) {
		r.Log.Error().Err(err).Msg("a public post can never be filed, and is left out")
		return nil // the batch must not wait for it for ever
	}
	return unlessDuplicate(err)
}

// place returns the groups of an article that are carried, and its epoch.
func (r *Releaser) place(ctx context.Context, a *article.Article, batch uint64) (groups []pool.Group, epoch uint64, err error) {
	named, err := a.Newsgroups()
	if err != nil {
		return nil, 0, err
	}
	for _, g := range named {
		if g == r.Group || g == Manifest || g == entry.Submit {
			epoch = r.Queue.shape.Calendar.EpochOf(batch)
		}
		if _, err := r.Store.Group(ctx, g); err == nil {
			groups = append(groups, g)
		} else if !errors.Is(err, pool.ErrNoGroup) {
			return nil, 0, err
		}
	}
	return groups, epoch, nil
}

func unlessDuplicate(err error) error {
	if errors.Is(err, pool.ErrDuplicate) {
		return nil
	}
	return err
}

// withdraws returns 1 for a post that asks for another one's withdrawal. These
// leave last, since what they name may be in the same batch.
func withdraws(text []byte) int {
	a, err := article.Parse(text)
	if err == nil && (a.Has("Control") || a.Has("Supersedes")) {
		return 1
	}
	return 0
}

func split(items []item) (entries, posts []item) {
	for _, it := range items {
		if it.kind == kindEntry {
			entries = append(entries, it)
		} else {
			posts = append(posts, it)
		}
	}
	return entries, posts
}

// shuffle orders items by the system's random source.
func shuffle(items []item) {
	var seed [32]byte
	_, _ = rand.Read(seed[:]) // it never fails
	mathrand.New(mathrand.NewChaCha8(seed)).Shuffle(len(items), func(i, j int) { items[i], items[j] = items[j], items[i] })
}
