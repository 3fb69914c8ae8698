package office

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"golang.org/x/sys/unix"

	"github.com/restante/restante/crypto/blind"
	"github.com/restante/restante/crypto/envelope"
	"github.com/restante/restante/crypto/identity"
	"github.com/restante/restante/gateway/batch"
	"github.com/restante/restante/gateway/keyring"
	"github.com/restante/restante/pool"
	"github.com/restante/restante/pool/article"
	"github.com/restante/restante/pool/disk"
	"github.com/restante/restante/pool/entry"
)

// sizesEnv has the sizes of pool that BenchmarkPickup is to measure, ascending,
// between commas. Ten million take about 9 GB of the disk, deleted in the end.
const sizesEnv = "RESTANTE_PICKUP_BENCH_ENTRIES"

// found is how many of the entries are those of the mailbox that is picked up.
const found = 20

// BenchmarkPickup is what a pickup costs the gateway at the default settings, by
// how many entries the pool holds: a login's first look beyond its passphrase, an
// XPICKUP, and an oblivious pickup: a line of nine elements for each epoch, and
// the entries fetched by Message-ID. And what it costs to read the whole pool and
// try to open each entry, as readers of alt.anonymous.messages do: a thousand
// entries, and as processor time of all by as many times.
//
// The store is the real one, on disk. The mailbox's entries and that thousand are
// real; all others are articles of the same names without a body, since their
// octets would not fit: no pickup reads them.
func BenchmarkPickup(b *testing.B) {
	p := newPickups(b)
	sizes, ok := os.LookupEnv(sizesEnv)
	if !ok {
		sizes = "10000"
	}
	for size := range strings.SplitSeq(sizes, ",") {
		n, err := strconv.Atoi(size)
		if err != nil {
			b.Fatal(err)
		}
		p.grow(b, n)
		for _, way := range []struct {
			name string
			once func(*testing.B)
		}{{"login", p.login}, {"XPICKUP", p.sealed}, {"XBLIND", p.oblivious}, {"reading_all", p.tryAll}} {
			b.Run("entries="+size+"/"+way.name, func(b *testing.B) {
				runtime.LockOSThread() // the index may still be busy with what came last
				defer runtime.UnlockOSThread()
				spent := time.Duration(0)
				for b.Loop() {
					start := threadTime(b)
					way.once(b)
					spent += threadTime(b) - start
				}
				each := spent.Seconds() / float64(b.N)
				if way.name == "reading_all" {
					each *= float64(n) / others
				}
				b.ReportMetric(each*1e3, "CPU-ms")
			})
		}
	}
}

// threadTime is what this thread has had of a processor.
func threadTime(b *testing.B) time.Duration {
	b.Helper()
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &t); err != nil {
		b.Fatal(err)
	}
	return time.Duration(t.Nano())
}

// others is how many entries of other people are real.
const others = 1000

type pickups struct {
	*Office
	store *disk.Store
	keys  *keyring.Ring
	box   *identity.Mailbox
	mine  []pool.MessageID // its entries
	other []pool.MessageID // others' real ones
	lines [][][]byte       // the blinded elements of each retained epoch
	held  int              // entries in the pool
	now   uint64           // the last batch
}

func newPickups(b *testing.B) *pickups {
	b.Helper()
	calendar := pool.Calendar{EpochLength: 168 * time.Hour, BatchInterval: 5 * time.Minute, Retention: 4, TokenLife: 12}
	shape := batch.Shape{Calendar: calendar, Size: 8, Slots: 8, Backlog: 288, Posts: 1 << 20}
	dir := b.TempDir()
	if err := keyring.Create(dir + "/keys"); err != nil {
		b.Fatal(err)
	}
	keys, err := keyring.Open(dir+"/keys", domain, keyring.Policy{Calendar: calendar, BatchSize: shape.Size, SlotsPerBatch: shape.Slots, Jump: 9})
	if err != nil {
		b.Fatal(err)
	}
	for _, then := range []time.Time{time.Now().Add(-5 * calendar.EpochLength), time.Now()} {
		if _, err := keys.Advance(then); err != nil {
			b.Fatal(err)
		}
	}
	queue, err := batch.OpenQueue(dir+"/queue", shape)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = queue.Close() })
	store, err := disk.Open(dir+"/store", disk.Options{ServerName: domain, Logger: zerolog.Nop()})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = store.Close() })
	if err := store.SetGroup(b.Context(), pool.GroupInfo{Name: poolGroup, Posting: pool.PostingDenied}); err != nil {
		b.Fatal(err)
	}
	p := &pickups{store: store, keys: keys, box: identity.NewSeed().Mailbox(0), now: queue.Released()}
	p.Office = New(Options{Domain: domain, Group: poolGroup, Calendar: calendar, Slots: shape.Slots, Keys: keys, Queue: queue, Store: store})
	for i := range others {
		p.other = append(p.other, p.file(b, identity.NewSeed().Mailbox(0), uint64(i)))
	}
	for i := range found {
		p.mine = append(p.mine, p.file(b, p.box, uint64(i)))
	}
	p.blind(b)
	return p
}

