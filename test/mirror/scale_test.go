package mirror

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	server "github.com/restante/restante/gateway"
	"github.com/restante/restante/gateway/keyring"
	"github.com/restante/restante/gateway/nntp"

	"github.com/restante/restante/crypto/blind"
	"github.com/restante/restante/crypto/envelope"
	"github.com/restante/restante/crypto/note"
	"github.com/restante/restante/pool"
	"github.com/restante/restante/pool/article"
	"github.com/restante/restante/pool/disk"
	"github.com/restante/restante/pool/entry"
	"github.com/restante/restante/test/harness"
)

// perBatch is how many entries the batches of a large pool have.
const perBatch = 64

// calendar is that of a gateway with a large pool. The gateway's keys are new, so
// that it keeps nothing of epochs before: one that is four weeks long has room for
// all most of the time.
func calendar() pool.Calendar {
	return pool.Calendar{EpochLength: 28 * 24 * time.Hour, BatchInterval: 5 * time.Minute, Retention: 4, TokenLife: 12}
}

func large(b *testing.B) int {
	b.Helper()
	text := os.Getenv("RESTANTE_MIRROR_BENCH_ENTRIES")
	if text == "" {
		return 100_000
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		b.Fatal("RESTANTE_MIRROR_BENCH_ENTRIES is not a number above 0")
	}
	return n
}

// monthly is a gateway of which the pool's age fits what is in it.
func monthly(b *testing.B, domain string) *harness.Gateway {
	b.Helper()
	return gateway(b, domain,
		harness.Setting{Key: "epoch_length", Value: `"672h"`}, harness.Setting{Key: "batch_interval", Value: `"5m"`},
		harness.Setting{Key: "batch_size", Value: strconv.Itoa(perBatch)},
		harness.Setting{Key: "most_octets", Value: "1099511627776"}) // it is learnt, and publishes more than is taken by default
}

// emptied stops a gateway and takes all from it but its keys, and what it had
// released: it does not begin anew.
func emptied(b *testing.B, g *harness.Gateway) {
	b.Helper()
	g.Stop()
	rooms, err := os.ReadDir(g.Data)
	if err != nil {
		b.Fatal(err)
	}
	for _, room := range rooms {
		if room.Name() == "keys" || room.Name() == "queue" {
			continue
		}
		if err := os.RemoveAll(filepath.Join(g.Data, room.Name())); err != nil {
			b.Fatal(err)
		}
	}
}

// A shelf is the store of a gateway that does not run.
type shelf struct {
	b     *testing.B
	store *disk.Store
	waits []pool.Begun
}

func openShelf(b *testing.B, g *harness.Gateway) *shelf {
	b.Helper()
	s, err := disk.Open(g.Data, disk.Options{ServerName: "bench.example"})
	if err != nil {
		b.Fatal(err)
	}
	for _, name := range shared()[:3] {
		if err := s.SetGroup(b.Context(), pool.GroupInfo{Name: pool.Group(name), Posting: pool.PostingDenied, Created: time.Now()}); err != nil {
			b.Fatal(err)
		}
	}
	return &shelf{b: b, store: s}
}

// file files an article as it came, many of them with one sync.
func (s *shelf) file(a *article.Article, group string) {
	s.b.Helper()
	date, err := time.Parse("Mon, 02 Jan 2006 15:04:05 -0700", a.Get("Date"))
	if err != nil {
		s.b.Fatal(err)
	}
	filed, err := a.File([]pool.Group{pool.Group(group)}, time.Now(), calendar().Epoch(date))
	if err != nil {
		s.b.Fatal(err)
	}
	if s.waits = append(s.waits, s.store.Begin(context.Background(), filed)); len(s.waits) == 512 {
		s.settle()
	}
}

func (s *shelf) settle() {
	s.b.Helper()
	waits := s.waits
	s.waits = nil
	for _, begun := range waits {
		if _, err := begun.Wait(); err != nil {
			s.b.Fatal(err)
		}
	}
}

func (s *shelf) close() {
	s.b.Helper()
	s.settle()
	if err := s.store.Close(); err != nil {
		s.b.Fatal(err)
	}
}

// A publisher makes the pool of a gateway, in the past, with its own key.
type publisher struct {
	b        *testing.B
	domain   string
	signer   *note.Signer
	previous [sha256.Size]byte
}

func newPublisher(b *testing.B, g *harness.Gateway, domain string) *publisher {
	b.Helper()
	keys, err := keyring.Open(server.KeyDir(g.Data), domain, keyring.Policy{Calendar: calendar(), BatchSize: perBatch, SlotsPerBatch: 8})
	if err != nil {
		b.Fatal(err)
	}
	return &publisher{b: b, domain: domain, signer: keys.Signer()}
}

