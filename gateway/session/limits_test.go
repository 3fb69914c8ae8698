package session

import (
	"bytes"
	"context"
	"io"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/restante/restante/pool"
)

// dialAt serves one connection at a server that serves others too.
func dialAt(t testing.TB, srv *Server) *client {
	t.Helper()
	c := connectWith(t, srv.opts, func(_ *Server, ctx context.Context, conn net.Conn) error { return srv.Serve(ctx, conn) },
		func(conn net.Conn) net.Conn { return conn })
	c.expect("~20")
	return c
}

// RFC 3977, Section 3.1: the wait for the first command may be shorter.
func TestLimits_firstCommand(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		opts := newOptions(t)
		opts.Limits.Idle, opts.Limits.FirstCommand = 10*time.Minute, 30*time.Second
		start := time.Now()
		dial(t, opts).outcome(ErrIdle)
		if waited := time.Since(start); waited != 30*time.Second {
			t.Errorf("closed after %v, want 30s", waited)
		}
		c := dial(t, opts)
		time.Sleep(29 * time.Second)
		c.talk("> DATE", "~111 ")
		time.Sleep(9 * time.Minute)
		c.talk("> DATE", "~111 ")
	})
}

// A command line that has begun must be whole soon, also behind another one.
func TestLimits_commandLine(t *testing.T) {
	for name, begin := range map[string]string{"alone": "DA", "behind another": "DATE\r\nDA"} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				opts := newOptions(t)
				opts.Limits.Idle, opts.Limits.Command = 10*time.Minute, 20*time.Second
				c := dial(t, opts)
				time.Sleep(9 * time.Minute)
				c.send(begin)
				if strings.Contains(begin, "\n") {
					c.expect("~111 ")
				}
				start := time.Now()
				c.outcome(ErrIdle)
				if waited := time.Since(start); waited != 20*time.Second {
					t.Errorf("closed %v after the half line, want 20s", waited)
				}
			})
		})
	}
}

// A stuck store does not take that thing long that a command takes.
type stuck struct{ pool.Reader }

func (stuck) ByID(ctx context.Context, _ pool.MessageID) (*pool.Stored, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

func TestLimits_workOnACommand(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		opts := newOptions(t)
		opts.Store = stuck{opts.Store}
		opts.Limits.Command = 20 * time.Second
		c := dial(t, opts)
		start := time.Now()
		c.talk("> STAT <1@x>", "~403 ")
		if waited := time.Since(start); waited != 20*time.Second {
			t.Errorf("answered after %v, want 20s", waited)
		}
		// The client's own slowness is not the server's.
		c.talk("> POST", "~340 ")
		time.Sleep(30 * time.Second)
		c.talk("> x", "> .", "~240 ", "> STAT <1@x>", "~403 ", "> DATE", "~111 ")
	})
}

// drip sends octets at a pace until the session ends, and returns how long that
// took.
func drip(c *client, octets string, every time.Duration) time.Duration {
	start := time.Now()
	for {
		if _, err := io.WriteString(c.conn, octets); err != nil {
			return time.Since(start)
		}
		time.Sleep(every)
	}
}

// RFC 3977, Section 3.1: who sends a significant amount of data is not cut off,
// and who drips is.
func TestLimits_slowSender(t *testing.T) {
	limits := Limits{Idle: 10 * time.Minute, Window: 3 * time.Minute, Rate: 100}
	for name, tt := range map[string]struct {
		octets string
		every  time.Duration
		want   time.Duration
	}{
		"nothing":             {"", time.Minute, 3 * time.Minute},
		"a tenth of enough":   {strings.Repeat("x", 10), time.Second, 200 * time.Second},
		"half of it":          {strings.Repeat("x", 50), time.Second, 360 * time.Second},
		"an octet a minute":   {"x", time.Minute, 3 * time.Minute},
		"a line now and then": {strings.Repeat("x", 70) + "\r\n", 30 * time.Second, 3 * time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				opts := newOptions(t)
				opts.Limits, opts.MaxArticle = limits, 1<<20
				c := dial(t, opts)
				c.talk("> POST", "~340 ")
				got := drip(c, tt.octets, tt.every)
				if got < tt.want*9/10 || got > tt.want*11/10+time.Minute {
					t.Errorf("cut after %v, want about %v", got, tt.want)
				}
				c.outcome(ErrSlow)
			})
		})
	}
}

