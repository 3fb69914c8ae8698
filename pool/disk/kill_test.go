package disk

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/restante/restante/pool"
	"github.com/restante/restante/pool/article"
	"github.com/restante/restante/pool/pooltest"
)

// childEnv names the folder in which the child of TestStore_killed appends.
const childEnv = "RESTANTE_DISK_TEST_CHILD"

// runChild is the child: it appends from several goroutines and prints the name
// of each article that was acknowledged, until it is killed.
func runChild() bool {
	dir, ok := os.LookupEnv(childEnv)
	if !ok {
		return false
	}
	run := os.Getenv(childEnv + "_RUN")
	s, err := Open(dir, small())
	if err != nil {
		fmt.Println("!", err)
		os.Exit(1)
	}
	fmt.Println("!open")
	var mu sync.Mutex
	var wg sync.WaitGroup
	for w := range 4 {
		wg.Go(func() {
			for i := 0; ; i++ {
				name := fmt.Sprintf("%s-%d-%d", run, w, i)
				at, err := s.Append(context.Background(), killArticle(name))
				if err != nil {
					fmt.Println("!", err)
					os.Exit(1)
				}
				say := func(format string, args ...any) {
					mu.Lock()
					fmt.Printf(format, args...)
					mu.Unlock()
				}
				say("%s %d\n", name, at[0].Number)
				if i%5 != 4 {
					continue
				}
				say("~ %s\n", name) // from here on it may be gone
				if err := s.Cancel(context.Background(), pooltest.ID(name)); err != nil {
					fmt.Println("!", err)
					os.Exit(1)
				}
				say("- %s\n", name) // and from here on it is
			}
		})
	}
	wg.Wait()
	return true
}

// gone is the number of an article that was cancelled.
const gone pool.Number = 0

// killArticle makes an article whose octets and size follow from its name.
func killArticle(name string) *pool.Article {
	seed := uint64(0)
	for _, c := range []byte(name) {
		seed = seed*31 + uint64(c)
	}
	r := rand.New(rand.NewPCG(seed, 1))
	text := "From: a@example.org\r\nSubject: " + name + "\r\nMessage-ID: " + string(pooltest.ID(name)) + "\r\n\r\n"
	for range 1 + r.IntN(40) {
		text += strings.Repeat(string(rune('!'+r.IntN(90))), 1+r.IntN(70)) + "\r\n"
	}
	parsed, err := article.Parse([]byte(text))
	if err != nil {
		panic(err)
	}
	a, err := parsed.File([]pool.Group{"a"}, time.Unix(1e9, 0), seed%3)
	if err != nil {
		panic(err)
	}
	return a
}

func TestStore_killed(t *testing.T) {
	rounds := 30
	if testing.Short() {
		rounds = 5
	}
	dir := filepath.Join(t.TempDir(), "store")
	s := mustOpen(t, dir, small())
	if err := s.SetGroup(t.Context(), pool.GroupInfo{Name: "a", Posting: pool.PostingAllowed}); err != nil {
		t.Fatal(err)
	}
	mustClose(t, s)
	acked := make(map[string]pool.Number)
	for round := range rounds {
		killOnce(t, dir, round, acked)
		s := mustOpen(t, dir, small())
		checkAcked(t, s, acked)
		if h := s.Health(); h.Gaps != 0 {
			t.Errorf("round %d: %d gaps", round, h.Gaps)
		}
		if round%7 == 6 {
			abandon(t, s)
			removeAll(t, dir, indexDir)
			s = mustOpen(t, dir, small())
			checkAcked(t, s, acked)
		}
		mustClose(t, s)
	}
	t.Logf("%d articles acknowledged in %d rounds", len(acked), rounds)
}

// killOnce lets a child append, kills it after some acknowledgements, and notes
// these.
func killOnce(t *testing.T, dir string, round int, acked map[string]pool.Number) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), childEnv+"="+dir, fmt.Sprintf("%s_RUN=%d", childEnv, round))
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewReader(out)
	for left := rand.IntN(120); ; left-- {
		if left == 0 {
			_ = cmd.Process.Kill() // and read on: what it said before counts
		}
		line, err := lines.ReadString('\n')
		if err != nil {
			break // a line without its end was not said
		}
		if strings.HasPrefix(line, "! ") {
			t.Fatalf("the child failed: %s", line)
		}
		var name string
		var n pool.Number
		switch {
		case strings.HasPrefix(line, "~ "):
			delete(acked, strings.TrimSpace(line[2:]))
			continue
		case strings.HasPrefix(line, "- "):
			acked[strings.TrimSpace(line[2:])] = gone
			continue
		}
		if _, err := fmt.Sscanf(line, "%s %d", &name, &n); err == nil {
			acked[name] = n
		}
		if left < -100_000 {
			t.Fatal("the child lives on")
		}
	}
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
}

// checkAcked checks that each acknowledged article is there, octet for octet
// under its number, and that whatever else there is is whole.
func checkAcked(t *testing.T, s *Store, acked map[string]pool.Number) {
	t.Helper()
	for name, n := range acked {
		if n == gone {
			_, err := s.ByID(t.Context(), pooltest.ID(name))
			if seen, _ := s.Seen(t.Context(), pooltest.ID(name)); !errors.Is(err, pool.ErrNotFound) || !seen {
				t.Errorf("%s was cancelled: %v, seen %v", name, err, seen)
			}
			continue
		}
		got, err := s.ByID(t.Context(), pooltest.ID(name))
		if err != nil {
			t.Errorf("%s was acknowledged: %v", name, err)
			continue
		}
		want := article.Render(killArticle(name), pooltest.Server, []pool.Location{{Group: "a", Number: n}})
		if string(got.Wire) != string(want.Wire) || string(got.Overview) != string(want.Overview) || got.In("a") != n {
			t.Errorf("%s is not there as it was", name)
		}
	}
	var numbers []pool.Number
	err := s.Scan(t.Context(), "a", pool.All, func(n pool.Number, line []byte) bool {
		numbers = append(numbers, n)
		name, _, _ := strings.Cut(string(line), "\t")
		a, err := s.ByNumber(t.Context(), "a", n)
		if err != nil || a.ID != pooltest.ID(name) {
			t.Errorf("number %d: %v", n, err)
		}
		return true
	})
	if err != nil {
		t.Fatal(err)
	}
	info, err := s.Group(t.Context(), "a")
	if err != nil || info.Count != len(numbers) || len(numbers) > 0 && slices.Max(numbers) > info.High {
		t.Errorf("group %+v, %d numbers, %v", info, len(numbers), err)
	}
}
