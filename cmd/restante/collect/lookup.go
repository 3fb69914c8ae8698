package collect

import (
	"context"
	"errors"

	"github.com/restante/restante/cmd/restante/mailbox"
	"github.com/restante/restante/crypto/blind"
	"github.com/restante/restante/crypto/identity"
	"github.com/restante/restante/crypto/note"
	"github.com/restante/restante/gateway/pickup"
)

// ahead is how many mailboxes that nobody was given yet are looked up besides.
const ahead = 4

// covered is how many mailboxes are looked up where so many were given away: as
// many as fill whole lines, so that their number shows in steps of nine.
func covered(boxes uint32) int {
	return (int(boxes) + ahead + pickup.Elements - 1) / pickup.Elements * pickup.Elements
}

// lookUp has mailboxes blinded for every epoch of the directory that entries are
// still kept of, and for those to come.
func (r *run) lookUp(ctx context.Context, g *Gateway) error {
	d := r.chains[g.Domain].Directory()
	oldest := calendar(d).OldestRetained(calendar(d).Epoch(r.Now()))
	want := covered(r.Mail.Boxes())
	have := r.Mail.Lookups(g.Domain)
	var lacking []note.EpochKey
	for _, k := range d.Blind {
		l, ok := have[k.Epoch]
		if k.Epoch >= oldest && (!ok || l.Key != k.Key || len(l.Blinded) < want) {
			lacking = append(lacking, k)
		}
	}
	if len(lacking) == 0 {
		return nil
	}
	conn, done, err := r.connect(ctx, g.Server)
	if err != nil {
		return err
	}
	defer done()
	client := pickup.Over(conn.R, conn.W)
	for _, k := range lacking {
		l := have[k.Epoch]
		if l.Key != k.Key {
			l = mailbox.Lookup{Gateway: g.Domain, Epoch: k.Epoch, Key: k.Key}
		}
		conn.Extend(0)
		if err := r.lookUpEpoch(client, &l, want); err != nil {
			var refused *pickup.Refused
			if errors.As(err, &refused) { // its epoch went since
				continue
			}
			if errors.Is(err, blind.ErrProof) || errors.Is(err, blind.ErrElement) || errors.Is(err, blind.ErrPublicKey) {
				return &Trouble{g.Domain, ErrProof, err}
			}
			return err
		}
	}
	return nil
}

// lookUpEpoch has what is lacking of an epoch blinded, and notes it.
func (r *run) lookUpEpoch(client *pickup.Client, l *mailbox.Lookup, want int) error {
	key, err := blind.NewClient(l.Key[:])
	if err != nil {
		return err
	}
	var ids []identity.ID
	for n := len(l.Blinded); n < want; n++ {
		ids = append(ids, r.box(uint32(n)).ID())
	}
	blinded, err := client.Blind(key, l.Epoch, ids)
	if err != nil {
		return err
	}
	l.Blinded = append([][]byte(nil), l.Blinded...)
	for _, b := range blinded {
		l.Blinded = append(l.Blinded, b.Bytes())
	}
	return r.Mail.Put(mailbox.Event{Lookup: l})
}
