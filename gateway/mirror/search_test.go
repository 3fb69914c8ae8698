package mirror

import (
	"fmt"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/restante/restante/pool"
	"github.com/restante/restante/pool/article"
	"github.com/restante/restante/pool/memory"
)

// searching is a search for ten articles, at two servers.
func searching(t *testing.T) (*Search, *memory.Store, []pool.MessageID) {
	t.Helper()
	store := memory.New(ours)
	if err := store.SetGroup(t.Context(), pool.GroupInfo{Name: "a.b"}); err != nil {
		t.Fatal(err)
	}
	s := NewSearch(store)
	var ids []pool.MessageID
	for i := range 10 {
		ids = append(ids, pool.MessageID(fmt.Sprintf("<%d@x>", i)))
	}
	s.Join("a")
	s.Join("b")
	s.Set(ids, now())
	<-s.More() // that there are servers
	return s, store, ids
}

// arrives files an article of that name.
func arrives(t *testing.T, store pool.Store, ids ...pool.MessageID) {
	t.Helper()
	for _, id := range ids {
		a, err := article.Parse([]byte("From: a@x\r\nNewsgroups: a.b\r\nSubject: x\r\nPath: x\r\nDate: " + article.Date(now()) + "\r\nMessage-ID: " + string(id) + "\r\n\r\nx\r\n"))
		if err != nil {
			t.Fatal(err)
		}
		filed, err := a.File([]pool.Group{"a.b"}, now(), 0)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := store.Append(t.Context(), filed); err != nil {
			t.Fatal(err)
		}
	}
}

func takes(t *testing.T, s *Search, server string, most int, at time.Time, want ...pool.MessageID) {
	t.Helper()
	if diff := cmp.Diff(want, s.Take(server, most, at)); diff != "" {
		t.Errorf("%s: %s", server, diff)
	}
}

func done(t *testing.T, s *Search, server string, ids []pool.MessageID, asked bool, at time.Time, came int) {
	t.Helper()
	if n, err := s.Done(t.Context(), server, ids, asked, at); err != nil || n != came {
		t.Errorf("%s: %d came, want %d; %v", server, n, came, err)
	}
}

func TestSearch_whatAServerHasNotIsAskedOfTheNext(t *testing.T) {
	s, store, ids := searching(t)
	takes(t, s, "a", 6, now(), ids[:6]...)
	takes(t, s, "b", 6, now(), ids[6:]...)
	arrives(t, store, ids[0], ids[6])
	done(t, s, "a", ids[:6], true, now(), 1)
	done(t, s, "b", ids[6:], true, now(), 1)
	takes(t, s, "a", 10, now(), ids[7:]...)
	takes(t, s, "b", 10, now(), ids[1:6]...)
	arrives(t, store, ids[1:6]...)
	arrives(t, store, ids[7:]...)
	done(t, s, "a", ids[7:], true, now(), 3)
	done(t, s, "b", ids[1:6], true, now(), 5)
	takes(t, s, "a", 10, now())
	select {
	case <-s.More():
	default:
		t.Error("all was asked for, and nobody looks whether there is more")
	}
}

// A server that takes what it is asked for and says nothing is not waited for.
func TestSearch_whatAServerSitsOnIsAskedOfTheNext(t *testing.T) {
	s, store, ids := searching(t)
	takes(t, s, "a", 10, now(), ids...)
	takes(t, s, "b", 10, now().Add(handed-1))
	at := now().Add(handed)
	takes(t, s, "b", 10, at, ids...)
	arrives(t, store, ids[:9]...)
	done(t, s, "b", ids, true, at, 9)
	done(t, s, "a", ids, false, at, 9) // it was given up, and not for want of the article
	takes(t, s, "b", 10, at)
	takes(t, s, "a", 10, at, ids[9])
}

func TestSearch_asksEverMoreSeldomForWhatIsNowhere(t *testing.T) {
	s, _, ids := searching(t)
	s.Leave("b")
	times, at := 0, now()
	for range 24 * 60 {
		if part := s.Take("a", 10, at); len(part) > 0 {
			if !slices.Equal(part, ids) {
				t.Fatalf("asks for %d", len(part))
			}
			times++
			done(t, s, "a", part, true, at, 0)
		}
		if due := s.Due(ids[0], at); due {
			t.Fatal("to be asked for at once again")
		}
		at = at.Add(time.Minute)
	}
	if times < 8 || times > 14 { // a minute later, 2, 4, ... 256, 360
		t.Errorf("asked %d times in a day", times)
	}
}

func TestSearch_aTimeAwayMakesNobodyWaitLonger(t *testing.T) {
	s, _, ids := searching(t)
	s.Leave("b")
	for range 20 {
		takes(t, s, "a", 10, now(), ids...)
		done(t, s, "a", ids, false, now(), 0)
		s.Rest("a")
		if s.Due(ids[0], now()) {
			t.Fatal("it is to be asked for of a server that is away")
		}
		s.Join("a")
		<-s.More()
	}
	takes(t, s, "a", 10, now(), ids...)
	done(t, s, "a", ids, true, now(), 0) // it has none of them
	takes(t, s, "a", 10, now())
	s.Rest("a")
	s.Join("a")
	takes(t, s, "a", 10, now(), ids...)
}

// What comes and is not what it should be is not fetched again and again.
// What one server has not is remembered in bounded memory, however much is lacking
// and however long its names are; and what is remembered still counts.
func TestSearch_endlesslyMuchThatIsNowhereTakesLittleMemory(t *testing.T) {
	s, _, _ := searching(t)
	heap := func() int64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	before, last := heap(), []pool.MessageID(nil)
	for from := 0; from < 2*maxVain; from += atATime {
		last = nil
		for i := range atATime {
			last = append(last, pool.MessageID(fmt.Sprintf("<%0240d@x>", from+i)))
		}
		done(t, s, "a", last, true, now(), 0)
	}
	if took := heap() - before; took > 16<<20 {
		t.Errorf("it takes %d octets", took)
	}
	s.Set(last, now())
	forgotten := len(s.Take("a", atATime, now()))
	if forgotten > atATime*9/10 { // what goes is left to chance
		t.Errorf("of %d that were asked for just now, %d are asked for again at once", atATime, forgotten)
	}
	runtime.KeepAlive(s)
}

func TestSearch_whatCameAndIsDamagedIsNotAskedForAtOnce(t *testing.T) {
	s, store, ids := searching(t)
	takes(t, s, "a", 1, now(), ids[0])
	arrives(t, store, ids[0])
	done(t, s, "a", ids[:1], true, now(), 1)
	s.Set(ids, now()) // it lacks still, says who looked
	takes(t, s, "a", 1, now(), ids[1])
}