// Who keeps the rate is never cut, at whatever rhythm and however long it takes.
func TestLimits_healthySender(t *testing.T) {
	for name, tt := range map[string]struct {
		octets int
		every  time.Duration
		times  int
	}{
		"steadily at the rate":               {100, time.Second, 2000},
		"in bursts with long breaks":         {18000, 179 * time.Second, 20},
		"a small article that takes a while": {100, time.Minute, 2},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				opts := newOptions(t)
				opts.Limits, opts.MaxArticle = Limits{Idle: 10 * time.Minute, Window: 3 * time.Minute, Rate: 100}, 1<<20
				c := dial(t, opts)
				c.talk("> POST", "~340 ")
				for range tt.times {
					time.Sleep(tt.every)
					c.send(strings.Repeat("x", tt.octets-2) + "\r\n")
				}
				c.talk("> .", "~240 ", "> DATE", "~111 ")
			})
		})
	}
}

// sip reads some octets at a time until the connection ends, and returns how
// long that took.
func sip(c *client, octets int, every time.Duration) time.Duration {
	start := time.Now()
	for {
		time.Sleep(every)
		if _, err := io.ReadFull(c.conn, make([]byte, octets)); err != nil {
			return time.Since(start)
		}
	}
}

// An endless group has an article for every number.
type endless struct {
	pool.Reader
	looked int
}

func (e *endless) Group(context.Context, pool.Group) (pool.GroupInfo, error) {
	return pool.GroupInfo{Name: "misc.test", Low: 1, High: pool.MaxNumber, Count: int(pool.MaxNumber)}, nil
}

func (e *endless) Scan(_ context.Context, _ pool.Group, r pool.Range, yield func(pool.Number, []byte) bool) error {
	overview := []byte("subject\tfrom\tdate\t<1@x>\t\t1\t1\tXref: x misc.test:1")
	for n := r.From; n <= r.To && n > 0; n++ {
		e.looked++
		if !yield(n, overview) {
			break
		}
	}
	return nil
}

func (e *endless) Since(_ context.Context, _ time.Time, yield func(pool.MessageID, []pool.Location) bool) error {
	for yield("<1@x>", []pool.Location{{Group: "misc.test", Number: 1}}) {
		e.looked++
	}
	return nil
}

func TestLimits_slowReader(t *testing.T) {
	for name, tt := range map[string]struct {
		octets int
		every  time.Duration
	}{
		"an octet a second": {1, time.Second},
		"half the rate":     {50, time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				opts := newOptions(t)
				opts.Store = &endless{Reader: opts.Store}
				opts.Limits = Limits{Idle: 10 * time.Minute, Window: 3 * time.Minute, Rate: 100}
				c := dial(t, opts)
				c.talk("> GROUP misc.test", "~211 ")
				c.send("OVER 1-\r\n")
				if got := sip(c, tt.octets, tt.every); got > 15*time.Minute {
					t.Errorf("cut after %v", got)
				}
				c.outcome(ErrSlow)
			})
		})
	}
}

func TestLimits_healthyReader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		opts := newOptions(t)
		opts.Store = &endless{Reader: opts.Store}
		opts.Limits = Limits{Idle: 10 * time.Minute, Window: 3 * time.Minute, Rate: 100}
		c := dial(t, opts)
		c.talk("> GROUP misc.test", "~211 ")
		c.send("OVER 1-\r\n")
		start := time.Now()
		for time.Since(start) < 5*time.Hour {
			time.Sleep(40 * time.Second)
			if _, err := io.ReadFull(c.r, make([]byte, 4096)); err != nil {
				t.Fatalf("cut after %v", time.Since(start))
			}
		}
	})
}

// No answer is built whole: of one without end, no more is made than the client
// takes.
func TestOver_streams(t *testing.T) {
	opts := newOptions(t)
	store := &endless{Reader: opts.Store}
	opts.Store = store
	for _, command := range []string{"OVER 1-", "XHDR subject 1-", "HDR from 1-", "XPAT subject 1- *", "LISTGROUP", "NEWNEWS * 20000101 000000"} {
		c := dial(t, opts)
		c.talk("> GROUP misc.test", "~211 ")
		store.looked = 0
		c.send(command + "\r\n")
		for range 10 {
			c.line()
		}
		if err := c.conn.Close(); err != nil {
			t.Fatal(err)
		}
		c.outcome(ErrLost)
		if store.looked > 20000 {
			t.Errorf("%s: %d articles looked at for 10 lines", command, store.looked)
		}
	}
}

