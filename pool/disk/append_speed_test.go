package disk

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/restante/restante/pool"
	"github.com/restante/restante/pool/record"
)

// A tape notes what goes to the segments: the octets written before each sync.
type tape struct {
	record.OS

	mu      sync.Mutex
	batches []int64
}

func (t *tape) OpenFile(path string, flag int) (record.File, int64, error) {
	f, size, err := t.OS.OpenFile(path, flag)
	if err == nil && strings.HasSuffix(path, ".seg") {
		f = &taped{File: f, tape: t}
	}
	return f, size, err
}

// take returns the batches since it was last called.
func (t *tape) take() []int64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	out := t.batches
	t.batches = nil
	return out
}

type taped struct {
	record.File
	tape    *tape
	written atomic.Int64 // since the last sync, in which some of the next batch may be
}

func (f *taped) WriteAt(b []byte, offset int64) (int, error) {
	if len(b) > 0 && b[0] != 0 { // no room made ahead
		f.written.Add(int64(len(b)))
	}
	return f.File.WriteAt(b, offset)
}

func (f *taped) Sync() error {
	if written := f.written.Swap(0); written > 0 {
		f.tape.mu.Lock()
		f.tape.batches = append(f.tape.batches, written)
		f.tape.mu.Unlock()
	}
	return f.File.Sync()
}

// A plain is a program that does nothing but write and sync to a file.
type plain struct {
	file record.File
	end  int64
}

func (p *plain) run(b *testing.B, batches []int64) time.Duration {
	octets := bytes.Repeat([]byte("plain octets.\r\n"), 1<<16)
	start := time.Now()
	for _, size := range batches {
		for size > 0 {
			n := min(size, int64(len(octets)))
			if _, err := p.file.WriteAt(octets[:n], p.end); err != nil {
				b.Fatal(err)
			}
			p.end, size = p.end+n, size-n
		}
		if err := p.file.Sync(); err != nil {
			b.Fatal(err)
		}
	}
	return time.Since(start)
}

// runFor has the octets brought by that many goroutines, each of which waits for the sync
// of some of them before it brings more: the group commit of many writers, and nothing else.
// What comes while a batch is written and synced goes into the next one.
func (p *plain) runFor(b *testing.B, writers, n int, octets int64) time.Duration {
	type commit struct {
		buf  []byte
		done chan struct{}
	}
	var mu sync.Mutex
	next := &commit{done: make(chan struct{})}
	came := make(chan struct{}, 1)
	text := bytes.Repeat([]byte("p"), int(octets)/n)
	var left atomic.Int64
	left.Store(int64(n))
	var running sync.WaitGroup
	start := time.Now()
	for range writers {
		running.Go(func() {
			for left.Add(-1) >= 0 {
				mu.Lock()
				mine := next
				mine.buf = append(mine.buf, text...)
				mu.Unlock()
				select {
				case came <- struct{}{}:
				default:
				}
				<-mine.done
			}
		})
	}
	go func() {
		running.Wait()
		close(came)
	}()
	var spare []byte
	for range came {
		mu.Lock()
		m := next
		next = &commit{buf: spare[:0], done: make(chan struct{})}
		mu.Unlock()
		if len(m.buf) > 0 {
			if _, err := p.file.WriteAt(m.buf, p.end); err != nil {
				b.Fatal(err)
			}
			if err := p.file.Sync(); err != nil {
				b.Fatal(err)
			}
			p.end += int64(len(m.buf))
		}
		close(m.done)
		spare = m.buf
	}
	return time.Since(start)
}

// Durable appends, as a share of what the same disk gives, in turns, to a plain
// program that writes the same octets in the same batches and syncs each. It has the
// processors for itself the first time; the second time others keep them busy, as
// the store's own work does while the store syncs.
func BenchmarkStore_Append(b *testing.B) {
	for _, size := range []int{2, 16} {
		for _, writers := range []int{1, 16, 256} {
			b.Run(fmt.Sprintf("%dKiB/writers=%d", size, writers), func(b *testing.B) {
				appendBesidePlain(b, size<<10, writers)
			})
		}
	}
}

