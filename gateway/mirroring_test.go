package gateway

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/restante/restante/crypto/note"
	"github.com/restante/restante/gateway/nntp"
	"github.com/restante/restante/gateway/peer"
	"github.com/restante/restante/gateway/remote"
	"github.com/restante/restante/pool"
	"github.com/restante/restante/pool/article"
	"github.com/restante/restante/pool/memory"
)

// A shelf is a server to read from that holds some articles of misc.test. It may
// stall at a command: it reads on then, and says nothing more.
type shelf struct {
	address string
	ids     []string
	stalls  string
	age     time.Duration // of the articles

	mu     sync.Mutex
	asked  map[string]int // how often each article was asked for
	silent int            // commands that were not answered
}

func (s *shelf) silences() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.silent
}

func newShelf(t *testing.T, stalls string, ids ...string) *shelf {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &shelf{address: l.Addr().String(), ids: ids, stalls: stalls, asked: make(map[string]int)}
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			serving.Go(func() { s.serve(conn) })
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		serving.Wait()
	})
	return s
}

func (s *shelf) serve(conn net.Conn) {
	defer func() { _ = conn.Close() }()
	silent := s.stalls == "greeting"
	say := func(text string) {
		if !silent {
			fmt.Fprint(conn, text)
		}
	}
	say("200 hello\r\n")
	for in := bufio.NewScanner(conn); in.Scan(); {
		verb, arg, _ := strings.Cut(in.Text(), " ")
		if silent = silent || verb == s.stalls; silent {
			s.mu.Lock()
			s.silent++
			s.mu.Unlock()
			continue
		}
		switch verb {
		case "MODE":
			say("200 welcome\r\n")
		case "GROUP":
			if arg != "misc.test" {
				say("411 no such group\r\n")
				continue
			}
			say(fmt.Sprintf("211 %d 1 %d misc.test\r\n", len(s.ids), len(s.ids)))
		case "STAT":
			n, err := strconv.Atoi(arg)
			if err != nil || n < 1 || n > len(s.ids) {
				say("423 no such article\r\n")
				continue
			}
			say(fmt.Sprintf("223 %d %s\r\n", n, s.ids[n-1]))
		case "XOVER":
			say("224 here they are\r\n")
			for i, id := range s.ids {
				say(fmt.Sprintf("%d\tx\ta@x\t%s\t%s\t\t100\t1\r\n", i+1, article.Date(time.Now().Add(-s.age)), id))
			}
			say(".\r\n")
		case "ARTICLE":
			s.mu.Lock()
			s.asked[arg]++
			s.mu.Unlock()
			say("220 0 " + arg + "\r\nPath: x\r\nFrom: a@x\r\nNewsgroups: misc.test\r\nSubject: x\r\nDate: " + article.Date(time.Now().Add(-s.age)) + "\r\nMessage-ID: " + arg + "\r\n\r\nx\r\n.\r\n")
		default:
			say("205 bye\r\n")
			return
		}
	}
}

// reading is how a server is read from.
func reading(t *testing.T, name, address string, pulls bool) Reading {
	t.Helper()
	groups, err := nntp.ParseWildmat("*")
	if err != nil {
		t.Fatal(err)
	}
	return Reading{
		Peer:   peer.Peer{Name: name, Path: name, Groups: groups},
		Server: remote.Server{Address: address}, Pulls: pulls, Pull: groups, Every: time.Second, Version: address,
	}
}

