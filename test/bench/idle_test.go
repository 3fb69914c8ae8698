package bench

import (
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/restante/restante/gateway/nntp"
)

// settle is how long a server has, once all connections are idle, to give back
// what it holds for busy ones.
const settle = 5 * time.Second

// BenchmarkIdle opens connections, lets each say something and then nothing
// more, and reports what one of them costs the server in memory.
func BenchmarkIdle(b *testing.B) {
	t := open(b)
	if len(t.processes) == 0 {
		b.Skip("NEWS_BENCH_PID is not set")
	}
	for range b.N {
		before := t.memory(b)
		clients := t.openIdle(b)
		b.StopTimer()
		time.Sleep(settle)
		b.ReportMetric(float64(t.memory(b)-before)/float64(len(clients)), "B/connection")
		for _, c := range clients {
			if err := c.ask("DATE", nntp.CodeDate); err != nil { // it must be there still
				b.Fatal(err)
			}
			if err := c.conn.Close(); err != nil {
				b.Fatal(err)
			}
		}
		b.StartTimer()
	}
	b.ReportMetric(float64(t.idle)*float64(b.N)/b.Elapsed().Seconds(), "connections/s")
}

func (t *target) memory(b *testing.B) int64 {
	b.Helper()
	octets, err := t.processes.memory()
	if err != nil {
		b.Fatal(err)
	}
	return octets
}

// dialling is how many connections are being opened at a time.
const dialling = 16

func (t *target) openIdle(b *testing.B) []*client {
	b.Helper()
	clients := make([]*client, t.idle)
	var group errgroup.Group
	group.SetLimit(dialling)
	for i := range clients {
		group.Go(func() error {
			c, err := connect(t.reader, t.segment, &t.buffers)
			if err != nil {
				return err
			}
			clients[i] = c
			return c.openGroup(t.group)
		})
	}
	if err := group.Wait(); err != nil {
		b.Fatal(err)
	}
	return clients
}