func appendBesidePlain(b *testing.B, size, writers int) {
	dir := b.TempDir()
	tape := new(tape)
	s := speedStore(b, filepath.Join(dir, "store"), Options{Files: tape})
	file, _, err := record.OS{}.OpenFile(filepath.Join(dir, "plain"), os.O_RDWR|os.O_CREATE)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = file.Close() })
	p := plain{file: file}
	articles := newPress(size)
	turn := 20 * writers // short, so that both meet the same neighbours
	tape.take()
	var took, plainly, beside, cpu time.Duration
	batches := 0
	b.SetBytes(int64(size))
	b.ResetTimer()
	for left := b.N; left > 0; left -= turn {
		b.StopTimer()
		articles.prepare(min(left, turn)) // the plain program has its octets, too
		b.StartTimer()
		start, worked := time.Now(), cpuTime(b)
		if err := articles.appendAll(b.Context(), s, writers, min(left, turn)); err != nil {
			b.Fatal(err)
		}
		s.settle() // what the appends did not wait for is part of what they cost
		took += time.Since(start)
		cpu += cpuTime(b) - worked
		b.StopTimer()
		same := tape.take()
		batches += len(same)
		plainly += p.run(b, same)
		var octets int64
		for _, size := range same {
			octets += size
		}
		beside += p.runFor(b, writers, min(left, turn), octets)
		b.StartTimer()
	}
	b.StopTimer()
	b.ReportMetric(100*plainly.Seconds()/took.Seconds(), "%-of-plain")
	b.ReportMetric(100*beside.Seconds()/took.Seconds(), "%-of-group-commit")
	b.ReportMetric(float64(cpu.Nanoseconds())/1000/float64(b.N), "cpu-µs/op")
	b.ReportMetric(float64(b.N)/float64(batches), "articles/sync")
}

// speedStore opens a store with one group, closed after the benchmark.
func speedStore(b *testing.B, dir string, o Options) *Store {
	o.ServerName = "news.example"
	s := mustOpen(b, dir, o)
	var running sync.WaitGroup
	ctx, stop := context.WithCancel(context.Background())
	running.Go(func() { _ = s.Run(ctx) })
	b.Cleanup(func() {
		stop()
		running.Wait()
		mustClose(b, s)
	})
	if err := s.SetGroup(b.Context(), pool.GroupInfo{Name: "misc.test", Posting: pool.PostingAllowed}); err != nil {
		b.Fatal(err)
	}
	return s
}

// A press makes articles of one size.
type press struct {
	made  atomic.Int64
	ready chan *pool.Article // made before they are needed
	body  []byte
	epoch uint64
}

func newPress(size int) *press {
	const line = "Some seventy octets a line is what people write, and some words more.\r\n"
	return &press{body: bytes.Repeat([]byte(line), max(1, (size-500)/len(line)))}
}

func speedID(n int64) pool.MessageID {
	return pool.MessageID(fmt.Sprintf("<%012d.speed@bench.example>", n))
}

// prepare makes articles for the next calls of article.
func (p *press) prepare(n int) {
	ready := make(chan *pool.Article, n)
	for range n {
		ready <- p.article()
	}
	p.ready = ready
}

func (p *press) article() *pool.Article {
	select {
	case a := <-p.ready:
		return a
	default:
	}
	id := speedID(p.made.Add(1))
	head := "Path: bench.example!not-for-mail\r\nFrom: Some Body <somebody@bench.example>\r\nNewsgroups: misc.test\r\n" +
		"Subject: An article of a benchmark\r\nDate: Mon, 02 Jan 2006 15:04:05 +0000\r\nMessage-ID: " + string(id) + "\r\n" +
		"References: <first@bench.example> <second@bench.example>\r\nContent-Type: text/plain; charset=UTF-8\r\n"
	return &pool.Article{
		Epoch: p.epoch, ID: id, Groups: []pool.Group{"misc.test"}, Arrived: time.Now(), Head: []byte(head), Body: p.body,
		Overview: pool.Overview{
			Subject: "An article of a benchmark", From: "Some Body <somebody@bench.example>", Date: "Mon, 02 Jan 2006 15:04:05 +0000",
			References: "<first@bench.example> <second@bench.example>", Bytes: len(head) + 2 + len(p.body), Lines: 20,
		},
	}
}

// appendAll appends n articles from that many goroutines.
func (p *press) appendAll(ctx context.Context, s *Store, writers, n int) error {
	var left atomic.Int64
	left.Store(int64(n))
	var group errgroup.Group
	for range writers {
		group.Go(func() error {
			for left.Add(-1) >= 0 {
				if _, err := s.Append(ctx, p.article()); err != nil {
					return err
				}
			}
			return nil
		})
	}
	return group.Wait()
}
