package gateway

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/restante/restante/gateway/batch"
	"github.com/restante/restante/gateway/keyring"
	"github.com/restante/restante/pool"
	"github.com/restante/restante/pool/disk"
)

// RotateSigner makes another signing key for a gateway that does not run. What the old
// one has signed of batches that may have left is still good.
func RotateSigner(s Settings, r *keyring.Ring, now time.Time) error {
	begun, err := batch.Begun(filepath.Join(s.Data, "queue"))
	if err != nil {
		return err
	}
	return r.RotateSigner(max(begun, s.Batches.Calendar.Batch(now)))
}

// Alone calls f while nobody else has the data folder, a running gateway
// included. It returns [disk.ErrInUse] when somebody has.
func Alone(s Settings, f func() error) error {
	return alone(s, func(pool.Store) error { return f() })
}

// WithKeys calls f with the keys of a gateway that does not run, after comparing
// them with the directory published last. It returns [disk.ErrInUse] when it does
// run.
func WithKeys(ctx context.Context, s Settings, f func(*keyring.Ring) error) error {
	return alone(s, func(store pool.Store) (err error) { //nolint:contextcheck // it waits for the lock ten seconds at most
		g := &Gateway{store: store, log: s.Logger}
		if g.keys, err = keyring.OpenLocked(KeyDir(s.Data), s.Domain, s.KeyPolicy(), s.KeyLock); err != nil {
			return fmt.Errorf("open the keys: %w", err)
		}
		if err := g.adopt(ctx); err != nil {
			return err
		}
		return f(g.keys)
	})
}

// alone calls f with the store, which has the lock on the data folder.
func alone(s Settings, f func(pool.Store) error) (err error) {
	store, err := disk.Open(s.Data, disk.Options{ServerName: s.Domain, Reserve: s.DiskReserve, IndexMemory: s.IndexMemory, Logger: s.Logger})
	if err != nil {
		return fmt.Errorf("open the store: %w", err)
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	return f(store)
}
