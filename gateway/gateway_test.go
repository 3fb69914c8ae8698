package gateway

import (
	"bufio"
	"context"
	"errors"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"
	"go.uber.org/goleak"

	"github.com/restante/restante/gateway/batch"
	"github.com/restante/restante/gateway/keyring"
	"github.com/restante/restante/gateway/session"
	"github.com/restante/restante/pool"
)

// inBubble runs f on a clock of its own. The index's library has a goroutine
// that goes half a minute after it is closed.
func inBubble(t *testing.T, f func(t *testing.T)) {
	synctest.Test(t, func(t *testing.T) {
		t.Cleanup(func() { time.Sleep(time.Minute) })
		f(t)
	})
}

func newSettings(t testing.TB) Settings {
	t.Helper()
	data := filepath.Join(t.TempDir(), "data")
	if err := keyring.Create(KeyDir(data)); err != nil {
		t.Fatal(err)
	}
	return Settings{
		Domain: "gw.example", Data: data, PoolGroup: "restante.pool",
		Batches: batch.Shape{
			Calendar: pool.Calendar{EpochLength: 10 * time.Minute, BatchInterval: time.Minute, Retention: 2, TokenLife: 3},
			Size:     2, Slots: 2, Backlog: 10, Posts: 1 << 20,
		},
		Groups:   []pool.GroupInfo{{Name: "misc.test", Posting: pool.PostingAllowed}},
		MayLogin: func(net.Conn) bool { return true }, MinBits: 70, Logins: 1,
		MaxArticle: 1 << 16, Admission: Admission{Connections: 2}, Limits: session.Limits{Idle: time.Minute}, Logger: zerolog.Nop(),
	}
}

func opened(t *testing.T, s Settings) *Gateway {
	t.Helper()
	g, err := Open(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := g.Close(); err != nil {
			t.Error(err)
		}
	})
	return g
}

func count(t *testing.T, g *Gateway, name pool.Group) int {
	t.Helper()
	info, err := g.store.Group(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	return info.Count
}

func TestRounds_keepTheRhythmAndDropWhatExpired(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		g := opened(t, newSettings(t))
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan error, 2)
		go func() { done <- g.rounds(ctx) }()
		go func() { done <- g.expiry(ctx) }()
		time.Sleep(10*time.Minute + time.Second)
		if got := count(t, g, "restante.pool"); got != 20 {
			t.Errorf("%d entries after ten batches of two", got)
		}
		time.Sleep(time.Hour)
		if got := count(t, g, "restante.pool"); got > 3*10*2+2 {
			t.Errorf("%d entries are held: what is older than two epochs was not dropped", got)
		}
		if got := count(t, g, keysGroup); got != 8 {
			t.Errorf("%d directories for eight epochs", got)
		}
		stop()
		for range 2 {
			if err := <-done; err != nil {
				t.Error(err)
			}
		}
	})
}

// Below the reserve nothing else makes room.
func TestExpire_dropsEvenWhenTheDiskIsFull(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := newSettings(t)
		g := opened(t, s)
		for range 3 {
			if err := g.round(t.Context(), time.Now()); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Minute)
		}
		if err := g.round(t.Context(), time.Now()); err != nil {
			t.Fatal(err)
		}
		if err := g.Close(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Hour)
		s.ClockJump = 60
		s.DiskReserve = 1 << 62
		g = opened(t, s)
		if err := g.round(t.Context(), time.Now()); !errors.Is(err, pool.ErrDiskFull) {
			t.Errorf("got %v, want ErrDiskFull", err)
		}
		if err := g.expire(t.Context(), time.Now()); err != nil {
			t.Errorf("expire: %v", err)
		}
		if got := count(t, g, "restante.pool"); got != 0 {
			t.Errorf("%d expired entries are still there", got)
		}
	})
}

func TestOpen_anotherPoolGroupIsRefused(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := newSettings(t)
		g := opened(t, s)
		time.Sleep(time.Minute)
		if err := g.round(t.Context(), time.Now()); err != nil {
			t.Fatal(err)
		}
		if err := g.Close(); err != nil {
			t.Fatal(err)
		}
		s.PoolGroup = "other.pool"
		if _, err := Open(t.Context(), s); !errors.Is(err, ErrPoolGroup) {
			t.Errorf("got %v, want ErrPoolGroup", err)
		}
	})
}

func TestOpen_twice(t *testing.T) {
	s := newSettings(t)
	opened(t, s)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if _, err := Open(ctx, s); err == nil {
		t.Error("two gateways have one folder open")
	}
}

func TestOpen_groupsTakenOutAreHiddenAndComeBack(t *testing.T) {
	s := newSettings(t)
	for _, want := range []bool{true, false, true} {
		with := s
		if !want {
			with.Groups = nil
		}
		g, err := Open(t.Context(), with)
		if err != nil {
			t.Fatal(err)
		}
		_, err = g.store.Group(t.Context(), "misc.test")
		if got := err == nil; got != want {
			t.Errorf("misc.test is there: %v, want %v", got, want)
		}
		if err := g.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestRun_turnsAwayTooManyAndStopsCleanly(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent(), goleak.IgnoreAnyFunction("github.com/syndtr/goleveldb/leveldb.(*DB).mpoolDrain"))
	g, err := Open(t.Context(), newSettings(t))
	if err != nil {
		t.Fatal(err)
	}
	var listen net.ListenConfig
	listener, err := listen.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- g.Run(ctx, listener) }()
	var readers []*bufio.Reader
	for i, want := range []string{"200 ", "200 ", "400 "} {
		conn, err := net.Dial("tcp", listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		r := bufio.NewReader(conn)
		if line, err := r.ReadString('\n'); err != nil || !strings.HasPrefix(line, want) {
			t.Errorf("connection %d was greeted with %q, %v", i+1, line, err)
		}
		readers = append(readers, r)
	}
	stop()
	for _, r := range readers[:2] {
		if line, err := r.ReadString('\n'); err != nil || !strings.HasPrefix(line, "400 ") {
			t.Errorf("an open session was told %q, %v", line, err)
		}
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
	if err := g.Close(); err != nil {
		t.Error(err)
	}
}
