package peer

import (
	"errors"
	"sync/atomic"

	"github.com/restante/restante/pool"
)

// A ledger counts what became of the articles that one peer brought. It may be
// read while it counts.
type ledger struct {
	offered, refused, accepted, deferred, lost atomic.Uint64

	asked    atomic.Uint64 // asked for, and not come yet
	rejected [reasons]atomic.Uint64
}

// Counts is what became of the articles that peers brought, since the start. At
// every moment at which nothing is on its way
//
//	Offered = Refused + Accepted + all of Rejected + Deferred + Lost
type Counts struct {
	Offered  uint64            `json:"offered"`  // by CHECK, IHAVE, or TAKETHIS without one of these
	Refused  uint64            `json:"refused"`  // at the offer: seen before, or never taken
	Accepted uint64            `json:"accepted"` // filed
	Deferred uint64            `json:"deferred"` // put off for later, or asked for and not come yet
	Lost     uint64            `json:"lost"`     // asked for, and not sent before the connection ended
	Rejected map[string]uint64 `json:"rejected"` // sent and not taken, by [Reason]
}

func (l *ledger) counts() Counts {
	c := Counts{
		Offered: l.offered.Load(), Refused: l.refused.Load(), Accepted: l.accepted.Load(),
		Deferred: l.deferred.Load() + l.asked.Load(), Lost: l.lost.Load(),
		Rejected: make(map[string]uint64, reasons),
	}
	for r := range reasons {
		c.Rejected[r.String()] = l.rejected[r].Load()
	}
	return c
}

// add adds up the counts of several peers.
func (c *Counts) add(d Counts) {
	c.Offered += d.Offered
	c.Refused += d.Refused
	c.Accepted += d.Accepted
	c.Deferred += d.Deferred
	c.Lost += d.Lost
	for reason, n := range d.Rejected {
		c.Rejected[reason] += n
	}
}

// RejectedInAll is the sum of Rejected.
func (c Counts) RejectedInAll() (sum uint64) {
	for _, n := range c.Rejected {
		sum += n
	}
	return sum
}

// offer counts an offer, and what was answered to it.
func (l *ledger) offer(err error) {
	l.offered.Add(1)
	var refusal *pool.Refusal
	switch {
	case err == nil:
		l.asked.Add(1)
	case errors.Is(err, pool.ErrDuplicate), errors.As(err, &refusal):
		l.refused.Add(1)
	default:
		l.deferred.Add(1)
	}
}

// count counts what became of an article that was sent.
func (l *ledger) count(err error) {
	if err == nil {
		l.accepted.Add(1)
	} else if r, final := reasonOf(err); final {
		l.rejected[r].Add(1)
	} else {
		l.deferred.Add(1)
	}
}

// Counts returns the counts of all peers together.
func (d *Desk) Counts() Counts {
	sum := Counts{Rejected: make(map[string]uint64, reasons)}
	d.ledgersMu.Lock()
	defer d.ledgersMu.Unlock()
	for _, l := range d.ledgers {
		sum.add(l.counts())
	}
	return sum
}

// CountsOf returns the counts of the peer of that name.
func (d *Desk) CountsOf(name string) Counts { return d.ledger(name).counts() }

func (d *Desk) ledger(name string) *ledger {
	d.ledgersMu.Lock()
	defer d.ledgersMu.Unlock()
	l := d.ledgers[name]
	if l == nil {
		l = new(ledger)
		d.ledgers[name] = l
	}
	return l
}