// batch makes a batch. The payloads are random, as they look to anybody.
func (p *publisher) batch(number uint64, n int) (entries []*article.Article, manifest *article.Article) {
	p.b.Helper()
	start := calendar().Start(number)
	m := note.Manifest{Domain: p.domain, Batch: number, Previous: p.previous}
	for range n {
		e := p.entry(start)
		a, err := e.Article(p.signer)
		if err != nil {
			p.b.Fatal(err)
		}
		entries = append(entries, a)
		m.Entries = append(m.Entries, note.ManifestEntry{Tag: e.Tag.String(), Payload: sha256.Sum256(e.Payload)})
	}
	text := m.Text()
	p.previous = note.Hash(text)
	signed, err := note.Sign(text, p.signer)
	if err != nil {
		p.b.Fatal(err)
	}
	manifest, err = entry.Note(p.domain, "restante.manifest", entry.ManifestID(p.domain, number), entry.ManifestSubject(number), start, signed)
	if err != nil {
		p.b.Fatal(err)
	}
	return entries, manifest
}

func (p *publisher) entry(start time.Time) *entry.Entry {
	payload := make([]byte, envelope.PayloadSize)
	_, _ = rand.Read(payload) // never fails
	return &entry.Entry{Domain: p.domain, Group: "restante.pool", Tag: blind.RandomTag(), Date: start, Payload: payload}
}

// publish fills the store of a gateway that is stopped with so many entries, and
// another one's with the same, but for some spread over all of them, which it
// returns.
func (p *publisher) publish(g *harness.Gateway, n int, other *harness.Gateway, lacks int) (missing []pool.MessageID) {
	p.b.Helper()
	mine := openShelf(p.b, g)
	defer mine.close()
	var its *shelf
	if other != nil {
		its = openShelf(p.b, other)
		defer its.close()
	}
	batches := (n + perBatch - 1) / perBatch
	number := calendar().Batch(time.Now()) - uint64(batches) - 5
	if calendar().EpochOf(number) != calendar().Epoch(time.Now()) {
		p.b.Skip("the epoch of four weeks has only just begun: so many batches have no room in it yet")
	}
	for done := 0; done < n; number++ {
		entries, manifest := p.batch(number, min(perBatch, n-done))
		mine.file(manifest, "restante.manifest")
		if its != nil {
			its.file(manifest, "restante.manifest")
		}
		for _, a := range entries {
			mine.file(a, "restante.pool")
			switch {
			case its == nil:
			case done%(n/lacks) == 0:
				missing = append(missing, pool.MessageID(a.Get("Message-ID")))
			default:
				its.file(a, "restante.pool")
			}
			done++
		}
	}
	return missing
}

// floor is the CPU time that no mirror can save: the signature and the digest of
// one entry.
func (p *publisher) floor() time.Duration {
	p.b.Helper()
	const rounds = 2000
	e := p.entry(time.Now())
	date := article.Date(e.Date)
	signature := p.signer.SignEntry(string(e.MessageID()), string(e.Group), date, sha256.Sum256(e.Payload))
	key := p.signer.Verifier()
	before := ownCPU()
	for range rounds {
		if err := key.VerifyEntry(string(e.MessageID()), string(e.Group), date, sha256.Sum256(e.Payload), signature); err != nil {
			p.b.Fatal(err)
		}
	}
	return (ownCPU() - before) / rounds
}

// ownCPU is the CPU time of this process.
func ownCPU() time.Duration {
	var usage syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &usage) // it can't fail
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// cpuOf is the CPU time of a process.
func cpuOf(b *testing.B, pid int) time.Duration {
	b.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		b.Fatal(err)
	}
	fields := bytes.Fields(text[bytes.LastIndexByte(text, ')')+1:])
	var ticks int64 // of a hundredth of a second on every Linux system
	for _, field := range fields[11:13] {
		n, err := strconv.ParseInt(string(field), 10, 64)
		if err != nil {
			b.Fatal(err)
		}
		ticks += n
	}
	return time.Duration(ticks) * time.Second / 100
}

// A watcher asks a gateway again and again.
type watcher struct {
	b    *testing.B
	conn net.Conn
	r    *nntp.Reader
	w    *nntp.Writer
}

func watch(b *testing.B, g *harness.Gateway) *watcher {
	b.Helper()
	conn, err := dial(g.Address)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = conn.Close() })
	buffers := new(nntp.Buffers)
	w := &watcher{b, conn, nntp.NewReader(conn, buffers), nntp.NewWriter(conn, buffers)}
	w.reply()
	return w
}

func (w *watcher) reply() nntp.Reply {
	w.b.Helper()
	if err := w.w.Flush(); err != nil {
		w.b.Fatal(err)
	}
	reply, err := w.r.ReadReply()
	if err != nil {
		w.b.Fatal(err)
	}
	return reply
}

