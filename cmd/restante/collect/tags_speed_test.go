//go:build unix

package collect

import (
	"syscall"
	"testing"
	"time"

	"github.com/restante/restante/crypto/blind"
)

// One operation is a batch of eight strangers' entries. Four weeks are 8,064:
//
//	go test -run '^$' -bench Tags -benchtime 8064x ./cmd/restante/collect
func BenchmarkTags_ofAThousandMailboxes(b *testing.B) {
	m := mailboxesOf(1000)
	var theirs [8]blind.Tag
	for i := range theirs {
		theirs[i] = blind.RandomTag()
	}
	b.ReportAllocs()
	before := cpu(b)
	batch := uint64(0)
	for b.Loop() {
		tags := m.tags(batch % 8064)
		for _, tag := range theirs {
			if _, ok := tags.find(tag); ok {
				b.Fatal("nobody's")
			}
		}
		batch++
	}
	b.ReportMetric(b.Elapsed().Seconds()/float64(b.N)*8064, "s/4-weeks")
	b.ReportMetric((cpu(b)-before).Seconds()/float64(b.N)*8064, "cpu-s/4-weeks")
}

// cpu is the time that this process had processors for.
func cpu(b *testing.B) time.Duration {
	b.Helper()
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		b.Fatal(err)
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}
