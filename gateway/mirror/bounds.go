package mirror

import (
	"context"
	"strings"
	"time"

	"github.com/restante/restante/crypto/note"
	"github.com/restante/restante/pool"
	"github.com/restante/restante/pool/article"
)

// Bounds is how much is taken of the gateways that the operator has not named.
type Bounds struct {
	Gateways int   // learnt at a time
	Octets   int64 // that all their pools may come to, and one of them an eighth of it, by what their directories say
}

// entryOctets is what an entry takes on the disk, with its part of the manifest.
const entryOctets = 23 << 10

// leastBatch is how many entries a batch counts for at least. One of a single entry
// costs no less to look for: without it, a gateway of batches by the second would
// have more of them looked for than all honest ones together.
const leastBatch = 8

// What a gateway may have posted among the keys of one day of ours, in octets:
// directories, and testimonies and alarms, each. An honest one has a directory an
// epoch and bears witness of everybody's; each of these has some kilobytes. One
// that the operator has named may catch up with more.
const (
	keysOfLearnt = 1 << 20
	keysOfNamed  = 16 << 20
)

// pool is how many octets a gateway's pool comes to here: as many entries as it
// publishes, for as long as both retain them.
func (b *Book) poolOf(d *note.Directory) float64 {
	theirs, ours := calendar(d), b.calendar
	span := (float64(theirs.Retention) + 1) * theirs.EpochLength.Seconds()
	if ours.EpochLength > 0 {
		span = min(span, float64(ours.Retention+1)*ours.EpochLength.Seconds())
	}
	return float64(max(d.BatchSize, leastBatch)) * entryOctets * span / d.BatchInterval.Seconds()
}

// afford says whether a directory is one that may be learnt, or may follow: by its
// time, and for one that the operator has not named by what it publishes. It
// returns [ErrWindow] or [ErrExcess].
func (b *Book) afford(d *note.Directory, now time.Time) error {
	if d.Epoch() > calendar(d).Epoch(now.Add(slack)) {
		return ErrWindow // of an epoch that has not begun
	}
	if _, named := b.pinned[d.Domain]; named {
		return nil
	}
	sum, size := 0.0, b.poolOf(d)
	for domain, g := range b.gateways {
		if _, named := b.pinned[domain]; !named && domain != d.Domain {
			sum += b.poolOf(g.chain.Directory())
		}
	}
	if size > float64(b.bounds.Octets)/8 || sum+size > float64(b.bounds.Octets) {
		return ErrExcess
	}
	return nil
}

// expired says whether a directory is so old that no token made under it is
// honoured.
func expired(d *note.Directory, now time.Time) bool {
	theirs := calendar(d)
	return d.Epoch() < theirs.OldestHonoured(theirs.Epoch(now))
}

// room makes room for one more gateway to be learnt: one goes of which nothing has
// been heard for so long that nobody holds a token of it. It returns [ErrExcess].
func (b *Book) room(now time.Time) error {
	learnt, stale := 0, ""
	for domain, g := range b.gateways {
		if _, named := b.pinned[domain]; named {
			continue
		}
		learnt++
		if d := g.chain.Directory(); expired(d, now) && (stale == "" || d.Epoch() < b.gateways[stale].chain.Directory().Epoch()) {
			stale = domain
		}
	}
	if learnt < b.bounds.Gateways {
		return nil
	}
	if stale == "" {
		return ErrExcess
	}
	delete(b.gateways, stale)
	delete(b.spent, stale)
	delete(b.tallies, stale)
	return nil
}

// Bound sets the bounds. ours is the calendar by which entries are dropped here.
// What was learnt stays.
func (b *Book) Bound(bounds Bounds, ours pool.Calendar) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.bounds, b.calendar = bounds, ours
}

// A Passage is an article that may be filed. [Passage.Done] must be called.
type Passage struct {
	Epoch uint64 // that it is dropped with; 0 for one that isn't dropped so

	book *Book
	id   pool.MessageID
}

// passing is an article that was let through, perhaps more than once at a time, and
// that counts.
type passing struct {
	calls int
	filed bool
	undo  func()
}

// Done says whether the article was filed. One that was not does not count against
// its gateway: else whoever repeats what is here would use up what is left to it.
func (p Passage) Done(filed bool) {
	if p.book == nil {
		return
	}
	p.book.mu.Lock()
	defer p.book.mu.Unlock()
	q := p.book.passing[p.id]
	q.filed = q.filed || filed
	if q.calls--; q.calls > 0 {
		return
	}
	delete(p.book.passing, p.id)
	if !q.filed {
		q.undo()
	}
}

