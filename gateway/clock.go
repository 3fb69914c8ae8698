package gateway

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/restante/restante/crypto/note"
	"github.com/restante/restante/gateway/keyring"
	"github.com/restante/restante/pool"
	"github.com/restante/restante/pool/entry"
)

// advance brings the keys up to the clock. One that has jumped ahead is said in
// the log, once until it is right again, and keeps everything as it is.
func (g *Gateway) advance(now time.Time) error {
	_, err := g.keys.Advance(now)
	held := errors.Is(err, keyring.ErrClock)
	if was := g.held.Swap(held); held && !was {
		g.log.Error().Err(err).Msg("the clock has jumped ahead: no key is destroyed, no batch released and no deposit taken until it is right")
	} else if was && !held {
		g.log.Info().Msg("the clock is right again")
	}
	if err != nil {
		return fmt.Errorf("advance the keys: %w", err)
	}
	g.floor()
	return nil
}

// floor keeps the queue from batches of epochs that the keys have left behind.
func (g *Gateway) floor() {
	_, newest := g.keys.Retained()
	g.queue.NotBefore(g.calendar.FirstBatch(newest))
}

// Held says whether the clock has jumped ahead, so that no key is destroyed, no
// batch released and no deposit taken.
func (g *Gateway) Held() bool { return g.held.Load() }

// cosigned takes a witness's signature on the current directory, which XKEYS
// answers from then on.
func (g *Gateway) cosigned(signed []byte, witness *note.Verifier) {
	if _, err := g.keys.Cosign(signed, g.mirror.policy.Book.Wants, witness); err != nil && !errors.Is(err, keyring.ErrOther) {
		g.log.Error().Err(err).Msg("a witness's signature on the directory can't be kept")
	}
}

// adopt has the keys go on from the directory that was published last, should
// they be an older copy.
func (g *Gateway) adopt(ctx context.Context) error {
	signed, err := g.published(ctx)
	if err != nil || signed == nil {
		return err
	}
	older, err := g.keys.Adopt(signed)
	if err != nil {
		return fmt.Errorf("compare the keys with what was published: %w", err)
	}
	if older {
		g.log.Warn().Msg("the keys are an older copy: the directory goes on from the one published last, and tokens made since that copy may be dead")
	}
	return nil
}

// published returns the newest directory of this gateway's own in the store that
// can be read, or nil. Others' are beside it, under Message-IDs of theirs.
func (g *Gateway) published(ctx context.Context) ([]byte, error) {
	type directory struct {
		number pool.Number
		serial uint64
	}
	var all []directory
	err := g.store.Scan(ctx, keysGroup, pool.All, func(n pool.Number, overview []byte) bool {
		fields := strings.Split(string(overview), "\t")
		if len(fields) > 3 {
			if serial, ok := entry.ParseDirectoryID(pool.MessageID(fields[3]), g.domain); ok {
				all = append(all, directory{n, serial})
			}
		}
		return true
	})
	if errors.Is(err, pool.ErrNoGroup) {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	slices.SortFunc(all, func(a, b directory) int { return cmp.Compare(b.serial, a.serial) }) // they may have come back in any order
	for _, d := range all {
		stored, err := g.store.ByNumber(ctx, keysGroup, d.number)
		if err == nil {
			return entry.Signed(stored), nil
		}
		if !errors.Is(err, pool.ErrCorrupt) && !errors.Is(err, pool.ErrNotFound) {
			return nil, err
		}
	}
	return nil, nil
}
