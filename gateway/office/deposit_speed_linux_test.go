package office

import (
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/restante/restante/crypto/blind"
	"github.com/restante/restante/crypto/envelope"
	"github.com/restante/restante/crypto/identity"
	"github.com/restante/restante/crypto/token"
	"github.com/restante/restante/gateway/batch"
	"github.com/restante/restante/gateway/keyring"
	"github.com/restante/restante/pool"
	"github.com/restante/restante/pool/memory"
)

// BenchmarkDeposit is private messages of one entry, each to another mailbox:
// the three public-key operations of a deposit alone, that is to open the token,
// blind the ID and seal 16 KiB, and whole submissions, in turns. The share says
// how many submissions there were in the time of as many such operations. The
// queue's log is in memory, where a sync costs nothing, or on the disk.
func BenchmarkDeposit(b *testing.B) {
	inMemory, err := os.MkdirTemp("/dev/shm", "restante-deposit-") //nolint:usetesting // that one is on the disk
	if err != nil {
		b.Skip("no file system in memory: ", err)
	}
	b.Cleanup(func() { _ = os.RemoveAll(inMemory) })
	for _, place := range []struct{ name, folder string }{{"memory", inMemory}, {"disk", b.TempDir()}} {
		for _, size := range []int{1 << 10, 12 << 10} {
			for _, clients := range []int{1, 64} {
				b.Run(fmt.Sprintf("log=%s/octets=%d/clients=%d", place.name, size, clients), func(b *testing.B) {
					d := newDeposits(b, place.folder, size)
					for b.Loop() {
						d.round(b, clients)
					}
					d.report(b)
				})
			}
		}
	}
}

const (
	perQueue = 2048 // deposits into each queue
	perTurn  = 16   // deposits of each client, or as many operations, until it is the others' turn
)

type deposits struct {
	folder string
	shape  batch.Shape
	office *Office
	posts  [perQueue][]byte
	tokens [perQueue]token.Token

	operations, submissions spent
	n                       int // of either
}

// spent is the time, and the processors' time, that something took.
type spent struct{ wall, processor time.Duration }

func newDeposits(b *testing.B, folder string, size int) *deposits {
	b.Helper()
	d := &deposits{folder: folder, shape: batch.Shape{
		Calendar: pool.Calendar{EpochLength: 168 * time.Hour, BatchInterval: 5 * time.Minute, Retention: 4, TokenLife: 12},
		Size:     1 << 20, Slots: 8, Backlog: 288, Posts: 1 << 20,
	}}
	dir := b.TempDir()
	if err := keyring.Create(dir); err != nil {
		b.Fatal(err)
	}
	keys, err := keyring.Open(dir, domain, keyring.Policy{Calendar: d.shape.Calendar, BatchSize: d.shape.Size, SlotsPerBatch: d.shape.Slots})
	if err != nil {
		b.Fatal(err)
	}
	if _, err := keys.Advance(time.Now()); err != nil {
		b.Fatal(err)
	}
	d.office = New(Options{
		Domain: domain, Group: poolGroup, Calendar: d.shape.Calendar, Slots: d.shape.Slots,
		Keys: keys, Store: memory.New(domain), MaxArticle: maxSize, Logins: 1,
	})
	epoch, seal := keys.Mint()
	body := strings.Repeat("A line of text that says nothing at all, and is as long as others.\n", size/68)
	for i := range d.posts {
		if d.tokens[i], err = token.Mint(seal, domain, epoch, identity.NewSeed().Mailbox(0)); err != nil {
			b.Fatal(err)
		}
		d.posts[i] = crlf(reply(pool.MessageID(d.tokens[i].MessageID(domain)), body))
	}
	return d
}

// round makes deposits into a new queue.
func (d *deposits) round(b *testing.B, clients int) {
	b.Helper()
	dir, err := os.MkdirTemp(d.folder, "queue-") //nolint:usetesting // that one is on the disk
	if err != nil {
		b.Fatal(err)
	}
	defer os.RemoveAll(dir)
	if d.office.Queue, err = batch.OpenQueue(dir, d.shape); err != nil {
		b.Fatal(err)
	}
	for first := 0; first < perQueue; first += perTurn * clients {
		d.operations.add(b, clients, first, d.operation)
		d.submissions.add(b, clients, first, func(b *testing.B, i int) error {
			_, err := d.office.Submit(b.Context(), d.posts[i], nil)
			return err
		})
	}
	if n := d.office.Queue.Waiting(); n != perQueue {
		b.Fatalf("%d entries wait, want %d", n, perQueue)
	}
	if err := d.office.Queue.Close(); err != nil {
		b.Fatal(err)
	}
	d.n += perQueue
}

func (d *deposits) operation(_ *testing.B, i int) error {
	epoch, err := d.tokens[i].Epoch(d.office.Keys.Honoured())
	if err != nil {
		return err
	}
	seal, err := d.office.Keys.Seal(epoch)
	if err != nil {
		return err
	}
	id, key, err := d.tokens[i].Open(seal, domain, epoch)
	if err != nil {
		return err
	}
	blinding, err := d.office.Keys.Blind(epoch)
	if err != nil {
		return err
	}
	secret, err := blinding.Evaluate(id)
	if err != nil {
		return err
	}
	_, err = envelope.Seal(key, secret, blind.RandomTag().MessageID(domain), envelope.Fragment{Kind: envelope.KindMessage, Count: 1})
	return err
}

// add lets clients do something with each post of a turn.
func (s *spent) add(b *testing.B, clients, first int, do func(*testing.B, int) error) {
	b.Helper()
	var all sync.WaitGroup
	failed := make(chan error, clients)
	wall, processor := time.Now(), processorTime(b)
	for c := range clients {
		all.Go(func() {
			for i := first + c; i < first+perTurn*clients; i += clients {
				if err := do(b, i); err != nil {
					failed <- err
					return
				}
			}
		})
	}
	all.Wait()
	s.wall += time.Since(wall)
	s.processor += processorTime(b) - processor
	select {
	case err := <-failed:
		b.Fatal(err)
	default:
	}
}

// processorTime is what this process has had of all processors.
func processorTime(b *testing.B) time.Duration {
	b.Helper()
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func (d *deposits) report(b *testing.B) {
	b.Helper()
	micros := func(t time.Duration) float64 { return float64(t.Nanoseconds()) / 1e3 / float64(d.n) }
	b.ReportMetric(0, "ns/op") // it is of both
	b.ReportMetric(float64(d.n)/d.operations.wall.Seconds(), "operations/s")
	b.ReportMetric(float64(d.n)/d.submissions.wall.Seconds(), "deposits/s")
	b.ReportMetric(100*d.operations.wall.Seconds()/d.submissions.wall.Seconds(), "%")
	b.ReportMetric(micros(d.operations.processor), "CPU-µs/operation")
	b.ReportMetric(micros(d.submissions.processor), "CPU-µs/deposit")
	b.ReportMetric(100*d.operations.processor.Seconds()/d.submissions.processor.Seconds(), "CPU-%")
}
