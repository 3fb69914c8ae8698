package record_test

import (
	"bytes"
	"fmt"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/restante/restante/pool/record"
)

// Durable appends of 2 KiB, by that many goroutines: one sync is shared by those
// that come at the same time.
func BenchmarkWriter_Append(b *testing.B) {
	for _, writers := range []int{1, 16, 256} {
		b.Run(fmt.Sprintf("writers=%d", writers), func(b *testing.B) {
			fs := new(counting)
			w, _, err := record.OpenWriter(fs, filepath.Join(b.TempDir(), "file"), nil)
			if err != nil {
				b.Fatal(err)
			}
			defer func() { _ = w.Close() }()
			payload := bytes.Repeat([]byte("payload."), 256)
			b.SetBytes(int64(len(payload)))
			var left atomic.Int64
			left.Store(int64(b.N))
			fs.syncs.Store(0)
			b.ResetTimer()
			var wg sync.WaitGroup
			for range writers {
				wg.Go(func() {
					for left.Add(-1) >= 0 {
						if _, err := w.Append(b.Context(), payload); err != nil {
							b.Error(err)
							return
						}
					}
				})
			}
			wg.Wait()
			b.ReportMetric(float64(b.N)/float64(fs.syncs.Load()), "records/sync")
		})
	}
}

// counting counts the syncs of files.
type counting struct {
	record.OS
	syncs atomic.Int64
}

func (c *counting) OpenFile(path string, flag int) (record.File, int64, error) {
	f, size, err := c.OS.OpenFile(path, flag)
	return countingFile{f, c}, size, err
}

type countingFile struct {
	record.File
	c *counting
}

func (f countingFile) Sync() error {
	f.c.syncs.Add(1)
	return f.File.Sync()
}

// Opening a file of 64 MiB, each record read and checked.
func BenchmarkOpen_replay(b *testing.B) {
	for _, size := range []int{256, 2 << 10, 16 << 10} {
		b.Run(fmt.Sprintf("%dB", size), func(b *testing.B) {
			path := filepath.Join(b.TempDir(), "file")
			log, _, err := record.Open(record.OS{}, path, 0, nil)
			if err != nil {
				b.Fatal(err)
			}
			payload := bytes.Repeat([]byte("p"), size)
			records := (64 << 20) / (size + record.Overhead)
			for range records {
				if _, err := log.Add(payload); err != nil {
					b.Fatal(err)
				}
			}
			if err := log.Commit(); err != nil {
				b.Fatal(err)
			}
			end := log.End()
			if err := log.Close(); err != nil {
				b.Fatal(err)
			}
			b.SetBytes(end)
			for b.Loop() {
				seen := 0
				log, _, err := record.Open(record.OS{}, path, 0, func(int64, []byte) error {
					seen++
					return nil
				})
				if err != nil || seen != records {
					b.Fatalf("%d records of %d, %v", seen, records, err)
				}
				_ = log.Close()
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*records), "ns/record")
		})
	}
}
