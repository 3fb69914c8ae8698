package bench

import (
	"slices"
	"testing"
	"time"
)

// A meter measures one run of a benchmark. Only the benchmark's own goroutine
// uses it.
type meter struct {
	b      *testing.B
	server processes
	// Where the run started.
	serverCPU, clientCPU time.Duration
}

// start starts the benchmark's clock anew, and the others with it.
func (t *target) start(b *testing.B) *meter {
	b.Helper()
	m := &meter{b: b, server: t.processes}
	m.serverCPU = m.cpu()
	m.clientCPU = ownCPU()
	b.ResetTimer()
	return m
}

func (m *meter) cpu() time.Duration {
	m.b.Helper()
	if len(m.server) == 0 {
		return 0
	}
	cpu, err := m.server.cpu()
	if err != nil {
		m.b.Fatal(err)
	}
	return cpu
}

// stop ends the run, in which n of unit (a word in the singular) were done.
func (m *meter) stop(n int, unit string) {
	m.b.Helper()
	m.b.StopTimer()
	m.b.ReportMetric(float64(n)/m.b.Elapsed().Seconds(), unit+"s/s")
	m.b.ReportMetric(micros(ownCPU()-m.clientCPU)/float64(n), "client-µs/"+unit)
	if len(m.server) > 0 {
		m.b.ReportMetric(micros(m.cpu()-m.serverCPU)/float64(n), "server-µs/"+unit)
	}
}

// latencies reports what half and what all but a hundredth of the waits stayed
// under.
func latencies(b *testing.B, waits []time.Duration) {
	slices.Sort(waits)
	b.ReportMetric(micros(waits[len(waits)/2]), "p50-µs")
	b.ReportMetric(micros(waits[len(waits)*99/100]), "p99-µs")
}

func micros(d time.Duration) float64 { return float64(d.Nanoseconds()) / 1e3 }