// mirrors runs what reads from servers, with a store that carries misc.test.
func mirrors(t *testing.T, readings ...Reading) (*mirroring, *memory.Store) {
	t.Helper()
	store := memory.New("here.example")
	for _, g := range []pool.Group{"misc.test", keysGroup} {
		if err := store.SetGroup(t.Context(), pool.GroupInfo{Name: g, Created: time.Now()}); err != nil {
			t.Fatal(err)
		}
	}
	signer, err := note.NewSigner("here.example", note.GenerateSeed())
	if err != nil {
		t.Fatal(err)
	}
	s := Settings{Domain: "here.example", Data: t.TempDir(), MaxArticle: 1 << 20, Readings: readings, Repair: time.Second, Logger: zerolog.Nop()}
	policy, err := s.Policy()
	if err != nil {
		t.Fatal(err)
	}
	desk := peer.New(peer.Options{Domain: s.Domain, Store: store, Gateways: policy})
	m := newMirroring(policy, store, desk, signer, s)
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() {
		if err := m.run(ctx); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(func() {
		cancel()
		running.Wait()
	})
	return m, store
}

// arrive waits until articles are here.
func arrive(t *testing.T, s pool.Store, ids ...string) {
	t.Helper()
	end := time.Now().Add(2 * time.Minute)
	for _, id := range ids {
		for {
			seen, err := s.Seen(t.Context(), pool.MessageID(id))
			if err != nil {
				t.Fatal(err)
			}
			if seen {
				break
			}
			if time.Now().After(end) {
				t.Fatalf("%s does not come", id)
			}
			time.Sleep(10 * time.Millisecond)
		}
	}
}

// Whatever a server stalls at, what others have comes, and what it was asked for
// comes from the others.
func TestMirroring_aServerThatStallsHoldsUpNobody(t *testing.T) {
	for _, stalls := range []string{"greeting", "MODE", "GROUP", "XOVER", "ARTICLE"} {
		t.Run(stalls, func(t *testing.T) {
			t.Parallel()
			stalled := newShelf(t, stalls, "<1@x>", "<2@x>")
			good, other := newShelf(t, "", "<1@x>", "<2@x>", "<3@x>"), newShelf(t, "", "<4@x>")
			_, store := mirrors(t,
				reading(t, "a.stalled", stalled.address, true),
				reading(t, "b.good", good.address, true),
				reading(t, "c.other", other.address, true))
			arrive(t, store, "<1@x>", "<2@x>", "<3@x>", "<4@x>")
		})
	}
}

// What a server that stalls was asked for is asked of the next one.
func TestMirroring_repairGoesOnWhereAServerStalls(t *testing.T) {
	t.Parallel()
	stalled, good := newShelf(t, "ARTICLE"), newShelf(t, "")
	m, store := mirrors(t, reading(t, "a.stalled", stalled.address, false), reading(t, "b.good", good.address, false))
	var ids []string
	var lacking []pool.MessageID
	for i := range 10 * inOne {
		ids = append(ids, fmt.Sprintf("<%d@x>", i))
		lacking = append(lacking, pool.MessageID(ids[i]))
	}
	for end := time.Now().Add(2 * time.Minute); len(lacking) > 0; time.Sleep(50 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%d do not come", len(lacking))
		}
		m.search.Set(lacking, time.Now()) // as whoever looks what is lacking does
		lacking = slices.DeleteFunc(lacking, func(id pool.MessageID) bool {
			seen, err := store.Seen(t.Context(), id)
			return err != nil || seen
		})
	}
	arrive(t, store, ids...)
	if stalled.silences() == 0 {
		t.Error("the server that stalls was not asked")
	}
	good.mu.Lock()
	defer good.mu.Unlock()
	for id, n := range good.asked {
		if n > 1 {
			t.Errorf("%s was fetched %d times", id, n)
		}
	}
}

func TestMirroring_reloadChangesWhoIsReadFrom(t *testing.T) {
	first, second := newShelf(t, "ARTICLE", "<1@x>"), newShelf(t, "", "<2@x>")
	kept := newShelf(t, "", "<3@x>")
	m, store := mirrors(t, reading(t, "a", first.address, true), reading(t, "kept", kept.address, true))
	arrive(t, store, "<3@x>")
	m.set(Settings{Readings: []Reading{reading(t, "a", second.address, true), reading(t, "kept", kept.address, true)}, Repair: time.Second})
	arrive(t, store, "<2@x>")
	kept.mu.Lock()
	defer kept.mu.Unlock()
	if kept.asked["<3@x>"] != 1 {
		t.Errorf("fetched %d times", kept.asked["<3@x>"])
	}
}

// Who pulls without saying how old articles may be gets all of them.
func TestPull_takesWhatIsOldUnlessToldOtherwise(t *testing.T) {
	old := newShelf(t, "", "<1@x>", "<2@x>")
	old.age = 300 * 24 * time.Hour
	for _, c := range []struct {
		since time.Duration
		taken int
	}{{0, 2}, {30 * 24 * time.Hour, 0}, {400 * 24 * time.Hour, 2}} {
		s := Settings{Domain: "here.example", Data: t.TempDir(), MaxArticle: 1 << 20, Cutoff: 240 * time.Hour, Logger: zerolog.Nop()}
		stopped, err := openStopped(s)
		if err != nil {
			t.Fatal(err)
		}
		if err := stopped.store.SetGroup(t.Context(), pool.GroupInfo{Name: "misc.test", Created: time.Now()}); err != nil {
			t.Fatal(err)
		}
		from := reading(t, "old", old.address, true)
		from.Since = c.since
		counts, err := stopped.Pull(t.Context(), s, from, nil)
		if err != nil || counts.Taken != c.taken || counts.Refused != 0 {
			t.Errorf("since %v: %+v, %v", c.since, counts, err)
		}
		if err := stopped.Close(); err != nil {
			t.Error(err)
		}
	}
}
