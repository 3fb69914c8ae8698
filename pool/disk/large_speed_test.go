package disk

import (
	"bufio"
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"runtime/debug"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/restante/restante/pool"
)

// largeCount is how many articles the benchmarks of a large store have. Five
// million need 7 GB of disk, deleted in the end, and some minutes.
func largeCount(b *testing.B) int64 {
	b.Helper()
	n := flag.Lookup("test.bench").Value.String()
	if !strings.Contains(n, "Large") {
		b.Skip("takes gigabytes: name Large in -bench")
	}
	return envNumber(b, "RESTANTE_DISK_BENCH_ARTICLES", 5_000_000)
}

func envNumber(b *testing.B, name string, otherwise int64) int64 {
	b.Helper()
	text, ok := os.LookupEnv(name)
	if !ok {
		return otherwise
	}
	var n int64
	if _, err := fmt.Sscan(text, &n); err != nil || n < 1 {
		b.Fatalf("%s is no number", name)
	}
	return n
}

// fillEnv names the folder that the child of the benchmarks of a large store
// fills, with the number of articles behind it.
const fillEnv = "RESTANTE_DISK_BENCH_FILL"

// runFill is that child. It is killed once it has said how much CPU time an
// article took, so that the store is as a crash leaves it.
func runFill() bool {
	text, ok := os.LookupEnv(fillEnv)
	if !ok {
		return false
	}
	dir, count, _ := strings.Cut(text, "\t")
	fmt.Println(fillStore(dir, count))
	time.Sleep(time.Minute) // it is killed before
	return true
}

const filledWord = "filled"

func fillStore(dir, count string) any {
	n, err := strconv.Atoi(count)
	if err != nil {
		return err
	}
	s, err := Open(dir, Options{ServerName: "news.example"})
	if err != nil {
		return err
	}
	ctx := context.Background()
	if err := s.SetGroup(ctx, pool.GroupInfo{Name: "misc.test", Posting: pool.PostingAllowed}); err != nil {
		return err
	}
	const writers = 4096 // in large batches
	if err := newPress(0).appendAll(ctx, s, writers, n); err != nil {
		return err
	}
	return filledWord
}

// BenchmarkLarge measures a store of millions of articles after a crash: how
// long it takes to open, and what it takes of memory, which -v shows; lookups and
// overviews.
func BenchmarkLarge(b *testing.B) {
	n := largeCount(b)
	dir := b.TempDir()
	fill(b, dir, n)
	start, cpu := time.Now(), cpuTime(b)
	s := mustOpen(b, dir, Options{ServerName: "news.example"})
	defer mustClose(b, s)
	b.Logf("opened in %v, with %v of CPU time", time.Since(start), cpuTime(b)-cpu)
	if got := int64(s.Health().Seen); got != n {
		b.Fatalf("%d articles, want %d", got, n)
	}
	debug.FreeOSMemory()
	b.Logf("%d MiB resident with %d message-ids remembered", resident(b)>>20, n)
	b.Run("hit", func(b *testing.B) {
		for b.Loop() {
			if _, err := s.ByID(b.Context(), speedID(1+rand.Int64N(n))); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("miss", func(b *testing.B) {
		for b.Loop() {
			if known, err := s.Seen(b.Context(), speedID(n+1+rand.Int64N(n))); known || err != nil {
				b.Fatal(known, err)
			}
		}
	})
	b.Run("number", func(b *testing.B) {
		for b.Loop() {
			if _, err := s.ByNumber(b.Context(), "misc.test", pool.Number(1+rand.Int64N(n))); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("over", func(b *testing.B) {
		lines := 0
		for b.Loop() {
			from := pool.Number(1 + rand.Int64N(max(1, n-10_000)))
			err := s.Scan(b.Context(), "misc.test", pool.Range{From: from, To: from + 9_999}, func(pool.Number, []byte) bool {
				lines++
				return true
			})
			if err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(lines), "ns/line")
	})
}

// resident returns how many octets of memory the process has.
func resident(b *testing.B) int64 {
	b.Helper()
	text, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		b.Skip(err)
	}
	var size, pages int64
	if _, err := fmt.Sscan(string(text), &size, &pages); err != nil {
		b.Fatal(err)
	}
	return pages * int64(os.Getpagesize())
}

// fill lets a child fill a store, and kills it.
func fill(b *testing.B, dir string, n int64) {
	b.Helper()
	cmd := exec.CommandContext(b.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), fmt.Sprintf("%s=%s\t%d", fillEnv, dir, n))
	out, err := cmd.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	cmd.Stderr = os.Stderr
	start := time.Now()
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil || line != filledWord+"\n" {
		b.Errorf("the child failed: %s, %v", line, err)
	}
	took := time.Since(start)
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
	b.Logf("%d articles in %v: %v each, %v of CPU time", n, took.Round(time.Second),
		(took / time.Duration(n)), (cmd.ProcessState.UserTime()+cmd.ProcessState.SystemTime())/time.Duration(n))
}
