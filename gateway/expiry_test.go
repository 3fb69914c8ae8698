package gateway

import (
	"context"
	"testing"
	"time"

	"github.com/restante/restante/pool"
	"github.com/restante/restante/pool/pooltest"
)

// post files an article in a group, as a peer's feed does.
func file(t *testing.T, g *Gateway, name string, group pool.Group) {
	t.Helper()
	a := pooltest.Article(t, name, group)
	a.Arrived = time.Now()
	if _, err := g.store.Append(t.Context(), a); err != nil {
		t.Fatal(err)
	}
}

func TestExpiry_publicGroupsAndReload(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := newSettings(t)
		s.Groups = append(s.Groups, pool.GroupInfo{Name: "misc.kept", Posting: pool.PostingAllowed})
		s.Keep = map[pool.Group]Keep{"misc.test": {Age: time.Hour}, keysGroup: {Articles: 1}}
		g := opened(t, s)
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan error, 2)
		go func() { done <- g.expiry(ctx) }()
		go func() { done <- g.rounds(ctx) }()
		for _, name := range []string{"1", "2", "3"} {
			file(t, g, name, "misc.test")
			file(t, g, "kept-"+name, "misc.kept")
			time.Sleep(25 * time.Minute)
		}
		if got := count(t, g, "misc.test"); got != 2 {
			t.Errorf("%d articles after 75 minutes, want those of the last hour", got)
		}
		if got := count(t, g, keysGroup); got < 8 {
			t.Errorf("%d directories: they never expire", got)
		}
		s.Keep = map[pool.Group]Keep{"misc.kept": {Articles: 1}}
		if err := g.Reload(ctx, s); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		if got := count(t, g, "misc.kept"); got != 1 {
			t.Errorf("%d articles after a reload, want 1", got)
		}
		time.Sleep(2 * time.Hour)
		if got := count(t, g, "misc.test"); got != 2 {
			t.Errorf("%d articles in a group without bounds, want 2", got)
		}
		stop()
		for range 2 {
			if err := <-done; err != nil {
				t.Error(err)
			}
		}
	})
}
