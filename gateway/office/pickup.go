package office

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/restante/restante/crypto/blind"
	"github.com/restante/restante/crypto/identity"
	"github.com/restante/restante/gateway/batch"
	"github.com/restante/restante/pool"
)

// What a pickup without a login fails with, beside [blind.ErrElement] and
// [ErrBusy].
var (
	ErrEpoch  = errors.New("no blinding key of that epoch is to be had")
	ErrSealed = errors.New("no id sealed to this gateway's current key")
)

// Evaluate blinds elements that a client has blinded itself, so that the office
// never learns which IDs they stand for, and proves it
// (docs/protocol.md, section 10). It returns [ErrEpoch] for an epoch whose key
// is not in the directory, [blind.ErrElement] when one of the elements can't be
// used, and [ErrBusy] when its turn does not come in time.
func (o *Office) Evaluate(ctx context.Context, epoch uint64, elements [][]byte) (evaluated [][]byte, proof []byte, err error) {
	oldest, newest := o.Keys.Retained()
	if epoch < oldest || epoch > newest+o.Calendar.TokenLife {
		return nil, nil, ErrEpoch
	}
	key, err := o.Keys.Blind(epoch)
	if err != nil {
		return nil, nil, fmt.Errorf("%w: %w", ErrEpoch, err)
	}
	done, err := o.turn(ctx, o.pickups)
	if err != nil {
		return nil, nil, err
	}
	defer done()
	return key.EvaluateBlinded(elements)
}

// Find calls yield with the number in the pool's group and the message-id of
// each entry of the mailbox whose ID is sealed, by ascending number. It returns
// [ErrSealed] when nothing opens, and [ErrBusy] when its turn does not come in
// time. A mailbox that never was has no entries.
func (o *Office) Find(ctx context.Context, sealed []byte, yield func(pool.Number, pool.MessageID)) error {
	done, err := o.turn(ctx, o.pickups) // before any key is used
	if err != nil {
		return err
	}
	defer done()
	id, err := o.unseal(sealed)
	if err != nil {
		return err
	}
	type found struct {
		number pool.Number
		id     pool.MessageID
	}
	var all []found
	_, err = o.walk(ctx, o.blinder(id), 0, func(p part) error {
		stored, err := o.Store.ByID(ctx, p.id)
		if err != nil {
			return skipMissing(err)
		}
		all = append(all, found{stored.In(o.Group), p.id})
		return nil
	})
	if err != nil {
		return err
	}
	slices.SortFunc(all, func(a, b found) int { return cmp.Compare(a.number, b.number) })
	for _, f := range all {
		yield(f.number, f.id)
	}
	return nil
}

// unseal opens a sealed ID with the current seal key, the one before or the
// next: a client's directory may be as old as the last change of epoch.
func (o *Office) unseal(sealed []byte) (identity.ID, error) {
	current, _ := o.Keys.Mint()
	for _, epoch := range []uint64{current, current - min(current, 1), current + 1} {
		key, err := o.Keys.Seal(epoch)
		if err != nil {
			continue // the gateway slept through that epoch
		}
		if id, err := key.OpenID(sealed); err == nil {
			return id, nil
		}
	}
	return identity.ID{}, ErrSealed
}

// walk visits what would be the entry of every slot of every batch from first
// on, as far as batches are retained and released. Its cost follows from the
// time covered, not from the pool's size or from what is found. It returns the
// last batch that it is through with.
func (o *Office) walk(ctx context.Context, mailbox batch.Blinder, first uint64, visit func(part) error) (through uint64, err error) {
	oldest, _ := o.Keys.Retained()
	last := o.Queue.Released()
	var tagger *blind.Tagger
	var epoch uint64
	for b := max(first, o.Calendar.FirstBatch(oldest)); b <= last; b++ {
		if err := ctx.Err(); err != nil {
			return through, err
		}
		if e := o.Calendar.EpochOf(b); tagger == nil || e != epoch {
			id, err := mailbox(e)
			if err != nil {
				return through, err
			}
			epoch, tagger = e, id.Tagger()
		}
		for s := range o.Slots {
			name := pool.MessageID(tagger.Tag(b, uint16(s)).MessageID(o.Domain))
			if err := visit(part{name, epoch}); err != nil {
				return through, err
			}
		}
		through = b
	}
	return through, nil
}
