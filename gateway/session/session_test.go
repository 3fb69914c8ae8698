package session

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"regexp"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"
)

func TestSession_basics(t *testing.T) {
	play(t, []dialogue{
		{"unknown commands: 500, unknown variants: 501", []string{
			"> XYZZY", "~500 ", "> XGTITLE misc.*", "~500 ", "> ", "~500 ", "> MODE STREAM", "~502 ", "> MODE STREAM now", "~501 ", "> MODE", "~501 ", "> QUIT now", "~501 ",
		}},
		{"lines too long or malformed, RFC 3977, Section 3.1", []string{
			"> STAT <" + strings.Repeat("x", 505), "~501 Line ", "> " + strings.Repeat("x", 99999), "~501 Line ", "> DATE\nQUIT", "~501 Line ", "> DA\x00TE", "~501 Line ",
			"> DATE", "~111 ",
		}},
		{"CAPABILITIES with a keyword", []string{"> CAPABILITIES x", "~501 ", "> CAPABILITIES 1abc", "~501 ", "> CAPABILITIES a b", "~501 "}},
		{"leading and trailing white space", []string{"> \tDATE \t", "~111 "}},
	}, nil)
}

func TestDate_isNow(t *testing.T) {
	c := dial(t, newOptions(t))
	c.send("DATE\r\n")
	digits, ok := strings.CutPrefix(c.line(), "111 ")
	if !ok {
		t.Error("DATE is not answered with 111")
	}
	got, err := time.Parse("20060102150405", digits)
	if err != nil || time.Since(got).Abs() > time.Minute {
		t.Errorf("DATE = %v, %v", got, err)
	}
}

func TestHelp_namesEveryCommand(t *testing.T) {
	c := dial(t, newOptions(t))
	c.send("HELP\r\n")
	c.expect("~100 ")
	for _, row := range commandTable() {
		c.expect(strings.TrimRight("  "+row.name+" "+row.syntax, " "))
	}
	c.expect(".")
}

func TestCommands_tableIsWhole(t *testing.T) {
	seen := make(map[string]bool)
	for _, row := range commandTable() {
		switch {
		case row.run == nil, seen[row.name], row.name != strings.ToUpper(row.name):
			t.Errorf("%s: no handler, twice there, or not in capitals", row.name)
		case row.max != unlimited && row.max < row.min:
			t.Errorf("%s takes %d to %d arguments", row.name, row.min, row.max)
		case !regexp.MustCompile(`^(RFC \d{4}, Section \d+(\.\d+)*|docs/protocol\.md, section \d+)$`).MatchString(row.rfc):
			t.Errorf("%s: %q is no place in an RFC or the protocol", row.name, row.rfc)
		}
		seen[row.name] = true
	}
}

// RFC 3977, Section 3.5.
func TestSession_pipelining(t *testing.T) {
	c := dial(t, newOptions(t))
	go func() {
		// The replies are read below; an error shows there.
		_, _ = io.WriteString(c.conn, "GROUP misc.test\r\nSTAT\r\nNEXT\r\nBODY 4\r\nXYZZY\r\nOVER 9-\r\nDATE\r\nQUIT\r\nDATE\r\n")
	}()
	c.talk("~211 ", "~223 1 ", "~223 3 ", "222 4 <4@x>", "body of 4", "..dot", ".", "~500 ", "~423 ", "~111 ", "~205 ")
	if rest, err := io.ReadAll(c.r); err != nil || len(rest) > 0 {
		t.Errorf("after QUIT came %q, %v", rest, err)
	}
	c.outcome(nil)
}

// A recorder keeps each write of the server apart.
type recorder struct {
	net.Conn
	mu     sync.Mutex
	writes []string
}

func (r *recorder) Write(p []byte) (int, error) {
	r.mu.Lock()
	r.writes = append(r.writes, string(p))
	r.mu.Unlock()
	return r.Conn.Write(p)
}

func TestSession_everyStatusLineHasTextAndLeavesInOneWrite(t *testing.T) {
	var rec *recorder
	c := connect(t, newOptions(t), func(conn net.Conn) net.Conn {
		rec = &recorder{Conn: conn}
		return rec
	})
	status := regexp.MustCompile(`^\d{3} .+\r\n`)
	c.expect("~200 ")
	commands := []string{"GROUP misc.test", "AUTHINFO USER a", "AUTHINFO PASS b", "POST", "XYZZY", "STAT", "NEXT", "DATE", "MODE READER"}
	for i, command := range commands {
		c.send(command + "\r\n")
		c.line()
		if command == "POST" {
			c.send("x\r\n.\r\n")
			c.line()
			commands[i] += " and the article"
		}
	}
	for _, multi := range []string{"OVER 1-", "LIST", "HELP", "CAPABILITIES", "ARTICLE 1", "HDR subject 1-", "LISTGROUP", "NEWNEWS * 20000101 000000"} {
		c.send(multi + "\r\n")
		c.skip()
	}
	c.talk("> QUIT", "~205 ")
	c.outcome(nil)
	for _, w := range rec.writes {
		if !status.MatchString(w) {
			t.Errorf("a write starts with %.20q, not with a status line", w)
		}
	}
	if want := 1 + len(commands) + 1 + 8 + 1; len(rec.writes) != want {
		t.Errorf("%d writes, want %d", len(rec.writes), want)
	}
}