// blind is the client's part of oblivious pickup.
func (p *pickups) blind(b *testing.B) {
	b.Helper()
	oldest, newest := p.keys.Retained()
	for epoch := oldest; epoch <= newest; epoch++ {
		key, err := p.keys.Blind(epoch)
		if err != nil {
			b.Fatal(err)
		}
		client, err := blind.NewClient(key.Public())
		if err != nil {
			b.Fatal(err)
		}
		ids := make([]identity.ID, 9)
		for i := range ids {
			ids[i] = identity.NewSeed().Mailbox(0).ID()
		}
		request, err := client.Blind(ids)
		if err != nil {
			b.Fatal(err)
		}
		p.lines = append(p.lines, request.Elements())
	}
}

// file files a real entry of a mailbox, so many batches ago.
func (p *pickups) file(b *testing.B, box *identity.Mailbox, ago uint64) pool.MessageID {
	b.Helper()
	number := p.now - ago
	secret, err := p.blinder(box.ID())(p.Calendar.EpochOf(number))
	if err != nil {
		b.Fatal(err)
	}
	tag := secret.Tag(number, 0)
	letter := fmt.Sprintf("From: x\r\nNewsgroups: restante.inbox\r\nSubject: x\r\nDate: %s\r\nMessage-ID: <%d@x>\r\n\r\nx\r\n",
		article.Date(p.Calendar.Start(number)), ago)
	fragments, err := envelope.Split(envelope.KindMessage, []byte(letter))
	if err != nil {
		b.Fatal(err)
	}
	payload, err := envelope.Seal(box.ReplyKey(), secret, tag.MessageID(domain), fragments[0])
	if err != nil {
		b.Fatal(err)
	}
	e := entry.Entry{Domain: domain, Group: poolGroup, Tag: tag, Date: p.Calendar.Start(number), Payload: payload}
	a, err := e.Article(p.keys.Signer())
	if err != nil {
		b.Fatal(err)
	}
	filed, err := a.File([]pool.Group{poolGroup}, time.Now(), p.Calendar.EpochOf(number))
	if err != nil {
		b.Fatal(err)
	}
	if _, err := p.store.Append(b.Context(), filed); err != nil {
		b.Fatal(err)
	}
	p.held++
	return filed.ID
}

// grow fills the pool with entries without a body until it holds n.
func (p *pickups) grow(b *testing.B, n int) {
	b.Helper()
	const writers = 2048
	oldest, newest := p.keys.Retained()
	var all sync.WaitGroup
	failed := make(chan error, writers)
	lacking := max(n-p.held, 0)
	for w := range writers {
		all.Go(func() {
			for i := w; i < lacking; i += writers {
				epoch := oldest + uint64(i)*(newest-oldest+1)/uint64(lacking)
				if err := p.hollow(b.Context(), epoch); err != nil {
					failed <- err
					return
				}
			}
		})
	}
	all.Wait()
	if len(failed) > 0 {
		b.Fatal(<-failed)
	}
	p.held += lacking
	info, err := p.store.Group(b.Context(), poolGroup)
	if err != nil || info.Count != p.held {
		b.Fatal(info.Count, err)
	}
}

// hollow files an entry without a body, of an epoch.
func (p *pickups) hollow(ctx context.Context, epoch uint64) error {
	id := blind.RandomTag().MessageID(domain)
	head := "Path: " + domain + "!not-for-mail\r\nNewsgroups: restante.pool\r\nSubject: restante\r\nMessage-ID: " + id + "\r\n"
	_, err := p.store.Append(ctx, &pool.Article{
		ID: pool.MessageID(id), Groups: []pool.Group{poolGroup}, Arrived: time.Now(), Epoch: epoch,
		Head: []byte(head), Body: []byte("\r\n"), Overview: pool.Overview{Subject: "restante", Bytes: len(head) + 4, Lines: 1},
	})
	return err
}

func (p *pickups) login(b *testing.B) {
	m := newMailbox(p.Office, p.box)
	if err := m.Refresh(b.Context()); err != nil {
		b.Fatal(err)
	}
	if n := len(m.messages(Inbox)); n != found {
		b.Fatalf("%d messages, want %d", n, found)
	}
}

func (p *pickups) sealed(b *testing.B) {
	_, seal := p.keys.Mint()
	sealed, err := seal.SealID(p.box.ID())
	if err != nil {
		b.Fatal(err)
	}
	n := 0
	if err := p.Find(b.Context(), sealed, func(pool.Number, pool.MessageID) { n++ }); err != nil || n != found {
		b.Fatalf("%d entries, %v, want %d", n, err, found)
	}
}

func (p *pickups) oblivious(b *testing.B) {
	oldest, _ := p.keys.Retained()
	for i, elements := range p.lines {
		if _, _, err := p.Evaluate(b.Context(), oldest+uint64(i), elements); err != nil {
			b.Fatal(err)
		}
	}
	for _, id := range p.mine {
		if _, err := p.Store.ByID(b.Context(), id); err != nil {
			b.Fatal(err)
		}
	}
}

// tryAll reads others' entries and tries to open each.
func (p *pickups) tryAll(b *testing.B) {
	secret := blind.RandomBlinded()
	for _, id := range p.other {
		stored, err := p.Store.ByID(b.Context(), id)
		if err != nil {
			b.Fatal(err)
		}
		payload, err := entry.Payload(stored)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := envelope.Open(p.box, secret, string(id), payload); err == nil {
			b.Fatal("another's entry opens")
		}
	}
}
