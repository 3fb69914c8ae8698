package collect

import (
	"context"
	"fmt"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/restante/restante/cmd/restante/mailbox"
	"github.com/restante/restante/crypto/identity"
	"github.com/restante/restante/gateway/remote"
	"github.com/restante/restante/gateway/session/sessiontest"
	"github.com/restante/restante/pool"
	"github.com/restante/restante/pool/article"
	"github.com/restante/restante/pool/memory"
)

// A shelf is a store that a news server serves.
type shelf struct {
	*memory.Store
	t *testing.T
}

func newShelf(t *testing.T) *shelf {
	t.Helper()
	s := &shelf{Store: memory.New("far.example"), t: t}
	for _, g := range []pool.Group{"restante.pool", manifestGroup} {
		if err := s.SetGroup(t.Context(), pool.GroupInfo{Name: g, Posting: pool.PostingDenied}); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

// file files articles that are nobody's, named so that mark goes into it.
func (s *shelf) file(mark string, entries, manifests int) {
	s.t.Helper()
	for group, many := range map[pool.Group]int{"restante.pool": entries, manifestGroup: manifests} {
		for i := range many {
			text := fmt.Sprintf("Path: x\r\nFrom: a@x\r\nNewsgroups: %s\r\nSubject: x\r\nDate: %s\r\nMessage-ID: <%d.%s@%s>\r\n\r\nx\r\n", group, article.Date(time.Now()), i, mark, group)
			a, err := article.Parse([]byte(text))
			if err != nil {
				s.t.Fatal(err)
			}
			filed, err := a.File([]pool.Group{group}, time.Now(), 0)
			if err == nil {
				_, err = s.Append(s.t.Context(), filed)
			}
			if err != nil {
				s.t.Fatal(err)
			}
		}
	}
}

// A line leads to whatever shelf there is at the time.
type line struct{ shelf *shelf }

// DialContext implements [remote.Dialer].
func (l *line) DialContext(ctx context.Context, _, _ string) (net.Conn, error) {
	near, far := net.Pipe()
	srv := sessiontest.New(l.shelf)
	var serving sync.WaitGroup
	serving.Go(func() { _ = srv.Serve(context.WithoutCancel(ctx), far) })
	l.shelf.t.Cleanup(func() {
		_ = near.Close()
		serving.Wait()
	})
	return near, nil
}

// A server that has lost its disk numbers what it has anew, and has long as many
// articles again when the user asks: all of them are taken, once, of both groups.
func TestTake_aServerWhoseNumbersBeginAnew(t *testing.T) {
	for _, matching := range []bool{false, true} {
		mail, err := mailbox.Open(t.TempDir(), identity.NewSeed())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = mail.Close() })
		to, looked := &line{newShelf(t)}, 0
		r := &run{
			Options: Options{
				Mail: mail, Group: "restante.pool", Matching: matching, Now: time.Now,
				Purpose: func() remote.Dialer { return to },
				Progress: func(done, all int) {
					if done == all {
						looked += all
					}
				},
			},
			match: make(map[string]*matcher),
		}
		lists := func(what string, want int) {
			t.Helper()
			looked = 0
			if err := r.take(t.Context(), remote.Server{Address: "far.example"}); err != nil {
				t.Fatal(err)
			}
			if looked != want {
				t.Errorf("matching %v, %s: %d articles were looked at, want %d", matching, what, looked, want)
			}
		}
		to.shelf.file("one", 40, 10)
		lists("at first", 50)
		lists("nothing new", 0)
		if err := to.shelf.Cancel(t.Context(), "<39.one@restante.pool>"); err != nil { // the last of the pool
			t.Fatal(err)
		}
		lists("one is gone", 0)
		to.shelf.file("two", 4, 1)
		lists("some new", 5)
		to.shelf = newShelf(t)
		to.shelf.file("three", 32, 8)
		lists("numbers begin anew, and are fewer", 40)
		to.shelf = newShelf(t)
		to.shelf.file("four", 56, 14)
		lists("and once more, and are more", 70)
		lists("nothing new again", 0)
		to.shelf = newShelf(t)
		to.shelf.file("four", 56, 0)
		to.shelf.file("five", 0, 14)
		lists("and in one group alone", 70)
	}
}