// RFC 3977, Section 3.2.1: 503 where only a subset of legitimate cases is
// handled. Nothing else changes.
func TestLimits_work(t *testing.T) {
	opts := newOptions(t)
	store := &endless{Reader: opts.Store}
	opts.Store, opts.Limits.Work = store, 1000
	c := dial(t, opts)
	c.talk("> GROUP misc.test", "~211 ", "> STAT", "~223 1 ", "> NEXT", "~223 2 ")
	for _, command := range []string{
		"LISTGROUP", "LISTGROUP misc.test", "LISTGROUP misc.test 1-1001", "XHDR subject 5-", "HDR subject 1-1001", "HDR x-other 1-51", "XPAT from 1- *x*",
		"NEWNEWS * 20000101 000000",
	} {
		store.looked = 0
		c.talk("> "+command, "~503 ")
		if store.looked > 1001 {
			t.Errorf("%s: %d articles looked at", command, store.looked)
		}
	}
	c.talk("> STAT", "~223 2 ")
	for _, command := range []string{"LISTGROUP misc.test 1-1000", "XHDR subject 5-1004", "HDR subject 1-1000", "XPAT from 2-1001 *x*", "OVER 1-5000"} {
		c.send(command + "\r\n")
		if got := c.line(); got[0] != '2' {
			t.Errorf("%s: %s", command, got)
		}
		c.skip()
	}
}

// A group that holds few articles may be asked for with any range.
func TestLimits_workIsThatOfTheArticlesThere(t *testing.T) {
	opts := newOptions(t)
	opts.Limits.Work = 60
	c := dial(t, opts)
	c.talk("> LISTGROUP misc.test 1-", "~211 ", "1", "3", "4", ".", "> HDR x-twice 1-", "~225 ", "1 ", "3 one", "4 ", ".",
		"> NEWNEWS * 20000101 000000", "~230 ", "<1@x>", "<3@x>", "<4@x>", ".", "> LISTGROUP misc.empty", "~211 ", ".")
}

// RFC 3977, Section 3.2.1: the next command is answered with 400.
func TestLimits_errorsInARow(t *testing.T) {
	opts := newOptions(t)
	opts.Limits.Errors = 3
	t.Run("reached", func(t *testing.T) {
		c := dial(t, opts)
		c.talk("> XYZZY", "~500 ", "> STAT <", "~501 ", "> AUTHINFO PASS x", "~482 ", "> DATE", "~400 ")
		c.outcome(ErrFaults)
	})
	t.Run("not in a row", func(t *testing.T) {
		c := dial(t, opts)
		for range 5 {
			c.talk("> XYZZY", "~500 ", "> "+strings.Repeat("x", 600), "~501 ", "> DATE", "~111 ")
		}
	})
	t.Run("what is not there is no error", func(t *testing.T) {
		c := dial(t, opts)
		for range 5 {
			c.talk("> STAT <no@x>", "~430 ", "> GROUP no.such", "~411 ", "> NEXT", "~412 ")
		}
	})
	t.Run("off", func(t *testing.T) {
		c := dial(t, newOptions(t))
		for range 100 {
			c.talk("> XYZZY", "~500 ")
		}
	})
}

func TestSetLimits_countsForSessionsUnderWay(t *testing.T) {
	srv := New(newOptions(t))
	c := dialAt(t, srv)
	for range 9 {
		c.talk("> XYZZY", "~500 ")
	}
	srv.SetLimits(Limits{Idle: time.Minute, Errors: 10})
	c.talk("> XYZZY", "~500 ", "> XYZZY", "~400 ")
	c.outcome(ErrFaults)
}

// RFC 3977, Section 3.1: no timer answers.
func TestLimits_cutWithoutAWord(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		opts := newOptions(t)
		opts.Limits.Window, opts.Limits.Rate = 3*time.Minute, 100
		c := dial(t, opts)
		c.talk("> POST", "~340 ", "> x")
		var rest bytes.Buffer
		if _, err := io.Copy(&rest, c.r); err != nil || rest.Len() > 0 {
			t.Errorf("a slow sender got %q, %v", rest.String(), err)
		}
		c.outcome(ErrSlow)
	})
}