// RFC 3977, Section 3.1: an idle connection is closed without a word.
func TestSession_idle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := dial(t, newOptions(t))
		time.Sleep(59 * time.Second)
		c.talk("> DATE", "~111 ")
		time.Sleep(59 * time.Second)
		c.send("DA") // half a command does not win time
		start := time.Now()
		if rest, err := io.ReadAll(c.r); err != nil || len(rest) > 0 {
			t.Errorf("the idle client got %q, %v", rest, err)
		}
		if waited := time.Since(start); waited > time.Second {
			t.Errorf("closed %v after the half command, want 1s", waited)
		}
		c.outcome(ErrIdle)
	})
}

// An idle session goes on where it was, in whatever layers, also when a command
// comes in pieces.
func TestSession_goesOnAfterABreak(t *testing.T) {
	for name, begin := range map[string]func(*testing.T) *client{
		"plain":      func(t *testing.T) *client { return dial(t, newOptions(t)) },
		"TLS":        func(t *testing.T) *client { c, _ := connectTLS(t, tlsOptions(t), trusting()); return c },
		"compressed": func(t *testing.T) *client { c := dial(t, compressionOptions(t)); c.compress(); return c },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := begin(t)
				c.talk("> GROUP misc.test", "~211 ")
				for range 5 {
					time.Sleep(50 * time.Second)
					c.send("ST")
					time.Sleep(5 * time.Second)
					c.send("AT 3\r")
					time.Sleep(2 * time.Second)
					c.send("\nDATE\r\n")
					c.talk("~223 3 ", "~111 ")
				}
				time.Sleep(59 * time.Second)
				c.talk("> QUIT", "~205 ")
				if _, err := io.ReadAll(c.r); err != nil && name != "compressed" { // whose stream has no end
					t.Error(err)
				}
				c.outcome(nil)
			})
		})
	}
}

func TestSession_clientThatDoesNotRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := dial(t, newOptions(t))
		c.send("LIST\r\n")
		c.outcome(ErrSlow)
	})
}

func TestSession_stops(t *testing.T) {
	t.Run("while it waits", func(t *testing.T) {
		c := dial(t, newOptions(t))
		c.talk("> DATE", "~111 ")
		c.stop()
		c.talk("~400 ")
		c.outcome(nil)
	})
	t.Run("after the command under way", func(t *testing.T) {
		c := dial(t, newOptions(t))
		c.talk("> POST", "~340 ")
		c.stop()
		c.talk("> x", "> .", "~240 ", "~400 ")
		c.outcome(nil)
	})
}

func TestSession_panicEndsOneSessionAndLogsNoData(t *testing.T) {
	var log bytes.Buffer
	opts := newOptions(t)
	office := newOffice(t)
	office.panics = true
	opts.Office, opts.Logger = office, zerolog.New(&log)
	c := dial(t, opts)
	c.talk("> POST", "~340 ", "> x", "> .")
	c.outcome(ErrPanic)
	if !strings.Contains(log.String(), "fakeOffice).Submit") || strings.Contains(log.String(), "author") {
		t.Errorf("the log says %q", log.String())
	}
}

func TestSession_logsNothingOfTheClient(t *testing.T) {
	var log bytes.Buffer
	opts := newOptions(t)
	office := newOffice(t)
	office.postErr = fmt.Errorf("about %s", "alice")
	opts.Office, opts.Logger = office, zerolog.New(&log)
	c := dial(t, opts)
	c.talk("> AUTHINFO USER alice", "~381 ", "> AUTHINFO PASS alice", "~281 ", "> GROUP alice", "~411 ", "> STAT <alice@x>", "~430 ",
		"> alice", "~500 ", "> POST", "~340 ", "> alice", "> .", "~441 ", "> QUIT", "~205 ")
	c.outcome(nil)
	if log.Len() == 0 || strings.Contains(log.String(), "alice") || strings.Contains(log.String(), "pipe") {
		t.Errorf("the log says %q", log.String())
	}
}

// Nothing of what a client sent comes back in a refusal.
func TestSession_refusalsRepeatNothing(t *testing.T) {
	c := dial(t, newOptions(t))
	for _, command := range []string{
		"GROUP secret", "LISTGROUP secret", "STAT <secret@x>", "STAT secret", "HDR secret: 1", "OVER secret", "secret", "LIST secret",
		"MODE secret", "AUTHINFO secret", "AUTHINFO PASS secret", "AUTHINFO USER secret", "NEWNEWS secret secret secret", "XPAT a <secret@x> secret",
	} {
		c.send(command + "\r\n")
		if got := c.line(); strings.Contains(strings.ToLower(got), "secret") || got[0] < '3' {
			t.Errorf("%s: %q", command, got)
		}
	}
}
