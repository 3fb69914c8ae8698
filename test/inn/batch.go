package inn

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// batchSite is the server for which a batching server notes articles.
const batchSite = "batch.example"

// StartBatching is [StartBuffered] for a server that notes in a file what came,
// for [Server.Transmit].
func StartBatching(t testing.TB, groups []Group, login Login) *Server {
	t.Helper()
	s := prepare(t, groups, login, setup{to: []Downstream{{Name: batchSite}}})
	s.run("makedbz", "-i", "-o", "-s", "500000")
	s.start()
	return s
}

// StartBufferedFeeding is [StartBuffered] for a server that feeds others through
// innfeed.
func StartBufferedFeeding(t testing.TB, groups []Group, login Login, to ...Downstream) *Server {
	t.Helper()
	s := prepare(t, groups, login, setup{to: to})
	t.Cleanup(s.endInnfeed)
	s.run("makedbz", "-i", "-o", "-s", "500000")
	s.start()
	return s
}

// Feeder returns the number of innfeed's process.
func (s *Server) Feeder() int {
	s.t.Helper()
	for late := time.Now().Add(patience); ; time.Sleep(50 * time.Millisecond) {
		if text, err := os.ReadFile(filepath.Join(s.folder, "run", "innfeed.pid")); err == nil && len(text) > 0 {
			return number(s.t, strings.TrimSpace(string(text)))
		}
		if time.Now().After(late) {
			s.t.Fatal("innfeed does not start")
		}
	}
}

// Transmit sends all that came to another server by innxmit, and returns the CPU
// time that it took.
func (s *Server) Transmit(address string) time.Duration {
	s.t.Helper()
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		s.t.Fatal(err)
	}
	s.run("ctlinnd", "-s", "-t", "30", "flush", batchSite)
	transmit := s.command(s.t.Context(), "innxmit", "-P", port, host, filepath.Join(s.folder, "spool", "outgoing", batchSite))
	if out, err := transmit.CombinedOutput(); err != nil {
		s.t.Fatalf("innxmit: %v\n%s", err, out)
	}
	return transmit.ProcessState.UserTime() + transmit.ProcessState.SystemTime()
}
