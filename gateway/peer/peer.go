package peer

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/restante/restante/gateway/mirror"
	"github.com/restante/restante/gateway/nntp"
	"github.com/restante/restante/pool"
	"github.com/restante/restante/pool/article"
	"github.com/restante/restante/pool/entry"
)

// A Peer is another server that may feed. It is known by every mark that it
// has; one that has none is nobody.
type Peer struct {
	Name        string             // the operator's name for it
	Addresses   []netip.Prefix     // where it may come from
	Certificate *[sha256.Size]byte // SHA-256 of the TLS certificate that it shows
	User        string             // what it logs in as; "" for one that need not
	Password    string
	Groups      nntp.Wildmat // what it may feed
	Path        string       // its identity in Path
}

// Options are what a [Desk] is made of. Everything without a stated default
// must be set.
type Options struct {
	Domain string        // our identity in Path
	Peers  []Peer        // the first that a connection's marks fit is it
	Store  pool.Store    // begins appends, if it is a [pool.Beginner]
	Cutoff time.Duration // an article older than that is refused (RFC 5537, Section 3.3); 0 for none

	// Own is the groups that the gateway fills itself. An article that names
	// one of them, in any case, is refused whole.
	Own []pool.Group

	// Gateways says which articles of other gateways are taken. nil: none.
	Gateways *mirror.Policy

	// Certificate returns the SHA-256 of the certificate that conn's client
	// has shown and has the key of. nil stands for one that never knows.
	Certificate func(conn net.Conn) ([sha256.Size]byte, bool)
}

// A Desk takes what peers feed. Its methods may be called from many goroutines
// at the same time.
type Desk struct {
	opts   Options
	names  *article.Names // that checkFields looks for
	flight *flight
	drafts drafts
	early  *early
	peers  atomic.Pointer[[]Peer]

	ledgersMu sync.Mutex // guards ledgers
	ledgers   map[string]*ledger
}

// New returns a desk. It starts nothing.
func New(o Options) *Desk {
	names := fieldNames()
	d := &Desk{opts: o, names: article.NewNames(names[:]...), flight: newFlight(), early: newEarly(o.Cutoff), ledgers: make(map[string]*ledger)}
	d.SetPeers(o.Peers)
	return d
}

// SetPeers changes who may feed. Connections that are fed already go on.
func (d *Desk) SetPeers(peers []Peer) { d.peers.Store(&peers) }

// Feed returns the feed that conn's client may bring, or nil when it is no
// peer. The feed must be closed.
func (d *Desk) Feed(conn net.Conn) *Feed {
	return d.find(func(p *Peer) bool {
		return p.User == "" && (len(p.Addresses) > 0 || p.Certificate != nil) && d.fits(p, conn)
	})
}

// Login returns the feed that conn's client may bring, now that it has said who
// it is, or nil when it is no peer. The feed must be closed.
func (d *Desk) Login(conn net.Conn, user, password string) *Feed {
	said := sha256.Sum256([]byte(user + "\x00" + password))
	return d.find(func(p *Peer) bool {
		known := sha256.Sum256([]byte(p.User + "\x00" + p.Password))
		return p.User != "" && p.Password != "" && subtle.ConstantTimeCompare(said[:], known[:]) == 1 && d.fits(p, conn)
	})
}

func (d *Desk) find(is func(*Peer) bool) *Feed {
	peers := *d.peers.Load()
	for i := range peers {
		if p := &peers[i]; is(p) {
			return d.feed(p)
		}
	}
	return nil
}

// fits says whether a connection has all marks of a peer but for its login.
func (d *Desk) fits(p *Peer, conn net.Conn) bool {
	if p.Certificate != nil {
		if d.opts.Certificate == nil {
			return false
		}
		shown, ok := d.opts.Certificate(conn)
		if !ok || subtle.ConstantTimeCompare(shown[:], p.Certificate[:]) != 1 {
			return false
		}
	}
	return len(p.Addresses) == 0 || within(p.Addresses, conn.RemoteAddr())
}

func within(prefixes []netip.Prefix, address net.Addr) bool {
	tcp, ok := address.(*net.TCPAddr)
	if !ok {
		return false
	}
	ip := tcp.AddrPort().Addr().Unmap().WithZone("")
	return slices.ContainsFunc(prefixes, func(p netip.Prefix) bool { return p.Contains(ip) })
}

