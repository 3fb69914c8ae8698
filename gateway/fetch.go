package gateway

import (
	"context"
	"time"

	"github.com/restante/restante/gateway/office"
	"github.com/restante/restante/gateway/peer"
	"github.com/restante/restante/gateway/pull"
	"github.com/restante/restante/pool"
)

// Pull fetches what is new on another server, as a running gateway does for a
// peer with a table of reading. progress is told how many articles were looked at,
// and of how many. A run that is broken off goes on where it was.
func (s *Stopped) Pull(ctx context.Context, settings Settings, r Reading, progress func(done, all int)) (pull.Counts, error) {
	policy, err := settings.Policy()
	if err != nil {
		return pull.Counts{}, err
	}
	cutoff := time.Duration(0) // everything is wanted
	if r.Since > 0 {
		cutoff = max(settings.Cutoff, r.Since)
	}
	desk := peer.New(peer.Options{
		Domain: settings.Domain, Store: s.store, Cutoff: cutoff, Gateways: policy,
		Own: []pool.Group{office.Reply, office.Inbox, office.Sent},
	})
	feed := desk.Of(r.Peer)
	defer feed.Close()
	p := &pull.Puller{
		Server: r.Server, Groups: r.Pull, NewNews: r.NewNews, Most: settings.MaxArticle,
		Store: s.store, Taker: taker{feed}, State: pullState(settings.Data, r.Peer.Name), Progress: progress,
	}
	if r.Since > 0 {
		p.Since = time.Now().Add(-r.Since)
	}
	return p.Run(ctx)
}

// taker is the feed of what is fetched as a puller sees it.
type taker struct{ *peer.Feed }

// Take implements [pull.Taker].
func (t taker) Take(ctx context.Context, id pool.MessageID, text []byte) func() error {
	return t.Feed.Take(ctx, id, text).Wait
}