func (w *watcher) ask(command string) {
	w.b.Helper()
	if err := w.w.Command(command); err != nil {
		w.b.Fatal(err)
	}
}

// entries is how many entries the gateway has.
func (w *watcher) entries() (n int) {
	w.b.Helper()
	w.ask("GROUP restante.pool")
	if _, err := fmt.Sscan(w.reply().Text, &n); err != nil {
		w.b.Fatal(err)
	}
	return n
}

// until waits until something is so.
func (w *watcher) until(done func() bool) {
	w.b.Helper()
	for end := time.Now().Add(time.Hour); !done(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			w.b.Fatal("it takes too long")
		}
	}
}

// missing returns those of the articles that the gateway has not.
func (w *watcher) missing(ids []pool.MessageID) (out []pool.MessageID) {
	w.b.Helper()
	for _, id := range ids {
		w.ask("STAT " + string(id))
		if w.reply().Code != nntp.CodeStat {
			out = append(out, id)
		}
	}
	return out
}

// BenchmarkBackfill fills an empty mirror with all that a gateway has, once by its
// feed and once by pulling. floor-% is how much of the mirror's CPU time are the
// signatures and digests of the entries, which no mirror can save.
func BenchmarkBackfill(b *testing.B) {
	n := large(b)
	for _, c := range []struct {
		name string
		link func(from, to *harness.Gateway)
	}{
		{"feed", func(from, to *harness.Gateway) {
			connect(b, to, link{domain: "a.example", to: from})
			connect(b, from, link{domain: "b.example", to: to, feeds: true})
		}},
		{"pull", func(from, to *harness.Gateway) {
			connect(b, to, link{domain: "a.example", to: from, reads: true, read: "pull = \"restante.*\"\nevery = \"1s\"\n"})
		}},
	} {
		b.Run(c.name, func(b *testing.B) {
			for range b.N {
				backfill(b, n, c.link)
			}
		})
	}
}

func backfill(b *testing.B, n int, join func(from, to *harness.Gateway)) {
	b.Helper()
	from := monthly(b, "a.example")
	emptied(b, from)
	p := newPublisher(b, from, "a.example")
	p.publish(from, n, nil, 0)
	from.Restart()
	to := monthly(b, "b.example")
	look := watch(b, to)
	own := look.entries()
	theirs, ours := cpuOf(b, from.PID()), cpuOf(b, to.PID())
	begun := time.Now()
	join(from, to)
	look.until(func() bool { return look.entries() >= n+own })
	took := time.Since(begun)
	mine := (cpuOf(b, to.PID()) - ours) / time.Duration(n)
	floor := p.floor()
	b.ReportMetric(float64(n)/took.Seconds(), "entries/s")
	b.ReportMetric(micros(mine), "mirror-µs/entry")
	b.ReportMetric(micros(cpuOf(b, from.PID())-theirs)/float64(n), "sender-µs/entry")
	b.ReportMetric(micros(floor), "floor-µs/entry")
	b.ReportMetric(100*micros(floor)/micros(mine), "floor-%")
	from.Stop()
	to.Stop()
}

func micros(d time.Duration) float64 { return float64(d.Nanoseconds()) / 1e3 }

// BenchmarkRepair lets a mirror that lacks some entries, spread over all batches,
// find out which and fetch them.
func BenchmarkRepair(b *testing.B) {
	n := large(b)
	for _, lacks := range []int{10, 100, 1000} {
		if lacks > n {
			continue
		}
		b.Run(fmt.Sprintf("lacking=%d", lacks), func(b *testing.B) {
			for range b.N {
				repair(b, n, lacks)
			}
		})
	}
}

func repair(b *testing.B, n, lacks int) {
	b.Helper()
	from, to := monthly(b, "a.example"), monthly(b, "b.example")
	emptied(b, from)
	emptied(b, to)
	p := newPublisher(b, from, "a.example")
	missing := p.publish(from, n, to, lacks)
	from.Restart()
	to.Restart()
	var octets atomic.Int64
	through := newProxy(b, from.Address, &octets)
	size := len(newReader(b, from.Address).article(string(missing[0]))) * len(missing)
	before := cpuOf(b, to.PID())
	begun := time.Now()
	connect(b, to, link{domain: "a.example", address: through.address, reads: true})
	look := watch(b, to)
	look.until(func() bool { missing = look.missing(missing); return len(missing) == 0 })
	b.ReportMetric(time.Since(begun).Seconds(), "s")
	b.ReportMetric((cpuOf(b, to.PID()) - before).Seconds(), "mirror-cpu-s")
	b.ReportMetric(float64(octets.Load())/float64(size), "octets/octet-lacking")
	from.Stop()
	to.Stop()
}
