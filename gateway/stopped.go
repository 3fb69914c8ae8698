package gateway

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/restante/restante/gateway/batch"
	"github.com/restante/restante/gateway/office"
	"github.com/restante/restante/gateway/peer"
	"github.com/restante/restante/pool"
	"github.com/restante/restante/pool/archive"
	"github.com/restante/restante/pool/disk"
)

// A Stopped is the store of a gateway that does not run, opened so that articles
// can be brought in or out. What is no article that any reader may see, the
// queue and the keys, it does not open.
type Stopped struct {
	store *disk.Store
	desk  *peer.Desk
	name  string
}

// ErrRuns is a gateway that runs while its store is wanted by someone else.
var ErrRuns = errors.New("the gateway runs, or another command works on its store: stop it first")

// ErrNoStore is a data folder without articles.
var ErrNoStore = errors.New("there is no store yet: serve or import makes one")

// OpenToExport opens the store of a gateway as it is.
func OpenToExport(s Settings) (*Stopped, error) {
	if _, err := os.Stat(filepath.Join(s.Data, "segments")); errors.Is(err, os.ErrNotExist) {
		return nil, ErrNoStore
	}
	return openStopped(s)
}

// OpenToCancel opens the store of a gateway, from which articles are to be
// withdrawn.
func OpenToCancel(s Settings) (*Stopped, error) { return OpenToExport(s) }

// Cancel withdraws an article by the operator's word: no key is asked for. See
// [pool.Store].
func (s *Stopped) Cancel(ctx context.Context, id pool.MessageID) error {
	return s.store.Cancel(ctx, id)
}

// OpenToImport opens the store of a gateway, makes it where there is none, and
// sets its newsgroups up as [Open] does.
func OpenToImport(ctx context.Context, s Settings) (*Stopped, error) {
	st, err := openStopped(s) //nolint:contextcheck // it waits for the lock a second at most
	if err != nil {
		return nil, err
	}
	if err := (&Gateway{store: st.store}).setGroups(ctx, s); err != nil {
		return nil, errors.Join(err, st.Close())
	}
	return st, nil
}

func openStopped(s Settings) (*Stopped, error) {
	store, err := disk.Open(s.Data, disk.Options{
		ServerName: s.Domain, Reserve: s.DiskReserve, IndexMemory: s.IndexMemory, LockWait: time.Second, Logger: s.Logger,
	})
	if errors.Is(err, disk.ErrInUse) {
		return nil, ErrRuns
	} else if err != nil {
		return nil, fmt.Errorf("open the store: %w", err)
	}
	desk := peer.New(peer.Options{Domain: s.Domain, Store: store, Own: ownGroups(s.PoolGroup)})
	return &Stopped{store: store, desk: desk, name: s.Domain}, nil
}

// ownGroups is the newsgroups that the gateway fills itself.
func ownGroups(poolGroup pool.Group) []pool.Group {
	return []pool.Group{poolGroup, batch.Manifest, keysGroup, office.Reply, office.Inbox, office.Sent}
}

// Groups returns the newsgroups of the store.
func (s *Stopped) Groups(ctx context.Context) ([]pool.GroupInfo, error) { return s.store.Groups(ctx) }

// Import files the articles of a source that lie in a wanted newsgroup. With
// ownNumbers it takes their numbers from the Xref header fields that this
// server wrote. See [archive.Importer.Run].
func (s *Stopped) Import(ctx context.Context, src archive.Source, wanted func(pool.Group) bool, ownNumbers bool) (archive.Counts, error) {
	i := archive.Importer{
		Store: s.store,
		Check: func(ctx context.Context, text []byte, in []pool.Group, arrived time.Time) (*pool.Article, error) {
			return s.desk.Admit(ctx, text, in, wanted, arrived)
		},
		Reason: peer.ReasonOf,
	}
	if ownNumbers {
		i.Xref = s.name
	}
	return i.Run(ctx, src)
}

// Raise brings the high water marks of newsgroups up to those of another server.
func (s *Stopped) Raise(ctx context.Context, groups []archive.Active) error {
	for _, g := range groups {
		if err := s.store.SetHigh(ctx, g.Name, g.High); err != nil {
			return fmt.Errorf("raise the water mark of %s: %w", g.Name, err)
		}
	}
	return nil
}

// Export writes the articles that lie in a wanted newsgroup. See
// [archive.Exporter.Run].
func (s *Stopped) Export(ctx context.Context, to archive.Sink, wanted func(pool.Group) bool, passed func(int)) (archive.Exported, error) {
	e := archive.Exporter{Store: s.store, Wanted: wanted, Passed: passed}
	return e.Run(ctx, to)
}

// Close closes the store.
func (s *Stopped) Close() error { return s.store.Close() }
