package feed

// Counts is what became of the articles that a peer was to have, since it was
// first configured. At every moment
//
//	Offered = Accepted + Refused + Rejected + Deferred + Lost
type Counts struct {
	Offered  uint64 `json:"offered"`  // articles that the peer was to have
	Accepted uint64 `json:"accepted"` // sent and taken: 239, 235
	Refused  uint64 `json:"refused"`  // not wanted, as it has them: 438, 435
	Rejected uint64 `json:"rejected"` // sent and not taken: 439, 437
	Deferred uint64 `json:"deferred"` // on their way, or put off by 431 or 436: to be offered again
	Lost     uint64 `json:"lost"`     // never sent: expired or damaged before
	Octets   uint64 `json:"octets"`   // of articles sent
}

// An outcome is how the offer of an article ended.
type outcome int

const (
	accepted outcome = iota
	refused
	rejected
	lost
	deferred // offered again later; the article is still open
	unsent   // not offered after all; the article is still open
	passed   // not for this peer
)

// settle moves an offered article to where it belongs.
func (c *Counts) settle(o outcome) {
	switch o {
	case accepted:
		c.Accepted++
	case refused:
		c.Refused++
	case rejected:
		c.Rejected++
	case lost:
		c.Lost++
	case passed:
		c.Offered--
	case deferred, unsent:
		return
	}
	c.Deferred--
}
