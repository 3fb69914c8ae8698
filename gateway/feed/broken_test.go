package feed

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/restante/restante/pool"
)

func TestFeed_articleOverWhichThePeerHangsUpHoldsUpNoOther(t *testing.T) {
	for _, streams := range []bool{true, false} {
		s, k := newStore(t), newTaker(t, streams)
		k.hangUpAt = "<poison@x>"
		file(t, s, "<poison@x>", "a.one", "other.example")
		for i := range 5 {
			file(t, s, fmt.Sprintf("<%d@x>", i), "a.one", "other.example")
		}
		f, stop := feeding(t, t.TempDir(), s, k.peer("*"))
		if c := settled(t, f, 5); c.Accepted != 5 || c.Deferred == 0 {
			t.Errorf("%+v", c)
		}
		stop()
	}
}

func TestFeed_storeThatBeganAnewIsOfferedWhole(t *testing.T) {
	s, k, dir := newStore(t), newTaker(t, true), t.TempDir()
	for i := range 5 {
		file(t, s, fmt.Sprintf("<%d@x>", i), "a.one", "other.example")
	}
	f, stop := feeding(t, dir, s, k.peer("*"))
	settled(t, f, 5)
	stop()
	s = newStore(t) // its disk was lost, but for how far its feeds had come
	file(t, s, "<new@x>", "a.one", "other.example")
	f, _ = feeding(t, dir, s, k.peer("*"))
	if c := settled(t, f, 6); c.Accepted != 6 || c.Lost != 0 {
		t.Errorf("%+v", c)
	}
}

func TestFeed_stopsWhileThePeerSaysNothing(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0") // it takes connections, and no more
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	s := newStore(t)
	file(t, s, "<1@x>", "a.one", "other.example")
	p := newTaker(t, true).peer("*")
	p.Server.Address = l.Addr().String()
	_, stop := feeding(t, t.TempDir(), s, p)
	conn, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	begun := time.Now()
	stop()
	if took := time.Since(begun); took > time.Minute {
		t.Errorf("it took %v to stop", took)
	}
}

// A store that can't be read just now can be a little later.
func TestFeed_beginsWhenTheStoreCanBeReadAgain(t *testing.T) {
	s, k := newStore(t), newTaker(t, true)
	file(t, s, "<1@x>", "a.one", "other.example")
	f := New(t.TempDir(), &ailing{Reader: s}, []Peer{k.peer("*")}, zerolog.Nop())
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- f.Run(ctx) }()
	if c := settled(t, f, 1); c.Accepted != 1 {
		t.Errorf("%+v", c)
	}
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// An ailing store can't say its groups the first time.
type ailing struct {
	pool.Reader
	asked atomic.Bool
}

func (a *ailing) Groups(ctx context.Context) ([]pool.GroupInfo, error) {
	if !a.asked.Swap(true) {
		return nil, errors.New("the disk does not answer")
	}
	return a.Reader.Groups(ctx)
}