// Of returns a feed of what was fetched from a peer, which the caller names. It
// must be closed.
func (d *Desk) Of(p Peer) *Feed {
	f := d.feed(&p)
	f.fetched = true
	return f
}

// Back is Of for what was asked for by name: articles of our own that our disk has
// lost come back by it.
func (d *Desk) Back(p Peer) *Feed {
	f := d.Of(p)
	f.back = true
	return f
}

func (d *Desk) feed(p *Peer) *Feed {
	return &Feed{desk: d, peer: p, ledger: d.ledger(p.Name), asked: make(map[pool.MessageID]bool)}
}

// own says whether the gateway fills a group itself. Somebody who misspells its
// case is refused too.
func (d *Desk) own(g pool.Group) bool {
	return slices.ContainsFunc(d.opts.Own, func(o pool.Group) bool { return strings.EqualFold(string(o), string(g)) })
}

// ownID says whether a Message-ID is one that only the gateway itself gives: its
// domain is ours, in any case. What we gave we have had: nobody needs to bring it
// back. Were one taken from outside, the entry, manifest or directory that is to
// have it would be taken for a duplicate when its time comes, and never filed. But
// a contact card may be called by its own token, wherever it was posted.
func (d *Desk) ownID(id pool.MessageID) bool {
	domain := strings.TrimSuffix(string(id), ">")
	domain = domain[strings.LastIndexByte(domain, '@')+1:]
	return strings.EqualFold(domain, d.opts.Domain)
}

// A Feed is one peer's connection. Take, Refuse and Close are for one goroutine.
type Feed struct {
	desk   *Desk
	peer   *Peer
	ledger *ledger

	fetched bool // what comes by it was lacking when it was asked for
	back    bool // our own articles may come back by it

	mu    sync.Mutex // guards asked
	asked map[pool.MessageID]bool
}

// maxAsked bounds what a feed remembers of its offers. What is offered beyond
// counts as offered once more when it comes.
const maxAsked = 1 << 16

// Offer says whether an article is wanted: nil when it is. It is then expected
// from this feed for a while. Errors:
//
//   - [pool.ErrDuplicate]: it was seen before.
//   - a [*pool.Refusal]: it is never taken under that Message-ID.
//   - [ErrInFlight]: another feed is bringing it. Ask again later. A peer that
//     offers and does not deliver holds an article up so only once.
//   - those of [pool.Store.Seen].
func (f *Feed) Offer(ctx context.Context, id pool.MessageID) error {
	err := f.offer(ctx, id)
	f.mu.Lock()
	defer f.mu.Unlock()
	if err == nil && f.asked[id] {
		return nil // once more, before it came
	}
	if err == nil && len(f.asked) < maxAsked {
		f.asked[id] = true
		f.ledger.offer(nil)
	} else if err != nil {
		f.ledger.offer(err)
	}
	return err
}

func (f *Feed) offer(ctx context.Context, id pool.MessageID) error {
	if f.desk.ownID(id) && !entry.MayNameItself(id) {
		return refuse(OwnID)
	}
	seen, err := f.desk.opts.Store.Seen(ctx, id)
	switch {
	case err != nil:
		return err
	case seen:
		return pool.ErrDuplicate
	case !f.desk.flight.expect(id, f, time.Now()):
		return ErrInFlight
	}
	return nil
}

// Claim says that an article is about to be asked for here, without an offer. It
// returns false where another feed is bringing it.
func (f *Feed) Claim(id pool.MessageID) bool { return f.desk.flight.expect(id, f, time.Now()) }

// Release says that an article which was claimed is not there.
func (f *Feed) Release(id pool.MessageID) { f.desk.flight.abandon(id, f, false, time.Now()) }

// came notes that an article comes, which was asked for or, for the ledger, is
// offered just now. It says which.
func (f *Feed) came(id pool.MessageID) (asked bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.asked[id] {
		delete(f.asked, id)
		f.ledger.asked.Add(^uint64(0)) // one less
		return true
	}
	f.ledger.offered.Add(1)
	return f.fetched
}

// Close ends the feed: what it offered and did not send may come from others.
func (f *Feed) Close() {
	f.desk.flight.forget(f, time.Now())
	f.mu.Lock()
	defer f.mu.Unlock()
	f.ledger.lost.Add(uint64(len(f.asked)))
	f.ledger.asked.Add(-uint64(len(f.asked)))
	clear(f.asked)
}
