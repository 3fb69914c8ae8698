package gateway

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/restante/restante/crypto/note"
	"github.com/restante/restante/gateway/keyring"
	"github.com/restante/restante/pool"
)

// A gateway that finds its clock weeks ahead serves on, changes nothing, and
// goes on once the clock is right.
func TestRound_clockAheadHoldsEverything(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		var log bytes.Buffer
		s := newSettings(t)
		s.Logger = zerolog.New(&log)
		g := opened(t, s)
		if err := g.round(t.Context(), time.Now()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Minute)
		s.Keep = map[pool.Group]Keep{"misc.test": {Age: time.Hour}}
		g.setKeep(s)
		file(t, g, "fresh", "misc.test")
		before, directory := g.queue.Released(), g.keys.Directory()
		ahead := time.Now().Add(30*time.Minute + s.Batches.Calendar.EpochLength)
		for range 3 {
			if err := g.round(t.Context(), ahead); !errors.Is(err, keyring.ErrClock) || !g.Held() {
				t.Fatalf("a round three epochs ahead: %v, held %v", err, g.Held())
			}
		}
		if err := g.expire(t.Context(), ahead); err != nil || count(t, g, "misc.test") != 1 {
			t.Errorf("what is minutes old has expired: %v", err)
		}
		if g.queue.Released() != before || g.keys.Directory().ID != directory.ID {
			t.Error("something changed")
		}
		if n := strings.Count(log.String(), "jumped ahead: no key"); n != 1 {
			t.Errorf("said %d times:\n%s", n, log.String())
		}
		if err := g.round(t.Context(), time.Now()); err != nil || g.Held() || g.queue.Released() != before+2 {
			t.Errorf("the clock is right again: %v, held %v, released %d", err, g.Held(), g.queue.Released()-before)
		}
	})
}

// The same at a start after a long time off: it is no fault that ends the
// program, since the clock may come right by itself, and an operator can say
// that it is right.
func TestOpen_afterALongTimeOffWaitsForTheOperator(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := newSettings(t)
		g := opened(t, s)
		if err := errors.Join(g.round(t.Context(), time.Now()), g.Close()); err != nil {
			t.Fatal(err)
		}
		oldest, _ := g.keys.Retained()
		time.Sleep(5 * s.Batches.Calendar.EpochLength)
		g = opened(t, s)
		if still, _ := g.keys.Retained(); !g.Held() || still != oldest {
			t.Errorf("held %v, and the oldest epoch went from %d to %d", g.Held(), oldest, still)
		}
		f := front{g.noteFault, g.keys, &g.lost, nil}
		if _, err := f.Submit(t.Context(), nil, nil); !errors.Is(err, pool.ErrReadOnly) {
			t.Errorf("a deposit is answered %v", err)
		}
		if err := g.Close(); err != nil {
			t.Fatal(err)
		}
		ring, err := keyring.Open(KeyDir(s.Data), s.Domain, s.KeyPolicy())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := ring.Accept(time.Now()); err != nil {
			t.Fatal(err)
		}
		g = opened(t, s)
		if err := g.round(t.Context(), time.Now()); err != nil || g.Held() {
			t.Errorf("accepted: %v, held %v", err, g.Held())
		}
	})
}

// A clock that goes back leads to no tag of an epoch that has passed, be it
// before or after a restart.
func TestRound_clockBackBooksNothingInAPassedEpoch(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := newSettings(t)
		g := opened(t, s)
		at := time.Now().Add(s.Batches.Calendar.EpochLength)
		if err := g.advance(at); err != nil {
			t.Fatal(err)
		}
		want := s.Batches.Calendar.Epoch(at)
		for range 2 {
			b := g.queue.Begin()
			when, err := b.Post(1)
			if got := s.Batches.Calendar.Epoch(when); err != nil || got != want {
				t.Errorf("a post is booked for epoch %d, and %d has begun: %v", got, want, err)
			}
			b.Drop()
			if epoch, _ := g.keys.Mint(); epoch != want {
				t.Errorf("tokens of epoch %d are made, and %d has begun", epoch, want)
			}
			if err := g.Close(); err != nil {
				t.Fatal(err)
			}
			g = opened(t, s) // an hour in the past
		}
	})
}

// An old copy of the keys, put back: the directory goes on where it was.
func TestOpen_olderKeysGoOnFromWhatWasPublished(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		var log bytes.Buffer
		s := newSettings(t)
		s.Logger = zerolog.New(&log)
		g := opened(t, s)
		copied := t.TempDir()
		if err := os.CopyFS(copied, os.DirFS(KeyDir(s.Data))); err != nil {
			t.Fatal(err)
		}
		chain, err := note.StartChain(g.keys.Directory().Signed, g.keys.Signer().Verifier())
		if err != nil {
			t.Fatal(err)
		}
		for range 3 {
			if err := g.round(t.Context(), time.Now()); err != nil {
				t.Fatal(err)
			}
			if _, err := chain.Extend(g.keys.Directory().Signed); err != nil {
				t.Fatal(err)
			}
			time.Sleep(s.Batches.Calendar.EpochLength)
		}
		if err := g.Close(); err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(os.RemoveAll(KeyDir(s.Data)), os.MkdirAll(KeyDir(s.Data), 0o700), os.CopyFS(KeyDir(s.Data), os.DirFS(copied))); err != nil {
			t.Fatal(err)
		}
		g = opened(t, s)
		if _, err := chain.Extend(g.keys.Directory().Signed); err != nil || g.Held() {
			t.Errorf("with the old keys the chain breaks: %v, held %v", err, g.Held())
		}
		if !strings.Contains(log.String(), "older copy") {
			t.Error("nobody is told")
		}
		if oldest, newest := g.keys.Retained(); newest-oldest != s.Batches.Calendar.Retention {
			t.Errorf("epochs %d to %d are retained", oldest, newest)
		}
	})
}

func TestOpen_otherKeysThanThoseThatPublished(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := newSettings(t)
		g := opened(t, s)
		if err := errors.Join(g.round(t.Context(), time.Now()), g.Close()); err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(os.Rename(KeyDir(s.Data), filepath.Join(t.TempDir(), "gone")), keyring.Create(KeyDir(s.Data))); err != nil {
			t.Fatal(err)
		}
		if _, err := Open(t.Context(), s); !errors.Is(err, keyring.ErrForeign) {
			t.Errorf("got %v, want ErrForeign", err)
		}
	})
}
