package feed

import (
	"fmt"
	"net"
	"testing"
	"time"
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
		if c := settled(t, f, 5); c.Accepted != 5 || c.Deferred != 1 {
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
	if took := time.Since(begun); took > 10*time.Second {
		t.Errorf("it took %v to stop", took)
	}
}