// pass lets an article through that count counts, which is called once for all that
// come at a time.
func (b *Book) pass(id pool.MessageID, epoch uint64, count func() (undo func(), err error)) (Passage, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	q := b.passing[id]
	if q == nil {
		undo, err := count()
		if err != nil {
			return Passage{}, err
		}
		q = &passing{undo: undo}
		b.passing[id] = q
	}
	q.calls++
	return Passage{epoch, b, id}, nil
}

// spending is what a gateway has posted among the keys within a day.
type spending struct {
	day    int64
	octets [2]int
}

// Kinds of what is posted among the keys.
const (
	directories = iota
	testimonies
)

// spend lets something through that a gateway has posted among the keys, if that
// is not too much for one day. What was spent is in memory: a restart forgets it.
func (b *Book) spend(id pool.MessageID, domain string, kind, octets int, epoch uint64, now time.Time) (Passage, error) {
	return b.pass(id, epoch, func() (func(), error) {
		most := keysOfLearnt
		if _, named := b.pinned[domain]; named {
			most = keysOfNamed
		}
		s := b.spent[domain]
		if day := now.Unix() / (24 * 60 * 60); s == nil || s.day != day {
			s = &spending{day: day}
		}
		if s.octets[kind]+octets > most {
			return nil, ErrExcess
		}
		s.octets[kind] += octets
		b.spent[domain] = s
		return func() {
			if s.octets[kind] -= octets; s.octets == [2]int{} && b.spent[domain] == s {
				delete(b.spent, domain) // anybody can name gateways that there are not
			}
		}, nil
	})
}

// A tally is how many entries of each batch of one gateway are here, or coming:
// two octets of memory for each batch that is retained.
type tally struct {
	first uint64 // batch
	count []uint16
}

// of is the count of a batch. Batches before the oldest that is retained are
// forgotten.
func (t *tally) of(batch, oldest uint64) *uint16 {
	if len(t.count) == 0 {
		t.first = oldest
	}
	if gone := min(oldest-min(oldest, t.first), uint64(len(t.count))); gone > 0 {
		t.count = append([]uint16(nil), t.count[gone:]...)
		t.first = oldest
	}
	if batch < t.first { // our clock and theirs
		t.count = append(make([]uint16, t.first-batch), t.count...)
		t.first = batch
	}
	if lacking := int(batch-t.first) + 1 - len(t.count); lacking > 0 {
		t.count = append(t.count, make([]uint16, lacking)...)
	}
	return &t.count[batch-t.first]
}

// enter lets an entry through if its batch is not full.
func (b *Book) enter(id pool.MessageID, d *note.Directory, date time.Time, epoch uint64, now time.Time) (Passage, error) {
	return b.pass(id, epoch, func() (func(), error) {
		n := b.tally(d, date, now)
		if uint64(*n) >= min(d.BatchSize, 1<<16-1) {
			return nil, ErrExcess
		}
		*n++
		return func() {
			if n := b.tally(d, date, now); *n > 0 {
				*n--
			}
		}, nil
	})
}

func (b *Book) tally(d *note.Directory, date, now time.Time) *uint16 {
	t := b.tallies[d.Domain]
	if t == nil {
		t = new(tally)
		b.tallies[d.Domain] = t
	}
	theirs := calendar(d)
	oldest := theirs.FirstBatch(theirs.OldestRetained(theirs.Epoch(now)))
	if ours := b.calendar; ours.EpochLength > 0 {
		oldest = max(oldest, theirs.Batch(ours.Start(ours.FirstBatch(ours.OldestRetained(ours.Epoch(now))))))
	}
	return t.of(theirs.Batch(date), oldest)
}

// Recount counts the entries that were here before the start, up to the number
// that the group had then: without it each gateway might fill its batches once more.
func (p *Policy) Recount(ctx context.Context, store pool.Reader, upTo pool.Number, now time.Time) error {
	known := make(map[string]*note.Directory)
	for _, domain := range p.Book.Gateways() {
		if d, _, err := p.Book.get(domain); err == nil {
			known[domain] = d
		}
	}
	return store.Scan(ctx, p.Groups.Pool, pool.Range{From: 1, To: upTo}, func(_ pool.Number, overview []byte) bool {
		fields := strings.SplitN(string(overview), "\t", 6)
		if len(fields) < 5 {
			return true
		}
		_, domain, _ := strings.Cut(strings.TrimSuffix(fields[3], ">"), "@")
		d := known[domain]
		if d == nil {
			return true
		}
		date, err := article.ParseDate(fields[2])
		if err != nil {
			return true
		}
		if _, err := p.window(d, date, now); err != nil {
			return true
		}
		p.Book.mu.Lock()
		if n := p.Book.tally(d, date, now); *n < 1<<16-1 {
			*n++
		}
		p.Book.mu.Unlock()
		return true
	})
}
